//! What happens on a connection after its verdict: it holds, pings, notices its end, and leaves.

use std::{cmp::Reverse, ops::Range};

use super::{Connection, Key, More, State, Worker, turns::TURNS};
use crate::{
    base::clock::SECOND,
    client::{
        FLOOD,
        attempt::{Code, Outcome},
        inbound::Session,
        packet::{DISCONNECT, PINGREQ},
        socket::Sent,
    },
    record::measure::Count,
    token::fraction,
};

/// How long a broker may take to close a connection that is over. Brokers that do so at all do it at
/// once, or as soon as they get to it.
const LINGER: u64 = SECOND / 4;
/// Parts the random numbers of pings from all others.
const PING_STREAM: u64 = 0x7069_6e67;

impl Worker {
    /// The broker accepted: records it, and keeps the connection for as long as clients hold. What followed CONNACK is `rest`
    /// of the inbox.
    pub(super) fn accept(
        &mut self,
        place: usize,
        keep_alive: Option<u16>,
        rest: Range<usize>,
        now: u64,
    ) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (attempt, terms) = (connection.attempt(Outcome::Accepted, now), connection.terms);
        connection.state = State::Holding;
        connection.keep_alive = keep_alive.unwrap_or(connection.keep_alive);
        let hold = self.storm.hold_of(usize::from(connection.kind));
        connection.until = now + hold;
        connection.inbound = None;
        let (way, key) = (connection.way, Key::new(place, connection.generation));
        self.in_flight -= 1;
        self.record(&attempt, terms, way);
        self.concluded(&attempt, way, now);
        if hold == 0 {
            self.leave(place, now);
            return;
        }
        self.recorder[Count::Held] += 1;
        self.ways[usize::from(way)].watch(now, key);
        self.set_alarm(place, now);
        if !rest.is_empty() {
            self.on_session_bytes(place, rest);
        }
    }

    /// Rings at the next ping, or at the departure if that comes first.
    fn set_alarm(&mut self, place: usize, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let mut at = connection.until;
        if connection.keep_alive > 0 {
            // Between 0.5 and 0.9 of the keep alive, so that clients that came together do not ping together.
            let drawn = fraction(self.storm.plan.mould.seed ^ PING_STREAM, connection.client ^ now);
            at = at.min(
                now + ((0.5 + 0.4 * drawn) * f64::from(connection.keep_alive) * SECOND as f64)
                    as u64,
            );
        }
        self.alarms.push(Reverse((at, Key::new(place, connection.generation))));
    }

    /// Pings and departures.
    pub(super) fn ring_alarms(&mut self, now: u64) {
        while let Some(Reverse((at, key))) = self.alarms.peek().copied() {
            if at > now {
                return;
            }
            self.alarms.pop();
            let place = key.place();
            let Some(connection) = self.connections.get_mut(place) else { continue };
            if connection.generation != key.generation() {
                continue;
            }
            match connection.state {
                State::Holding if connection.until <= now => {
                    self.session_leaves(place, now);
                    self.leave(place, now);
                }
                // Whether the answer is among what it has sent is not known before that was read.
                State::Holding if connection.pinged && connection.more != More::No => {
                    self.alarms.push(Reverse((now + TURNS, key)));
                }
                State::Holding if connection.pinged => {
                    self.drop_session(place, Code::Word("ping_timeout"));
                }
                State::Holding => {
                    let posted = connection.link.as_mut().map(|link| link.post(&PINGREQ));
                    if let Some(Sent::Failed(_)) = posted {
                        self.session_ended(place, now);
                        self.drop_session(place, Code::Word("rst"));
                    } else {
                        connection.pinged = true;
                        self.set_alarm(place, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// The broker sent something on a connection that holds: this part of the inbox.
    pub(super) fn on_session_bytes(&mut self, place: usize, part: Range<usize>) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let mut bytes = &self.inbox[part];
        if connection.inbound.is_none() && connection.pinged && bytes == [0xD0, 0] {
            connection.pinged = false;
            return;
        }
        let protocol = self.storm.plan.mould.kinds[usize::from(connection.kind)].protocol;
        let inbound = connection.inbound.get_or_insert_default();
        inbound.meter.at(self.storm.clock.now());
        inbound.meter.bytes(bytes.len());
        while let Some(packet) = inbound.next(&mut bytes, protocol) {
            match packet {
                Session::Pong if connection.pinged => connection.pinged = false,
                Session::Message => inbound.meter.message(),
                Session::Pong | Session::Other => inbound.meter.empty(1),
                Session::Disconnect(code) => {
                    let way = connection.way;
                    self.said_goodbye(way, code);
                    return self.drop_session(place, Code::Byte(code));
                }
                Session::Wrong => return self.drop_session(place, Code::Word("protocol_error")),
            }
        }
        if inbound.meter.is_flood() {
            self.drop_session(place, FLOOD.code());
        }
    }

    /// A session ended before its client wanted.
    pub(super) fn drop_session(&mut self, place: usize, code: Code) {
        self.recorder.count_drop(code);
        self.close(place);
    }

    /// The client leaves.
    pub(super) fn leave(&mut self, place: usize, now: u64) {
        if let Some(connection) = self.connections.get_mut(place) {
            say_goodbye(connection);
            self.linger(place, now);
        }
    }

    /// Lets the broker close first, or resets the connection where the scenario says so.
    pub(super) fn linger(&mut self, place: usize, now: u64) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        if self.storm.resets {
            connection.state = State::Holding;
            return self.close(place);
        }
        connection.state = State::Leaving;
        connection.inbound = None;
        self.leaving.push_back((now + LINGER, Key::new(place, connection.generation)));
        self.left_open += 1;
    }

    /// Closes the connections that have been over for as long as a broker is given.
    pub(super) fn close_lingering(&mut self, now: u64) {
        while let Some((_, key)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            self.close_if_leaving(key);
        }
    }

    /// Closes the connection that has been over for longest; `false` where there is none.
    pub(super) fn close_one_that_leaves(&mut self) -> bool {
        while let Some((_, key)) = self.leaving.pop_front() {
            if self.close_if_leaving(key) {
                return true;
            }
        }
        false
    }

    /// Closes a connection if it is over, and its broker has not closed it yet.
    fn close_if_leaving(&mut self, key: Key) -> bool {
        let stands = self.connections.get(key.place()).is_some_and(|found| {
            found.generation == key.generation() && found.state == State::Leaving
        });
        if stands {
            self.close(key.place());
        }
        stands
    }
}

/// Sends DISCONNECT; a broker that does not take it will see the connection close.
pub(super) fn say_goodbye(connection: &mut Connection) {
    if let Some(link) = &mut connection.link {
        let _ = link.post(&DISCONNECT);
    }
}
