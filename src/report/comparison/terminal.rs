//! A comparison for a person at a terminal.

use std::fmt::Write;

use super::{
    cells,
    table::{HEAD, columns, design, parted, row, sentence},
};
use crate::{
    base::{error::plain::Paint, words::Tone},
    report::{
        compare::{Compared, Comparison, Verdict, cells::Cells},
        style::{table, wrapped, written},
    },
};

pub(super) fn render(comparison: &Comparison) -> String {
    written(|out| write_all(out, comparison))
}

fn write_all(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(
        out,
        "{}: {} (candidate) against {} (baseline), {}{}\n",
        comparison.scenario.bold(),
        comparison.candidate,
        comparison.baseline,
        design(comparison),
        if comparison.partial { ", partial" } else { "" },
    )?;
    let (shown, rest) = parted(comparison);
    if let Some(cells) = &comparison.cells {
        changed(out, cells)?;
    }
    let rows: Vec<Vec<String>> = shown.into_iter().map(row).collect();
    if !rows.is_empty() {
        writeln!(out, "{}", table(&HEAD, &rows))?;
        if let Some(columns) = columns(comparison) {
            writeln!(out, "{columns}")?;
        }
    }
    if comparison.is_by_cells()
        && let Some(times) = times(&rest)
    {
        writeln!(out, "{}\n", wrapped(&times, ""))?;
    }
    for difference in &comparison.differences {
        writeln!(out, "{} {difference}", "differs:".yellow())?;
    }
    for remark in &comparison.remarks {
        writeln!(out, "{} {remark}", "note:".cyan())?;
    }
    let sentence = sentence(comparison);
    let sentence = match comparison.verdict {
        Verdict::Worse => sentence.red(),
        Verdict::Inconclusive => sentence.yellow(),
        Verdict::Better | Verdict::Equivalent => sentence.green(),
    };
    writeln!(out, "{}", sentence.bold())
}

/// Cells that changed, those of each kind of change together; how many did not.
fn changed(out: &mut String, cells: &Cells) -> std::fmt::Result {
    for (change, changed) in cells::by_change(cells) {
        let title = format!("{} ({})", change.label(), changed.len());
        writeln!(out, "{}", title.bold())?;
        let rows: Vec<Vec<String>> = changed
            .into_iter()
            .map(|cell| {
                let [token, version, severity, baseline, candidate] = cells::row(cell);
                let candidate = match cells::tone(cell) {
                    Tone::Good => candidate.green(),
                    Tone::Warn => candidate.yellow(),
                    Tone::Bad => candidate.red().bold(),
                };
                vec![token, version, severity, baseline, candidate]
            })
            .collect();
        writeln!(out, "{}", table(&cells::HEAD, &rows))?;
    }
    writeln!(out, "{}\n", cells::same(cells))
}

/// Times of both sides in a line, where they decide nothing; `None` where there are none.
fn times(rest: &[&Compared]) -> Option<String> {
    let told = |name: &str| {
        let metric = rest.iter().find(|metric| metric.metric == name)?;
        let [name, baseline, candidate, change, ..] = &row(metric)[..] else { return None };
        Some(format!("{name} {candidate} against {baseline} ({change})"))
    };
    let times: Vec<String> = ["connack.p50", "connack.p99"].into_iter().filter_map(told).collect();
    (!times.is_empty()).then(|| format!("times, which decide nothing here: {}", times.join(", ")))
}
