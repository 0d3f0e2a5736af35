//! A comparison for a pull request: what decides first, all metrics folded.

use std::fmt::{Result, Write};

use super::{
    cells,
    table::{HEAD, columns, design, parted, row, sentence},
};
use crate::{
    base::error::plain::line,
    report::{
        compare::{Compared, Comparison, cells::Cells},
        markdown::escaped,
        style::written,
    },
};

pub(super) fn render(comparison: &Comparison) -> String {
    written(|out| write_all(out, comparison))
}

fn write_all(out: &mut String, comparison: &Comparison) -> Result {
    writeln!(out, "### tokenstorm: {}\n", escaped(&sentence(comparison)))?;
    writeln!(
        out,
        "`{}`: {} against {}, {}.\n",
        line(&comparison.scenario).replace('`', "'"),
        escaped(&comparison.candidate),
        escaped(&comparison.baseline),
        design(comparison),
    )?;
    if let Some(cells) = &comparison.cells {
        changed(out, cells)?;
    }
    let (shown, rest) = parted(comparison);
    if !shown.is_empty() {
        table(out, &shown)?;
        writeln!(out)?;
        if let Some(columns) = columns(comparison) {
            writeln!(out, "- {columns}")?;
        }
    }
    for difference in &comparison.differences {
        writeln!(out, "- differs: {}", escaped(difference))?;
    }
    for remark in &comparison.remarks {
        writeln!(out, "- {}", escaped(remark))?;
    }
    if !rest.is_empty() {
        let count = rest.len();
        writeln!(
            out,
            "\n<details><summary>{count} more metrics, which decide nothing</summary>\n"
        )?;
        table(out, &rest)?;
        writeln!(out, "\n</details>")?;
    }
    Ok(())
}

fn table(out: &mut String, metrics: &[&Compared]) -> Result {
    writeln!(out, "| {} |\n|---|--:|--:|--:|--:|---|---|", HEAD.join(" | "))?;
    for metric in metrics {
        let cells: Vec<String> = row(metric).iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// Cells that changed, and how many did not.
fn changed(out: &mut String, cells: &Cells) -> Result {
    if !cells.changed.is_empty() {
        let head = cells::HEAD.join(" | ");
        writeln!(out, "| change | {head} |\n|---|---|---|---|---|---|")?;
    }
    for cell in &cells.changed {
        let row: Vec<String> = cells::row(cell).iter().map(|text| escaped(text)).collect();
        writeln!(out, "| **{}** | {} |", cell.change.label(), row.join(" | "))?;
    }
    if !cells.changed.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "{}\n", escaped(&cells::same(cells)))
}
