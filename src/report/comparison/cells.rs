//! What all formats say of the cells of two matrices: the sentence, and the rows of those that changed.

use crate::{
    base::words::{self, Tone},
    report::{
        codes,
        compare::{
            Compared, Comparison, Role, Verdict,
            cells::{Answer, Cells, Change, Changed},
        },
        style::{count, distinct, first},
    },
};

/// Names that are written out before the rest is only counted.
pub(super) const MOST_NAMES: usize = 3;

/// The head of a table of changed cells.
pub(in crate::report) const HEAD: [&str; 5] =
    ["token", "MQTT", "severity", "baseline", "candidate"];

/// A row of such a table.
pub(in crate::report) fn row(cell: &Changed) -> [String; 5] {
    [
        cell.defect.clone(),
        cell.place(),
        cell.severity.to_string(),
        side(cell.baseline.as_ref(), cell.protocol),
        side(cell.candidate.as_ref(), cell.protocol),
    ]
}

/// A change in one line: what changed, and both answers.
pub(super) fn line(cell: &Changed) -> String {
    let [_, _, severity, baseline, candidate] = row(cell);
    format!(
        "{} (severity {severity}): baseline {baseline}; candidate {candidate}",
        cell.change.label()
    )
}

/// What a side answered, its verdict first.
fn side(answer: Option<&Answer>, protocol: u8) -> String {
    match answer {
        Some(Answer { outcome, code, verdict }) => {
            format!("{}: {}", verdict.label(), codes::said(*outcome, code, protocol))
        }
        None => "not sent".to_owned(),
    }
}

/// Changed cells by the kind of their change, in the order in which they are shown.
pub(in crate::report) fn by_change(cells: &Cells) -> Vec<(Change, Vec<&Changed>)> {
    let own = |change: Change| cells.changed.iter().filter(move |cell| cell.change == change);
    let all = Change::ALL.into_iter().map(|change| (change, own(change).collect()));
    all.filter(|(_, cells): &(_, Vec<_>)| !cells.is_empty()).collect()
}

/// How many cells are the same.
pub(in crate::report) fn same(cells: &Cells) -> String {
    let all = count(cells.cells as u64);
    match (cells.changed.len(), cells.unjudged) {
        (0, 0) => format!("All {all} cells are the same."),
        (_, 0) => format!("{} of {all} cells are the same.", count(cells.same as u64)),
        (_, open) => format!(
            "{} of {all} cells are the same; {} were judged on neither side.",
            count(cells.same as u64),
            count(open as u64)
        ),
    }
}

/// What decided where no cell did: the metrics that came to what the comparison came to.
fn others(comparison: &Comparison) -> String {
    let is_it = |it: &&Compared| {
        it.role != Role::Reading && !it.is_cell() && it.verdict == comparison.verdict
    };
    let names: Vec<&str> =
        comparison.metrics.iter().filter(is_it).map(|it| it.metric.as_str()).collect();
    if names.is_empty() {
        return "no cell was judged on both sides".to_owned();
    }
    first(&distinct(names), MOST_NAMES)
}

/// What became of the comparison where cells decide.
pub(super) fn sentence(comparison: &Comparison, cells: &Cells) -> String {
    let told = |is_told: fn(Change) -> bool| {
        let told = by_change(cells).into_iter().filter(|(change, _)| is_told(*change));
        let words = |(change, own): (Change, Vec<&Changed>)| {
            format!("{} {}: {}", count(own.len() as u64), change.label(), names(&own))
        };
        let told = told.map(words).collect::<Vec<_>>().join("; ");
        if told.is_empty() { others(comparison) } else { told }
    };
    match comparison.verdict {
        Verdict::Worse if comparison.has_new_false_accept() => {
            let is_it = |cell: &&Changed| {
                let verdict = cell.candidate.as_ref().map(|answer| answer.verdict);
                verdict == Some(words::Verdict::FalseAccept)
            };
            let let_in: Vec<&Changed> = cells.changed.iter().filter(is_it).collect();
            format!(
                "WORSE: the candidate lets in tokens that the baseline refuses: {}",
                names(&let_in)
            )
        }
        Verdict::Worse if comparison.has_new_death() => {
            "WORSE: the candidate's broker went away by itself, and the baseline's did not".into()
        }
        Verdict::Worse => format!("WORSE: {}", told(|change| change != Change::Mended)),
        Verdict::Better => format!("better: {}", told(|change| change == Change::Mended)),
        Verdict::Inconclusive => {
            format!("inconclusive: {}", told(|change| change != Change::Mended))
        }
        Verdict::Equivalent if cells.changed.is_empty() && cells.unjudged == 0 => {
            format!("equivalent: all {} cells are the same", count(cells.cells as u64))
        }
        Verdict::Equivalent if cells.changed.is_empty() => {
            format!("equivalent: {}", same(cells).trim_end_matches('.'))
        }
        Verdict::Equivalent => {
            format!("equivalent: no promise is newly broken; {}", told(|_| true))
        }
    }
}

/// Tokens of cells, both versions of MQTT together.
fn names(cells: &[&Changed]) -> String {
    first(&distinct(cells.iter().map(|cell| cell.defect.as_str())), MOST_NAMES)
}

/// Whether a change is good, bad, or neither.
pub(in crate::report) fn tone(cell: &Changed) -> Tone {
    match cell.change {
        Change::Mended => Tone::Good,
        _ if cell.is_wrong() => Tone::Bad,
        _ => Tone::Warn,
    }
}
