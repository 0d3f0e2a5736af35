//! A comparison for a person at a terminal.

use std::fmt::Write;

use super::table::{HEAD, columns, design, is_shown, row, sentence};
use crate::{
    base::error::plain::Paint,
    report::{
        compare::{Comparison, Verdict},
        style::{table, written},
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
    let rows: Vec<Vec<String>> =
        comparison.metrics.iter().filter(|metric| is_shown(metric)).map(row).collect();
    if !rows.is_empty() {
        writeln!(out, "{}", table(&HEAD, &rows))?;
        if let Some(columns) = columns(comparison) {
            writeln!(out, "{columns}")?;
        }
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
