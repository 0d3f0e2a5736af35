//! What the progress bar is told of a second.

use std::collections::BTreeMap;

use super::Collector;
use crate::{
    client::attempt::{Outcome, Phase},
    engine::progress::Snapshot,
    plan::Plan,
    record::measure::{Count, Measurements, Tally, latency::Quantile, sum},
};

impl Collector {
    /// How the run stands after a second, in which `seen` was measured.
    pub(super) fn snapshot(&self, second: u64, seen: &Measurements, is_holding: bool) -> Snapshot {
        let tallies = self.all.settled_tallies();
        let count = |wanted: fn(Outcome) -> bool| sum(&tallies, |tally| wanted(tally.outcome));
        let wrong = sum(&tallies, |tally| tally.verdict.is_wrong());
        let known = sum(&tallies, |tally| is_known(&self.storm.plan, &tallies, tally));
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
            wrong: wrong - known,
            known,
            p99: match connack.percentile(99.0) {
                Quantile::Time(time) => Some(time),
                Quantile::Beyond => None,
            },
            is_holding,
        }
    }
}

/// Whether a verdict is wrong, and `--known` names its cell for that. As in the ruling, nothing is excused of a broker that lets
/// everybody in, or nobody, so far.
fn is_known(plan: &Plan, all: &[(Tally, u64)], tally: &Tally) -> bool {
    let Some(cells) = plan.cells.as_ref().filter(|cells| cells.round.contains(&tally.kind)) else {
        return false;
    };
    let has = |wanted: fn(Outcome) -> bool| {
        all.iter().any(|(other, _)| other.broker == tally.broker && wanted(other.outcome))
    };
    let (kind, broker) = (&plan.mould.kinds[tally.kind], &plan.brokers[tally.broker]);
    let cell = (kind.defect.name, u8::from(kind.protocol));
    cells.known.covers(cell, &broker.label, tally.verdict)
        && has(|outcome| outcome == Outcome::Accepted)
        && has(Outcome::is_refusal)
}

/// What most attempts without an answer failed by.
fn cause(tallies: &[(Tally, u64)]) -> Option<Outcome> {
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (tally, count) in tallies.iter().filter(|(tally, _)| !tally.outcome.is_answer()) {
        *counts.entry(tally.outcome).or_default() += count;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(outcome, _)| outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{host::Limits, words::Verdict},
        client::verdict::Expectation,
        plan::{
            cells::{Ask, known::Known},
            loaded,
        },
    };

    #[test]
    fn a_wrong_verdict_is_known_in_the_cell_that_the_file_names_at_a_broker_that_also_refuses() {
        let text = "name = \"known\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
        let known = Known::parse("known.txt", "expired-v5").unwrap();
        let ask = Ask { known, ..Ask::default() };
        let plan = Plan::matrix(&loaded(text), &Limits::read(), &ask).unwrap();
        let tally = |label: &str, outcome: Outcome, verdict: Verdict| {
            let kind = plan.mould.kinds.iter().position(|kind| kind.label == label).unwrap();
            Tally { kind, broker: 0, expected: Expectation::Indeterminate, outcome, verdict }
        };
        let refused = tally("alg_none-v5", Outcome::Refused(0x87), Verdict::Correct);
        let is_known = |label: &str, verdict: Verdict, others: &[Tally]| {
            let own = tally(label, Outcome::Accepted, verdict);
            let all: Vec<_> = others.iter().chain([&own]).map(|tally| (*tally, 1)).collect();
            is_known(&plan, &all, &own)
        };
        assert!(is_known("expired-v5", Verdict::FalseAccept, &[refused]));
        assert!(!is_known("expired-v5", Verdict::FalseAccept, &[]), "it lets everybody in");
        assert!(!is_known("expired-v4", Verdict::FalseAccept, &[refused]));
        assert!(!is_known("expired-v5", Verdict::Correct, &[refused]));
    }
}
