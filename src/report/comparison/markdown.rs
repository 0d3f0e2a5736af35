//! A comparison for a pull request: what decides first, all metrics folded.

use super::{HEAD, design, is_shown, row, sentence};
use crate::{
    compare::{Compared, Comparison},
    report::markdown::escaped,
};

pub(super) fn render(comparison: &Comparison) -> String {
    let mut out = format!(
        "### tokenstorm: {}\n\n`{}`: {} against {}, {}.\n\n",
        escaped(&sentence(comparison)),
        comparison.scenario.replace('`', "'"),
        escaped(&comparison.candidate),
        escaped(&comparison.baseline),
        design(comparison),
    );
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) =
        comparison.metrics.iter().partition(|metric| is_shown(metric));
    if !shown.is_empty() {
        out.push_str(&table(&shown));
        out.push('\n');
    }
    for line in comparison
        .differences
        .iter()
        .map(|it| format!("differs: {it}"))
        .chain(comparison.remarks.clone())
    {
        out.push_str(&format!("- {}\n", escaped(&line)));
    }
    if !rest.is_empty() {
        out.push_str(&format!(
            "\n<details><summary>{} more metrics, which decide nothing</summary>\n\n{}\n</details>\n",
            rest.len(),
            table(&rest)
        ));
    }
    out
}

fn table(metrics: &[&Compared]) -> String {
    let mut out = format!("| {} |\n|---|--:|--:|--:|--:|---|---|\n", HEAD.join(" | "));
    for metric in metrics {
        let cells: Vec<String> = row(metric).iter().map(|cell| escaped(cell)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}
