//! Authentication again on a live connection: the operation `reauthenticate`, its instants, and what it came to.

use serde::{Deserialize, Serialize};

use super::{
    attempt::{Attempt, Outcome},
    verdict::Expectation,
};
use crate::base::words::{OperationOutcome, Verdict};

/// An AUTH that authenticates a client again, or the ask for a token that brought none.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Reauth {
    /// Its token, its instants and how it ended, as those of a CONNECT with that token: `sent` is when AUTH was handed over,
    /// `Accepted` is AUTH with code 0x00, `Refused` is a DISCONNECT.
    pub attempt: Attempt,
    /// What had to happen.
    pub expected: Expectation,
    /// What that is worth.
    pub verdict: Verdict,
}

impl Reauth {
    /// How it ended, without the details.
    pub fn outcome(&self) -> OperationOutcome {
        match self.attempt.outcome {
            Outcome::Accepted => OperationOutcome::Renewed,
            // No upgrade is part of it.
            Outcome::Refused(_) | Outcome::UpgradeRefused(_) => OperationOutcome::Refused,
            Outcome::Closed(_) => OperationOutcome::Closed,
            // Of a session, this is a ping that had no answer either.
            Outcome::Timeout(_) | Outcome::TcpFailed(_) => OperationOutcome::Timeout,
            Outcome::TokenFailed(_) => OperationOutcome::TokenFailed,
            // Layers that broke are among them: whose fault that is can't be told.
            Outcome::ProtocolError(_)
            | Outcome::TlsFailed(_)
            | Outcome::WsFailed(_)
            | Outcome::LocalError(_) => OperationOutcome::ProtocolError,
        }
    }

    /// From AUTH to its answer, in nanoseconds: `None` where there was none, and of one that was never sent.
    pub fn time(&self) -> Option<u64> {
        let Attempt { sent, ended, outcome, .. } = self.attempt;
        outcome.is_answer().then(|| ended.saturating_sub(sent))
    }

    /// Whether an AUTH was sent.
    pub fn was_sent(&self) -> bool {
        !matches!(self.attempt.outcome, Outcome::TokenFailed(_))
    }
}
