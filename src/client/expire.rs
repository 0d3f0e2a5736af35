//! The end of a token on a live connection: the operation `expire`, its instants, and what it came to.

use serde::{Deserialize, Serialize};

use super::attempt::Code;
pub use crate::base::words::{ExpectedEnd, OperationOutcome};
use crate::{base::words::Verdict, token::Bearer};

/// What became of a connection whose token ended. A closed set: that a broker lets it live is data, not an error.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Fate {
    /// The broker ended it, like this.
    Ended(Code),
    /// It outlived its token.
    Open,
    /// It ended otherwise, for this reason.
    Left(Code),
}

impl Fate {
    /// What became of it, without the details.
    pub fn outcome(self) -> OperationOutcome {
        match self {
            Self::Ended(_) => OperationOutcome::Ended,
            Self::Open => OperationOutcome::Open,
            Self::Left(_) => OperationOutcome::Left,
        }
    }

    /// Its code in files.
    pub fn code(self) -> Code {
        match self {
            Self::Ended(code) | Self::Left(code) => code,
            Self::Open => Code::Word("open"),
        }
    }
}

/// The end of a token on a live connection, with instants of the run's clock.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Expire {
    /// Whose connection it is, and in which turn.
    pub bearer: Bearer,
    /// The turn for which its token was minted.
    pub token_turn: u32,
    /// Index of its kind of token.
    pub kind: usize,
    /// Index of its broker.
    pub broker: usize,
    /// Index of the key that signed its token, where that is known.
    pub key: Option<u16>,
    /// The moment of use its token was minted for, in nanoseconds since 1970.
    pub minted_for: i64,
    /// When the broker accepted it.
    pub accepted: u64,
    /// The `exp` of its token, a fraction of a second dropped; may lie before the origin of the clock.
    pub deadline: i64,
    /// When it was known what became of it.
    pub ended: u64,
    /// What did.
    pub fate: Fate,
    /// What had to.
    pub expected: ExpectedEnd,
    /// What that is worth.
    pub verdict: Verdict,
}

impl Expire {
    /// How long after the deadline it ended, in nanoseconds; before it where negative.
    pub fn delay(&self) -> i64 {
        crate::base::clock::signed(self.ended).saturating_sub(self.deadline)
    }

    /// One that ended at its deadline.
    #[cfg(test)]
    pub(crate) fn example(deadline: i64) -> Self {
        Self {
            bearer: Bearer::first(0),
            token_turn: 0,
            kind: 0,
            broker: 0,
            key: None,
            minted_for: 0,
            accepted: 0,
            deadline,
            ended: u64::try_from(deadline).unwrap_or_default(),
            fate: Fate::Ended(Code::Word("fin")),
            expected: ExpectedEnd::End,
            verdict: Verdict::Correct,
        }
    }
}
