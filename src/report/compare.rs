//! Two sides of runs against each other: by how much each metric has changed, how sure that is, and what follows.
//!
//! The unit of replication is the run, with a broker of its own: a thousand connects of one run are not a thousand
//! independent values. docs/compare.md says what is decided how, with the sources.

pub mod cells;
pub mod comparable;
mod counts;
pub mod curves;
pub mod looks;
pub mod metric;
pub mod record;
mod remarks;
pub mod statistics;
pub mod thresholds;

use std::{cmp::Ordering, path::Path};

use serde::{Deserialize, Serialize};

use self::{
    cells::Cells,
    metric::{Better, Measured},
    record::{Side, Trial},
    statistics::{Estimate, holm, paired, unpaired},
    thresholds::{Source, Thresholds},
};
use crate::{
    base::error::{Error, Result},
    record::results::{Summary, read_json, summary::FORMAT, trend::median},
};

/// The name of the file of a comparison.
pub const FILE: &str = "comparison.json";
/// How often brokers went away by themselves, as a metric.
const GONE: &str = "broker_gone";
/// How often pairs are drawn again for an interval.
pub const RESAMPLES: usize = 10_000;

/// What a metric, or all of them, came to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The candidate is better, by more than the threshold.
    Better,
    /// It is worse, by more than the threshold.
    Worse,
    /// It differs by less than the threshold, surely.
    Equivalent,
    /// So few runs can't say.
    #[default]
    Inconclusive,
}

impl Verdict {
    /// As files and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a metric does to the verdict on all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It decides, by statistics.
    Gate,
    /// It is counted: it decides without statistics, where it goes up from nothing or down to nothing, or says nothing any
    /// more.
    Count,
    /// It is shown, and decides nothing.
    #[default]
    Reading,
}

/// How runs of both sides belong together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// Each run of the candidate has one of the baseline beside it.
    Paired,
    /// They have nothing to do with each other.
    Unpaired,
    /// A side has a single run.
    Single,
}

impl Design {
    /// By how much values of runs have changed, as they belong together; `None` where single ones can't say.
    fn estimate(
        self,
        before: &[f64],
        after: &[f64],
        alpha: f64,
        resamples: usize,
    ) -> Option<Estimate> {
        match self {
            Self::Paired => {
                let differences: Vec<f64> =
                    before.iter().zip(after).map(|(before, after)| after - before).collect();
                paired(&differences, alpha, resamples)
            }
            Self::Unpaired => unpaired(before, after, alpha),
            Self::Single => None,
        }
    }
}

/// A number, or the word of a verdict in a matrix.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Seen {
    /// The median over the runs of a side; of counts their mean.
    Number(f64),
    /// What a cell of a matrix came to.
    Word(String),
}

impl Compared {
    /// Whether it is a cell of a matrix.
    pub fn is_cell(&self) -> bool {
        self.unit == cells::UNIT
    }
}

impl Seen {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Word(_) => None,
        }
    }
}

/// A metric of both sides.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Compared {
    /// Its name.
    pub metric: String,
    /// Of the baseline.
    pub baseline: Option<Seen>,
    /// Of the candidate.
    pub candidate: Option<Seen>,
    /// By how much it has changed, relative to the baseline: 0.1 is 10 % more.
    pub change: Option<f64>,
    /// The least change that the runs allow, at the confidence of the comparison.
    pub low: Option<f64>,
    /// The greatest.
    pub high: Option<f64>,
    /// The change from which on it counts.
    pub threshold: Option<f64>,
    /// Where that comes from.
    pub threshold_source: Source,
    /// What it came to.
    pub verdict: Verdict,
    /// `us`, `per_s`, `bytes`, `attempts`, `times` or `verdict`.
    pub unit: String,
    /// What it does to the verdict on all.
    pub role: Role,
    /// How likely runs would differ so much if both sides were the same, corrected for the number of metrics.
    pub p: Option<f64>,
    /// Values of the runs of the baseline.
    #[serde(default)]
    pub baseline_runs: Vec<f64>,
    /// Values of the runs of the candidate.
    #[serde(default)]
    pub candidate_runs: Vec<f64>,
    /// What decided, where the numbers do not say.
    pub why: String,
}

/// Two sides against each other: `comparison.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Comparison {
    /// The version of the format.
    pub format: u32,
    /// Trials go on, or ended before they were done.
    pub partial: bool,
    /// What all came to.
    pub verdict: Verdict,
    /// The scenario.
    pub scenario: String,
    /// How runs belong together.
    pub design: Design,
    /// What the baseline is.
    pub baseline: String,
    /// What the candidate is.
    pub candidate: String,
    /// Runs of each side.
    pub runs: (usize, usize),
    /// The error rate of this look, over all gated metrics together.
    pub alpha: f64,
    /// Metrics that decide by statistics.
    pub gate: Vec<String>,
    /// What differs between the sides, and was allowed to.
    pub differences: Vec<String>,
    /// What is worth knowing.
    pub remarks: Vec<String>,
    /// All metrics: those that decide first.
    pub metrics: Vec<Compared>,
    /// Distributions of both sides.
    #[serde(default)]
    pub latency: Vec<curves::Curve>,
    /// The runs of both sides.
    #[serde(default)]
    pub trials: Vec<Trial>,
    /// Of two matrices, which cells changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<Cells>,
}

