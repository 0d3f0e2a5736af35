//! What connected clients did or met, as files have it: the table of `summary.json`, `operations.csv`, and what became of
//! connections whose tokens ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    sheets,
    writing::{is_zero, table},
};
use crate::{
    base::{
        error::Result,
        words::{Counts, Operation, OperationOutcome, Phase, Verdict},
    },
    plan::Plan,
    record::measure::{Count, Measurements, Times, operations::OperationTally},
};

/// All of one operation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OperationStats {
    /// Operations that came to an end: the sum of `outcomes`, and of `verdicts`.
    pub count: u64,
    /// The same by outcome. Each outcome of this operation is there.
    pub outcomes: BTreeMap<OperationOutcome, u64>,
    /// The same by outcome and code.
    pub codes: BTreeMap<OperationOutcome, BTreeMap<String, u64>>,
    /// The same by verdict.
    pub verdicts: Counts<Verdict>,
    /// Operations that were under way when the run was interrupted or ended by a threshold, or when
    /// their agent was lost: AUTHs, and renewals that waited for a token. They are in none of the
    /// sums.
    #[serde(default)]
    pub abandoned: u64,
}

impl OperationStats {
    /// Nothing of an operation yet.
    fn of(operation: Operation) -> Self {
        let outcomes = operation.outcomes().iter().map(|outcome| (*outcome, 0)).collect();
        Self { outcomes, ..Self::default() }
    }

    fn add(&mut self, tally: &OperationTally, count: u64) {
        self.count += count;
        *self.outcomes.entry(tally.outcome).or_default() += count;
        self.verdicts[tally.verdict] += count;
        let codes = self.codes.entry(tally.outcome).or_default();
        *codes.entry(tally.code.to_string()).or_default() += count;
    }
}

impl OperationStats {
    /// How many have a row in `findings.csv`, if there is room.
    pub fn findings(&self) -> u64 {
        self.verdicts.of(|verdict| !matches!(verdict, Verdict::Correct | Verdict::NotJudged))
    }
}

/// All operations of connected clients, each with its name, whether it came or not.
pub type Operations = BTreeMap<Operation, OperationStats>;

/// What connected clients did or met.
pub fn operations(all: &Measurements) -> Operations {
    let none = Operation::OF_SESSIONS.map(|operation| (operation, OperationStats::of(operation)));
    let mut operations = Operations::from(none);
    for (tally, count) in all.operation_tallies() {
        operations.entry(tally.operation).or_default().add(&tally, count);
    }
    if let Some(reauths) = operations.get_mut(&Operation::Reauthenticate) {
        reauths.abandoned = all[Count::ReauthsAbandoned];
    }
    operations
}

/// What became of connections whose tokens ended: facts, whatever was promised.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Lifetime {
    /// Connections whose token ended (that have an `expire`): the sum of the next four.
    pub expired: u64,
    /// The broker ended them at the deadline or later.
    pub enforced: u64,
    /// The broker ended them before the deadline, if only by a millisecond.
    pub ended_early: u64,
    /// They outlived their token: outcome `open`.
    pub outlived: u64,
    /// Something else ended them: outcome `left`.
    pub undecided: u64,
    /// Of the ones that outlived their token: the client sent a ping at the deadline +
    /// `expiry_leeway` or later, as a probe or for keep alive. Counted for the whole run only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pinged_after: u64,
    /// Of these: the broker answered the ping. Counted for the whole run only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub answered_after: u64,
    /// Connections that the broker ended before the client's first publish to `session.probe_topic`
    /// was known to be taken. They have no `expire`. Counted for the whole run only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub probe_denied: u64,
    /// Where these clients published, as the scenario writes it, if `probe_denied` is above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_topic: Option<String>,
    /// How the ends lie around the deadline, from the earliest stretch to the latest. Stretches
    /// without an end are left out. Told of the whole run only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<Stretch>,
}

/// How many connections ended within a stretch of time around the deadline of their token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stretch {
    /// Its begin, in microseconds after the deadline, negative before it. Null if the stretch has
    /// no begin.
    pub from_us: Option<f64>,
    /// Its end, likewise. Null if the stretch has no end.
    pub to_us: Option<f64>,
    /// Connections that ended in it.
    pub count: u64,
}

