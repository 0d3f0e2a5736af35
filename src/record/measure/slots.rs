//! Judged verdicts by slot of time.

use serde::{Deserialize, Serialize};

use crate::base::clock::SECOND;

/// Length of the slots in which verdicts are counted, in nanoseconds.
pub const SLOT: u64 = SECOND / 10;

/// Judged verdicts by slot since the start of the storm, from the first to the last that had any.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Slots {
    /// Number of the first slot, counted from the start of the storm.
    pub first: u64,
    /// Verdicts in each, from the first on.
    pub counts: Vec<u32>,
}

impl Slots {
    /// Counts verdicts in a slot.
    pub(super) fn count(&mut self, slot: u64, count: u32) {
        if self.counts.is_empty() {
            self.first = slot;
        }
        if slot < self.first {
            let missing = (self.first - slot) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = slot;
        }
        let at = (slot - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += count;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (offset, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.count(other.first + offset as u64, *count);
        }
    }

    pub(super) fn clear(&mut self) {
        self.first = 0;
        self.counts.clear();
    }

    /// Number of the slot after the last.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.counts.len() as u64)
    }
}
