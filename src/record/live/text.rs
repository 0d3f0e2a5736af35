//! The text format of Prometheus, version 0.0.4, out of that of `OpenMetrics` 1.0.

use std::{collections::BTreeMap, fmt::Write};

/// The same metrics in the older format: it knows no infos and units, its comments name counters as their samples do, and
/// it ends where the text ends.
pub(super) fn plain(text: &str) -> String {
    let comments = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let kinds: BTreeMap<&str, &str> =
        comments.filter_map(|comment| comment.split_once(' ')).collect();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            plain.push_str(line);
            plain.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(what @ ("TYPE" | "HELP")), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let kind = kinds.get(name).copied().unwrap_or("untyped");
        let (end, told) = match kind {
            "counter" => ("_total", kind),
            "info" => ("_info", "gauge"),
            _ => ("", kind),
        };
        let rest = if what == "TYPE" { told } else { rest };
        // Writing to a `String` can't fail.
        let _ = writeln!(plain, "# {what} {name}{end} {rest}");
    }
    plain
}
