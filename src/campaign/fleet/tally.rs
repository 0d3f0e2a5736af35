//! What the attempts of one agent came to: what the path of one host does to its clients is a small part of the whole, and
//! looks like the broker's doing there.

use std::collections::BTreeMap;

use crate::{
    client::attempt::{Outcome, Phase},
    record::{
        measure::{Measurements, empty_times, latency::Latency},
        results::agents::Failures,
    },
};

/// The counts of one agent.
#[derive(Debug)]
pub(super) struct Lot {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// By index of the broker: how many attempts there were.
    tried: BTreeMap<usize, u64>,
    /// By index of the broker: how many of them ended without an answer, and the second of the first of these.
    failed: BTreeMap<usize, (u64, u64)>,
    /// Of all its attempts, to two digits: a fleet has thousands of these.
    pub(super) connack: Latency,
}

impl Default for Lot {
    fn default() -> Self {
        let connack = Latency { times: Some(empty_times(2)), unfinished: 0, timed_out: 0 };
        let (tried, failed) = (BTreeMap::new(), BTreeMap::new());
        Self { accepted: 0, refused: 0, tried, failed, connack }
    }
}

impl Lot {
    /// Adds what it saw in a second of the storm.
    pub(super) fn add(&mut self, seen: &Measurements, second: u64) {
        for (tally, count) in seen.tallies() {
            *self.tried.entry(tally.broker).or_default() += count;
            match tally.outcome {
                Outcome::Accepted => self.accepted += count,
                refused if refused.is_refusal() => self.refused += count,
                _ => self.failed.entry(tally.broker).or_insert((0, second)).0 += count,
            }
        }
        let connack = seen.latency(Phase::Connack, None, None, None);
        self.connack.unfinished += connack.unfinished;
        self.connack.timed_out += connack.timed_out;
        if let (Some(own), Some(more)) = (&mut self.connack.times, connack.times) {
            // Of the same bounds, so adding can't fail.
            let _ = own.add(more);
        }
    }

    /// Attempts that ended without an answer.
    pub(super) fn failed(&self) -> u64 {
        self.failed.values().map(|(count, _)| count).sum()
    }

    /// The same, broker by broker, by their labels.
    pub(super) fn failures(&self, brokers: &[String]) -> Vec<Failures> {
        let of = |(at, tried): (&usize, &u64)| {
            let (count, since) = self.failed.get(at).copied().unwrap_or_default();
            Some(Failures { broker: brokers.get(*at)?.clone(), tried: *tried, count, since })
        };
        self.tried.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests;
