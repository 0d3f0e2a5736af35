//! What a client does, or meets, that is timed and judged.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Expected, vocabulary};

vocabulary! {
    /// What a client does, or meets, whose phases are measured.
    Operation: "operation" {
        /// An attempt: one CONNECT, from its schedule to the answer.
        Connect = "connect";
        /// The token of a live connection ends.
        Expire = "expire";
        /// A client authenticates again on its connection, with another token (MQTT 5.0, 4.12.1).
        Reauthenticate = "reauthenticate";
        /// A client comes back whose connection ended: several attempts at times, so none of its own.
        Return = "return";
    }
}

impl Operation {
    /// Those that a connected client does or meets, and that are judged.
    pub const OF_SESSIONS: [Self; 2] = [Self::Expire, Self::Reauthenticate];

    /// How one of those can end, in order.
    pub fn outcomes(self) -> &'static [OperationOutcome] {
        use OperationOutcome as Of;
        match self {
            Self::Connect | Self::Return => &[],
            Self::Expire => &[Of::Ended, Of::Open, Of::Left],
            Self::Reauthenticate => &[
                Of::Renewed,
                Of::Refused,
                Of::Closed,
                Of::Timeout,
                Of::ProtocolError,
                Of::TokenFailed,
            ],
        }
    }

    /// Whether it is the attempt to connect.
    pub fn is_attempt(self) -> bool {
        self == Self::Connect
    }
}

vocabulary! {
    /// How an operation of a connected client ended.
    OperationOutcome: "outcome of an operation" {
        /// The broker ended the connection.
        Ended = "ended";
        /// The connection outlived its token.
        Open = "open";
        /// Whoever ended the connection, it was not the broker; or its end says nothing.
        Left = "left";
        /// The broker took the new token: AUTH with code 0x00.
        Renewed = "renewed";
        /// It refused it: DISCONNECT with a code.
        Refused = "refused";
        /// The connection ended without an answer.
        Closed = "closed";
        /// The broker did not answer in time.
        Timeout = "timeout";
        /// The broker sent what must not come.
        ProtocolError = "protocol_error";
        /// There was no token to authenticate with.
        TokenFailed = "token_failed";
    }
}

vocabulary! {
    /// What had to become of a live connection whose token ends.
    ExpectedEnd: "expectation of an end" {
        /// The broker had to end it.
        End = "end";
        /// It had to stay open.
        Stay = "stay";
        /// Nothing is promised.
        None = "none";
    }
}

/// What had to become of an operation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Due {
    /// Of a connection whose token ends.
    End(ExpectedEnd),
    /// Of a token that was sent.
    Answer(Expected),
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End(end) => end.fmt(f),
            Self::Answer(answer) => answer.fmt(f),
        }
    }
}
