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
    plan::cells::known::cell_name,
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
    /// Of several brokers, which one: its place in the target, from 1. Addresses may differ from side to side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<usize>,
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
    /// The version of MQTT in words, and of several brokers which one.
    pub fn place(&self) -> String {
        let at = self.broker.map(at_broker).unwrap_or_default();
        format!("{}{at}", version(self.protocol))
    }

    /// Whether the candidate breaks a promise here.
    pub fn is_wrong(&self) -> bool {
        self.candidate.as_ref().is_some_and(|answer| answer.verdict.is_wrong())
    }

    /// The metric of this cell.
    pub fn metric(&self) -> String {
        metric(&self.defect, self.protocol, self.broker)
    }
}

/// The cells of two matrices: what changed, and how many did not.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Cells {
    /// Cells that either side has.
    pub cells: usize,
    /// Cells with the same answer and the same verdict on both sides.
    pub same: usize,
    /// Cells whose answers are the same and were judged on neither side: they say nothing.
    #[serde(default)]
    pub unjudged: usize,
    /// Cells that were judged on both sides.
    #[serde(default)]
    pub judged: usize,
    /// The others: by kind of change, then the worst first.
    pub changed: Vec<Changed>,
}

/// Every cell that either side has, by its metric; of several runs of a side the worst answer.
#[derive(Debug)]
pub(super) struct Pairs<'a>(BTreeMap<String, [Option<Placed<'a>>; 2]>);

