//! What a session does to find out whether its broker still takes a token that has ended: brokers that look when the next
//! packet comes are pinged, those that look when something is published are shown a publish.

use super::{Event, Session, Timer};
use crate::{
    base::clock::nanoseconds, client::packet::put_probe, scenario::EndsOn,
    token::policy::SECOND_PROBE,
};

/// When a session looks at what became of the end of its token, in nanoseconds of the run's clock.
#[derive(Clone, Copy, Debug)]
pub struct ExpiryWatch {
    /// The first of the two probes, where the broker needs any.
    pub probes_at: u64,
    /// A session that is still open has outlived its token.
    pub outlived_at: u64,
    /// When the broker looks.
    pub ends_on: EndsOn,
}

/// The next probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// A publish right after CONNACK: one that is denied for another reason must not be taken for the end of the token.
    Trial,
    First,
    Second,
    None,
}

/// How far a session is with its probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probes {
    /// When the first one is due: from then on the token does not count any more.
    from: u64,
    ends_on: EndsOn,
    next: Next,
    /// The publish right after CONNACK was not followed by the answer to a ping yet.
    is_on_trial: bool,
    has_pinged_after: bool,
    was_answered_after: bool,
}

impl Probes {
    pub(super) fn of(expiry: Option<&ExpiryWatch>) -> Self {
        let ends_on = expiry.map_or(EndsOn::Time, |expiry| expiry.ends_on);
        Self {
            from: expiry.map_or(u64::MAX, |expiry| expiry.probes_at),
            ends_on,
            next: match ends_on {
                EndsOn::Time => Next::None,
                EndsOn::Packet => Next::First,
                EndsOn::Publish => Next::Trial,
            },
            is_on_trial: ends_on == EndsOn::Publish,
            has_pinged_after: false,
            was_answered_after: false,
        }
    }

    /// Those of a token that takes the place of another on a connection that stands: the broker has shown before that it takes
    /// publishes of this client.
    pub(super) fn of_next(expiry: Option<&ExpiryWatch>) -> Self {
        let probes = Self::of(expiry);
        let next = if probes.next == Next::Trial { Next::First } else { probes.next };
        Self { next, is_on_trial: false, ..probes }
    }

    /// When the next one is due; the end of time where there is none.
    fn due(self, now: u64) -> u64 {
        match self.next {
            Next::Trial => now,
            Next::First => self.from,
            Next::Second => self.from.saturating_add(nanoseconds(SECOND_PROBE)),
            Next::None => u64::MAX,
        }
    }

    /// A ping is sent.
    pub(super) fn pinged(&mut self, now: u64) {
        self.has_pinged_after |= now >= self.from;
    }

    /// All pings so far were answered.
    pub(super) fn answered(&mut self) {
        self.is_on_trial &= self.next == Next::Trial;
        self.was_answered_after = self.has_pinged_after;
    }
}

impl Session {
    /// Whether the broker has not shown yet that it takes publishes of this client: if it ends the connection now, that says
    /// nothing about the end of the token.
    pub fn is_on_trial(&self) -> bool {
        self.probes.is_on_trial
    }

    /// Whether a ping was sent after the end of the token.
    pub fn has_pinged_after(&self) -> bool {
        self.probes.has_pinged_after
    }

    /// Whether it was answered.
    pub fn was_answered_after(&self) -> bool {
        self.probes.was_answered_after
    }

    /// Shows the broker a publish to this topic, after [`Event::Publishes`].
    pub fn publish(&mut self, topic: &[u8], now: u64) {
        let mut packet = Vec::new();
        put_probe(self.protocol, topic, &mut packet);
        self.outbox.push(&packet);
        if self.probes.is_on_trial {
            self.ping(now);
        }
    }

    /// Sets the timer of the next probe.
    pub(super) fn set_probe(&mut self, now: u64) {
        self.timers.set(Timer::Probe, self.probes.due(now));
    }

    /// Makes the probe that is due; what the driver has to do for it.
    pub(super) fn probe(&mut self, now: u64) -> Option<Event> {
        self.probes.next = match self.probes.next {
            Next::Trial => Next::First,
            Next::First => Next::Second,
            Next::Second | Next::None => Next::None,
        };
        self.set_probe(now);
        if self.probes.ends_on == EndsOn::Publish {
            return Some(Event::Publishes);
        }
        self.ping(now);
        None
    }
}
