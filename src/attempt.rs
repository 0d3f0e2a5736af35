//! One attempt: a CONNECT of one client, its instants, and how it ended.

use std::fmt;

/// A stretch of an attempt whose length is measured, in the order of the contract.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Phase {
    /// Scheduled to started: the generator's own lateness.
    StartDelay,
    /// Asking for a token to holding it, where a client had to wait.
    Token,
    /// Name resolution.
    Dns,
    /// The TCP handshake.
    TcpConnect,
    /// The TLS handshake.
    TlsHandshake,
    /// The upgrade of HTTP to WebSocket.
    WsUpgrade,
    /// CONNECT handed over to CONNACK read: the broker's verdict.
    Connack,
    /// Started to CONNACK: service time.
    Connect,
    /// Scheduled to CONNACK: response time, which a stall of the broker can't hide from
    /// (coordinated omission).
    Response,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 9] = [
        Self::StartDelay,
        Self::Token,
        Self::Dns,
        Self::TcpConnect,
        Self::TlsHandshake,
        Self::WsUpgrade,
        Self::Connack,
        Self::Connect,
        Self::Response,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        crate::plan::threshold::PHASES[self as usize]
    }
}

/// How an attempt ended. A closed set: a refusal is data, not an error.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// CONNACK with code 0.
    Accepted,
    /// CONNACK with another code, as sent.
    Refused(u8),
    /// Closed by the broker before a whole CONNACK.
    Closed(Close),
    /// The deadline passed in this phase.
    Timeout(Phase),
    /// The TCP connection did not come about; the system's name of the reason.
    TcpFailed(&'static str),
    /// The broker sent what is no CONNACK; what it was.
    ProtocolError(&'static str),
    /// Ours: no port, no descriptor.
    LocalError(&'static str),
}

/// How a broker closed a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Close {
    /// In an orderly way, without a byte before.
    Fin,
    /// In an orderly way, in the middle of a packet.
    FinInPacket,
    /// By a reset.
    Rst,
}

impl Outcome {
    /// Its name in files: one of `plan::threshold::OUTCOMES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(_) => "refused",
            Self::Closed(_) => "closed",
            Self::Timeout(_) => "timeout",
            Self::TcpFailed(_) => "tcp_failed",
            Self::ProtocolError(_) => "protocol_error",
            Self::LocalError(_) => "local_error",
        }
    }

    /// Whether the broker answered with a CONNACK.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Accepted | Self::Refused(_))
    }

    /// Its code in files: the CONNACK byte in decimal, or the word for what happened.
    pub fn code(self) -> Code {
        match self {
            Self::Accepted => Code::Byte(0),
            Self::Refused(code) => Code::Byte(code),
            Self::Closed(Close::Fin | Close::FinInPacket) => Code::Word("fin"),
            Self::Closed(Close::Rst) => Code::Word("rst"),
            Self::Timeout(phase) => Code::Word(phase.name()),
            Self::TcpFailed(why) | Self::ProtocolError(why) | Self::LocalError(why) => {
                Code::Word(why)
            }
        }
    }
}

/// The code of an outcome, as files have it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// A byte that was sent.
    Byte(u8),
    /// A word.
    Word(&'static str),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "{byte}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// How far an attempt came, with the instants (of the run's clock) at which its phases ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The client's number.
    pub client: u64,
    /// Index of its kind of token.
    pub kind: usize,
    /// Index of its broker.
    pub broker: usize,
    /// The moment of use its token was minted for, in nanoseconds since 1970.
    pub minted_for: i64,
    /// When the plan wanted it to start.
    pub scheduled: u64,
    /// When it started.
    pub started: u64,
    /// When it held its token, where it had to wait.
    pub token: Step,
    /// When the TCP connection stood and the first of CONNECT was handed over.
    pub tcp: Step,
    /// When the last of CONNECT was handed over: the same instant, where it went in one piece.
    pub sent: u64,
    /// When CONNACK was read.
    pub connack: Step,
    /// When the outcome was known.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// One phase of an attempt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Step {
    /// It was not entered.
    #[default]
    NotEntered,
    /// It was entered and not completed.
    Unfinished,
    /// It was completed at that instant.
    At(u64),
}

impl Attempt {
    /// Every phase that was entered, with its length in nanoseconds; `None` where it was not completed.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, Option<u64>)> {
        let token_at = match self.token {
            Step::At(at) => at,
            _ => self.started,
        };
        let step = |phase, step: Step, from: u64| match step {
            Step::NotEntered => None,
            Step::Unfinished => Some((phase, None)),
            Step::At(at) => Some((phase, Some(at.saturating_sub(from)))),
        };
        // Every attempt enters these two; only an answer completes them.
        let whole = if self.connack == Step::NotEntered { Step::Unfinished } else { self.connack };
        [
            Some((Phase::StartDelay, Some(self.started.saturating_sub(self.scheduled)))),
            step(Phase::Token, self.token, self.started),
            step(Phase::TcpConnect, self.tcp, token_at),
            step(Phase::Connack, self.connack, self.sent),
            step(Phase::Connect, whole, self.started),
            step(Phase::Response, whole, self.scheduled),
        ]
        .into_iter()
        .flatten()
    }
}
