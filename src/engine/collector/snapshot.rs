//! What the progress bar is told of a second.

use std::collections::BTreeMap;

use super::Collector;
use crate::{
    client::attempt::{Outcome, Phase},
    engine::progress::Snapshot,
    record::measure::{Count, Measurements, Tally, latency::Quantile},
};

impl Collector {
    /// How the run stands after a second, in which `seen` was measured.
    pub(super) fn snapshot(&self, second: u64, seen: &Measurements, is_holding: bool) -> Snapshot {
        let tallies = self.all.settled_tallies();
        let count = |wanted: fn(Outcome) -> bool| -> u64 {
            tallies.iter().filter(|(tally, _)| wanted(tally.outcome)).map(|(_, count)| count).sum()
        };
        let connack = self.all.latency(Phase::Connack, None, None, None);
        Snapshot {
            second,
            rate: seen[Count::Started],
            attempts: self.all.first_turns(),
            away: self.all[Count::Drops].saturating_sub(self.all.ends_of_returns()),
            open: seen[Count::Open],
            accepted: count(|outcome| outcome == Outcome::Accepted),
            refused: count(Outcome::is_refusal),
            failed: count(|outcome| !outcome.is_answer()),
            cause: cause(&tallies),
            wrong: tallies
                .iter()
                .filter(|(tally, _)| tally.verdict.is_wrong())
                .map(|(_, count)| count)
                .sum(),
            p99: match connack.percentile(99.0) {
                Quantile::Time(time) => Some(time),
                Quantile::Beyond => None,
            },
            is_holding,
        }
    }
}

/// What most attempts without an answer failed by.
fn cause(tallies: &[(Tally, u64)]) -> Option<Outcome> {
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (tally, count) in tallies.iter().filter(|(tally, _)| !tally.outcome.is_answer()) {
        *counts.entry(tally.outcome).or_default() += count;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(outcome, _)| outcome)
}
