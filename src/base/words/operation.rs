//! What a client does, or meets, that is timed and judged.

use super::vocabulary;

vocabulary! {
    /// What a client does, or meets, whose phases are measured.
    Operation: "operation" {
        /// An attempt: one CONNECT, from its schedule to the answer.
        Connect = "connect";
        /// The token of a live connection ends.
        Expire = "expire";
        /// A client comes back whose connection ended: several attempts at times, so none of its own.
        Return = "return";
    }
}

impl Operation {
    /// Those that a connected client does or meets, and that are judged.
    pub const OF_SESSIONS: [Self; 1] = [Self::Expire];

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
