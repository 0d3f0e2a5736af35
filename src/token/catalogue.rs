//! The catalogue of tokens: controls, which must be accepted, and defects, which must not. One table a group; to add an
//! entry, add it to its table.

mod algorithm;
mod control;
mod encoding;
mod encrypted;
mod entry;
mod header;
mod identity;
mod placement;
mod reauthentication;
mod signature;
mod structure;
mod time;
mod when;

use serde_json::{Map, Value};

use crate::{
    base::error::{Error, Result, suggestion_of},
    scenario::{Algorithm, Protocol, TokenIn},
    token::{key::SigningKey, oracle::Expected, policy::Policy},
};

pub use crate::base::words::Severity;
pub use entry::{Defect, FRESH, Parameter};

/// What decides whether a defect applies, and what is promised of it.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What the broker promises.
    pub policy: &'a Policy,
    /// What it compares claims with.
    pub expected: &'a Expected,
    /// What a strict broker would compare them with: every claim that could be the client's own.
    pub strict: &'a Expected,
    /// `[token.claims]`.
    pub claims: &'a Map<String, Value>,
    /// The algorithm of the key that signs; `None` without a key.
    pub algorithm: Option<Algorithm>,
    /// How many bytes its signatures have.
    pub signature_length: usize,
    /// Whether the key has a `kid`.
    pub has_kid: bool,
    /// Whether there is another key, of another family, that has one.
    pub has_other_kid: bool,
    /// Where the token is put.
    pub token_in: TokenIn,
    /// Whether the user name is a name, and holds nothing that the client shows.
    pub has_user: bool,
    /// The version of MQTT.
    pub protocol: Protocol,
    /// The client id as a template, as the scenario has it.
    pub client_id: &'a str,
    /// The keys of the scenario.
    pub keys: &'a [SigningKey],
}

/// The whole catalogue, in the order in which it is printed: controls first.
pub fn all() -> impl Iterator<Item = &'static Defect> {
    [
        &control::CONTROLS[..],
        std::slice::from_ref(&reauthentication::CONTROL),
        &signature::DEFECTS,
        &algorithm::DEFECTS,
        &header::DEFECTS,
        &time::DEFECTS,
        &identity::DEFECTS,
        &encoding::DEFECTS,
        &structure::DEFECTS,
        &encrypted::DEFECTS,
        &placement::DEFECTS,
        &reauthentication::DEFECTS,
    ]
    .into_iter()
    .flatten()
}

/// The entry of that name.
pub fn defect(name: &str) -> Option<&'static Defect> {
    all().find(|defect| defect.name == name)
}

/// The names of all entries.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|defect| defect.name)
}

/// The entries that these patterns name; in them `*` stands for any text. `key` is where they are written.
///
/// # Errors
/// When a pattern is none, or names no entry.
pub fn matching(patterns: &[String], key: &str) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let wrong = |what: &str| Error::usage(format!("`{key}` holds `{pattern}`, {what}"));
        let glob = globset::Glob::new(pattern)
            .map_err(|_| wrong("which is no pattern").hint("`*` stands for any text: `expired*`"))?
            .compile_matcher();
        let before = found.len();
        found.extend(names().filter(|name| glob.is_match(name)));
        if found.len() == before {
            return Err(wrong("which is no entry of the catalogue").hint(suggestion_of(
                pattern,
                names(),
                "tokenstorm token defects",
            )));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
