//! Brokers of `scripts/broker`, and a storm that they are asked to stand.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::run::{Ended, Storm, rows, scenario};

/// What a broker that runs is reached by, and its files.
pub(crate) struct Broker(BTreeMap<String, String>);

impl Broker {
    /// Starts it, where it does not run already.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// Starts it with these variables in its environment.
    pub(crate) fn start_with(name: &str, variables: &[(&str, &str)]) -> Self {
        let output = script(&["start", name]).envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let line = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        Self(said.lines().map(line).collect())
    }

    /// A URL or file of it.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }
}

/// Ends a broker in an orderly way (`stop`), or not at all so (`kill`).
pub(crate) fn end(how: &str, name: &str) {
    assert!(script(&[how, name]).status().unwrap().success(), "{how} {name}");
}

/// Ends a broker when a test ends, however it does: one with other settings than most tests want.
pub(crate) struct Stopped(pub(crate) &'static str);

impl Drop for Stopped {
    fn drop(&mut self) {
        // A test that fails has said why already.
        let _ = script(&["stop", self.0]).status();
    }
}

fn script(arguments: &[&str]) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/broker");
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Runs a shell script in namespaces of its own (`--net`, `--mount`), as their root; `$0` and on are `arguments`.
pub(crate) fn apart(namespaces: &str, script: &str, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new("unshare");
    command.arg(namespaces);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-ec", script]).args(arguments);
    command
}

/// Clients without credentials, for a broker that lets all in.
pub(crate) const ANONYMOUS: &str =
    "[policy]\nanonymous = \"accept\"\n[[mix]]\ntoken = \"no_credentials\"\nshare = 1\n";

/// A storm of clients without credentials; `keys` belong under `[target]`.
pub(crate) fn anonymous(target: &str, load: &str, keys: &str) -> Storm {
    Storm::new(&scenario(target, load, &format!("{keys}\n---\n{ANONYMOUS}")))
}

/// Checks that all attempts came to this one outcome and code.
pub(crate) fn expect_all(run: &Ended, outcome: &str) {
    let rows = run.verdicts();
    let is_it = |row: &String| row.contains(&format!(" {outcome} "));
    assert!(!rows.is_empty() && rows.keys().all(is_it), "{outcome}: {rows:?}\n{}", run.stderr);
}

/// Rows of the timeline so far: one a second of the storm.
pub(crate) fn timeline(storm: &Storm) -> Vec<BTreeMap<String, String>> {
    let path = storm.out().join("timeline.csv");
    if path.exists() { rows(&path) } else { Vec::new() }
}

/// Waits until a storm that runs has a timeline of which this is true.
pub(crate) fn wait_until(
    storm: &Storm,
    child: &mut Child,
    what: &str,
    is_so: impl Fn(&[BTreeMap<String, String>]) -> bool,
) {
    let start = Instant::now();
    while !is_so(&timeline(storm)) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before {what}");
        assert!(start.elapsed() < Duration::from_mins(1), "{what} never came");
        thread::sleep(Duration::from_millis(20));
    }
}
