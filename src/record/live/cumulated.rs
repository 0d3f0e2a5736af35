//! The times of a phase, counted between bounds.

use crate::{
    base::{clock::SECOND, words::Phase},
    record::measure::{Measurements, Times},
};

/// Upper bounds of the buckets of times, in nanoseconds: 10 us, below which no phase of a network lies, to 10 s, which is the
/// usual deadline of an attempt, each power of ten in three steps.
pub(super) const BOUNDS: [u64; 19] = {
    const STEPS_US: [u64; 3] = [10, 25, 50];
    let (mut bounds, mut at) = ([0; 19], 0);
    while at < bounds.len() {
        bounds[at] = STEPS_US[at % 3] * 10_u64.pow(at as u32 / 3) * (SECOND / 1_000_000);
        at += 1;
    }
    bounds
};

/// The times of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Cumulated {
    /// Counts between the bounds, and above the last.
    pub(super) counts: [u64; BOUNDS.len() + 1],
    pub(super) sum_ns: u64,
    pub(super) unfinished: u64,
}

impl Cumulated {
    pub(super) fn of(all: &Measurements, phase: Phase, kind: usize, broker: usize) -> Self {
        let (answers, unfinished) = all.parts(phase, kind, broker);
        let mut own = Self { unfinished, ..Self::default() };
        answers.for_each(|times| own.add(times));
        own
    }

    /// Adds a histogram: what it can't tell from a bound is below it.
    fn add(&mut self, times: &Times) {
        for slot in times.iter_recorded() {
            let (value, count) = (slot.value_iterated_to(), slot.count_since_last_iteration());
            let least = times.lowest_equivalent(value);
            self.counts[BOUNDS.partition_point(|bound| *bound < least)] += count;
            self.sum_ns += times.median_equivalent(value) * count;
        }
    }

    /// Adds other times of the same phase.
    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, more)| *own += more);
        self.sum_ns += other.sum_ns;
        self.unfinished += other.unfinished;
    }

    /// How many completed the phase.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
