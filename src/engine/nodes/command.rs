//! Commands of a scenario's events: run by `sh`, within a time, and nothing of them is left but what is a daemon.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use procfs::process;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid,
};

use crate::{
    base::{
        clock::{Clock, SHORT_GLANCE, nanoseconds},
        host::dumps,
        launch::{may_tell, without_tokens},
    },
    scenario::Scenario,
};

/// How long a command may take: a node of a cluster takes a minute to join it, and no one looks at a run that hangs.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long one may still take when the run is over.
const AFTER: Duration = Duration::from_secs(10);
/// How long what is left at the end may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of what a command said that are looked at.
const LAST_BYTES: u64 = 2000;

/// What commands do not get: how to connect to the bus.
const OF_BUS: [&str; 4] = [
    "TOKENSTORM_NATS_USER",
    "TOKENSTORM_NATS_PASSWORD",
    "TOKENSTORM_NATS_TOKEN",
    "TOKENSTORM_NATS_CREDS",
];

/// Names of environment variables that hold secrets of a run, which are nothing to its commands.
pub(super) fn secret_variables(scenario: &Scenario) -> Vec<String> {
    let keys = scenario.keys.values().map(|key| &key.secret_env);
    let oauth = scenario.oauth.iter().flat_map(|oauth| {
        [
            &oauth.client_secret_env,
            &oauth.password_env,
            &oauth.refresh_token_env,
            &oauth.subject_token_env,
        ]
    });
    let issuer = scenario.issuer.iter();
    let issuer = issuer.flat_map(|issuer| [&issuer.client_secret_env, &issuer.password_env]);
    let control = scenario.control.iter().map(|control| &control.password_env);
    let named =
        keys.chain(oauth).chain(issuer).chain(control).chain([&scenario.token.password_env]);
    OF_BUS.into_iter().map(str::to_owned).chain(named.flatten().cloned()).collect()
}

/// The commands of a run so far.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Each leads a process group. They are not waited for before the run's end, so that no other group gets the number.
    leaders: Vec<Child>,
    /// Environment variables that they do not get.
    without: Vec<String>,
}

impl Commands {
    /// None so far; they do not get these environment variables.
    pub(super) fn without(without: Vec<String>) -> Self {
        Self { leaders: Vec::new(), without }
    }

    /// Runs a command until it ends, or has taken too long: then its process group is killed. What it starts in a session
    /// or group of its own, as daemons do, is left alone.
    ///
    /// # Errors
    /// When it can't be started, fails, or takes too long: why, in words without the command.
    pub(super) fn run(
        &mut self,
        command: &str,
        over: &AtomicBool,
        clock: Clock,
    ) -> Result<(), String> {
        let cant = |error: std::io::Error| format!("its command can't be run: {error}");
        // A file, and no pipe: a daemon that keeps it open must not keep anybody waiting.
        let said = tempfile::tempfile().map_err(cant)?;
        let both = (said.try_clone().map_err(cant)?, said.try_clone().map_err(cant)?);
        let mut shell = Command::new("sh");
        for variable in &self.without {
            shell.env_remove(variable);
        }
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(both.0).stderr(both.1);
        // Ctrl-C is for this program.
        let child = dumps::foreign(shell.process_group(0)).map_err(cant)?;
        let pid = Pid::from_child(&child);
        self.leaders.push(child);
        let mut end = clock.now() + nanoseconds(PATIENCE);
        let mut is_over = false;
        loop {
            if let Some(status) = ended(pid) {
                return outcome(&status, &words(said, command));
            }
            if !is_over && over.load(Ordering::Relaxed) {
                is_over = true;
                end = end.min(clock.now() + nanoseconds(AFTER));
            }
            if clock.now() > end {
                // One that has ended just now is what is wanted.
                let _ = kill_process_group(pid, Signal::KILL);
                let limit = if is_over { AFTER } else { PATIENCE };
                let limit = humantime::format_duration(limit);
                let since = if is_over { " after the end of the run" } else { "" };
                return Err(format!(
                    "its command did not end within {limit}{since}, and was killed: let it return (`systemctl start ...`, or `setsid ... &`)"
                ));
            }
            thread::sleep(SHORT_GLANCE);
        }
    }

    /// Ends what commands have left in their process groups.
    pub(super) fn end(&mut self, clock: Clock) {
        let end = clock.now() + nanoseconds(GRACE);
        let groups: Vec<Pid> = self.leaders.iter().map(Pid::from_child).collect();
        for group in groups.iter().filter(|group| is_alive(**group)) {
            let _ = kill_process_group(*group, Signal::TERM);
        }
        while clock.now() < end && groups.iter().any(|group| is_alive(*group)) {
            thread::sleep(SHORT_GLANCE);
        }
        for group in groups.iter().filter(|group| is_alive(**group)) {
            let _ = kill_process_group(*group, Signal::KILL);
        }
        for mut leader in self.leaders.drain(..) {
            // It has ended, or was killed just now.
            let _ = leader.wait();
        }
    }
}

/// How a process ended, which stays as it is: somebody may have to know that its number is taken.
fn ended(pid: Pid) -> Option<WaitIdStatus> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).ok().flatten()
}

fn outcome(status: &WaitIdStatus, said: &str) -> Result<(), String> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("its command ended with exit code {code}{said}")),
        (None, signal) => {
            let signal = signal.map_or_else(String::new, |signal| format!(" {signal}"));
            Err(format!("its command was ended by signal{signal}{said}"))
        }
    }
}

/// Whether a process of a group is there that has not ended.
fn is_alive(group: Pid) -> bool {
    let Ok(all) = process::all_processes() else { return false };
    let group = group.as_raw_nonzero().get();
    let mut stats = all.flatten().filter_map(|process| process.stat().ok());
    stats.any(|stat| stat.pgrp == group && stat.state != 'Z')
}

/// What a command said last, where that can hold no secret.
fn words(mut said: File, command: &str) -> String {
    let mut bytes = Vec::new();
    let length = said.metadata().map_or(0, |data| data.len());
    let read = said
        .seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))
        .and_then(|_| said.take(LAST_BYTES).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    if read.is_err() || last.is_empty() || [command, last].into_iter().any(may_tell) {
        return String::new();
    }
    format!(": {}", without_tokens(last))
}

#[cfg(test)]
mod tests;
