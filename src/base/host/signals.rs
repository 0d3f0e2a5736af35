//! Which signals ask this process to end, and one that must not end it.

use std::sync::{Arc, atomic::AtomicBool};

use procfs::process::Process;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// A file that may not become longer (`ulimit -f`) is from now on an error of who writes it, as a full disk is, and not the
/// end of this process without a word. What it starts is not concerned.
pub fn outlive_full_files() {
    // Where there is no handler, all is as it was.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Ctrl-C, SIGTERM, and SIGHUP (a terminal that is closed), but for SIGHUP where it was ignored when this process was
/// started: that is what `nohup` does for runs that are to outlive their terminal.
pub fn ending_signals() -> Vec<i32> {
    let ignored = Process::myself().and_then(|own| own.status()).map(|status| status.sigign);
    let is_ignored = |signal: i32| ignored.as_ref().is_ok_and(|set| set >> (signal - 1) & 1 == 1);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|it| *it != SIGHUP || !is_ignored(*it)).collect()
}
