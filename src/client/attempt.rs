//! One attempt: a CONNECT of one client, its instants, and how it ended.

mod advice;
mod word;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::base::words::{OutcomeKind, Phase};
pub use advice::{advice, of_key_set as key_set_advice, of_oauth as oauth_advice};

/// The word for a failure. By another name than its own, as `serde` would read a reference as one into its input.
pub type Word = &'static str;

/// How an attempt ended. A closed set: a refusal is data, not an error.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Outcome {
    /// CONNACK with code 0.
    Accepted,
    /// CONNACK with another code, as sent.
    Refused(u8),
    /// The upgrade to WebSocket brought the token, and was answered by this HTTP status: 401 or 403.
    UpgradeRefused(u16),
    /// Closed by the broker before a whole CONNACK.
    Closed(Close),
    /// The deadline passed in this phase.
    Timeout(Phase),
    /// The name could not be resolved, or the TCP connection did not come about; the system's name of the
    /// reason.
    TcpFailed(#[serde(deserialize_with = "word::known")] Word),
    /// The TLS handshake failed, or the broker took it back by an alert; why (`tls::failure::word`).
    TlsFailed(#[serde(deserialize_with = "word::known")] Word),
    /// The upgrade to WebSocket failed: the HTTP status, or why.
    WsFailed(Code),
    /// The authorization server gave no token: the HTTP status, or why.
    TokenFailed(Code),
    /// The broker sent what is no CONNACK; what it was.
    ProtocolError(#[serde(deserialize_with = "word::known")] Word),
    /// Ours: no port, no descriptor.
    LocalError(#[serde(deserialize_with = "word::known")] Word),
}

/// How a broker closed a connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Close {
    /// In an orderly way, without a byte before.
    Fin,
    /// In an orderly way, in the middle of a packet.
    FinInPacket,
    /// By a reset.
    Rst,
}

impl Outcome {
    /// How it ended, without the details.
    pub fn kind(self) -> OutcomeKind {
        match self {
            Self::Accepted => OutcomeKind::Accepted,
            Self::Refused(_) | Self::UpgradeRefused(_) => OutcomeKind::Refused,
            Self::Closed(_) => OutcomeKind::Closed,
            Self::Timeout(_) => OutcomeKind::Timeout,
            Self::TcpFailed(_) => OutcomeKind::TcpFailed,
            Self::TlsFailed(_) => OutcomeKind::TlsFailed,
            Self::WsFailed(_) => OutcomeKind::WsFailed,
            Self::TokenFailed(_) => OutcomeKind::TokenFailed,
            Self::ProtocolError(_) => OutcomeKind::ProtocolError,
            Self::LocalError(_) => OutcomeKind::LocalError,
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }

    /// Whether the broker answered with a CONNACK.
    pub fn is_connack(self) -> bool {
        matches!(self, Self::Accepted | Self::Refused(_))
    }

    /// Whether the broker, or a gateway in front of it, answered: by CONNACK, or by refusing the upgrade that brought the
    /// token.
    pub fn is_answer(self) -> bool {
        self.is_connack() || self.is_refusal()
    }

    /// Whether that answer is a refusal.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Refused(_) | Self::UpgradeRefused(_))
    }

    /// Whether the broker let the token in; `None` where the answer says nothing about it, as overload, limits and bans do.
    pub fn lets_in(self) -> Option<bool> {
        match self {
            Self::Accepted => Some(true),
            Self::Refused(3 | 0x88 | 0x89 | 0x8A | 0x97 | 0x9F) => None,
            Self::Refused(_) | Self::UpgradeRefused(_) | Self::Closed(Close::Fin) => Some(false),
            _ => None,
        }
    }

    /// Its code in files: the CONNACK byte in decimal, or the word for what happened.
    pub fn code(self) -> Code {
        match self {
            Self::Accepted => Code::Byte(0),
            Self::Refused(code) => Code::Byte(code),
            Self::UpgradeRefused(status) => Code::Status(status),
            Self::Closed(Close::Fin | Close::FinInPacket) => Code::Word("fin"),
            Self::Closed(Close::Rst) => Code::Word("rst"),
            Self::Timeout(phase) => Code::Word(phase.name()),
            Self::WsFailed(code) | Self::TokenFailed(code) => code,
            Self::TcpFailed(why)
            | Self::TlsFailed(why)
            | Self::ProtocolError(why)
            | Self::LocalError(why) => Code::Word(why),
        }
    }
}

/// The code of an outcome, as files have it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Code {
    /// A byte that was sent.
    Byte(u8),
    /// The status of an HTTP response.
    Status(u16),
    /// A word.
    Word(#[serde(deserialize_with = "word::known")] Word),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "{byte}"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// How far an attempt came, with the instants (of the run's clock) at which its phases ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Attempt {
    /// The client's number.
    pub client: u64,
    /// The client's turn, from 0.
    pub turn: u32,
    /// The turn that its token is of: an earlier one, where a client sends its token again.
    pub token_turn: u32,
    /// Index of its kind of token.
    pub kind: usize,
    /// Index of its broker.
    pub broker: usize,
    /// Index of the key that signed its token, where that is known.
    pub key: Option<u16>,
    /// The moment of use its token was minted for, in nanoseconds since 1970.
    pub minted_for: i64,
    /// When the plan wanted it to start.
    pub scheduled: u64,
    /// When it started.
    pub started: u64,
    /// When its connection began to be opened: with the start, or before (`preconnect`).
    pub opened: u64,
    /// How far it came.
    pub steps: Steps,
    /// When the last of CONNECT was handed over.
    pub sent: u64,
    /// When the outcome was known; of a CONNACK, when it came.
    pub ended: u64,
    /// When it was read, where the kernel said when it came.
    pub read: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The phases of an attempt that follow one another.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Steps {
    /// It held its token, where it had to wait.
    pub token: Step,
    /// The name was resolved, where that was part of the attempt.
    pub dns: Step,
    /// The TCP connection stood, and the first byte was handed over.
    pub tcp: Step,
    /// The TLS handshake was over.
    pub tls: Step,
    /// The connection was upgraded to WebSocket.
    pub ws: Step,
    /// CONNACK was read.
    pub connack: Step,
}

impl Steps {
    /// The instants at which they were completed.
    pub fn instants(&mut self) -> impl Iterator<Item = &mut u64> {
        let Self { token, dns, tcp, tls, ws, connack } = self;
        [token, dns, tcp, tls, ws, connack].into_iter().filter_map(|step| match step {
            Step::At(at) => Some(at),
            Step::NotEntered | Step::Unfinished => None,
        })
    }
}

/// One phase of an attempt.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
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
    /// One of the first client at the first broker that was over at once: what tests and benches make theirs of.
    #[doc(hidden)]
    pub fn example(at: u64, outcome: Outcome) -> Self {
        Self {
            client: 0,
            turn: 0,
            token_turn: 0,
            kind: 0,
            broker: 0,
            key: None,
            minted_for: 0,
            scheduled: at,
            started: at,
            opened: at,
            steps: Steps::default(),
            sent: at,
            ended: at,
            read: None,
            outcome,
        }
    }

    /// When the token was handed over: with CONNECT, or, where the upgrade to WebSocket brings it, with the request for that.
    pub fn presented(&self, in_upgrade: bool) -> u64 {
        match (in_upgrade, self.steps.tls, self.steps.tcp) {
            (true, Step::At(at), _) | (true, _, Step::At(at)) => at,
            _ => self.sent,
        }
    }

    /// Every phase that was entered, with its length in nanoseconds; `None` where it was not completed.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, Option<u64>)> {
        let step = |phase, step: Step, from: u64| match step {
            Step::NotEntered => None,
            Step::Unfinished => Some((phase, None)),
            Step::At(at) => Some((phase, Some(at.saturating_sub(from)))),
        };
        // A phase begins where the one before it ended, and that was left out where it was not used.
        let mut from = self.opened;
        let mut next = |phase, it: Step| {
            let entered = step(phase, it, from);
            if let Step::At(at) = it {
                from = at;
            }
            entered
        };
        let steps = &self.steps;
        // Every attempt enters the last two; only an answer completes them.
        let whole = match (steps.connack, self.outcome) {
            (Step::NotEntered, Outcome::UpgradeRefused(_)) => Step::At(self.ended),
            (Step::NotEntered, _) => Step::Unfinished,
            (connack, _) => connack,
        };
        [
            Some((Phase::StartDelay, Some(self.started.saturating_sub(self.scheduled)))),
            next(Phase::Token, steps.token),
            next(Phase::Dns, steps.dns),
            next(Phase::TcpConnect, steps.tcp),
            next(Phase::TlsHandshake, steps.tls),
            next(Phase::WsUpgrade, steps.ws),
            step(Phase::Connack, steps.connack, self.sent),
            step(Phase::Connect, whole, self.started),
            step(Phase::Response, whole, self.scheduled),
            self.read.map(|read| (Phase::ReceiveDelay, Some(read.saturating_sub(self.ended)))),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests;
