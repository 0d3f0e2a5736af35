//! One connection of a worker: its state, and the attempt it stands for.

use crate::client::{
    attempt::{Attempt, Outcome, Phase, Step, Steps},
    inbound::Inbound,
    link::Link,
    verdict::{Validity, foreign::Said},
};

/// The place of an address that nobody has gone to yet.
pub(super) const NOWHERE: u16 = u16::MAX;

/// Where a connection stands; in the order in which an attempt passes through them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum State {
    /// It has its token, and nothing else.
    Starting,
    /// Its token is being fetched.
    Fetching,
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
    /// Accepted, and staying.
    Holding,
    /// Refused, or DISCONNECT sent: the broker is given the time to close first, so that `TIME_WAIT`
    /// does not take up a local port.
    Leaving,
}

/// Whether there is more to read than a turn allowed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum More {
    /// An event tells of whatever comes.
    No,
    /// It stands in the list of those that have more.
    Listed,
    /// It does, and the broker has closed, so that all must be read until that is seen.
    ToTheEnd,
}

/// A connection. Small: there is one for every client that is connected.
#[derive(Debug)]
pub(super) struct Connection {
    /// None before there is a socket.
    pub(super) link: Option<Link>,
    /// Tells it from others that had its place before.
    pub(super) generation: u32,
    pub(super) state: State,
    /// A ping has not been answered yet.
    pub(super) pinged: bool,
    pub(super) kind: u16,
    pub(super) broker: u16,
    /// Place of its address among those that its worker knows; [`NOWHERE`] before it is opened.
    pub(super) way: u16,
    /// It counts among those that are open at its broker, where that is counted.
    pub(super) occupies: bool,
    /// Whether its token is a JWT, of which it is known when it ends.
    pub(super) is_jwt: bool,
    /// Index of the key that signed its token, where that is known.
    pub(super) key: Option<u16>,
    /// Seconds between packets that the broker wants to see at least.
    pub(super) keep_alive: u16,
    pub(super) client: u64,
    pub(super) minted_for: i64,
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
    /// When an accepted client leaves.
    pub(super) until: u64,
    /// CONNECT, while it is not sent.
    pub(super) packet: Vec<u8>,
    pub(super) sent: usize,
    /// What is known of a packet that is not whole, and what came in a session besides answers to pings.
    pub(super) inbound: Option<Box<Inbound>>,
    pub(super) more: More,
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

impl Connection {
    /// Whether its attempt has no outcome yet.
    pub(super) fn in_flight(&self) -> bool {
        self.state < State::Holding
    }

    /// The phase that a deadline would find it in.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Fetching => Phase::Token,
            State::Resolving => Phase::Dns,
            State::Connecting => Phase::TcpConnect,
            State::Securing => Phase::TlsHandshake,
            State::Upgrading => Phase::WsUpgrade,
            _ => Phase::Connack,
        }
    }

    /// Its attempt, ended like this; an answer ended it when it came, if the kernel said when that was.
    pub(super) fn attempt(&self, outcome: Outcome, now: u64) -> Attempt {
        let is_stamped = self.arrived > 0 && outcome.is_answer();
        let (ended, read) = if is_stamped { (self.arrived, Some(now)) } else { (now, None) };
        let step = |in_state, at| match at {
            0 if self.state == in_state => Step::Unfinished,
            0 => Step::NotEntered,
            at => Step::At(at),
        };
        let connack = if outcome.is_answer() {
            Step::At(ended)
        } else if self.state >= State::Sending {
            Step::Unfinished
        } else {
            Step::NotEntered
        };
        Attempt {
            client: self.client,
            minted_for: self.minted_for,
            kind: usize::from(self.kind),
            broker: usize::from(self.broker),
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

/// By what an attempt is judged and counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) validity: Validity,
    /// What the policy says of its token, where others made that.
    pub(super) said: Option<Said>,
    /// Whether it waited for its token without a slot of the closed model.
    pub(super) has_no_slot: bool,
}

impl Terms {
    /// Those of a token that the run minted.
    pub(super) fn of(validity: Validity) -> Self {
        Self { validity, said: None, has_no_slot: false }
    }
}

/// What epoll gives back for a connection: its place, and which one in that place.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(u64);

impl Key {
    /// The worker's bell.
    pub(super) const BELL: Self = Self(u64::MAX);

    pub(super) fn new(place: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | place as u64)
    }

    pub(super) fn from_data(data: u64) -> Self {
        Self(data)
    }

    pub(super) fn data(self) -> u64 {
        self.0
    }

    pub(super) fn place(self) -> usize {
        self.0 as u32 as usize
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
