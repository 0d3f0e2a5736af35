//! Names and texts that come over the bus: what may stand in a subject, and what may be shown.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

/// Characters of a name at most: a host's name, which is cut to 40, with a number behind it.
const LONGEST: usize = 64;

/// The name of a group, a run or an agent. It is a part of subjects, which blanks, dots and wildcards would break.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// A name of 1 to 64 letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// When it is none: what names are made of.
    pub fn of(text: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("must be 1 to {LONGEST} letters, digits, `-` and `_`"))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::of(&text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text of another process, `MOST` characters of it at most; control characters, which would command a terminal, are
/// replaced by `U+FFFD`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "String")]
pub struct Text<const MOST: usize>(String);

/// A word of a host or a build.
pub type Short = Text<200>;
/// A sentence or some: an error, a warning.
pub type Long = Text<4000>;

impl<const MOST: usize> From<String> for Text<MOST> {
    fn from(text: String) -> Self {
        let clean =
            |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
        Self(text.chars().take(MOST).map(clean).collect())
    }
}

impl<const MOST: usize> From<&str> for Text<MOST> {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl<const MOST: usize> Deref for Text<MOST> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> fmt::Display for Text<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_subject_is_no_name() {
        for text in
            ["", " ", "a b", "a.b", "*", ">", "a\r\nPUB b 0", "=cmd|'", "ä", &"a".repeat(65)]
        {
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<Name>(&json).is_err(), "{text:?}");
        }
        assert_eq!(Name::of(&"a".repeat(64)).unwrap().as_str().len(), 64);
    }

    #[test]
    fn a_text_is_cut_and_commands_no_terminal() {
        let json = serde_json::to_string("\u{1b}]0;PWNED\u{7}\u{9b}31m").unwrap();
        let read: Short = serde_json::from_str(&json).unwrap();
        assert_eq!(&*read, "\u{fffd}]0;PWNED\u{fffd}\u{fffd}31m");
        let long = serde_json::to_string(&"x".repeat(10_000)).unwrap();
        assert_eq!(serde_json::from_str::<Short>(&long).unwrap().len(), 200);
    }
}
