//! Agents of this host that a run starts itself, with a NATS server of their own: several processes by one command.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::AtomicBool,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::name::Name;
use crate::{
    base::{
        bus::{
            self,
            server::{Server, private},
        },
        clock::{Clock, nanoseconds},
        error::{Error, Result},
    },
    token::key::material::random_id,
};

/// How long agents may take to end by themselves.
const ENDING: Duration = Duration::from_secs(12);
/// Lines of an agent's log that an error shows.
const LAST_LINES: usize = 5;

/// The server and the agents; they end when this is dropped.
#[derive(Debug)]
pub struct Local {
    agents: Vec<Child>,
    folder: TempDir,
    /// Where to join them.
    pub settings: bus::Settings,
    /// Ends after the agents.
    server: Server,
}

impl Local {
    /// Starts a server and so many agents, which look for files in this folder.
    ///
    /// # Errors
    /// When one can't be started.
    pub fn start(count: usize, group: &Name, files: &Path, stop: &AtomicBool) -> Result<Self> {
        let failed = |what: &str, error: &std::io::Error| {
            Error::not_measured(format!("can't start {what}: {error}"))
        };
        let folder = tempfile::Builder::new()
            .prefix("tokenstorm-fleet-")
            // Whatever the umask: the token is in it.
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| failed("agents", &error))?;
        let server = Server::start(folder.path(), random_id()?, stop)?;
        let url = format!("nats://{}", server.address);
        let program = env::current_exe().map_err(|error| failed("agents", &error))?;
        let settings = bus::Settings {
            url: url.clone(),
            token: Some(server.token.clone()),
            ..bus::Settings::default()
        };
        let mut local = Self { agents: Vec::with_capacity(count), folder, settings, server };
        for index in 0..count {
            let log = private(&local.log(index)).map_err(|error| failed("an agent", &error))?;
            let agent = Command::new(&program)
                .args(["agent", "--once", "--guarded", "--nats", &url, "--group", group.as_str()])
                .args(["--index", &index.to_string()])
                .arg("--authorized")
                .arg("--files")
                .arg(files)
                .env(Server::variable(), &local.server.token)
                // Those of another server, which this one would not know.
                .env_remove("TOKENSTORM_NATS_CREDS")
                .env_remove("TOKENSTORM_NATS_USER")
                // It ends when this closes, which no way to die can prevent.
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(log)
                // Ctrl-C is for the coordinator, which tells them when to end.
                .process_group(0)
                .spawn()
                .map_err(|error| failed("an agent", &error))?;
            local.agents.push(agent);
        }
        Ok(local)
    }

    fn log(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("agent-{index}.log"))
    }

    /// Whether all are there.
    ///
    /// # Errors
    /// When one has ended: with what it said last.
    pub fn check(&mut self) -> Result<()> {
        for index in 0..self.agents.len() {
            if let Ok(Some(status)) = self.agents[index].try_wait() {
                let text = fs::read_to_string(self.log(index)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
                return Err(Error::not_measured(format!(
                    "agent {index} of this host has ended ({status}):\n  {last}"
                )));
            }
        }
        Ok(())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let clock = Clock::start();
        let end = clock.now() + nanoseconds(ENDING);
        for agent in &self.agents {
            // One that has no run has nobody to tell it that all is over.
            let _ = kill_process(Pid::from_child(agent), Signal::TERM);
        }
        for agent in &mut self.agents {
            while matches!(agent.try_wait(), Ok(None)) && clock.now() < end {
                thread::sleep(Duration::from_millis(10));
            }
            // One that is frozen, or does not hear.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}
