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
