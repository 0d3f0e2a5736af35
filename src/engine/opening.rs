//! An attempt under way: how far it is, and all that is known of it before it has its outcome.

use super::carried::Carried;
use crate::{
    client::{
        attempt::{Attempt, Outcome, Phase, Step, Steps},
        inbound::Inbound,
        upgrade::Additions,
        verdict::{Validity, foreign::Said},
    },
    token::Bearer,
};

/// How far an attempt is; in the order in which it passes through these.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum State {
    /// It has its token, and nothing else.
    Starting,
    /// Its token is ordered.
    Ordering,
    /// The broker's name is being looked up.
    Resolving,
    /// The TCP handshake is under way.
    Connecting,
    /// The TLS handshake is.
    Securing,
    /// The upgrade to WebSocket is.
    Upgrading,
    /// All that CONNECT needs is there, and it is not due yet (`preconnect`).
    Standing,
    /// CONNECT is handed over, not all of it taken yet.
    Sending,
    /// CONNECT is sent, CONNACK awaited.
    Awaiting,
}

/// An attempt without an outcome.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) state: State,
    /// When its token ends, as [`super::connection::Held`] has it.
    pub(super) deadline: i64,
    /// Index of the key that signed its token, where that is known.
    pub(super) key: Option<u16>,
    /// Keep alive of its CONNECT in seconds.
    pub(super) keep_alive: u16,
    pub(super) minted_for: i64,
    /// The turn that its token is of.
    pub(super) token_turn: u32,
    /// Its token, where it may be sent again.
    pub(super) carried: Option<Carried>,
    pub(super) scheduled: u64,
    pub(super) started: u64,
    /// When opening began: `started`, but in `preconnect`, where that is when CONNECT is sent.
    pub(super) opened: u64,
    pub(super) token: Step,
    pub(super) at: Instants,
    /// When the last of CONNECT was handed over.
    pub(super) sent_at: u64,
    /// When CONNACK came, where the kernel said so; else 0.
    pub(super) arrived: u64,
    pub(super) terms: Terms,
    /// CONNECT while it is not sent, or the answer to a challenge; of enhanced authentication also after that, since a
    /// challenge is answered by it.
    pub(super) packet: Vec<u8>,
    pub(super) sent: usize,
    /// What its request for the upgrade to WebSocket has beside what all have.
    pub(super) upgrade: Option<Box<Additions>>,
    /// The AUTH that is to be sent once CONNECT is accepted, where the attempt is about that.
    pub(super) again: Option<Vec<u8>>,
    /// It is sent: what answers it is the answer.
    pub(super) is_again: bool,
    /// Whether CONNECT names an authentication method.
    pub(super) names_method: bool,
    /// Whether a challenge has come.
    pub(super) is_challenged: bool,
    /// What is known of a CONNACK that is not whole.
    pub(super) inbound: Option<Box<Inbound>>,
}

/// When phases on the way to the broker were over; 0 where one is not part of the attempt, or not over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Instants {
    /// The name was resolved.
    pub(super) dns: u64,
    /// The TCP connection stood and the first byte was handed over.
    pub(super) tcp: u64,
    /// The TLS handshake was over.
    pub(super) tls: u64,
    /// The connection was upgraded to WebSocket.
    pub(super) ws: u64,
}

/// For whom a connection is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) bearer: Bearer,
    pub(super) kind: usize,
    pub(super) broker: usize,
}

/// By what an attempt is judged and counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) validity: Validity,
    /// What the policy says of its token, where others made that.
    pub(super) said: Option<Said>,
    /// Whether its token has to be accepted because its user says so.
    pub(super) is_word: bool,
    /// Whether it has no slot of the closed model: it waited for its token without one, or is none of a first turn.
    pub(super) has_no_slot: bool,
    /// When its token was last accepted as it had to be, of one that is sent again.
    pub(super) last_accepted: Option<u64>,
    /// It is about a token in AUTH, and has sent CONNECT alone: what answers that says nothing of the token.
    pub(super) is_before_auth: bool,
}

impl Terms {
    /// Those of a token that the run minted.
    pub(super) fn of(validity: Validity) -> Self {
        Self {
            validity,
            said: None,
            is_word: false,
            has_no_slot: false,
            last_accepted: None,
            is_before_auth: false,
        }
    }
}

impl Opening {
    /// It begins now, though it was made before: what came until then is none of its time.
    pub(super) fn begin(&mut self, scheduled: u64, now: u64) {
        (self.scheduled, self.started, self.opened, self.sent_at) = (scheduled, now, now, now);
        self.token = Step::NotEntered;
    }

    /// When its token came.
    pub(super) fn came(&self) -> u64 {
        match self.token {
            Step::At(at) => at,
            Step::NotEntered | Step::Unfinished => self.started,
        }
    }

    /// The phase that a deadline would find it in.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Ordering => Phase::Token,
            State::Resolving => Phase::Dns,
            State::Connecting => Phase::TcpConnect,
            State::Securing => Phase::TlsHandshake,
            State::Upgrading => Phase::WsUpgrade,
            State::Starting | State::Standing | State::Sending | State::Awaiting => Phase::Connack,
        }
    }

    /// The attempt, ended like this; an answer ended it when it came, if the kernel said when that was.
    pub(super) fn attempt(&self, who: Who, outcome: Outcome, now: u64) -> Attempt {
        let is_stamped = self.arrived > 0 && outcome.is_connack();
        let (ended, read) = if is_stamped { (self.arrived, Some(now)) } else { (now, None) };
        let step = |in_state, at| match at {
            0 if self.state == in_state => Step::Unfinished,
            0 => Step::NotEntered,
            at => Step::At(at),
        };
        let connack = if outcome.is_connack() {
            Step::At(ended)
        } else if self.state >= State::Sending {
            Step::Unfinished
        } else {
            Step::NotEntered
        };
        Attempt {
            client: who.bearer.client,
            turn: who.bearer.turn,
            token_turn: self.token_turn,
            minted_for: self.minted_for,
            kind: who.kind,
            broker: who.broker,
            key: self.key,
            scheduled: self.scheduled,
            started: self.started,
            opened: self.opened,
            steps: Steps {
                token: self.token,
                dns: step(State::Resolving, self.at.dns),
                tcp: step(State::Connecting, self.at.tcp),
                tls: step(State::Securing, self.at.tls),
                ws: step(State::Upgrading, self.at.ws),
                connack,
            },
            sent: self.sent_at,
            ended,
            read,
            outcome,
        }
    }
}
