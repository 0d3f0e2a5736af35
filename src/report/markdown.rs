//! A run for a pull request: what it came to in a sentence and a table.

use std::fmt::{Result, Write};

use super::{
    cluster,
    codes::answer,
    findings, gone,
    matrix::known,
    sentence::{self, Sentence},
    style::{count, percentile, written},
    terminal,
};
use crate::{
    base::{
        error::plain::steers,
        words::{Counts, Operation, Phase, Verdict},
    },
    record::results::{
        Matrix, PhaseStats, Summary, diagnosis::Diagnosis, matrix::Cell, summary::Part,
    },
};

/// Rows of cells that a pull request shows.
const MOST_CELLS: usize = 50;

/// Renders a summary; of a matrix, with what its cells say.
pub(crate) fn render(summary: &Summary, matrix: Option<&Matrix>) -> String {
    written(|out| write_all(out, summary, matrix))
}

fn write_all(out: &mut String, summary: &Summary, matrix: Option<&Matrix>) -> Result {
    let Sentence { title, words, .. } = sentence::of(summary, matrix);
    writeln!(out, "### tokenstorm: {}: {}\n", escaped(&summary.scenario), escaped(title))?;
    writeln!(out, "**{}**\n", escaped(&words))?;
    let counted = match matrix {
        Some(Matrix { cells, .. }) => {
            let verdicts = cells.iter().map(|cell| (cell.verdict, 1)).collect();
            let known = matrix.map_or_else(String::new, |it| known(it, Cell::is_wrong));
            format!("{} cells: {}{known}", count(cells.len() as u64), told(&verdicts))
        }
        None => format!("{} attempts: {}", count(summary.attempts), told(&summary.verdicts)),
    };
    let operations = summary.operations.iter().filter(|(_, stats)| stats.count > 0);
    let counted = operations.fold(counted, |counted, (operation, stats)| {
        let what = match operation {
            Operation::Reauthenticate => "answers to AUTH",
            _ => "ends of tokens",
        };
        format!("{counted}; {} {what}: {}", count(stats.count), told(&stats.verdicts))
    });
    let validity = if summary.partial {
        "not judged yet".to_owned()
    } else {
        escaped(summary.validity.verdict.name())
    };
    writeln!(out, "{counted}; validity: {validity}.\n")?;
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
    match matrix {
        Some(matrix) => cells(out, matrix)?,
        None => tokens(out, summary)?,
    }
    writeln!(out)?;
    for name in matrix.map(Matrix::fixed).unwrap_or_default() {
        writeln!(out, "- fixed: {}", escaped(&name))?;
    }
    for threshold in &summary.thresholds {
        let passed = match threshold.passed {
            Some(true) if summary.partial => "held so far",
            Some(true) => "held",
            Some(false) => "**did not hold**",
            None => threshold.undecided.map_or("can't tell", |why| why.words()),
        };
        let ended = summary.ended_by(threshold).map(|ended| format!("**{ended}**"));
        let what = format!("{} {}", threshold.metric, threshold.condition);
        writeln!(out, "- {}: {}", escaped(&what), ended.as_deref().unwrap_or(passed))?;
    }
    if summary.excused > 0 {
        writeln!(out, "- {}", escaped(&terminal::excused(summary)))?;
    }
    if let Some(full) = &summary.connection_limit {
        writeln!(out, "- {}", escaped(&full.words()))?;
    }
    for gone in &summary.broker_gone {
        writeln!(out, "- **critical: {}**", escaped(&gone::line(gone)))?;
    }
    for divergent in &summary.divergent {
        writeln!(out, "- **{}**", escaped(&cluster::difference(divergent, summary.protocol)))?;
    }
    for lost in &summary.outages {
        writeln!(out, "- {}", escaped(&cluster::outage(lost)))?;
    }
    for reason in &summary.validity.reasons {
        writeln!(out, "- {}", escaped(&reason.to_string()))?;
    }
    if let Some(cut) = findings::left_out(summary) {
        writeln!(out, "- {}", escaped(&cut))?;
    }
    Ok(())
}

/// The verdicts of a run by token and broker.
fn tokens(out: &mut String, summary: &Summary) -> Result {
    let verdicts = Verdict::ALL.map(Verdict::words).join(" | ");
    let numbers = "--:|".repeat(Verdict::COUNT + 3);
    writeln!(out, "| token | attempts | {verdicts} | connack p50 | p99 |\n|---|{numbers}")?;
    for (name, part) in &summary.by_token {
        writeln!(out, "| {} |", row(name, part).join(" | "))?;
    }
    if summary.by_broker.len() > 1 {
        for (name, part) in &summary.by_broker {
            writeln!(out, "| at {} |", row(name, part).join(" | "))?;
        }
    }
    Ok(())
}

/// Cells of a matrix that were not as promised; the page and `matrix.csv` have the others.
fn cells(out: &mut String, matrix: &Matrix) -> Result {
    // What is new must not be what there is no room for.
    let new = matrix.cells.iter().filter(|cell| cell.is_new());
    let mut wrong = new.chain(matrix.cells.iter().filter(|cell| cell.is_known())).peekable();
    if wrong.peek().is_none() {
        return Ok(());
    }
    writeln!(
        out,
        "| entry | MQTT | severity | expected | answer | verdict |\n|---|---|---|---|---|---|"
    )?;
    for cell in wrong.by_ref().take(MOST_CELLS) {
        let row = [
            &cell.defect,
            &cell.place(),
            cell.severity.name(),
            cell.expected.name(),
            &answer(cell),
            &cell.told(),
        ];
        writeln!(out, "| {} |", row.map(escaped).join(" | "))?;
    }
    match wrong.count() {
        0 => {}
        more => writeln!(out, "\nand {more} more: see `matrix.csv`.")?,
    }
    Ok(())
}

/// Counts by name; those that are none only where that is told by the others.
fn told(all: &Counts<Verdict>) -> String {
    let kept = all.iter().filter(|(word, number)| *number > 0 || *word == Verdict::Correct);
    let words = kept.map(|(word, number)| format!("{} {}", count(number), word.words()));
    words.collect::<Vec<_>>().join(", ")
}

fn row(name: &str, part: &Part) -> Vec<String> {
    let connack = part.phases.get(&Phase::Connack);
    let time = |of: fn(&PhaseStats) -> String| connack.map_or_else(|| "-".into(), of);
    let mut row = vec![escaped(name), count(part.attempts)];
    row.extend(part.verdicts.iter().map(|(_, number)| count(number)));
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
        out.push(match c {
            _ if c.is_control() => ' ',
            _ if steers(c) => char::REPLACEMENT_CHARACTER,
            _ => c,
        });
        if "@#".contains(c) {
            // A backslash keeps neither a mention nor a link to an issue from being made; nothing between them does.
            out.push('\u{200b}');
        }
    }
    out
}
