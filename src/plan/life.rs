//! A client's life: what it brings, where it goes, how long it stays, and what is drawn for each of its turns.
//!
//! All of it follows from the seed, the client's number and the number of its turn, whoever drives the client and whatever
//! happened to others: so a segment's clients live as they would in the whole run, and the same seed is the same run.

use std::time::Duration;

use super::Plan;
use crate::token::Bearer;

/// How long a client stays that is held until the rest of a run is over: longer than any run.
const HELD: Duration = Duration::from_hours(24);

/// The life of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Life {
    /// The client's number.
    pub client: u64,
    /// Index of its kind of token.
    pub kind: usize,
    /// Index of its broker.
    pub broker: usize,
    /// How long it stays once it was accepted.
    pub hold: Duration,
    /// The client whose token it brings: itself, or the first of its group where tokens are reused.
    owner: u64,
    seed: u64,
}

impl Life {
    /// The client in a turn.
    pub fn bearer(&self, turn: u32) -> Bearer {
        Bearer { client: self.client, turn }
    }

    /// The same with another kind of token.
    #[must_use]
    pub fn with_kind(self, kind: usize) -> Self {
        Self { kind, ..self }
    }

    /// For whom the token of a turn is minted.
    pub fn owner(&self, turn: u32) -> Bearer {
        Bearer { client: self.owner, turn }
    }

    /// What is drawn for a turn, as a fraction in `0.0..1.0`; `stream` parts what is drawn for different ends.
    pub fn drawn(&self, turn: u32, stream: u64) -> f64 {
        self.bearer(turn).fraction(self.seed ^ stream)
    }
}

impl Plan {
    /// The life of a client of the whole run.
    pub fn life(&self, client: u64) -> Life {
        let kind = self.kind_of(client);
        Life {
            client,
            kind,
            broker: self.broker_of(client),
            hold: self.hold_of(kind),
            owner: self.minted_as(client),
            seed: self.mould.seed,
        }
    }

    /// How long an accepted client with a kind of token stays; one that is held, until it is let go.
    pub fn hold_of(&self, kind: usize) -> Duration {
        if self.is_witness(kind) { HELD } else { self.load().hold() }
    }
}

#[cfg(test)]
mod tests;
