//! What was asked of a run, and the command that asks it again.

use std::path::Path;

use maud::{Markup, html};

use super::{files, page};
use crate::{
    base::error::Result,
    record::results::{
        Matrix, Summary,
        matrix::{Cell, version},
    },
    report::{
        facts::Facts,
        style::{count, distinct, number, time},
        terminal::brokers,
    },
    scenario::{Load, Scenario},
};

/// Kinds of token that are named; of more only the number is said.
const MOST_KINDS: usize = 12;

/// What was asked, as names and values, and the scenario itself.
///
/// # Errors
/// When the scenario is there and can't be read.
pub(super) fn section(folder: &Path, summary: &Summary, matrix: Option<&Matrix>) -> Result<Markup> {
    let text = files::text(folder, "scenario.toml")?;
    // A scenario of another version may have keys that this one does not know: the summary says enough.
    let scenario = text.as_ref().and_then(|text| toml::from_str::<Scenario>(text).ok());
    Ok(html! {
        (page::facts(facts(summary, scenario.as_ref(), matrix)))
        @if let Some(text) = &text {
            details {
                summary { "The scenario, secrets left out" }
                div.scroll { pre { (text) } }
            }
        } @else {
            p.note { "There is no scenario.toml in this folder." }
        }
    })
}

fn facts(summary: &Summary, scenario: Option<&Scenario>, matrix: Option<&Matrix>) -> Facts {
    let mut facts = Facts::default();
    let label = if summary.by_broker.len() == 1 { "Broker" } else { "Brokers" };
    facts.say(label, brokers(summary));
    if let Some(matrix) = matrix {
        let versions = distinct(matrix.cells.iter().map(Cell::version));
        facts.say("Protocol", format!("MQTT {}", versions.join(" and ")));
        facts.say("Tokens", kinds_of(matrix));
    } else {
        facts.say("Protocol", format!("MQTT {}", version(summary.protocol)));
        facts.say("Tokens that came", mix(summary));
    }
    facts.say("Promises", promises(summary, matrix));
    facts.say("Load", load(summary, scenario));
    if !summary.tags.is_empty() {
        let tags: Vec<String> =
            summary.tags.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        facts.say("Tags", tags.join(", "));
    }
    let took = time(summary.duration_s * 1e6);
    let (attempts, from) = (count(summary.attempts), &summary.started_at);
    facts.say("Done", format!("{attempts} attempts in {took}, from {from}"));
    facts
}

fn kinds_of(matrix: &Matrix) -> String {
    let names = distinct(matrix.cells.iter().map(|cell| &cell.defect));
    format!("{} kinds of the catalogue, {} cells", names.len(), matrix.cells.len())
}

fn promises(summary: &Summary, matrix: Option<&Matrix>) -> String {
    let over = match matrix.map_or(&[][..], |matrix| &matrix.overridden) {
        [] => String::new(),
        keys => format!(", with {} of the scenario's [policy]", keys.join(", ")),
    };
    format!("those of profile {}{over}", summary.profile)
}

/// Kinds of token with their shares, the most frequent first.
fn mix(summary: &Summary) -> String {
    let mut kinds: Vec<(&String, u64)> =
        summary.by_token.iter().map(|(name, part)| (name, part.attempts)).collect();
    kinds.sort_by_key(|(_, attempts)| std::cmp::Reverse(*attempts));
    let share = |attempts: u64| 100.0 * attempts as f64 / summary.attempts.max(1) as f64;
    let words: Vec<String> = kinds
        .iter()
        .take(MOST_KINDS)
        .map(|(name, attempts)| {
            format!("{name} {} % ({})", number(share(*attempts)), count(*attempts))
        })
        .collect();
    match kinds.len().saturating_sub(MOST_KINDS) {
        0 => words.join(", "),
        more => format!("{} and {more} kinds more", words.join(", ")),
    }
}

/// What the clients were to do, in words.
fn load(summary: &Summary, scenario: Option<&Scenario>) -> String {
    let model = match summary.model.as_str() {
        "open" => "open model (clients come by a schedule, whatever the broker does)",
        "closed" => "closed model (a client comes when another one is done)",
        "churn" => "churn (clients come again and again)",
        "preconnect" => "preconnect (connections stand, and send CONNECT in waves)",
        other => other,
    };
    let Some(load) = scenario.map(|scenario| &scenario.load) else { return model.to_owned() };
    let stages = stages(load);
    if stages.is_empty() { model.to_owned() } else { format!("{model}: {stages}") }
}

fn stages(load: &Load) -> String {
    let mut parts: Vec<String> = load
        .stages
        .iter()
        .map(|stage| {
            let over = humantime::format_duration(stage.r#for);
            match (stage.rate, stage.ramp_to) {
                (_, Some(rate)) => format!("up to {}/s within {over}", number(rate)),
                (Some(rate), None) => format!("{}/s for {over}", number(rate)),
                (None, None) => format!("a pause of {over}"),
            }
        })
        .collect();
    parts.extend(load.clients.map(|clients| format!("{} clients", count(clients))));
    parts.extend(load.concurrency.map(|many| format!("{many} at a time")));
    parts.extend(load.wave.map(|wave| format!("{} in a wave", count(wave))));
    let hold = load.hold();
    if !hold.is_zero() {
        parts.push(format!("each stays for {}", humantime::format_duration(hold)));
    }
    if !load.warmup.is_zero() {
        let warmup = time(load.warmup.as_secs_f64() * 1e6);
        parts.push(format!("the first {warmup} are not timed"));
    }
    parts.join(", ")
}

/// The command that makes the run again.
pub(super) fn command(matrix: Option<&Matrix>) -> Markup {
    let (command, note) = match matrix {
        Some(matrix) => (matrix.command.as_str(), None),
        None => (
            "tokenstorm run scenario.toml",
            Some(
                "With the scenario.toml of this folder: the command line's changes are in it. Secrets are left out of it and \
                 have to be filled in where it says <redacted>. Files that it names with relative paths, such as keys, are looked for \
                 beside the scenario: put it where the first one was, or write whole paths.",
            ),
        ),
    };
    html! {
        pre.wrap { (command) }
        @if let Some(note) = note { p.note { (note) } }
        p.note { code { "tokenstorm report FOLDER --format html" } " makes this page again." }
    }
}