/// By what is decided.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The error rate, over all gated metrics together.
    pub alpha: f64,
    /// The changes that count.
    pub thresholds: Thresholds,
    /// Metrics that decide; none for the usual ones.
    pub gate: Vec<String>,
    /// Whether sides that did not do the same may be compared.
    pub allow_different: bool,
    /// How often pairs are drawn again.
    pub resamples: usize,
}

/// Compares two sides.
///
/// # Errors
/// When they did not do the same, which the rule does not allow, or a gated metric is missing.
pub fn compare(
    baseline: &Side,
    candidate: &Side,
    design: Design,
    rule: &Rule,
) -> Result<Comparison> {
    let differences = comparable::differences(baseline, candidate);
    if !differences.is_empty() && !rule.allow_different {
        let list: Vec<String> = differences.iter().map(|it| format!("  {it}")).collect();
        return Err(Error::usage(format!(
            "`{}` and `{}` can't be compared: they did not do the same\n{}",
            baseline.name,
            candidate.name,
            list.join("\n")
        ))
        .hint("run the same scenario on the same host, or say `--allow-different`"));
    }
    let design = match (baseline.runs.len(), candidate.runs.len()) {
        (1, _) | (_, 1) => Design::Single,
        _ => design,
    };
    let summaries =
        |side: &Side| side.runs.iter().map(|run| run.summary.clone()).collect::<Vec<_>>();
    let (before, after) = (summaries(baseline), summaries(candidate));
    let pairs = cells::Pairs::of(baseline, candidate);
    let cells = cells::are_matrices(baseline, candidate).then(|| pairs.changes());
    let gate = match before.first() {
        // A matrix asks what the broker answers: its times decide only if somebody names them.
        Some(_) if cells.is_some() && rule.gate.is_empty() => Vec::new(),
        Some(run) => metric::gate(run, &rule.gate)?,
        None => Vec::new(),
    };
    let mut metrics = statistical(&before, &after, design, &gate, rule);
    if comparable::is_limited(baseline) || comparable::is_limited(candidate) {
        for metric in &mut metrics {
            metric.verdict = Verdict::Inconclusive;
            "the harness was the limit in most runs".clone_into(&mut metric.why);
        }
    }
    let mut verdicts = counts::verdicts(&before, &after, design, rule);
    if cells.is_some() {
        cells::leave_to_cells(&mut verdicts, baseline, candidate);
    }
    metrics.extend(verdicts);
    metrics.extend(counts::operations(&before, &after, design, rule));
    metrics.extend(counts::gone(baseline, candidate));
    metrics.extend(pairs.metrics());
    metrics
        .sort_by_key(|metric| (metric.role as u8, gate.iter().position(|it| *it == metric.metric)));
    let mut told = comparable::remarks(baseline, candidate);
    let deciding = cells.as_ref().filter(|_| gate.is_empty());
    let is_by_cells = deciding.is_some();
    let few = remarks::too_few(design, baseline.runs.len(), candidate.runs.len(), gate.len(), rule);
    if let Some(few) = few.filter(|_| !is_by_cells) {
        told.insert(0, few);
    }
    told.extend(metrics.iter().filter_map(remarks::wide));
    told.extend(metrics.iter().filter_map(remarks::dead));
    if gate.is_empty() && !is_by_cells {
        told.push("no metric is there on both sides that could decide by statistics".into());
    }
    if deciding.is_some_and(|cells| cells.judged == 0) {
        told.push("no cell was judged on both sides, so nothing is decided".into());
    }
    Ok(Comparison {
        format: FORMAT,
        partial: false,
        verdict: overall(&metrics, deciding),
        scenario: before.first().map(|summary| summary.scenario.clone()).unwrap_or_default(),
        design,
        baseline: baseline.name.clone(),
        candidate: candidate.name.clone(),
        runs: (baseline.runs.len(), candidate.runs.len()),
        alpha: rule.alpha,
        gate,
        differences: differences.iter().map(ToString::to_string).collect(),
        remarks: told,
        metrics,
        latency: curves::of(&before, &after),
        cells,
        trials: Trial::of_both(baseline, candidate),
    })
}

