//! The process between this program and a broker that it starts by command: it outlives a `kill -9` of its parent by as
//! long as it takes to end the broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use procfs::process::{self, Process};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait},
};

use crate::base::{
    clock::{Clock, SHORT_GLANCE, nanoseconds},
    error::{Error, Result},
    host::{dumps, signals::ending_signals},
};

/// How long what it guards may take to end by itself once it is asked to, where nobody says otherwise.
pub const GRACE: Duration = Duration::from_secs(5);

/// What a warden does beside running a command.
#[derive(Clone, Debug)]
pub struct Duties {
    /// Where all goes that the command says.
    pub log: PathBuf,
    /// How long the processes may take to end by themselves once they are asked to.
    pub grace: Duration,
    /// A folder that is taken away when all have ended: what is in it may be a secret.
    pub remove: Option<PathBuf>,
}

/// Runs a command by `sh` until all its processes have ended, or standard input closes: then ends them all. The exit code
/// is that of the command, 0 where it was ended.
///
/// # Errors
/// When it can't be started.
pub fn guard(command: &str, duties: &Duties) -> Result<u8> {
    let ended = run(command, &duties.log, duties.grace);
    if let Some(folder) = &duties.remove {
        // Its owner may have taken it away already.
        let _ = fs::remove_dir_all(folder);
    }
    ended
}

fn run(command: &str, log: &Path, grace: Duration) -> Result<u8> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::not_measured(format!("can't start `{command}`: {why}"))
    };
    // What loses its parent becomes a child of this process, so that no process of the command gets out of sight.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| failed(&error))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in ending_signals() {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| failed(&error))?;
    }
    let open = || OpenOptions::new().create(true).append(true).open(log);
    let (said, complained) =
        open().and_then(|file| Ok((file.try_clone()?, file))).map_err(|error| failed(&error))?;
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(said).stderr(complained);
    let child = dumps::foreign(shell.process_group(0)).map_err(|error| failed(&error))?;
    let closed = Arc::clone(&stop);
    thread::spawn(move || {
        let mut nothing = [0; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(count) if count > 0) {}
        closed.store(true, Ordering::Relaxed);
    });
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let first = child.id() as i32;
    let mut code = None;
    while !stop.load(Ordering::Relaxed) {
        // Whatever descends from the command is a child of this process in the end, so that none is left when there is no
        // child. Nothing is looked for in /proc meanwhile: this host is being measured.
        let (ended, is_alone) = reap(first);
        code = code.or(ended);
        if is_alone {
            return Ok(code.unwrap_or_default());
        }
        thread::sleep(SHORT_GLANCE);
    }
    end_all(own, first, grace);
    Ok(0)
}

/// Takes leave of processes that have ended, whoever started them: the exit code of the first of all, where it is among
/// them (a signal counts from 128 on, as shells do), and whether no process is left.
fn reap(first: i32) -> (Option<u8>, bool) {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == first => {
                let signal = || status.terminating_signal().map(|signal| 128 + signal);
                code = Some(status.exit_status().or_else(signal).unwrap_or(1) as u8);
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return (code, false),
            // No child is left.
            Err(_) => return (code, true),
        }
    }
}

/// Asks all that descend from a process to end, and kills what does not.
fn end_all(of: i32, first: i32, grace: Duration) {
    let clock = Clock::start();
    let patience = clock.now() + nanoseconds(grace);
    let mut asked = BTreeSet::new();
    loop {
        if reap(first).1 {
            return;
        }
        let is_over = clock.now() > patience;
        for (pid, _) in with_start(of) {
            // Each is asked once; one that is new is asked as well.
            if is_over {
                signal(pid, Signal::KILL);
            } else if asked.insert(pid) {
                signal(pid, Signal::TERM);
            }
        }
        thread::sleep(SHORT_GLANCE);
    }
}

/// Kills processes that were seen to start then: a number that was given to another process meanwhile is left alone.
pub(super) fn kill_all(seen: &[(i32, u64)]) {
    for (pid, start) in seen {
        let stat = Process::new(*pid).and_then(|process| process.stat());
        if stat.is_ok_and(|stat| stat.starttime == *start) {
            signal(*pid, Signal::KILL);
        }
    }
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that has ended meanwhile is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

/// All processes that descend from one, each with the moment of its start, which tells it from a later one of the same
/// number; without those that have ended and are not waited for yet.
pub(super) fn with_start(of: i32) -> Vec<(i32, u64)> {
    let Ok(all) = process::all_processes() else { return Vec::new() };
    let mut children: BTreeMap<i32, Vec<(i32, u64)>> = BTreeMap::new();
    for stat in all.flatten().filter_map(|process: Process| process.stat().ok()) {
        if stat.state != 'Z' {
            children.entry(stat.ppid).or_default().push((stat.pid, stat.starttime));
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![of]);
    while let Some(parent) = next.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        next.extend(own.iter().map(|(pid, _)| pid));
        found.extend(own);
    }
    found
}
