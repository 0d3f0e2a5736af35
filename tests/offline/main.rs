//! What needs no broker and no network: the catalogue of tokens and what is minted of it, plans, parsers, and what comparisons
//! decide.
#![expect(clippy::unwrap_used, reason = "a test that can't set up has failed")]

mod catalogue;
mod coincidences;
mod decisions;
mod fuzzed;
mod minting;
mod scenarios;
mod seeded;

use std::path::Path;

use tokenstorm::scenario::{Loaded, Overrides, parse};

/// A scenario whose keys lie in `tests/keys`.
fn loaded(text: &str) -> Loaded {
    let scenario =
        parse(text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/scenario.toml");
    Loaded::new(path, scenario)
}
