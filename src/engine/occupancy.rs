//! How many connections of ours are open at each broker, where the policy says how many it takes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one worker writes: a cache line of its own, so that counting costs no more than a store.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// Connections by worker and broker.
#[derive(Debug)]
pub(super) struct Occupancy {
    most: u64,
    brokers: usize,
    counts: Vec<Count>,
}

impl Occupancy {
    /// For brokers that take so many connections of ours; `None` where that is not known.
    pub(super) fn new(most: u64, brokers: usize, workers: usize) -> Option<Self> {
        let counts = (0..brokers * workers).map(|_| Count::default()).collect();
        (most > 0).then_some(Self { most, brokers, counts })
    }

    /// Counts a connection of a worker that opens, or is over.
    pub(super) fn change(&self, worker: usize, broker: usize, opens: bool) {
        let count = &self.counts[worker * self.brokers + broker].0;
        let known = count.load(Ordering::Relaxed);
        let new = if opens { known + 1 } else { known.saturating_sub(1) };
        count.store(new, Ordering::Relaxed);
    }

    /// Whether a broker has as many as it takes.
    pub(super) fn is_full(&self, broker: usize) -> bool {
        let own = self.counts.iter().skip(broker).step_by(self.brokers);
        own.map(|count| count.0.load(Ordering::Relaxed)).sum::<u64>() >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_full_when_all_workers_together_have_as_many_there_as_it_takes() {
        assert!(Occupancy::new(0, 2, 2).is_none(), "0 is not known");
        let occupancy = Occupancy::new(3, 2, 2).unwrap();
        occupancy.change(0, 1, true);
        occupancy.change(1, 1, true);
        occupancy.change(1, 0, true);
        assert!(!occupancy.is_full(1));
        occupancy.change(1, 1, true);
        assert!(occupancy.is_full(1) && !occupancy.is_full(0));
        occupancy.change(0, 1, false);
        assert!(!occupancy.is_full(1));
    }
}
