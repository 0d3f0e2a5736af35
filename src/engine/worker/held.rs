//! Drives the sessions of clients that were accepted (`client::session`): sends what they have to say, hands them what
//! comes, rings when they are due, and counts how they end.

use std::ops::Range;

use super::{Connection, Key, More, STARTS_IN_A_ROW, Stage, Worker, leaving::send_all};
use crate::{
    client::{
        attempt::{Close, Code, Outcome, Phase},
        session::{Ended, Event, Session},
        socket::Sent,
        verdict::ending::{HOLD, Met},
    },
    engine::connection::Held,
};

impl Worker {
    /// The broker accepted: records it, and keeps the connection for as long as clients hold. What followed CONNACK is `rest`
    /// of the inbox.
    pub(super) fn accept(
        &mut self,
        place: usize,
        (session, leaves_at): (Session, u64),
        rest: Range<usize>,
        now: u64,
    ) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Some(opening) = connection.opening() else { return };
        let attempt = opening.attempt(connection.who(), Outcome::Accepted, now);
        let (terms, deadline, token_turn) = (opening.terms, opening.deadline, opening.token_turn);
        let held = Held {
            session,
            accepted: now,
            deadline,
            // Who does not hold has nothing to outlive.
            is_decided: self.storm.plan.hold_of(attempt.kind).is_zero(),
            key: attempt.key,
            minted_for: attempt.minted_for,
            token_turn,
            rings: u64::MAX,
            rings_last: false,
        };
        let mut before = std::mem::replace(&mut connection.stage, Stage::Held(held));
        let (way, key) = (connection.way, Key::new(place, connection.generation));
        let carried = match &mut before {
            Stage::Opening(opening) => opening.carried.take(),
            Stage::Held(_) | Stage::Leaving(_) => None,
        };
        self.reclaim(before);
        self.lands(attempt.turn);
        let expected = self.record(&attempt, terms, way);
        self.concluded(&attempt, way, now);
        self.arrives(place, carried, leaves_at, (&attempt, expected));
        if leaves_at <= now {
            return self.leave(place, now);
        }
        self.recorder.count_held(attempt.broker);
        self.ways[usize::from(way)].watch(now, key, &self.connections);
        self.on_session_bytes(place, rest);
    }

    /// Sends what a session has to say, and sets its alarm.
    pub(super) fn tend(&mut self, place: usize, now: u64) {
        let is_witness = self.connections.get(place).is_some_and(|it| self.is_witness(it, now));
        self.tend_witness(place, is_witness, now);
    }

    /// The same for a session of which it is known whether it was a witness before it had something to say.
    fn tend_witness(&mut self, place: usize, is_witness: bool, now: u64) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (Stage::Held(held), Some(link)) = (&mut connection.stage, &mut connection.link) else {
            return;
        };
        let sent = send_all(link, held.session.outbox());
        if let Some(due) = held.needs_alarm() {
            self.alarms.set(due, Key::new(place, connection.generation));
        }
        match sent {
            Sent::Bytes(_) => {}
            Sent::Later => self.hear_of_room(place),
            Sent::Failed(_) => self.close_session(place, Close::Rst, is_witness, now),
        }
    }

    /// Does what sessions are due to do: of some of them, so that others are served meanwhile.
    pub(super) fn ring_alarms(&mut self, now: u64) {
        for _ in 0..STARTS_IN_A_ROW {
            let Some((at, key)) = self.alarms.take_due(now) else { return };
            let place = key.place();
            let is_it = |it: &&mut Connection| it.generation == key.generation();
            let Some(connection) = self.connections.get_mut(place).filter(is_it) else { continue };
            let Stage::Held(held) = &mut connection.stage else { continue };
            if !held.rang(at) {
                continue;
            }
            let Some(connection) = self.connections.get(place) else { continue };
            // Before it has anything to send: what it sends may be what finds the connection closed.
            let is_witness = self.is_witness(connection, now);
            let is_unread = connection.more != More::No;
            while let Some(event) = self.next_due(place, is_unread, now) {
                if is_witness && event == Event::Leaves {
                    self.witness_leaves(place, now);
                }
                self.on_session_event(place, event, now);
            }
            self.tend_witness(place, is_witness, now);
        }
    }

    /// Has a session do what is due, up to the next event.
    fn next_due(&mut self, place: usize, is_unread: bool, now: u64) -> Option<Event> {
        self.held_mut(place)?.session.on_due(now, is_unread)
    }

    /// The broker sent something on a connection whose client stays: this part of the inbox.
    pub(super) fn on_session_bytes(&mut self, place: usize, part: Range<usize>) {
        let now = self.storm.clock.now();
        let (mut from, to) = (part.start, part.end);
        loop {
            let Some(connection) = self.connections.get_mut(place) else { return };
            let Stage::Held(held) = &mut connection.stage else { return };
            let mut bytes = &self.inbox[from..to];
            let Some(event) = held.session.handle(&mut bytes, now) else { break };
            from = to - bytes.len();
            self.on_session_event(place, event, now);
        }
        self.tend(place, now);
    }

    /// The broker closed the connection of a client that stays.
    pub(super) fn on_session_close(&mut self, place: usize, close: Close, now: u64) {
        let is_witness = self.connections.get(place).is_some_and(|it| self.is_witness(it, now));
        self.close_session(place, close, is_witness, now);
    }

    fn close_session(&mut self, place: usize, close: Close, is_witness: bool, now: u64) {
        self.session_ended(place, is_witness, now);
        if let Some(event) = self.held_mut(place).and_then(|held| held.session.on_close(close)) {
            self.on_session_event(place, event, now);
        }
    }

    pub(super) fn held_mut(&mut self, place: usize) -> Option<&mut Held> {
        match &mut self.connections.get_mut(place)?.stage {
            Stage::Held(held) => Some(held),
            Stage::Opening(_) | Stage::Leaving(_) => None,
        }
    }

    fn on_session_event(&mut self, place: usize, event: Event, now: u64) {
        match event {
            Event::Leaves => self.leave(place, now),
            Event::Ended(ended) => {
                if let Ended::Disconnect(Some(code)) = ended {
                    self.said_goodbye(place, code);
                }
                self.token_met(place, Met::End(ended), now);
                self.auth_met(place, ended, now);
                self.drop_session(place, ended.code());
            }
            Event::Outlived => self.token_met(place, Met::Outlived, now),
            Event::Publishes => self.publish_probe(place, now),
            Event::Renews(due) => self.renew(place, due, now),
            Event::Authenticated => self.authenticated(place, now),
            Event::Unanswered => self.auth_ended(place, Outcome::Timeout(Phase::Reauth), now),
        }
    }

    /// A session ended before its client wanted.
    pub(super) fn drop_session(&mut self, place: usize, code: Code) {
        let now = self.storm.clock.now();
        let connection = self.connections.get_mut(place);
        if let Some(connection) = &connection {
            self.recorder.count_drop(connection.broker.into(), code);
        }
        let journey = connection.and_then(|it| Some((it.bearer, it.journey.take()?)));
        self.close(place);
        if let Some((bearer, journey)) = journey {
            self.dropped(bearer, journey, now);
        }
    }

    /// The client leaves, since its time is up.
    pub(super) fn leave(&mut self, place: usize, now: u64) {
        let journey = self.connections.get_mut(place).and_then(|it| it.journey.as_mut());
        if let Some(renewal) = journey.and_then(|journey| journey.renewal.take()) {
            self.forsake(renewal);
        }
        self.leave_for(place, Met::Us(HOLD), now);
    }

    /// The client leaves.
    pub(super) fn leave_for(&mut self, place: usize, why: Met, now: u64) {
        self.token_met(place, why, now);
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Stage::Held(held) = &mut connection.stage else { return };
        held.session.leave();
        let outbox = std::mem::take(held.session.outbox());
        self.linger(place, outbox, now);
    }

    /// A socket takes more again.
    pub(super) fn on_room(&mut self, key: Key) {
        let is_current = |connection: &&Connection| connection.generation == key.generation();
        match self.connections.get(key.place()).filter(is_current).map(|it| &it.stage) {
            Some(Stage::Held(_)) => self.tend(key.place(), self.storm.clock.now()),
            Some(Stage::Leaving(_)) => self.send_last(key.place()),
            Some(Stage::Opening(_)) | None => {}
        }
    }
}
