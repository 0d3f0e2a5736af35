//! Good clients that are held while a matrix is sent: they leave when all workers are done with the rest.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{base::clock::SECOND, supply::signal::Signal};

/// How long they stay when nothing is under way any more: a broker that has just read what ends it closes them then.
pub(super) const LAST: u64 = SECOND * 15 / 100;

/// How many workers are not done yet.
#[derive(Debug)]
pub(super) struct Vigil {
    busy: AtomicUsize,
    signals: Vec<Arc<Signal>>,
}

impl Vigil {
    /// One of so many workers as there are signals.
    pub(super) fn new(signals: &[Arc<Signal>]) -> Self {
        Self { busy: AtomicUsize::new(signals.len()), signals: signals.to_vec() }
    }

    /// A worker has nothing under way any more, and nothing to start.
    pub(super) fn done(&self) {
        if self.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.signals.iter().for_each(|signal| signal.ring());
        }
    }

    /// Whether all are done.
    pub(super) fn is_over(&self) -> bool {
        self.busy.load(Ordering::SeqCst) == 0
    }
}
