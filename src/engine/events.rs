//! The thread that lets the events of a run happen, each at its time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    base::{
        clock::{Clock, GLANCE},
        error::{Error, Result},
    },
    record::results::happened::Happened,
    servers::issuer::{Issuer, happenings::Happenings},
};

/// The events of a run. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) issuer: Arc<Issuer>,
    happenings: Arc<Mutex<Happenings>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Events {
    /// Lets them happen to the issuer of a run whose storm starts at the time that `happenings` has.
    pub(super) fn start(
        issuer: &Arc<Issuer>,
        happenings: Happenings,
        clock: Clock,
    ) -> Result<Self> {
        let happenings = Arc::new(Mutex::new(happenings));
        let over = Arc::new(AtomicBool::new(false));
        let (issuer_there, there, is_over) =
            (Arc::clone(issuer), Arc::clone(&happenings), Arc::clone(&over));
        let thread = thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut happenings = there.lock();
                    happenings.due(&issuer_there, clock);
                    let Some(due) = happenings.next_due() else { return };
                    drop(happenings);
                    let left = Duration::from_nanos(due.saturating_sub(clock.now()));
                    thread::sleep(left.min(GLANCE));
                }
            })
            .map_err(|error| Error::not_measured(format!("the events have no thread: {error}")))?;
        Ok(Self { issuer: Arc::clone(issuer), happenings, over, thread: Some(thread) })
    }

    /// What happened so far.
    pub(super) fn done(&self) -> Vec<Happened> {
        self.happenings.lock().done().to_vec()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it would have died of can only be a bug, and then its events are missing.
            drop(thread.join());
        }
    }
}
