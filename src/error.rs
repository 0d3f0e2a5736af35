//! What goes wrong, for a person: a message, a way out, and the exit code it leads to.
//!
//! One type for the whole program: nobody decides by the kind of an error here, everybody shows it.
//! What a *client* meets (a refusal, a timeout) is never an [`Error`]: it is data.

use std::fmt;

/// The exit codes of the program, in words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

/// A message for the person at the terminal, with a hint at the way out where there is one.
#[derive(Debug)]
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
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// The measurement could not be made, or not be written: exit code 3.
    pub fn not_measured(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotMeasured, message: message.into(), hint: None }
    }

    /// Interrupted before anything was measured: exit code 130.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { exit: Exit::Interrupted, message: message.into(), hint: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
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
        self.message = format!("{place}: {}", self.message);
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The one of `known` that is nearest to what was typed, where any is near.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 2)
        .map(|(_, name)| name)
}

/// The nearest of `known` to what was typed, and the whole list: for "did you mean".
pub fn suggestion<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(typed, known) {
        Some(name) => format!("did you mean `{name}`? There are: {list}"),
        None => format!("there are: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn a_typo_gets_the_nearest_name_and_the_whole_list() {
        let hint = suggestion("expird", ["fresh", "expired"]);
        assert_eq!(hint, "did you mean `expired`? There are: `fresh`, `expired`");
        assert_eq!(suggestion("zzzzzzzzzz", ["fresh"]), "there are: `fresh`");
    }
}
