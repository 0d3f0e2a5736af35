//! The cells of two matrices against each other: which changed, how, and what that decides.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Compared, Role, Seen, Verdict, record::Side, thresholds::Source};
use crate::{
    base::words::{self, OutcomeKind, Severity, vocabulary},
    record::results::{
        Matrix,
        matrix::{Cell, version},
    },
};

/// The unit of a metric that is a cell.
pub(super) const UNIT: &str = "verdict";

vocabulary! {
    /// How a cell changed, in the order in which changes are shown.
    Change: "change of a cell" {
        /// The candidate accepts a token that the baseline does not accept.
        LetIn = "let_in", "newly let in";
        /// The candidate refuses a token that the baseline does not refuse.
        Refused = "refused", "newly refused";
        /// The baseline's answer was judged, and the candidate's could not be.
        Unanswered = "unanswered", "no longer answered";
        /// The baseline broke its promise, and the candidate keeps it.
        Mended = "mended";
        /// The candidate's answer was judged, and the baseline's could not be.
        Answered = "answered", "answered now";
        /// Both sides refuse, with different codes or in different ways.
        Code = "code", "code changed";
        /// Both sides answer the same, and the answer is judged differently.
        Judged = "judged", "judged differently";
        /// Only the baseline was sent this token.
        Dropped = "dropped", "only in the baseline";
        /// Only the candidate was sent this token.
        Added = "added", "only in the candidate";
    }
}

/// What a side did with a cell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    /// How the attempt ended.
    pub outcome: OutcomeKind,
    /// With which code: a number that was sent, or a word.
    pub code: Value,
    /// What that is worth.
    pub verdict: words::Verdict,
}

impl From<&Cell> for Answer {
    fn from(cell: &Cell) -> Self {
        Self { outcome: cell.outcome, code: cell.code.clone(), verdict: cell.verdict }
    }
}

/// A cell that is not the same on both sides.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Changed {
    /// The entry of the catalogue.
    pub defect: String,
    /// Its version of MQTT: 4 or 5.
    pub protocol: u8,
    /// How bad it is if this token is accepted.
    pub severity: Severity,
    /// How the cell changed.
    pub change: Change,
    /// The baseline's answer; `None` if it was not sent this token.
    pub baseline: Option<Answer>,
    /// The candidate's.
    pub candidate: Option<Answer>,
}

impl Changed {
    /// The version of MQTT in words.
    pub fn version(&self) -> &'static str {
        version(self.protocol)
    }

    /// Whether the candidate breaks a promise here.
    pub fn is_wrong(&self) -> bool {
        self.candidate.as_ref().is_some_and(|answer| answer.verdict.is_wrong())
    }

    /// The metric of this cell.
    pub fn metric(&self) -> String {
        metric(&self.defect, self.protocol)
    }
}

/// The cells of two matrices: what changed, and how many did not.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Cells {
    /// Cells that either side has.
    pub cells: usize,
    /// Cells with the same answer and the same verdict on both sides.
    pub same: usize,
    /// The others: by kind of change, then the worst first.
    pub changed: Vec<Changed>,
}

/// What changed from the cells of one side to those of the other; `None` unless both sides are matrices. Of several runs, or
/// several brokers, the worst answer counts.
pub(super) fn changes(baseline: &Side, candidate: &Side) -> Option<Cells> {
    let is_matrix = |side: &Side| side.runs.iter().all(|run| run.matrix.is_some());
    if !is_matrix(baseline) || !is_matrix(candidate) {
        return None;
    }
    let (before, after) = (worst(baseline), worst(candidate));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed: Vec<Changed> =
        names.iter().filter_map(|name| changed(before.get(*name), after.get(*name))).collect();
    changed.sort_by_key(|cell| (cell.change, Reverse(cell.severity)));
    Some(Cells { cells: names.len(), same: names.len() - changed.len(), changed })
}

