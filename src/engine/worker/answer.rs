//! What comes back: bytes, an end, or nothing more.

use std::ops::Range;

use super::{
    Connection, Key, Stage, State, Worker,
    challenge::{self, answer_to_again},
};
use crate::{
    base::clock::{Clock, nanoseconds},
    client::{
        Received, TURN,
        attempt::{Close, Outcome},
        inbound::Inbound,
        outbox::Outbox,
        packet::FirstPacket,
        session::{Session, Settings},
        verdict::{ending::Met, foreign::Said},
    },
    record::measure::Count,
};

/// How an attempt ends to which something comes before CONNECT is sent.
const BEFORE_CONNECT: Outcome = Outcome::ProtocolError("before_connect");
/// Parts the random numbers of sessions from all others.
const SESSION_STREAM: u64 = 0x7069_6e67;

impl Worker {
    /// Reads what is there, as far as a turn allows. `ends`: the broker has closed, so all must be read until that is seen;
    /// otherwise a short read says that nothing is left, and an edge will tell of more.
    pub(super) fn read(&mut self, place: usize, key: Key, ends: bool) {
        let mut left = TURN;
        loop {
            let Some(connection) = self.connections.get_mut(place) else { return };
            let state = connection.state();
            // While layers come about, what comes is theirs.
            let is_early = state.is_some_and(|state| state < State::Standing);
            if connection.generation != key.generation() || is_early {
                return;
            }
            let is_stamped = self.storm.kernel_time && state.is_some();
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
        match self.connections.get(place).map(|connection| &connection.stage) {
            Some(Stage::Opening(_)) => self.conclude(place, outcome, self.storm.clock.now()),
            Some(Stage::Held(_)) => {
                // Whose fault it is that a layer broke can't be told.
                let now = self.storm.clock.now();
                self.token_met(place, Met::Us(outcome.code()), now);
                self.auth_ended(place, outcome, now);
                self.drop_session(place, outcome.code());
            }
            Some(Stage::Leaving(_)) => self.close(place),
            None => {}
        }
    }

    fn on_end(&mut self, place: usize, close: Close) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        match &connection.stage {
            Stage::Held(_) => self.on_session_close(place, close, now),
            Stage::Leaving(_) => self.close(place),
            Stage::Opening(opening) => {
                let is_in_packet = opening.inbound.as_ref().is_some_and(|it| it.is_in_packet());
                let outcome = match close {
                    // It says nothing of a token that was not sent.
                    _ if opening.state == State::Standing => BEFORE_CONNECT,
                    Close::Fin if is_in_packet => Outcome::Closed(Close::FinInPacket),
                    close => Outcome::Closed(close),
                };
                self.conclude(place, outcome, now);
            }
        }
    }