/// Where stretches part, on either side of the deadline, in microseconds.
const EDGES_US: [u64; 9] =
    [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];

/// How the ends lie around the deadline.
fn around(all: &Measurements) -> Vec<Stretch> {
    let times = |phase| all.latency(phase, None, None, None).times;
    let (early, late) = (times(Phase::ExpiryEarly), times(Phase::ExpiryEnforcement));
    let lows = std::iter::once(0).chain(EDGES_US);
    let highs = EDGES_US.into_iter().map(Some).chain([None]);
    let stretches: Vec<(u64, Option<u64>)> = lows.zip(highs).collect();
    let count = |times: &Option<Times>, (low, high): (u64, Option<u64>)| {
        let high = high.map_or(u64::MAX, |high| high * 1_000 - 1);
        times.as_ref().map_or(0, |times| times.count_between((low * 1_000).max(1), high))
    };
    let before = stretches.iter().rev().map(|stretch| {
        let &(low, high) = stretch;
        let (from_us, to_us) = (high.map(|high| -(high as f64)), Some(-(low as f64)));
        Stretch { from_us, to_us, count: count(&early, *stretch) }
    });
    let after = stretches.iter().map(|stretch| {
        let &(low, high) = stretch;
        let (from_us, to_us) = (Some(low as f64), high.map(|high| high as f64));
        Stretch { from_us, to_us, count: count(&late, *stretch) }
    });
    before.chain(after).filter(|stretch| stretch.count > 0).collect()
}

impl Lifetime {
    /// Of one kind of token or all, at one broker or all. What was counted of all alone is 0 where not all are asked for.
    pub fn of(all: &Measurements, kind: Option<usize>, broker: Option<usize>) -> Self {
        let early = all.latency(Phase::ExpiryEarly, kind, broker, None);
        let mut lifetime = Self { ended_early: early.count(), ..Self::default() };
        let mut ended = 0;
        for (tally, count) in all.operation_tallies() {
            let is_asked = kind.is_none_or(|kind| kind == tally.kind)
                && broker.is_none_or(|broker| broker == tally.broker);
            if !is_asked || tally.operation != Operation::Expire {
                continue;
            }
            lifetime.expired += count;
            match tally.outcome {
                OperationOutcome::Ended => ended += count,
                OperationOutcome::Open => lifetime.outlived += count,
                OperationOutcome::Left => lifetime.undecided += count,
                // Of no end of a token.
                _ => {}
            }
        }
        lifetime.enforced = ended.saturating_sub(lifetime.ended_early);
        if kind.is_none() && broker.is_none() {
            lifetime.pinged_after = all[Count::PingedAfter];
            lifetime.answered_after = all[Count::AnsweredAfter];
            lifetime.probe_denied = all[Count::TrialEnds];
            lifetime.around = around(all);
        }
        lifetime
    }

    /// Whether no token ended.
    pub fn is_empty(&self) -> bool {
        self.expired == 0
    }

    /// How many connections it was seen of whether they outlive their token: one that ended before could not.
    pub fn decided(&self) -> u64 {
        self.enforced + self.outlived
    }

    /// The share of connections that outlive their token, at most, with 95 % confidence, where none of those that were seen
    /// did: that of so many independent ones (Clopper and Pearson, 1934).
    pub fn most_outliving(&self) -> Option<f64> {
        let seen = self.decided();
        (self.outlived == 0 && seen > 0).then(|| 1.0 - 0.05_f64.powf(1.0 / seen as f64))
    }
}

/// The bytes of `operations.csv`.
///
/// # Errors
/// When it can't be written.
pub fn rows(folder: &std::path::Path, plan: &Plan, all: &Measurements) -> Result<Vec<u8>> {
    let rows = all.operation_tallies().into_iter().map(|(tally, count)| {
        let OperationTally { operation, kind, broker, expected, outcome, code, verdict } = tally;
        let place = (plan.mould.kinds[kind].label.as_str(), plan.brokers[broker].label.as_str());
        (operation, place, (expected.to_string(), outcome, code.to_string(), verdict), count)
    });
    table(folder, &sheets::OPERATIONS, rows)
}