fn changed(one: Option<&Cell>, other: Option<&Cell>) -> Option<Changed> {
    let change = match (one, other) {
        (Some(one), Some(other)) => change(one, other)?,
        (Some(_), None) => Change::Dropped,
        (None, _) => Change::Added,
    };
    let own = || one.into_iter().chain(other);
    let cell = own().next()?;
    Some(Changed {
        defect: cell.defect.clone(),
        protocol: cell.protocol,
        // A cell whose code alone is wrong is less severe than its token.
        severity: own().map(|cell| cell.severity).max()?,
        change,
        baseline: one.map(Answer::from),
        candidate: other.map(Answer::from),
    })
}

/// How a cell changed that both sides have; `None` if it did not.
fn change(one: &Cell, other: &Cell) -> Option<Change> {
    use words::Verdict::{Correct, FalseAccept, FalseReject};
    let is_same = one.outcome == other.outcome && one.code == other.code;
    Some(match (one.verdict, other.verdict) {
        (before, after) if before == after && is_same => return None,
        (before, FalseAccept) if before != FalseAccept => Change::LetIn,
        (before, FalseReject) if before != FalseReject => Change::Refused,
        (before, Correct) if before.is_wrong() => Change::Mended,
        (before, after) if before.is_judged() && !after.is_judged() => Change::Unanswered,
        (before, after) if !before.is_judged() && after.is_judged() => Change::Answered,
        _ if is_same => Change::Judged,
        _ if other.outcome == OutcomeKind::Accepted => Change::LetIn,
        _ if one.outcome == OutcomeKind::Accepted => Change::Refused,
        _ => Change::Code,
    })
}

/// The cells of a matrix, by what they came to; of several runs the worst.
pub(super) fn metrics(baseline: &Side, candidate: &Side) -> Vec<Compared> {
    let (before, after) = (worst(baseline), worst(candidate));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut all = Vec::new();
    for name in names {
        let (one, other) = (before.get(name), after.get(name));
        let (verdict, why) = match (one, other) {
            (Some(one), Some(other)) if one.verdict == other.verdict => {
                (Verdict::Equivalent, String::new())
            }
            (Some(one), Some(other)) => (between(one, other), String::new()),
            (None, _) => (Verdict::Inconclusive, "the baseline was not sent it".to_owned()),
            _ => (Verdict::Inconclusive, "the candidate was not sent it".to_owned()),
        };
        let word =
            |cell: Option<&Cell>| cell.map(|cell| Seen::Word(cell.verdict.name().to_owned()));
        all.push(Compared {
            metric: name.clone(),
            baseline: word(one),
            candidate: word(other),
            threshold_source: Source::Counted,
            verdict,
            unit: UNIT.into(),
            // What is new in the catalogue says nothing about a change.
            role: if one.is_some() { Role::Count } else { Role::Reading },
            why,
            ..Compared::default()
        });
    }
    all
}

/// How bad a verdict is; `None` of one that says nothing.
fn rank(verdict: words::Verdict) -> Option<u8> {
    verdict.is_judged().then(|| verdict.weight())
}

fn between(one: &Cell, other: &Cell) -> Verdict {
    match (rank(one.verdict), rank(other.verdict)) {
        // A hole in the verifier is new, whatever was known of it before.
        _ if other.verdict == words::Verdict::FalseAccept => Verdict::Worse,
        (Some(one), Some(other)) if other > one => Verdict::Worse,
        (Some(one), Some(other)) if other < one => Verdict::Better,
        _ => Verdict::Inconclusive,
    }
}

/// The name of a cell among the metrics.
fn metric(defect: &str, protocol: u8) -> String {
    format!("matrix.{defect}.v{protocol}")
}

fn worst(side: &Side) -> BTreeMap<String, Cell> {
    let mut worst: BTreeMap<String, Cell> = BTreeMap::new();
    let matrices = side.runs.iter().filter_map(|run| run.matrix.as_ref());
    for cell in matrices.flat_map(|matrix: &Matrix| &matrix.cells) {
        let name = metric(&cell.defect, cell.protocol);
        // Of several runs one that says nothing leaves open what another says to be correct.
        let weight = |cell: &Cell| match cell.verdict {
            words::Verdict::Correct => 0,
            verdict => rank(verdict).unwrap_or(1),
        };
        if worst.get(&name).is_none_or(|known| weight(cell) > weight(known)) {
            worst.insert(name, cell.clone());
        }
    }
    worst
}
