//! What comes back: bytes, an end, or nothing more.

use super::{Connection, Key, State, Worker};
use crate::{
    base::clock::Clock,
    client::{
        Received, TURN,
        attempt::{Close, Outcome},
        inbound::Inbound,
        packet::Connack,
    },
};

impl Worker {
    /// Reads what is there, as far as a turn allows. `ends`: the broker has closed, so all must be read until that is seen;
    /// otherwise a short read says that nothing is left, and an edge will tell of more.
    pub(super) fn read(&mut self, place: usize, key: Key, ends: bool) {
        let mut left = TURN;
        loop {
            let Some(connection) = self.connections.get_mut(place) else { return };
            // While layers come about, what comes is theirs.
            if connection.generation != key.generation() || connection.state < State::Standing {
                return;
            }
            let is_stamped = self.storm.kernel_time && connection.in_flight();
            let Some(link) = &mut connection.link else { return };
            let (received, stamp) = if is_stamped {
                link.receive_stamped(&mut self.inbox)
            } else {
                (link.receive(&mut self.inbox), None)
            };
            match received {
                Received::Bytes(count, has_more) => {
                    self.on_bytes(place, count, stamp);
                    if !ends && !has_more {
                        return;
                    }
                    left = left.saturating_sub(count);
                    if left == 0 {
                        self.flush(place);
                        return self.list(key, ends);
                    }
                }
                Received::Later => {
                    self.flush(place);
                    return self.list_if_spent(key, ends);
                }
                Received::Closed(close) => return self.on_end(place, close),
                Received::Failed(outcome) => return self.on_failure(place, outcome),
            }
        }
    }

    /// Sends what layers had to answer.
    fn flush(&mut self, place: usize) {
        if let Some(Connection { link: Some(link), .. }) = self.connections.get_mut(place) {
            // One that can't take it is found closed by the next read.
            let _ = link.flush();
        }
    }

    /// A layer broke.
    fn on_failure(&mut self, place: usize, outcome: Outcome) {
        let Some(connection) = self.connections.get(place) else { return };
        match connection.state {
            State::Holding => self.drop_session(place, outcome.code()),
            State::Leaving => self.close(place),
            _ => self.conclude(place, outcome, self.storm.clock.now()),
        }
    }

    fn on_end(&mut self, place: usize, close: Close) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        let is_in_packet = || connection.inbound.as_ref().is_some_and(|it| it.is_in_packet());
        let close = if close == Close::Fin && is_in_packet() { Close::FinInPacket } else { close };
        match connection.state {
            State::Holding => {
                self.session_ended(place, now);
                self.drop_session(place, Outcome::Closed(close).code());
            }
            State::Leaving => self.close(place),
            // It says nothing of a token that was not sent.
            State::Standing => self.conclude(place, Outcome::ProtocolError("before_connect"), now),
            _ => self.conclude(place, Outcome::Closed(close), now),
        }
    }

    fn on_bytes(&mut self, place: usize, count: usize, stamp: Option<i64>) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get_mut(place) else { return };
        self.ways[usize::from(connection.way)].alive(&mut self.recorder, now);
        match connection.state {
            State::Leaving => {}
            // Before CONNECT there is nothing to say.
            State::Standing => {
                self.conclude(place, Outcome::ProtocolError("before_connect"), now);
            }
            State::Holding => self.on_session_bytes(place, 0..count),
            _ => {
                let protocol = self.storm.plan.mould.kinds[usize::from(connection.kind)].protocol;
                let bytes = &self.inbox[..count];
                let (answer, kept) = match &mut connection.inbound {
                    None => (Connack::read(bytes, protocol), count),
                    Some(inbound) => (inbound.connack(bytes, protocol), inbound.kept()),
                };
                match answer {
                    Connack::Complete { code: 0, keep_alive, length } => {
                        connection.arrived =
                            arrival(self.storm.clock, connection.sent_at, stamp, now);
                        // What follows is the end of what came last.
                        let rest = count.saturating_sub(kept.saturating_sub(length))..count;
                        self.accept(place, keep_alive, rest, now);
                    }
                    Connack::Complete { code, .. } => {
                        connection.arrived =
                            arrival(self.storm.clock, connection.sent_at, stamp, now);
                        self.conclude(place, Outcome::Refused(code), now);
                    }
                    Connack::Wrong(what) => self.conclude(place, Outcome::ProtocolError(what), now),
                    Connack::Incomplete if connection.inbound.is_none() => {
                        let mut inbound = Box::<Inbound>::default();
                        inbound.connack(bytes, protocol);
                        connection.inbound = Some(inbound);
                    }
                    Connack::Incomplete => {}
                }
            }
        }
    }
}

/// A step of the wall clock, in nanoseconds, from which on the kernel's times say nothing about ours.
const WALL_STEP: u64 = 50_000;

/// When the kernel had what was read just now; 0 where it does not say, or the wall clock was stepped meanwhile.
fn arrival(clock: Clock, sent: u64, stamp: Option<i64>, now: u64) -> u64 {
    if stamp.is_some() && clock.wall_step().unsigned_abs() > WALL_STEP {
        return 0;
    }
    let at = stamp.and_then(|stamp| u64::try_from(clock.at_wall(stamp)).ok());
    at.filter(|at| (sent..=now).contains(at)).unwrap_or_default()
}
