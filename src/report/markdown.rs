//! A run for a pull request: what it came to in a sentence and a table.

use std::fmt::{Result, Write};

use super::{
    cluster,
    diagnosis::Diagnosis,
    html::sentence::{self, Sentence},
    style::{count, percentile},
    terminal,
};
use crate::{
    plan::threshold::VERDICTS,
    results::{Matrix, PhaseStats, Summary, summary::Part},
};

/// Renders a summary; of a matrix, with what its cells say.
pub(crate) fn render(summary: &Summary, matrix: Option<&Matrix>) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    let _ = write_all(&mut out, summary, matrix);
    out
}

fn write_all(out: &mut String, summary: &Summary, matrix: Option<&Matrix>) -> Result {
    let Sentence { title, words, .. } = sentence::of(summary, matrix);
    writeln!(out, "### tokenstorm: {}: {}\n", escaped(&summary.scenario), escaped(title))?;
    writeln!(out, "**{}**\n", escaped(&words))?;
    writeln!(
        out,
        "{} attempts: {}; validity: {}.\n",
        count(summary.attempts),
        verdicts(summary),
        escaped(&summary.validity.verdict),
    )?;
    if let Some(diagnosis) = Diagnosis::of(summary) {
        writeln!(out, "Nobody was let in: {}.\n", escaped(&diagnosis.words()))?;
    }
    if let Some(aborted) = &summary.aborted {
        writeln!(out, "**{}**\n", escaped(&aborted.words()))?;
    }
    if summary.partial {
        writeln!(out, "**Still running, or killed: this is what was known by then.**\n")?;
    }
    if let Some(agents) = &summary.agents {
        writeln!(out, "Agents: {}.\n", escaped(&agents.words()))?;
    }
    writeln!(
        out,
        "| token | attempts | correct | false accept | false reject | wrong reason | not judged | indeterminate | connack p50 | p99 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )?;
    for (name, part) in &summary.by_token {
        writeln!(out, "| {} |", row(name, part).join(" | "))?;
    }
    if summary.by_broker.len() > 1 {
        for (name, part) in &summary.by_broker {
            writeln!(out, "| at {} |", row(name, part).join(" | "))?;
        }
    }
    writeln!(out)?;
    for threshold in &summary.thresholds {
        let passed = match threshold.passed {
            Some(true) if summary.partial => "held so far",
            Some(true) => "held",
            Some(false) => "**did not hold**",
            None => threshold.undecided.map_or("can't tell", |why| why.words()),
        };
        let passed = summary
            .ended_by(threshold)
            .map_or_else(|| passed.to_owned(), |ended| format!("**{ended}**"));
        let what = format!("{} {}", threshold.metric, threshold.condition);
        writeln!(out, "- {}: {passed}", escaped(&what))?;
    }
    if summary.excused > 0 {
        writeln!(out, "- {}", escaped(&terminal::excused(summary)))?;
    }
    for divergent in &summary.divergent {
        writeln!(out, "- **{}**", escaped(&cluster::difference(divergent)))?;
    }
    for lost in &summary.outages {
        writeln!(out, "- {}", escaped(&cluster::outage(lost)))?;
    }
    for reason in &summary.validity.reasons {
        writeln!(out, "- {}", escaped(reason))?;
    }
    Ok(())
}

/// The verdicts that attempts got; `correct` also where none did.
fn verdicts(summary: &Summary) -> String {
    let of = |name: &&str| (name.replace('_', " "), Summary::count(&summary.verdicts, name));
    let all = VERDICTS.iter().map(of);
    let kept = all.filter(|(name, number)| *number > 0 || name == "correct");
    kept.map(|(name, number)| format!("{} {name}", count(number))).collect::<Vec<_>>().join(", ")
}

fn row(name: &str, part: &Part) -> Vec<String> {
    let verdict = |name: &str| count(Summary::count(&part.verdicts, name));
    let connack = part.phases.get("connack");
    let time = |of: fn(&PhaseStats) -> String| connack.map_or_else(|| "-".into(), of);
    let mut row = vec![escaped(name), count(part.attempts)];
    row.extend(VERDICTS.map(verdict));
    row.extend([time(|stats| percentile(&stats.p50_us)), time(|stats| percentile(&stats.p99_us))]);
    row
}

/// Text that Markdown takes for nothing else: what users name could be anything.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\`*_{}[]<>|#@!~$".contains(c) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
        if "@#".contains(c) {
            // A backslash keeps neither a mention nor a link to an issue from being made; nothing between them does.
            out.push('\u{200b}');
        }
    }
    out
}
