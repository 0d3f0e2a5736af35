//! What a person reads of brokers that went away by themselves: when, what was on the way, and what sends it again.

use std::fmt::Write;

use maud::{Markup, html};

use super::{
    html::page,
    style::{count, time},
};
use crate::{
    base::error::plain::Paint,
    record::results::{Summary, gone::BrokerGone},
};

/// Attempts on the way that are told before the rest is only counted; `summary.json` has more.
const MOST_TOLD: usize = 5;

/// What is said where nothing was on the way.
pub(super) const NONE_ON_THE_WAY: &str = "no attempt was waiting for its answer";

/// Writes the lines of brokers that went away.
pub(super) fn write(out: &mut String, summary: &Summary) -> std::fmt::Result {
    for gone in &summary.broker_gone {
        writeln!(out, "{} {}", "broker gone".red().bold(), sentence(gone))?;
        writeln!(out, "            {}", on_the_way(gone))?;
        for command in commands(gone) {
            writeln!(out, "            {command}")?;
        }
    }
    if !summary.broker_gone.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// That a broker went away, when, and whether it is back.
pub(super) fn sentence(gone: &BrokerGone) -> String {
    let back = match gone.back_after_s {
        Some(after) => format!("it answered again after {}", time(after * 1e6)),
        None => "no connect was answered after that".to_owned(),
    };
    format!("{}, {:.2} s into the storm; {back}", gone.what(), gone.at_s)
}

/// What it had before it, in a sentence.
pub(super) fn on_the_way(gone: &BrokerGone) -> String {
    let named: Vec<String> = gone
        .on_the_way
        .iter()
        .take(MOST_TOLD)
        .map(|one| format!("client {} with `{}` ({})", one.client, one.token, one.outcome))
        .collect();
    let more = gone.on_the_way.len().saturating_sub(MOST_TOLD);
    match (named.is_empty(), more) {
        (true, _) => NONE_ON_THE_WAY.to_owned(),
        (false, 0) => format!("on the way: {}", named.join(", ")),
        (false, more) => {
            format!("on the way: {} and {} more", named.join(", "), count(more as u64))
        }
    }
}

/// The commands that make the tokens again that were on the way, the likeliest first.
pub(super) fn commands(gone: &BrokerGone) -> impl Iterator<Item = &str> {
    gone.on_the_way.iter().filter_map(|one| one.replay.as_deref()).take(MOST_TOLD)
}

/// All of it in one line.
pub(super) fn line(gone: &BrokerGone) -> String {
    let commands: Vec<&str> = commands(gone).collect();
    let again = if commands.is_empty() {
        String::new()
    } else {
        format!("; to make the token again: {}", commands.join(" or "))
    };
    format!("{}; {}{again}", sentence(gone), on_the_way(gone))
}

/// How many went away, for a sentence; nothing where none did.
pub(super) fn summed_up(summary: &Summary) -> Option<String> {
    let first = summary.broker_gone.first()?;
    let suspect = first.on_the_way.first().map_or_else(String::new, |one| {
        format!(", with `{}` of client {} on the way", one.token, one.client)
    });
    let more = match summary.broker_gone.len() - 1 {
        0 => String::new(),
        1 => "; it happened once more".to_owned(),
        more => format!("; it happened {more} more times"),
    };
    Some(format!("{}{suspect}{more}", first.what()))
}

/// They in a table; nothing where none went away.
pub(super) fn section(summary: &Summary) -> Option<Markup> {
    let rows: Vec<Vec<String>> = summary
        .broker_gone
        .iter()
        .map(|gone| {
            let back = gone.back_after_s.map_or_else(|| "never".to_owned(), |at| time(at * 1e6));
            vec![
                gone.broker.clone(),
                format!("{:.2}", gone.at_s),
                gone.what(),
                back,
                on_the_way(gone),
                commands(gone).collect::<Vec<_>>().join("\n"),
            ]
        })
        .collect();
    let head =
        ["broker", "at, s", "what was seen", "back after", "on the way", "makes the token again"];
    (!rows.is_empty()).then(|| {
        html! {
            p.note {
                "What a broker closes while it goes away says nothing about tokens, and is not judged. One of the tokens on "
                "the way may have ended it, most likely the first."
            }
            (page::table(&head, &rows))
        }
    })
}

#[cfg(test)]
mod tests;