    fn on_bytes(&mut self, place: usize, count: usize, stamp: Option<i64>) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        self.ways[usize::from(connection.way)].alive(&mut self.recorder, now);
        match &connection.stage {
            Stage::Leaving(_) => {}
            Stage::Held(_) => self.on_session_bytes(place, 0..count),
            Stage::Opening(opening) if opening.state == State::Standing => {
                self.conclude(place, BEFORE_CONNECT, now);
            }
            Stage::Opening(_) => self.on_first_bytes(place, 0..count, stamp, now),
        }
    }

    /// The broker sent something before the attempt has its answer: this part of the inbox.
    fn on_first_bytes(&mut self, place: usize, part: Range<usize>, stamp: Option<i64>, now: u64) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (bearer, kind) = (connection.bearer, usize::from(connection.kind));
        let own = connection.journey.as_ref().map(|journey| journey.leaves_at);
        let Some(opening) = connection.opening_mut() else { return };
        let (storm, bytes) = (&self.storm, &self.inbox[part.clone()]);
        let own_method = storm.plan.mould.names.auth_method.as_deref();
        let protocol = storm.plan.mould.kinds[kind].protocol;
        let reached = (opening.state, opening.is_challenged);
        // Of a CONNECT that names none, nothing of this may come.
        let named = own_method.filter(|_| opening.names_method);
        let came = opening.came();
        let before = opening.inbound.as_ref().map_or(0, |inbound| inbound.kept());
        let first = match &mut opening.inbound {
            None => FirstPacket::read(bytes, protocol),
            Some(inbound) => inbound.connack(bytes, protocol),
        };
        if opening.is_again
            && let Some(outcome) = answer_to_again(&first, own_method, &opening.packet)
        {
            opening.arrived = arrival(storm.clock, opening.sent_at, stamp, now);
            return self.again_ended(place, outcome, now);
        }
        let connack = match &first {
            FirstPacket::Connack(connack, length) => Some((connack.code, *length)),
            _ => None,
        };
        if let Some((code, length)) = connack.filter(|_| opening.again.is_some()) {
            let auth = opening.again.take_if(|_| code == 0);
            let rest = part.start + length - before..part.end;
            return self.on_connack_before_auth(place, code, auth, (rest, stamp, now));
        }
        match first {
            FirstPacket::Connack(connack, length) => {
                opening.arrived = arrival(storm.clock, opening.sent_at, stamp, now);
                if connack.code != 0 {
                    let outcome = Outcome::Refused(connack.code);
                    return self.conclude(place, outcome, now);
                }
                if named.is_some() && connack.authentication_method.is_none() {
                    // It has to come back (MQTT 5.0, 4.12.0-5), and some brokers leave it out.
                    self.recorder[Count::AuthMethodMissing] += 1;
                }
                // It counts from the first CONNACK of its client.
                let leaves_at = own
                    .filter(|at| *at < u64::MAX)
                    .unwrap_or_else(|| now + nanoseconds(storm.plan.hold_of(kind)));
                let renewal = storm.plan.turns_of(kind).and_then(|turns| {
                    let life = storm.plan.life(bearer.client);
                    life.renewal(turns, bearer.turn, came, opening.deadline)
                });
                let is_bad = matches!(opening.terms.said, Some(Said::Refuse(_)));
                let has_more = self.source.has_more(bearer.client) && !is_bad;
                let renewal = renewal.filter(|due| due.at < leaves_at && has_more);
                let is_too_short = renewal.is_some_and(|due| due.is_too_short);
                self.recorder[Count::RenewalsAtHalf] += u64::from(is_too_short);
                let settings = Settings {
                    protocol,
                    keep_alive: opening.keep_alive,
                    leaves_at,
                    renews_at: renewal.map(|due| due.at),
                    expiry: storm.end_judge(protocol).watch(opening.deadline, now),
                    salt: bearer.mixed(storm.plan.mould.seed ^ SESSION_STREAM),
                };
                // A broker may accept before it has read all of CONNECT.
                let unsent = if opening.sent < opening.packet.len() {
                    Outbox::of(std::mem::take(&mut opening.packet), opening.sent)
                } else {
                    Outbox::default()
                };
                let session = Session::new(settings, &connack, unsent, now);
                // What follows is the end of what came last.
                let rest = part.start + length - before..part.end;
                self.accept(place, (session, leaves_at), rest, now);
            }
            FirstPacket::Auth(auth, length) => {
                let rest = part.start + length - before..part.end;
                if let Some(what) = challenge::wrong(&auth, reached, named) {
                    return self.conclude(place, Outcome::ProtocolError(what), now);
                }
                self.answer_challenge(place);
                if !rest.is_empty() {
                    self.on_first_bytes(place, rest, stamp, now);
                }
            }
            // Lower codes are none of a server.
            FirstPacket::Disconnect(code) if code >= 0x80 && own_method.is_some() => {
                opening.arrived = arrival(storm.clock, opening.sent_at, stamp, now);
                self.conclude(place, Outcome::Refused(code), now);
            }
            FirstPacket::Disconnect(_) => {
                self.conclude(place, Outcome::ProtocolError("another_packet"), now);
            }
            FirstPacket::Wrong(what) => self.conclude(place, Outcome::ProtocolError(what), now),
            FirstPacket::Incomplete => {
                if opening.inbound.is_none() {
                    let mut inbound = Box::<Inbound>::default();
                    inbound.connack(bytes, protocol);
                    opening.inbound = Some(inbound);
                }
            }
        }
    }

    /// An attempt that is about a token in AUTH has its CONNACK: sends that, where it was let in.
    fn on_connack_before_auth(
        &mut self,
        place: usize,
        code: u8,
        auth: Option<Vec<u8>>,
        (rest, stamp, now): (Range<usize>, Option<i64>, u64),
    ) {
        let Some(auth) = auth else {
            return self.conclude(place, Outcome::Refused(code), now);
        };
        self.send_auth(place, auth);
        if !rest.is_empty() {
            self.on_first_bytes(place, rest, stamp, now);
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
