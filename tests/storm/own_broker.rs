//! A broker of this program on its own, ended when dropped.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use crate::run::program;

pub(crate) struct OwnBroker {
    process: Child,
    pub(crate) url: String,
}

impl OwnBroker {
    /// Starts one with the keys and the policy of a scenario; `mutant` is what is broken about it.
    pub(crate) fn start(scenario: &Path, mutant: &str) -> Self {
        let mut command = program();
        command.arg("broker").arg(scenario);
        command.args(["--target", "embedded", "--listen", "127.0.0.1:0", "--mutant", mutant]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("mqtt://{}", line.trim().strip_prefix("ready ").unwrap());
        Self { process, url }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
