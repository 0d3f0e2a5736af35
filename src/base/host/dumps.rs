//! Core dumps: this program writes none, since its memory holds keys and tokens; what it starts for its user may.
//!
//! The limit is the soft one, which processes inherit: whoever debugs this program can raise it (`prlimit --core`). That the
//! kernel should not let others look into this process (`PR_SET_DUMPABLE`) is not asked for, as it would hide `/proc/PID/fd`
//! and `/proc/PID/io` from the very user who runs it, and from the monitor of a run.

use std::{
    io,
    process::{Child, Command},
    sync::OnceLock,
};

use parking_lot::Mutex;

use rustix::process::{Resource, getrlimit, setrlimit};

/// The soft limit as this process found it: `None` without one.
static FOUND: OnceLock<Option<u64>> = OnceLock::new();
/// One process at a time is started with the limit as it was found.
static STARTING: Mutex<()> = Mutex::new(());

/// Has no core written of this process from now on. Called once, at its start.
pub fn off() {
    FOUND.get_or_init(|| getrlimit(Resource::Core).current);
    set(Some(0));
}

/// Starts a process of the user's own with the limit that this one found; while it is started, that limit is this process'
/// too.
///
/// # Errors
/// As [`Command::spawn`].
pub fn foreign(command: &mut Command) -> io::Result<Child> {
    let Some(found) = FOUND.get() else { return command.spawn() };
    let _one = STARTING.lock();
    set(*found);
    let child = command.spawn();
    set(Some(0));
    child
}

fn set(soft: Option<u64>) {
    let mut limit = getrlimit(Resource::Core);
    limit.current = soft;
    // Below the hard limit it can't fail; above it nothing could be dumped before either.
    let _ = setrlimit(Resource::Core, limit);
}
