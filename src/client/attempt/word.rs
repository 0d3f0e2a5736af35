//! Words for failures that come from another process: known ones are used, new ones are kept for good.

use std::{collections::HashSet, sync::LazyLock};

use parking_lot::Mutex;

use serde::{Deserialize, Deserializer, de::Error};

/// Letters of a word at most.
const LONGEST: usize = 64;
/// Words at most: there are a few dozen, and whoever sends more sends nonsense.
const MOST: usize = 1000;

/// Words that have come so far.
static KNOWN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// Reads a word.
pub(super) fn known<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let word = <&str>::deserialize(from)?;
    let mut known = KNOWN.lock();
    if let Some(known) = known.get(word) {
        return Ok(known);
    }
    if word.len() > LONGEST || known.len() >= MOST {
        return Err(D::Error::custom("no word for a failure"));
    }
    // Never freed: there are few, and each is needed until the end.
    let word: &'static str = Box::leak(word.to_owned().into_boxed_str());
    known.insert(word);
    Ok(word)
}
