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
    /// When its next alarm rings: not after the session is due.
    pub(super) rings: u64,
    /// An alarm is set for the end of its client's time. That is known from the start, and much else is waited for before: it is
    /// set once.
    pub(super) rings_last: bool,
}

impl Held {
    /// For which instant an alarm has to be set, where none rings in time. It counts as set.
    pub(super) fn needs_alarm(&mut self) -> Option<u64> {
        let due = self.session.due().filter(|due| *due < self.rings)?;
        self.rings = due;
        self.rings_last |= self.session.leaves_at() == Some(due);
        Some(due)
    }

    /// Whether an alarm that rings now is the next: one that was set before another, earlier one rings for nothing.
    pub(super) fn rang(&mut self, at: u64) -> bool {
        if self.rings != at {
            return false;
        }
        let last = self.session.leaves_at().filter(|last| self.rings_last && *last > at);
        (self.rings, self.rings_last) = (last.unwrap_or(u64::MAX), last.is_some());
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
    use crate::{
        client::{packet::Connack, session::Settings},
        scenario::Protocol,
    };

    #[test]
    fn the_alarm_for_the_end_of_a_clients_time_is_set_once() {
        let settings = Settings {
            protocol: Protocol::V5,
            keep_alive: 0,
            leaves_at: 90,
            expiry: None,
            renews_at: Some(20),
            salt: 0,
        };
        let session = Session::new(settings, &Connack::default(), Outbox::default(), 0);
        let mut held = Held {
            session,
            accepted: 0,
            deadline: 0,
            is_decided: false,
            key: None,
            minted_for: 0,
            token_turn: 0,
            rings: u64::MAX,
            rings_last: false,
        };
        assert_eq!((held.needs_alarm(), held.needs_alarm()), (Some(20), None));
        assert!(held.rang(20) && !held.rang(20), "it rings once");
        assert!(held.session.on_due(20, false).is_some());
        assert_eq!(held.needs_alarm(), Some(90));
        for at in [30, 40] {
            held.session.renew_at(at);
            assert_eq!(held.needs_alarm(), Some(at));
            assert!(!held.rang(90), "an earlier one was set since");
            assert!(held.rang(at) && held.session.on_due(at, false).is_some());
            assert_eq!(held.needs_alarm(), None, "the last is set");
        }
        assert!(held.rang(90) && held.session.on_due(90, false).is_some());
        assert_eq!(held.needs_alarm(), None);
    }

    /// There is one for every client that is connected: what grows here is paid a hundred thousand times.
    #[test]
    fn a_connection_is_small() {
        let bytes = size_of::<Connection>();
        assert!(bytes <= 256, "{bytes}");
    }
}