/// Values of one metric by run, in the order of runs; `None` in a run that has it not.
struct Row {
    like: Measured,
    before: Vec<Option<Measured>>,
    after: Vec<Option<Measured>>,
}

fn rows(before: &[Summary], after: &[Summary]) -> Vec<Row> {
    let (before, after): (Vec<_>, Vec<_>) =
        (before.iter().map(metric::of).collect(), after.iter().map(metric::of).collect());
    let mut rows: Vec<Row> = Vec::new();
    for like in before.iter().chain(&after).flatten() {
        if rows.iter().any(|row| row.like.metric == like.metric) {
            continue;
        }
        let find = |runs: &[Vec<Measured>]| -> Vec<Option<Measured>> {
            runs.iter().map(|run| run.iter().find(|it| it.metric == like.metric).cloned()).collect()
        };
        rows.push(Row { like: like.clone(), before: find(&before), after: find(&after) });
    }
    rows
}

/// Metrics that have a distribution over runs.
fn statistical(
    before: &[Summary],
    after: &[Summary],
    design: Design,
    gate: &[String],
    rule: &Rule,
) -> Vec<Compared> {
    let rows = rows(before, after);
    let is_gated = |row: &Row| gate.contains(&row.like.metric);
    // The many that decide nothing do with fewer.
    let resamples = |row: &Row| if is_gated(row) { rule.resamples } else { rule.resamples / 5 };
    let estimates: Vec<Option<Estimate>> =
        rows.iter().map(|row| estimate(row, design, rule.alpha, resamples(row))).collect();
    // Two families: what decides must not pay for what is only shown, and that must not cry wolf either.
    let mut corrected: Vec<Option<f64>> = vec![None; rows.len()];
    for family in [true, false] {
        let own: Vec<usize> = (0..rows.len())
            .filter(|at| is_gated(&rows[*at]) == family && estimates[*at].is_some())
            .collect();
        let p: Vec<f64> = own.iter().filter_map(|at| Some(estimates[*at]?.p)).collect();
        for (at, p) in own.into_iter().zip(holm(&p)) {
            corrected[at] = Some(p);
        }
    }
    rows.iter()
        .zip(estimates)
        .zip(corrected)
        .map(|((row, estimate), p)| {
            let role = if is_gated(row) { Role::Gate } else { Role::Reading };
            judged(row, estimate, p, role, rule)
        })
        .collect()
}

fn estimate(row: &Row, design: Design, alpha: f64, resamples: usize) -> Option<Estimate> {
    let logs = |values: &[Option<Measured>]| -> Option<Vec<f64>> {
        values.iter().map(|value| value.as_ref().map(|it| it.value.ln())).collect()
    };
    design.estimate(&logs(&row.before)?, &logs(&row.after)?, alpha, resamples)
}

fn judged(
    row: &Row,
    estimate: Option<Estimate>,
    p: Option<f64>,
    role: Role,
    rule: &Rule,
) -> Compared {
    let values = |all: &[Option<Measured>]| -> Vec<f64> {
        all.iter().flatten().map(|it| it.value).collect()
    };
    let (before, after) = (values(&row.before), values(&row.after));
    let middle = |values: &[f64]| (!values.is_empty()).then(|| median(&mut values.to_vec()));
    let (baseline, candidate) = (middle(&before), middle(&after));
    let (threshold, threshold_source) = rule.thresholds.of(&row.like);
    let change =
        estimate.map(|it| it.log_ratio.exp_m1()).or_else(|| Some(candidate? / baseline? - 1.0));
    let interval =
        estimate.and_then(|it| it.interval).map(|(low, high)| (low.exp_m1(), high.exp_m1()));
    let (verdict, why) = verdict_of(row, change, interval, p, threshold, rule.alpha);
    Compared {
        metric: row.like.metric.clone(),
        baseline: baseline.map(Seen::Number),
        candidate: candidate.map(Seen::Number),
        change,
        low: interval.map(|(low, _)| low),
        high: interval.map(|(_, high)| high),
        threshold: Some(threshold),
        threshold_source,
        verdict,
        unit: row.like.unit.into(),
        role,
        p,
        baseline_runs: before,
        candidate_runs: after,
        why,
    }
}

/// What a metric with statistics came to, and why where that is not in its numbers.
fn verdict_of(
    row: &Row,
    change: Option<f64>,
    interval: Option<(f64, f64)>,
    p: Option<f64>,
    threshold: f64,
    alpha: f64,
) -> (Verdict, String) {
    let missing = |all: &[Option<Measured>]| all.iter().filter(|it| it.is_none()).count();
    let (before, after) = (missing(&row.before), missing(&row.after));
    if before == 0 && after == row.after.len() && after > 1 {
        return (Verdict::Worse, "no run of the candidate gets so far".into());
    }
    if before + after > 0 {
        let why =
            format!("{before} runs of the baseline and {after} of the candidate do not have it");
        return (Verdict::Inconclusive, why);
    }
    let (Some(change), Some(p)) = (change, p) else {
        return (Verdict::Inconclusive, String::new());
    };
    let is_worse = match row.like.better {
        Better::Lower => change > 0.0,
        Better::Higher => change < 0.0,
    };
    let verdict = if p <= alpha && change.abs() > threshold {
        if is_worse { Verdict::Worse } else { Verdict::Better }
    } else if interval.is_some_and(|(low, high)| -threshold <= low && high <= threshold) {
        Verdict::Equivalent
    } else {
        Verdict::Inconclusive
    };
    beyond(row, verdict)
}

