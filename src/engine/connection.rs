//! One connection of a worker: where it stands, and for which client.

use super::{
    journey::Journey,
    opening::{Opening, State, Who},
};
use crate::{
    client::{link::Link, outbox::Outbox, session::Session},
    token::Bearer,
};

/// The place of an address that nobody has gone to yet.
pub(super) const NOWHERE: u16 = u16::MAX;

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
    pub(super) kind: u16,
    pub(super) broker: u16,
    /// Place of its address among those that its worker knows; [`NOWHERE`] before it is opened.
    pub(super) way: u16,
    /// It counts among those that are open at its broker, where that is counted.
    pub(super) occupies: bool,
    /// Epoll tells when its socket takes more.
    pub(super) hears_room: bool,
    pub(super) more: More,
    pub(super) bearer: Bearer,
    /// What is known of its client beyond this connection, where there is more.
    pub(super) journey: Option<Box<Journey>>,
    pub(super) stage: Stage,
}

/// What a connection is there for.
#[derive(Debug)]
pub(super) enum Stage {
    /// An attempt is under way on it. In a box, which the next attempt takes over: most of what an attempt knows is of no
    /// use once it has its answer.
    Opening(Box<Opening>),
    /// Its client was accepted and stays.
    Held(Held),
    /// Its client was refused, or leaves: the broker is given the time to close first, so that `TIME_WAIT` does not take up
    /// a local port. What the socket has not taken yet is still sent.
    Leaving(Outbox),
}

/// A client that was accepted and stays.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) session: Session,
    /// When it was accepted.
    pub(super) accepted: u64,
    /// When its token ends, whole seconds of wall time, if that is a JWT: the end of time if it does not; else the beginning
    /// of time.
    pub(super) deadline: i64,
    /// What became of the end of its token is recorded.
    pub(super) is_decided: bool,
    /// Index of the key that signed its token, where that is known.
    pub(super) key: Option<u16>,
    /// The moment of use its token was minted for, in nanoseconds since 1970.
    pub(super) minted_for: i64,
    /// The turn that its token is of.
    pub(super) token_turn: u32,
    /// When its alarm rings: not after the session is due.
    pub(super) rings: Rings,
}

/// When the alarms of a session ring, as far as that is kept: the next of them, and the last. Most clients wait for the end of
/// their time from the start, and for much else before: that one is set once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rings {
    next: u64,
    last: u64,
}

impl Default for Rings {
    fn default() -> Self {
        Self { next: u64::MAX, last: u64::MAX }
    }
}

impl Rings {
    /// Whether an alarm has to be set for an instant: none rings by then. It counts as set.
    pub(super) fn set(&mut self, at: u64) -> bool {
        if at >= self.next {
            return false;
        }
        if self.last == u64::MAX {
            self.last = self.next;
        }
        self.next = at;
        true
    }

    /// Whether an alarm that rings now is the next.
    pub(super) fn rang(&mut self, at: u64) -> bool {
        if self.next != at {
            return false;
        }
        self.next = self.last;
        if self.last <= at {
            *self = Self::default();
        }
        true
    }
}

impl Connection {
    /// Its attempt, while that has no outcome.
    pub(super) fn opening(&self) -> Option<&Opening> {
        match &self.stage {
            Stage::Opening(opening) => Some(opening),
            Stage::Held(_) | Stage::Leaving(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn opening_mut(&mut self) -> Option<&mut Opening> {
        match &mut self.stage {
            Stage::Opening(opening) => Some(opening),
            Stage::Held(_) | Stage::Leaving(_) => None,
        }
    }

    /// Its client, while that stays.
    pub(super) fn held(&self) -> Option<&Held> {
        match &self.stage {
            Stage::Held(held) => Some(held),
            Stage::Opening(_) | Stage::Leaving(_) => None,
        }
    }

    /// How far its attempt is, while that has no outcome.
    pub(super) fn state(&self) -> Option<State> {
        self.opening().map(|opening| opening.state)
    }

    /// Whether its client was refused, or leaves.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving(_))
    }

    /// Whether it is none: a client asks for the token that it is to authenticate again with.
    pub(super) fn is_ask(&self) -> bool {
        let journey = self.journey.as_ref();
        journey.is_some_and(|journey| journey.purpose.asks_for().is_some())
    }

    /// When its token was accepted, and the index of the token's kind: by CONNECT, or by the last AUTH.
    pub(super) fn token(&self, held: &Held) -> (u64, usize) {
        let renewed = self.journey.as_ref().and_then(|journey| journey.renewed);
        renewed.map_or((held.accepted, usize::from(self.kind)), |(at, kind)| (at, kind.into()))
    }

    /// For whom it is there.
    pub(super) fn who(&self) -> Who {
        Who { bearer: self.bearer, kind: usize::from(self.kind), broker: usize::from(self.broker) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_set_where_none_rings_in_time_and_the_last_is_set_once() {
        let mut rings = Rings::default();
        assert!(rings.set(90) && !rings.set(95) && rings.set(20) && rings.set(10));
        assert!(!rings.rang(20), "an earlier one was set since");
        assert!(rings.rang(10) && !rings.rang(20));
        assert!(!rings.set(90), "it rings still");
        assert!(rings.set(50) && rings.rang(50) && rings.rang(90));
        assert!(rings.set(95) && rings.rang(95) && rings.set(100));
    }

    /// There is one for every client that is connected: what grows here is paid a hundred thousand times.
    #[test]
    fn a_connection_is_small() {
        let bytes = size_of::<Connection>();
        assert!(bytes <= 256, "{bytes}");
    }
}
