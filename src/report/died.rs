//! What a person reads of a matrix whose broker went away: after which cell, and what sends it again.

use super::{gone::NONE_ON_THE_WAY, style::first};
use crate::record::results::{Matrix, gone::DiedAt, matrix::version};

/// Cells that are named of those that were on the way.
const MOST_NAMED: usize = 8;

/// A death of the broker: what happened, and the commands that send again what it may have died of.
pub(super) struct Told {
    pub(super) sentence: String,
    pub(super) commands: Vec<String>,
}

/// All deaths, those by a single cell first.
pub(super) fn told(matrix: &Matrix) -> Vec<Told> {
    let (named, others): (Vec<&DiedAt>, Vec<&DiedAt>) =
        matrix.died_at.iter().partition(|died| died.defect.is_some());
    // What is known to have ended it need not be guessed.
    let is_known = |name: &String| named.iter().any(|died| died.defect.as_ref() == Some(name));
    named
        .iter()
        .chain(&others)
        .map(|died| Told {
            sentence: sentence(died),
            commands: match &died.defect {
                Some(name) => vec![command(matrix, name)],
                None if died.on_the_way.iter().any(is_known) => Vec::new(),
                None => {
                    let names = died.on_the_way.iter().take(MOST_NAMED);
                    names.map(|name| command(matrix, name)).collect()
                }
            },
        })
        .collect()
}

/// Which tokens end the broker, for a sentence; nothing where none is known to.
pub(super) fn summed_up(matrix: &Matrix) -> Option<String> {
    let mut tokens: Vec<(&str, Vec<&str>)> = Vec::new();
    for died in &matrix.died_at {
        let Some(name) = died.defect.as_deref() else { continue };
        let protocol = version(died.protocol);
        match tokens.iter_mut().find(|(known, _)| *known == name) {
            Some((_, protocols)) if protocols.contains(&protocol) => {}
            Some((_, protocols)) => protocols.push(protocol),
            None => tokens.push((name, vec![protocol])),
        }
    }
    let named: Vec<String> = tokens
        .iter()
        .map(|(name, protocols)| format!("`{name}` (MQTT {})", protocols.join(" and ")))
        .collect();
    match named.as_slice() {
        [] => None,
        [one] => Some(format!("the token {one} ends the broker")),
        several => Some(format!("each of these tokens ends the broker: {}", several.join(", "))),
    }
}

fn command(matrix: &Matrix, name: &str) -> String {
    format!("{} --only {name}", matrix.command)
}

fn sentence(died: &DiedAt) -> String {
    let back = match died.back_after_s {
        Some(after) => format!("it answered again after {after:.2} s"),
        None => "it did not come back".to_owned(),
    };
    let when = format!("{:.2} s into the storm; {back}", died.at_s);
    match &died.defect {
        Some(name) => format!(
            "the token `{name}` ends the broker (MQTT {}): sent alone, the broker was gone after it, {when}",
            version(died.protocol)
        ),
        None if died.on_the_way.is_empty() => {
            format!("the broker went away by itself, {when}; {NONE_ON_THE_WAY}")
        }
        None => {
            let named = first(&died.on_the_way, MOST_NAMED);
            format!("the broker went away by itself, {when}; on the way: {named}")
        }
    }
}
