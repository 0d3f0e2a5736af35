//! What a worker sees of each address that it goes to: signs that somebody is there, and its witnesses.

use std::{collections::VecDeque, sync::Arc};

use slab::Slab;

use super::{Connection, Key, SPARES, Worker};
use crate::{
    client::attempt::{Attempt, Outcome},
    engine::{
        connection::Held,
        knocker::{Cell, Knocker},
    },
    record::measure::{
        Measurements,
        signs::{Signs, Site},
    },
};

/// DISCONNECT: server shutting down (MQTT 5.0, 3.14.2.1).
const SHUTTING_DOWN: u8 = 0x8B;
/// Sessions that are looked at for one that is a witness.
const MOST_LOOKED_AT: usize = 64;

/// An address that a worker goes to.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) site: Site,
    /// Where it stands among the others.
    place: usize,
    /// Instants count from here.
    start: u64,
    cell: Arc<Cell>,
    /// Sessions that may be witnesses, and when they were accepted, in that order.
    sessions: VecDeque<(u64, Key)>,
}

impl Way {
    pub(super) fn new(site: Site, (place, start): (usize, u64), knocker: &Knocker) -> Self {
        Self { site, place, start, cell: knocker.cell(site), sessions: VecDeque::new() }
    }

    fn signs<'a>(&self, recorder: &'a mut Measurements) -> &'a mut Signs {
        recorder.signs_of(self.place, self.site)
    }

    fn since(&self, at: u64) -> u64 {
        at.saturating_sub(self.start)
    }

    /// Notes a connect that was taken.
    pub(super) fn taken(&self, recorder: &mut Measurements, at: u64) {
        self.signs(recorder).alive(self.since(at));
        self.cell.taken(at);
    }

    /// Notes that something came.
    pub(super) fn alive(&self, recorder: &mut Measurements, at: u64) {
        self.signs(recorder).alive(self.since(at));
    }

    /// Takes a session that may be a witness. Those that are over are let go once they are most.
    pub(super) fn watch(&mut self, at: u64, key: Key, connections: &Slab<Connection>) {
        if self.sessions.len() > 2 * connections.len() + SPARES {
            self.sessions.retain(|(_, key)| {
                let session = connections.get(key.place());
                session.is_some_and(|session| session.generation == key.generation())
            });
        }
        self.sessions.push_back((at, key));
    }
}

impl Worker {
    /// Notes what the end of an attempt says of whether the broker is there.
    pub(super) fn concluded(&mut self, attempt: &Attempt, way: u16, now: u64) {
        let Some(way) = self.ways.get(usize::from(way)) else { return };
        match attempt.outcome {
            Outcome::Accepted | Outcome::Refused(_) => {
                let begun = way.since(attempt.begun());
                way.signs(&mut self.recorder).answered(begun, way.since(now));
            }
            Outcome::UpgradeRefused(_) => way.alive(&mut self.recorder, now),
            Outcome::Closed(_) => {
                way.signs(&mut self.recorder).cut(way.since(now));
                self.storm.knocker.ended(&way.cell, now);
            }
            Outcome::TcpFailed("ECONNREFUSED") => {
                way.signs(&mut self.recorder).refused(way.since(now));
                way.cell.refused(now);
            }
            _ => {}
        }
    }

    /// The broker ended a session by FIN or RST.
    pub(super) fn session_ended(&mut self, place: usize, is_witness: bool, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let Some(way) = self.ways.get(usize::from(connection.way)) else { return };
        if is_witness {
            way.signs(&mut self.recorder).ended(way.since(now));
        }
        way.signs(&mut self.recorder).cut(way.since(now));
        self.storm.knocker.ended(&way.cell, now);
    }

    /// A client leaves a connection, or the run ends it: told where that was a witness until then.
    pub(super) fn leaves_as_witness(&mut self, place: usize, now: u64) {
        if self.connections.get(place).is_some_and(|it| self.is_witness(it, now)) {
            self.witness_leaves(place, now);
        }
    }

    /// A witness leaves because its time is up.
    pub(super) fn witness_leaves(&mut self, place: usize, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let Some(way) = self.ways.get(usize::from(connection.way)) else { return };
        if let Some(held) = connection.held() {
            way.signs(&mut self.recorder).left(way.since(now), way.since(held.accepted));
        }
    }

    /// The broker ended a session by DISCONNECT.
    pub(super) fn said_goodbye(&mut self, place: usize, code: u8) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        if code == SHUTTING_DOWN
            && let Some(way) = self.ways.get(usize::from(connection.way))
        {
            way.signs(&mut self.recorder).shuts_down(way.since(now));
        }
    }

    /// Has it asked, once the last attempt is over, whether brokers are still there.
    pub(super) fn ask_at_the_end(&mut self, now: u64) {
        if !self.has_asked {
            self.has_asked = true;
            self.ways.iter().for_each(|way| self.storm.knocker.ended(&way.cell, now));
        }
    }

    /// Notes that nothing is left here: from now on whoever runs a broker may stop it.
    pub(super) fn note_the_end(&mut self, now: u64) {
        if !self.has_ended && self.connections.len() == self.left_open {
            self.has_ended = true;
            for way in &self.ways {
                way.signs(&mut self.recorder).over(way.since(now));
            }
        }
    }

    /// Whether a session would go on if its broker did.
    pub(super) fn is_witness(&self, connection: &Connection, now: u64) -> bool {
        let held = connection.held();
        held.is_some_and(|held| !held.session.awaits_answer() && self.is_good(held, now))
    }

    /// Whether the token of a session is a JWT that is good for long enough.
    fn is_good(&self, held: &Held, now: u64) -> bool {
        held.deadline > now.saturating_add(self.storm.good_for) as i64
    }

    /// Notes when the witnesses that have been open for longest were accepted.
    pub(super) fn look_at_witnesses(&mut self, seen: &mut Measurements, now: u64) {
        let mut ways = std::mem::take(&mut self.ways);
        for way in &mut ways {
            if let Some(oldest) = self.oldest_witness(&mut way.sessions, now) {
                way.signs(seen).holds(way.since(now), way.since(oldest));
            }
        }
        self.ways = ways;
    }

    fn oldest_witness(&self, sessions: &mut VecDeque<(u64, Key)>, now: u64) -> Option<u64> {
        let mut at = 0;
        while at < sessions.len().min(MOST_LOOKED_AT) {
            let (accepted, key) = sessions[at];
            let is_it = |found: &&Connection| found.generation == key.generation();
            let session = self.connections.get(key.place()).filter(is_it);
            match session {
                Some(session) if self.is_witness(session, now) => return Some(accepted),
                // It waits for the answer to a ping.
                Some(session) if session.held().is_some_and(|held| self.is_good(held, now)) => {
                    at += 1;
                }
                _ if at == 0 => drop(sessions.pop_front()),
                _ => at += 1,
            }
        }
        None
    }
}