impl<'a> Pairs<'a> {
    /// The cells of both sides; none where neither is a matrix.
    pub(super) fn of(baseline: &'a Side, candidate: &'a Side) -> Self {
        let mut pairs: BTreeMap<String, [Option<Placed<'a>>; 2]> = BTreeMap::new();
        for (at, side) in [baseline, candidate].into_iter().enumerate() {
            for (name, placed) in worst(side) {
                pairs.entry(name).or_default()[at] = Some(placed);
            }
        }
        Self(pairs)
    }

    /// What changed from one side to the other.
    pub(super) fn changes(&self) -> Cells {
        let mut changed: Vec<Changed> = self.0.values().filter_map(changed).collect();
        changed.sort_by_key(|cell| (cell.change, Reverse(cell.severity)));
        let both = || {
            self.0.values().filter_map(|[one, other]| {
                Some(
                    [one.as_ref()?.cell, other.as_ref()?.cell].map(|cell| cell.verdict.is_judged()),
                )
            })
        };
        let judged = both().filter(|judged| *judged == [true, true]).count();
        let open = self.0.values().filter(|pair| is_open(pair)).count();
        let same = self.0.len() - changed.len() - open;
        Cells { cells: self.0.len(), same, unjudged: open, judged, changed }
    }

    /// What each cell came to.
    pub(super) fn metrics(&self) -> impl Iterator<Item = Compared> {
        self.0.iter().map(|(name, [one, other])| {
            compared(name, one.as_ref().map(|of| of.cell), other.as_ref().map(|of| of.cell))
        })
    }
}

/// Whether all runs of both sides are matrices.
pub(super) fn are_matrices(baseline: &Side, candidate: &Side) -> bool {
    baseline.runs.iter().chain(&candidate.runs).all(|run| run.matrix.is_some())
}

/// Whether both sides answered the same, and neither answer could be judged.
fn is_open(pair: &[Option<Placed<'_>>; 2]) -> bool {
    let [Some(one), Some(other)] = pair else { return false };
    let is_judged = [one, other].iter().any(|of| of.cell.verdict.is_judged());
    !is_judged && change(one.cell, other.cell).is_none()
}

/// Leaves to cells what counts of verdicts say of them once more, or in sum: the same token decides once.
pub(super) fn leave_to_cells(counts: &mut [Compared], baseline: &Side, candidate: &Side) {
    let runs = baseline.runs.iter().chain(&candidate.runs);
    let matrices = runs.filter_map(|run| run.matrix.as_ref());
    let tokens: BTreeSet<String> = matrices
        .flat_map(|matrix| &matrix.cells)
        .map(|cell| format!("{{token:{}}}", cell_name(&cell.defect, cell.protocol, None)))
        .chain([String::new()])
        .collect();
    for metric in counts {
        let is_of = |verdict: words::Verdict| {
            let tag = metric.metric.strip_prefix(&format!("verdict.{verdict}"));
            tag.is_some_and(|tag| tokens.contains(tag))
        };
        if words::Verdict::ALL.into_iter().any(is_of) {
            metric.role = Role::Reading;
        }
    }
}

fn changed([one, other]: &[Option<Placed<'_>>; 2]) -> Option<Changed> {
    let change = match (one, other) {
        (Some(one), Some(other)) => change(one.cell, other.cell)?,
        (Some(_), None) => Change::Dropped,
        (None, _) => Change::Added,
    };
    let own = || one.iter().chain(other);
    let Placed { cell, broker } = own().next()?;
    Some(Changed {
        defect: cell.defect.clone(),
        protocol: cell.protocol,
        broker: *broker,
        // A cell whose code alone is wrong is less severe than its token.
        severity: own().map(|of| of.cell.severity).max()?,
        change,
        baseline: one.as_ref().map(|of| Answer::from(of.cell)),
        candidate: other.as_ref().map(|of| Answer::from(of.cell)),
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

/// A cell as a metric: by what it came to.
fn compared(name: &str, one: Option<&Cell>, other: Option<&Cell>) -> Compared {
    let (verdict, why) = match (one, other) {
        (Some(one), Some(other)) if one.verdict == other.verdict => (Verdict::Equivalent, ""),
        (Some(one), Some(other)) => (between(one, other), ""),
        (None, _) => (Verdict::Inconclusive, "the baseline was not sent it"),
        _ => (Verdict::Inconclusive, "the candidate was not sent it"),
    };
    let word = |cell: Option<&Cell>| cell.map(|cell| Seen::Word(cell.verdict.name().to_owned()));
    Compared {
        metric: name.to_owned(),
        baseline: word(one),
        candidate: word(other),
        threshold_source: Source::Counted,
        verdict,
        unit: UNIT.into(),
        // What is new in the catalogue says nothing about a change.
        role: if one.is_some() { Role::Count } else { Role::Reading },
        why: why.to_owned(),
        ..Compared::default()
    }
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
fn metric(defect: &str, protocol: u8, broker: Option<usize>) -> String {
    format!("matrix.{defect}.v{protocol}{}", broker.map(at_broker).unwrap_or_default())
}

fn at_broker(place: usize) -> String {
    format!(" at broker {place}")
}

/// A cell, and of several brokers which one: its place among them, from 1.
#[derive(Debug)]
struct Placed<'a> {
    cell: &'a Cell,
    broker: Option<usize>,
}

impl<'a> Placed<'a> {
    fn of(cell: &'a Cell, matrix: &Matrix) -> Self {
        let own = cell.broker.as_ref();
        let at = own.and_then(|own| matrix.brokers.iter().position(|it| it.broker == *own));
        Self { cell, broker: at.map(|at| at + 1) }
    }
}

/// The cells of a side; of several runs the worst answer.
fn worst(side: &Side) -> BTreeMap<String, Placed<'_>> {
    let mut worst: BTreeMap<String, Placed<'_>> = BTreeMap::new();
    let matrices = side.runs.iter().filter_map(|run| run.matrix.as_ref());
    for placed in
        matrices.flat_map(|matrix| matrix.cells.iter().map(move |cell| Placed::of(cell, matrix)))
    {
        let name = metric(&placed.cell.defect, placed.cell.protocol, placed.broker);
        // Of several runs one that says nothing leaves open what another says to be correct.
        let weight = |cell: &Cell| match cell.verdict {
            words::Verdict::Correct => 0,
            verdict => rank(verdict).unwrap_or(1),
        };
        if worst.get(&name).is_none_or(|known| weight(placed.cell) > weight(known.cell)) {
            worst.insert(name, placed);
        }
    }
    worst
}
