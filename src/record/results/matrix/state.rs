//! What is to be known of a broker before any cell: whether its answers say anything.

use serde::{Deserialize, Serialize};

use super::Cell;
use crate::{
    base::words::{Expected, OutcomeKind},
    client::{
        attempt::Outcome,
        verdict::{Expectation, Verdict},
    },
    plan::{
        Plan,
        cells::{Cells, SENTINELS},
    },
    record::measure::Tally,
    scenario::Protocol,
};

/// What is to be known of a broker before any cell.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its cells say what they say.
    #[default]
    Judged,
    /// It lets everybody in.
    AcceptsAll,
    /// It lets nobody in, with good tokens neither.
    RefusesAll,
    /// It refuses good tokens at times, or under one version of MQTT.
    Unsteady,
    /// It judged no token at all.
    Silent,
}

/// The share of bad tokens from which on a broker counts as one that lets all in: a few may break a rule of MQTT.
const NEARLY_ALL: f64 = 0.9;

/// The versions of MQTT under which refusals say nothing, since good tokens are refused too.
pub(super) fn unheard(plan: &Plan, cells: &Cells, tallies: &[(Tally, u64)]) -> Vec<u8> {
    let kind = |tally: &Tally| &plan.mould.kinds[tally.kind];
    let spoken = [Protocol::V4, Protocol::V5].into_iter().filter(|protocol| {
        // Good clients of a background may be refused for being many.
        let own = || {
            tallies
                .iter()
                .map(|(tally, _)| tally)
                .filter(|tally| kind(tally).protocol == *protocol && cells.is_cell(tally.kind))
        };
        let fresh = || own().filter(|tally| kind(tally).defect.is_good());
        let is_tried = fresh().next().is_some();
        let lets_in = own()
            .any(|tally| kind(tally).defect.group.is_none() && tally.outcome == Outcome::Accepted);
        let is_good = fresh().any(|tally| tally.outcome == Outcome::Accepted);
        // Of a key that it need not know yet, too: until it does, it refuses whatever comes.
        let is_new = |tally: &Tally| {
            matches!(tally.expected, Expectation::Either(_)) && tally.outcome.is_answer()
        };
        let is_bad = fresh().any(|tally| {
            tally.verdict == Verdict::FalseReject
                || tally.outcome != Outcome::Accepted && is_new(tally)
        });
        is_tried && !lets_in || is_good && is_bad
    });
    spoken.map(u8::from).collect()
}

/// What the cells, and the versions of MQTT under which refusals say nothing, come to.
pub(super) fn state(cells: &[Cell], unheard: &[u8]) -> State {
    // What a broker that goes away closes is no answer.
    let is_answer = |cell: &Cell| match cell.outcome {
        OutcomeKind::Accepted | OutcomeKind::Refused => true,
        OutcomeKind::Closed => cell.verdict != Verdict::NotJudged,
        _ => false,
    };
    if !cells.iter().any(is_answer) {
        return State::Silent;
    }
    let is_in = |cell: &&Cell| cell.outcome == OutcomeKind::Accepted;
    let wrong = || cells.iter().filter(|cell| cell.strict_expected == Expected::Refuse);
    let count = wrong().count();
    // One that verifies no signature and takes any password verifies nothing.
    let lets_in = |name: &'static str| {
        let mut own = cells.iter().filter(|cell| cell.defect == name).peekable();
        own.peek().is_some() && own.all(|cell| is_in(&cell))
    };
    if SENTINELS.into_iter().all(lets_in)
        && count > 0
        && wrong().filter(is_in).count() as f64 >= count as f64 * NEARLY_ALL
    {
        return State::AcceptsAll;
    }
    if unheard.is_empty() {
        State::Judged
    } else if !cells.iter().any(|cell| is_in(&cell) || !unheard.contains(&cell.protocol)) {
        State::RefusesAll
    } else {
        State::Unsteady
    }
}

#[cfg(test)]
mod tests;
