//! A comparison for a pull request: what decides first, all metrics folded.

use std::fmt::{Result, Write};

use super::table::{HEAD, columns, design, is_shown, row, sentence};
use crate::{
    base::error::plain::line,
    report::{
        compare::{Compared, Comparison},
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
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) =
        comparison.metrics.iter().partition(|metric| is_shown(metric));
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
