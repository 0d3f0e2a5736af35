//! The gate of `preconnect`, which all workers pass together: no CONNECT is sent before all connections of a wave stand,
//! and none is opened before the wave before is over.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::Sender,
};

use parking_lot::Mutex;

use crate::{base::clock::Clock, supply::signal::Signal};

/// From the last connection that stands to the release: the time that the workers take to hear of it, and that the
/// monitor takes to read.
const LEAD: u64 = 5_000_000;

/// The gate. Counts only grow: wave `k` is due when all workers have come `k + 1` times.
#[derive(Debug, Default)]
pub(super) struct Gate {
    workers: u64,
    signals: Vec<Arc<Signal>>,
    stood: AtomicU64,
    /// When the first connection of the wave under way stood; 0 before.
    first_stood: AtomicU64,
    released: AtomicU64,
    release_at: AtomicU64,
    done: AtomicU64,
    open: AtomicU64,
    last_answer: AtomicU64,
    /// Nanoseconds from the releases to the last answers, of all waves that are over.
    busy: AtomicU64,
    /// Connections that did not stand when their wave was released.
    late: AtomicU64,
    /// Releases and last answers of waves that are over.
    stretches: Mutex<Vec<(u64, u64)>>,
    /// Asks the monitor to read, before a release and after the last answer.
    monitor: Mutex<Option<Sender<()>>>,
}

impl Gate {
    /// A gate for the workers that these signals wake.
    pub(super) fn new(signals: &[Arc<Signal>]) -> Self {
        Self { workers: signals.len() as u64, signals: signals.to_vec(), ..Self::default() }
    }

    /// A connection stands since this instant: the first one wakes the others, who have to keep its time as well.
    pub(super) fn stood_at(&self, at: u64) {
        let first =
            self.first_stood.compare_exchange(0, at.max(1), Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.ring();
        }
    }

    /// When the first connection of the wave under way stood.
    pub(super) fn first_stood(&self) -> Option<u64> {
        Some(self.first_stood.load(Ordering::Acquire)).filter(|at| *at > 0)
    }

    /// A worker's share of wave `number` stands.
    pub(super) fn stands(&self, number: u64, clock: Clock) {
        if self.stood.fetch_add(1, Ordering::AcqRel) + 1 == (number + 1) * self.workers {
            self.look();
            self.release_at.store(clock.now() + LEAD, Ordering::Release);
            self.released.store(number + 1, Ordering::Release);
            self.ring();
        }
    }

    /// When wave `number` is released, once that is known.
    pub(super) fn release_of(&self, number: u64) -> Option<u64> {
        (self.released.load(Ordering::Acquire) > number)
            .then(|| self.release_at.load(Ordering::Acquire))
    }

    /// A worker's share of wave `number` is over; its last answer came then. Returns whether it was the last one.
    pub(super) fn ends(&self, number: u64, last_answer: u64) -> bool {
        self.last_answer.fetch_max(last_answer, Ordering::AcqRel);
        if self.done.fetch_add(1, Ordering::AcqRel) + 1 < (number + 1) * self.workers {
            return false;
        }
        let (from, to) = (&self.release_at, &self.last_answer);
        let span = to.load(Ordering::Acquire).saturating_sub(from.load(Ordering::Acquire));
        self.busy.fetch_add(span, Ordering::AcqRel);
        self.first_stood.store(0, Ordering::Release);
        let release = from.load(Ordering::Acquire);
        self.stretches.lock().push((release, release + span));
        self.look();
        self.open.store(number + 1, Ordering::Release);
        self.ring();
        true
    }

    /// Whether connections of wave `number` may be opened.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.load(Ordering::Acquire) >= number
    }

    /// Nanoseconds from the releases to the last answers, of all waves so far.
    pub(super) fn busy(&self) -> u64 {
        let (done, released) =
            (self.open.load(Ordering::Acquire), self.released.load(Ordering::Acquire));
        let (from, to) = (&self.release_at, &self.last_answer);
        let under_way = to.load(Ordering::Acquire).saturating_sub(from.load(Ordering::Acquire));
        self.busy.load(Ordering::Acquire) + if released > done { under_way } else { 0 }
    }

    /// Says that an answer came, so that a wave under way counts as far as it has got.
    pub(super) fn answered(&self, at: u64) {
        self.last_answer.fetch_max(at, Ordering::Relaxed);
    }

    /// Counts connections that were not there in time.
    pub(super) fn missed(&self, count: u64) {
        self.late.fetch_add(count, Ordering::Relaxed);
    }

    /// Connections that did not stand when their wave was released.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Releases and last answers of the waves, also of one that goes on.
    pub(super) fn stretches(&self) -> Vec<(u64, u64)> {
        let mut all = self.stretches.lock().clone();
        if self.released.load(Ordering::Acquire) > self.open.load(Ordering::Acquire) {
            let (from, to) = (&self.release_at, &self.last_answer);
            let from = from.load(Ordering::Acquire);
            all.push((from, to.load(Ordering::Acquire).max(from)));
        }
        all
    }

    /// Lets the monitor read at the ends of waves.
    pub(super) fn is_watched(&self, ask: Option<Sender<()>>) {
        *self.monitor.lock() = ask;
    }

    fn look(&self) {
        if let Some(ask) = &*self.monitor.lock() {
            // It has ended where the run is over.
            let _ = ask.send(());
        }
    }

    fn ring(&self) {
        for signal in &self.signals {
            signal.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_released_by_the_last_worker_and_the_next_one_opened_by_the_last_that_is_done() {
        let signals: Vec<_> = (0..2).map(|_| Arc::new(Signal::new().unwrap())).collect();
        let (gate, clock) = (Gate::new(&signals), Clock::start());
        assert!(gate.is_open(0) && !gate.is_open(1));
        gate.stands(0, clock);
        assert_eq!(gate.release_of(0), None, "one worker is not there yet");
        gate.stands(0, clock);
        let release = gate.release_of(0).unwrap();
        assert_eq!(gate.release_of(1), None);
        assert!(!gate.ends(0, release + 10));
        assert!(!gate.is_open(1));
        assert!(gate.ends(0, release + 7));
        assert!(gate.is_open(1));
        assert_eq!(gate.busy(), 10, "from the release to the last answer of all");
    }
}
