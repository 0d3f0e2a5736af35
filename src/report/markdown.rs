//! A run for a pull request: what it came to in a sentence and a table.

use super::style::{count, percentile};
use crate::results::{PhaseStats, Summary, summary::Part};

/// Renders a summary.
pub(super) fn render(summary: &Summary) -> String {
    let verdict = |part: &Part, name: &str| count(Summary::count(&part.verdicts, name));
    let mut out = format!(
        "### tokenstorm: {}\n\n{} attempts, {} correct; validity: {}.\n\n",
        escaped(&summary.scenario),
        count(summary.attempts),
        count(Summary::count(&summary.verdicts, "correct")),
        escaped(&summary.validity.verdict),
    );
    out.push_str(
        "| token | attempts | correct | false accept | false reject | wrong reason | not judged | connack p50 | p99 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, part) in &summary.by_token {
        let connack = part.phases.get("connack");
        let time = |of: fn(&PhaseStats) -> String| connack.map_or_else(|| "-".into(), of);
        let cells = [
            escaped(name),
            count(part.attempts),
            verdict(part, "correct"),
            verdict(part, "false_accept"),
            verdict(part, "false_reject"),
            verdict(part, "wrong_reason"),
            verdict(part, "not_judged"),
            time(|stats| percentile(&stats.p50_us)),
            time(|stats| percentile(&stats.p99_us)),
        ];
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for threshold in &summary.thresholds {
        let passed = match threshold.passed {
            Some(true) => "held",
            Some(false) => "**did not hold**",
            None => "can't tell",
        };
        let what = format!("{} {}", threshold.metric, threshold.condition);
        out.push_str(&format!("\n- {}: {passed}", escaped(&what)));
    }
    for reason in &summary.validity.reasons {
        out.push_str(&format!("\n- {}", escaped(reason)));
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Text that Markdown takes for nothing else: what users name could be anything.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\`*_{}[]<>|#@!~$".contains(c) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
