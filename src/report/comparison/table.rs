//! What all formats say alike: the sentence on top, and the rows of a table of metrics.

use super::cells::{MOST_NAMES, sentence as sentence_of_cells};
use crate::report::{
    compare::{Compared, Comparison, Design, Role, Seen, Verdict},
    style::{self, first},
};

/// Relative changes from which on a factor says more than percent.
const MANY: f64 = 4.0;

/// What it came to, in one sentence.
pub(in crate::report) fn sentence(comparison: &Comparison) -> String {
    if let Some(cells) = comparison.cells.as_ref().filter(|_| comparison.is_by_cells()) {
        return sentence_of_cells(comparison, cells);
    }
    let named = |verdict: Verdict, is_asked: fn(Role) -> bool| {
        let metrics = comparison.metrics.iter().filter(|metric| metric.verdict == verdict);
        let names: Vec<&str> = metrics
            .filter(|metric| is_asked(metric.role))
            .map(|metric| metric.metric.as_str())
            .collect();
        first(&names, MOST_NAMES)
    };
    let decides = |role: Role| role != Role::Reading;
    match comparison.verdict {
        Verdict::Worse if comparison.has_new_false_accept() => {
            "WORSE: the candidate lets in tokens that the baseline refuses".into()
        }
        Verdict::Worse => format!("WORSE: {}", named(Verdict::Worse, decides)),
        Verdict::Better => format!("better: {}", named(Verdict::Better, decides)),
        Verdict::Equivalent => {
            let gate = first(&comparison.gate, MOST_NAMES);
            format!("equivalent: {gate} differ by less than their thresholds")
        }
        Verdict::Inconclusive if comparison.gate.is_empty() => {
            "inconclusive: no metric could decide".into()
        }
        Verdict::Inconclusive if comparison.design == Design::Single => {
            "inconclusive: what was counted is no worse, and one run says too little of times"
                .into()
        }
        Verdict::Inconclusive => {
            let open = named(Verdict::Inconclusive, |role| role == Role::Gate);
            format!("inconclusive: {open}")
        }
    }
}

/// Metrics as tables have them: first those that decide, of counts only the changed ones; then the others. Cells of two
/// matrices are shown by themselves, and what was counted or timed of each is only in the files.
pub(in crate::report) fn parted(comparison: &Comparison) -> (Vec<&Compared>, Vec<&Compared>) {
    let has_cells = comparison.cells.is_some();
    let is_of_cell = |metric: &Compared| {
        metric.is_cell() || metric.metric.contains('{') || metric.unit == "attempts"
    };
    let metrics = comparison.metrics.iter();
    let metrics =
        metrics.filter(|metric| !(has_cells && metric.role != Role::Gate && is_of_cell(metric)));
    metrics.partition(|metric| match metric.role {
        Role::Gate => true,
        Role::Count => metric.verdict != Verdict::Equivalent,
        Role::Reading => false,
    })
}

/// A value with its unit.
pub(super) fn value(seen: Option<&Seen>, unit: &str) -> String {
    match seen {
        None => "-".into(),
        Some(Seen::Word(word)) => word.replace('_', " "),
        Some(Seen::Number(number)) => match unit {
            "us" => style::time(*number),
            "per_s" => format!("{} /s", style::number(*number)),
            "bytes" => format!("{} B", style::number(*number)),
            _ if number.fract() == 0.0 => style::count(*number as u64),
            _ => style::number(*number),
        },
    }
}

/// A relative change in percent, with its sign.
pub(super) fn percent(change: Option<f64>) -> String {
    match change {
        None => "-".into(),
        // Nobody reads hundreds of percent.
        Some(change) if change >= MANY => format!("x {:.1}", change + 1.0),
        Some(change) => format!("{:+.1} %", change * 100.0),
    }
}

/// The interval of a change.
pub(super) fn interval(metric: &Compared) -> String {
    match (metric.low, metric.high) {
        (Some(low), Some(high)) if high >= MANY => {
            format!("x {:.1} to {:.1}", low + 1.0, high + 1.0)
        }
        (Some(low), Some(high)) => format!("{:+.1} to {:+.1} %", low * 100.0, high * 100.0),
        _ => "-".into(),
    }
}

/// The threshold and where it comes from.
pub(super) fn threshold(metric: &Compared) -> String {
    match metric.threshold {
        Some(threshold) => format!("{:.1} % ({})", threshold * 100.0, metric.threshold_source),
        None => metric.threshold_source.to_string(),
    }
}

/// The verdict, and why where the numbers do not say.
fn verdict(metric: &Compared) -> String {
    let verdict = metric.verdict.name();
    if metric.why.is_empty() { verdict.into() } else { format!("{verdict}: {}", metric.why) }
}

/// How runs belong together, in words.
pub(in crate::report) fn design(comparison: &Comparison) -> String {
    let (before, after) = comparison.runs;
    match comparison.design {
        Design::Paired => format!("{before} pairs of trials, in turns"),
        Design::Single if comparison.is_by_cells() && (before, after) == (1, 1) => {
            "a single run a side".into()
        }
        Design::Single if (before, after) == (1, 1) => {
            "a single run a side, which tells little".into()
        }
        Design::Unpaired => format!("{before} runs against {after}"),
        Design::Single => format!("{before} against {after}: a single run a side tells little"),
    }
}

/// What the columns of a table are, where they are no single runs.
pub(in crate::report) fn columns(comparison: &Comparison) -> Option<&'static str> {
    match comparison.design {
        Design::Paired => Some(
            "both columns are medians over the runs; the change is estimated from the ratios within each pair",
        ),
        Design::Unpaired => Some(
            "both columns are medians over the runs; the change is estimated from all ratios between them",
        ),
        Design::Single => None,
    }
}

/// The head of a table of metrics.
pub(in crate::report) const HEAD: [&str; 7] =
    ["metric", "baseline", "candidate", "change", "interval", "threshold", "verdict"];

/// A row of such a table.
pub(in crate::report) fn row(metric: &Compared) -> Vec<String> {
    vec![
        metric.metric.clone(),
        value(metric.baseline.as_ref(), &metric.unit),
        value(metric.candidate.as_ref(), &metric.unit),
        percent(metric.change),
        interval(metric),
        threshold(metric),
        verdict(metric),
    ]
}