/// A timeout stands for what would have taken longer, nobody knows by how much: that leaves open whatever would need to
/// know it.
fn beyond(row: &Row, verdict: Verdict) -> (Verdict, String) {
    let share = |all: &[Option<Measured>]| {
        let beyond = all.iter().flatten().filter(|it| it.is_beyond).count();
        beyond as f64 / all.len().max(1) as f64
    };
    let (before, after) = (share(&row.before), share(&row.after));
    if before + after <= 0.0 {
        return (verdict, String::new());
    }
    let allowed = match before.total_cmp(&after) {
        _ if before > 0.5 && after > 0.5 => None,
        Ordering::Less => Some(Verdict::Worse),
        Ordering::Greater => Some(Verdict::Better),
        Ordering::Equal => None,
    };
    let why = format!(
        "beyond the timeout in {:.0} % of the baseline's runs and {:.0} % of the candidate's",
        before * 100.0,
        after * 100.0
    );
    (if Some(verdict) == allowed { verdict } else { Verdict::Inconclusive }, why)
}

/// The verdict on all: one metric that is worse makes it worse; else what decides has to be decided.
/// Of two matrices, cells decide without any gate.
fn overall(metrics: &[Compared], cells: Option<&Cells>) -> Verdict {
    let deciding = || metrics.iter().filter(|metric| metric.role != Role::Reading);
    if deciding().any(|metric| metric.verdict == Verdict::Worse) {
        Verdict::Worse
    } else if !is_decidable(metrics, cells)
        || deciding().any(|metric| metric.verdict == Verdict::Inconclusive)
    {
        Verdict::Inconclusive
    } else if deciding().any(|metric| metric.verdict == Verdict::Better) {
        Verdict::Better
    } else {
        Verdict::Equivalent
    }
}

/// Whether there is anything that can decide: cells that were judged on both sides, where cells decide; else gated metrics.
fn is_decidable(metrics: &[Compared], cells: Option<&Cells>) -> bool {
    match cells {
        Some(cells) => cells.judged > 0,
        None => metrics.iter().any(|metric| metric.role == Role::Gate),
    }
}

impl Comparison {
    /// Reads the comparison in a folder.
    ///
    /// # Errors
    /// When there is none, or one of a newer format.
    pub fn read(folder: &Path) -> Result<Self> {
        read_json(&folder.join(FILE))
    }

    /// Marks trials that ended before they were decided, and why: a look that was not planned is none, so that what statistics
    /// say at it decides nothing. What was counted does.
    pub fn end_early(&mut self, why: &str) {
        self.partial = true;
        self.remarks.insert(0, format!("ended early: {why}"));
        for metric in self.metrics.iter_mut().filter(|metric| metric.role == Role::Gate) {
            metric.verdict = Verdict::Inconclusive;
            "trials ended early".clone_into(&mut metric.why);
        }
        let cells = self.cells.as_ref().filter(|_| self.gate.is_empty());
        self.verdict = overall(&self.metrics, cells);
    }

    /// Whether cells of matrices decide, and no times.
    pub fn is_by_cells(&self) -> bool {
        self.cells.is_some() && self.gate.is_empty()
    }

    /// Whether every gated metric is decided.
    pub fn is_decided(&self) -> bool {
        let mut gated = self.metrics.iter().filter(|metric| metric.role == Role::Gate);
        gated.all(|metric| metric.verdict != Verdict::Inconclusive) && !self.gate.is_empty()
    }

    /// Whether a broker of the candidate went away by itself, and none of the baseline.
    pub fn has_new_death(&self) -> bool {
        self.metrics.iter().any(|metric| metric.metric == GONE && metric.verdict == Verdict::Worse)
    }

    /// Whether the candidate lets in what the baseline does not.
    pub fn has_new_false_accept(&self) -> bool {
        let mut counts = self.metrics.iter().filter(|metric| metric.role == Role::Count);
        counts.any(|metric| {
            let is_false_accept = metric.metric.starts_with("verdict.false_accept")
                || metric.candidate == Some(Seen::Word("false_accept".into()));
            metric.verdict == Verdict::Worse && is_false_accept
        })
    }
}
