//! What goes wrong, for a person: a message, a way out, and the exit code it leads to.
//!
//! One type for the whole program: nobody decides by the kind of an error here, everybody shows it.
//! What a *client* meets (a refusal, a timeout) is never an [`Error`]: it is data.

pub mod plain;
pub mod showable;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::plain::plain;

/// The exit codes of the program, in words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "u8", from = "u8")]
pub enum Exit {
    /// Done; every threshold and verdict held.
    Fine,
    /// Measured, but a threshold failed or a verdict was wrong.
    Failed,
    /// The command line or the scenario is wrong.
    Usage,
    /// Nothing could be measured, or the results could not be written.
    NotMeasured,
    /// Compared, and nothing is decided.
    Inconclusive,
    /// Interrupted by a signal; what was measured is written.
    Interrupted,
    /// That of a command that was run for another.
    Other(u8),
}

impl Exit {
    /// The number that a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotMeasured => 3,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
            Self::Other(code) => code,
        }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit.code()
    }
}

impl From<u8> for Exit {
    fn from(code: u8) -> Self {
        let own = [
            Self::Fine,
            Self::Failed,
            Self::Usage,
            Self::NotMeasured,
            Self::Inconclusive,
            Self::Interrupted,
        ];
        own.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Other(code))
    }
}

/// A message for the person at the terminal, with a hint at the way out where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

/// The result of whatever can fail in front of the user.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The command line or the scenario is wrong: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: plain(&message.into()), hint: None }
    }

    /// The measurement could not be made, or not be written: exit code 3.
    pub fn not_measured(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotMeasured, message: plain(&message.into()), hint: None }
    }

    /// Interrupted before anything was measured: exit code 130.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { exit: Exit::Interrupted, message: plain(&message.into()), hint: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(plain(&hint.into()));
        self
    }

    /// The same, where no way out is known yet.
    #[must_use]
    pub fn or_hint(self, hint: &str) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// Puts the place (a file, a scenario) before the message.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = plain(&format!("{place}: {}", self.message));
        self
    }

    /// The exit code this error leads to.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The way out, where one is known.
    pub fn way_out(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The one of `known` that is nearest to what was typed, where any is near. Case and the difference between `-`, `_` and
/// a space count less than a letter; a name that is a part of what was typed is near, too.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let wanted = plain(typed);
    let rank = |name: &'a str| {
        let own = plain(name);
        let distance = strsim::damerau_levenshtein(&wanted, &own);
        let is_near = distance <= name.chars().count() / 2;
        let is_part = own.len() >= 3 && wanted.split('_').any(|part| part == own);
        // What is near by its letters goes before what is only a part; the case decides last.
        let as_typed = strsim::damerau_levenshtein(typed, name);
        (is_near || is_part).then_some((!is_near, distance, as_typed, name))
    };
    known.into_iter().filter_map(rank).min().map(|(.., name)| name)
}

/// The most letters that may differ between a name and one with slips in it; what differs by more may be anything.
const MOST_SLIPS: usize = 2;

/// Whether what was typed is one of `known` but for a few slips, so that it may be shown: what was typed where the name of
/// a key belongs may be the key itself.
pub fn is_slip<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let typed = plain(typed);
    known.into_iter().any(|name| {
        let most = MOST_SLIPS.min((name.chars().count() + 1) / 3);
        strsim::damerau_levenshtein(&typed, &plain(name)) <= most
    })
}

/// What was typed in the place of a name, as an error may show it: in backticks where it is one of `known` but for a few
/// slips, else words in its place.
pub fn name_shown<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if is_slip(typed, known) {
        format!("`{typed}`")
    } else {
        "a name that may be a secret (not shown)".into()
    }
}

/// The most names that a hint lists. More are not read.
const MOST_LISTED: usize = 12;

/// For "did you mean": the nearest of `known` to what was typed, and the others where they are few.
pub fn suggestion<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = |names: &[&str]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    match (nearest(typed, known.iter().copied()), known.len() <= MOST_LISTED) {
        (Some(name), true) => format!("did you mean `{name}`? There are: {}", list(&known)),
        (Some(name), false) => format!("did you mean `{name}`?"),
        (None, true) => format!("there are: {}", list(&known)),
        (None, false) => {
            let first = list(&known[..3]);
            format!("there are {}, such as {first}", known.len())
        }
    }
}

/// The same with the command that lists all of them.
pub fn suggestion_of<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
    command: &str,
) -> String {
    let suggestion = suggestion(typed, known);
    let parted = if suggestion.ends_with('?') { "" } else { ";" };
    format!("{suggestion}{parted} `{command}` lists them")
}

#[cfg(test)]
mod tests;
