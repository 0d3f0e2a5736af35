//! `preconnect`: connections are opened and stand; once all of a wave do, their CONNECTs are sent.
//!
//! Tokens of a wave are minted before its first connection is opened, those of the next one only when it is over, so
//! that nothing but the broker's verifier is busy between release and answer.

use std::collections::VecDeque;

use super::{Key, State, Worker};
use crate::{client::link::Link, plan::Waves};

/// CONNECTs that are sent in a row before events are looked at.
const SENDS_IN_A_ROW: usize = 64;

/// A worker's share of a wave.
#[derive(Debug)]
pub(super) struct Wave {
    pub(super) waves: Waves,
    number: u64,
    stage: Stage,
    /// Connections that are not begun.
    left: u64,
    /// Connections that are being opened.
    opening: u32,
    /// Those that stand, in the order in which they came about.
    standing: VecDeque<Key>,
    last_answer: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The wave before is not over, or tokens are minted.
    Waiting,
    /// Connections are being opened.
    Opening,
    /// All stand, or have failed, or took too long: the others are waited for.
    Ready,
    /// CONNECTs are sent, answers awaited.
    Released(u64),
}

impl Wave {
    /// The first wave of one of so many workers.
    pub(super) fn new(waves: Waves, workers: usize) -> Self {
        let opening = (waves.opening / workers as u32).max(1);
        Self {
            waves: Waves { opening, ..waves },
            number: 0,
            stage: Stage::Waiting,
            left: 0,
            opening: 0,
            standing: VecDeque::new(),
            last_answer: 0,
        }
    }

    /// When something is to be done whatever happens, in a storm that starts at `storm`.
    fn due(&self, first_client: Option<u64>, first_stood: Option<u64>, storm: u64) -> Option<u64> {
        match self.stage {
            Stage::Waiting if self.number == 0 => Some(storm),
            Stage::Opening => first_stood.map(|stood| stood + self.patience()),
            Stage::Released(at) => first_client.map(|client| self.release_of(client, at)),
            Stage::Waiting | Stage::Ready => None,
        }
    }

    fn patience(&self) -> u64 {
        crate::base::clock::nanoseconds(self.waves.patience)
    }

    /// When the CONNECT of a client is due, in a wave that is released at this instant.
    fn release_of(&self, client: u64, at: u64) -> u64 {
        let turn = client.saturating_sub(self.number * self.waves.size) as f64;
        at + self.waves.rate.map_or(0, |rate| (turn / rate * 1e9) as u64)
    }

    /// An attempt of the wave has its answer.
    pub(super) fn answered(&mut self, at: u64) {
        self.last_answer = self.last_answer.max(at);
    }
}

impl Worker {
    /// Does what the wave is to do now.
    pub(super) fn tend_wave(&mut self) {
        let Some(mut wave) = self.wave.take() else { return };
        // Taken out meanwhile, so that attempts which end at once can't be counted by it: they are counted after.
        loop {
            let before = wave.stage;
            match wave.stage {
                Stage::Waiting => self.await_wave(&mut wave),
                Stage::Opening => self.judge_opening(&mut wave),
                Stage::Ready => {
                    if let Some(at) = self.storm.gate.release_of(wave.number) {
                        let connections = &self.connections;
                        wave.standing.make_contiguous().sort_by_key(|key| {
                            connections.get(key.place()).map(|connection| connection.bearer)
                        });
                        wave.stage = Stage::Released(at);
                    }
                }
                Stage::Released(_) if self.in_flight == 0 => {
                    self.end_wave(&mut wave);
                }
                Stage::Released(_) => {}
            }
            if wave.stage == before {
                break;
            }
        }
        let (stage, at_once) = (wave.stage, wave.waves.opening);
        self.wave = Some(wave);
        match stage {
            Stage::Opening => self.open_more(at_once),
            Stage::Released(at) => self.release(at),
            Stage::Waiting | Stage::Ready => {}
        }
    }

    /// The next thing that a wave has to do, whatever happens.
    pub(super) fn wave_due(&self) -> Option<u64> {
        let wave = self.wave.as_ref()?;
        let first = wave.standing.front().map(|key| key.place());
        let first = first.and_then(|place| Some(self.connections.get(place)?.bearer.client));
        wave.due(first, self.storm.gate.first_stood(), self.storm.start)
    }

    fn await_wave(&mut self, wave: &mut Wave) {
        let (size, all) = (wave.waves.size, self.storm.plan.attempts);
        let first = wave.number * size;
        if first >= all {
            self.pace.end();
            return;
        }
        let end = (first + size).min(all);
        // Connections of the wave before that the broker has not closed yet would count against those of this one.
        let is_early = self.storm.clock.now() < self.storm.start || self.left_open > 0;
        if is_early || !self.storm.gate.is_open(wave.number) {
            return;
        }
        if !self.source.has_all_below(end) {
            return;
        }
        wave.left = (first..end).filter(|n| n % self.workers == self.number as u64).count() as u64;
        wave.opening = 0;
        wave.standing.clear();
        wave.stage = Stage::Opening;
    }

    /// Looks whether all stand that will.
    fn judge_opening(&mut self, wave: &mut Wave) {
        let first = self.storm.gate.first_stood();
        let is_late = first.is_some_and(|stood| self.storm.clock.now() >= stood + wave.patience());
        if wave.left == 0 && wave.opening == 0 || is_late {
            // Those that do not stand go on without a stop.
            self.storm.gate.missed(wave.left + u64::from(wave.opening));
            wave.stage = Stage::Ready;
            self.storm.gate.stands(wave.number, self.storm.clock);
        }
    }

    fn end_wave(&mut self, wave: &mut Wave) {
        if wave.left > 0 {
            return;
        }
        let next = (wave.number + 2) * wave.waves.size;
        if self.storm.gate.ends(wave.number, wave.last_answer) {
            self.source.permit(next);
        }
        wave.number += 1;
        wave.stage = Stage::Waiting;
    }

    /// Opens connections, as many as may be under way.
    fn open_more(&mut self, at_once: u32) {
        loop {
            let Some(wave) = &mut self.wave else { return };
            if wave.left == 0 || wave.opening >= at_once {
                return;
            }
            if !self.source.has_next() {
                return;
            }
            (wave.left, wave.opening) = (wave.left - 1, wave.opening + 1);
            let life = self.next_life();
            let now = self.storm.clock.now();
            if self.cpu_at.is_none() {
                self.cpu_at = Some(crate::base::host::thread_cpu());
            }
            self.begin(life, now, now);
        }
    }

    /// Counts an attempt that has ended with its wave, where there are waves; one that never sent CONNECT started when it
    /// was opened.
    pub(super) fn count_in_wave(&mut self, state: State, opened: u64) {
        let Some(wave) = &mut self.wave else { return };
        // Where it was still being opened, another may be.
        if state < State::Standing {
            wave.opening = wave.opening.saturating_sub(1);
        }
        if state <= State::Standing {
            self.recorder.start(opened, opened);
        }
    }

    /// Counts the attempts that have a connection and no CONNECT as started: they are abandoned with the others.
    pub(super) fn start_what_stands(&mut self) {
        if self.wave.is_some() {
            let openings = self.connections.iter().filter_map(|(_, it)| it.opening());
            for opening in openings.filter(|opening| opening.state <= State::Standing) {
                self.recorder.start(opening.opened, opening.opened);
            }
        }
    }

    /// A connection has all that CONNECT needs: it stands, or goes on where its wave has been released.
    pub(super) fn stand(&mut self, place: usize) {
        let now = self.storm.clock.now();
        self.enter_state(place, State::Standing);
        let Some(connection) = self.connections.get_mut(place) else { return };
        // The last flight of a handshake must not wait for CONNECT.
        let _ = connection.link.as_mut().map(Link::flush);
        let (key, client) = (Key::new(place, connection.generation), connection.bearer.client);
        let Some(wave) = &mut self.wave else { return };
        wave.opening = wave.opening.saturating_sub(1);
        let Stage::Released(at) = wave.stage else {
            wave.standing.push_back(key);
            return self.storm.gate.stood_at(now);
        };
        let due = wave.release_of(client, at);
        if due <= now {
            return self.send_off(key, due);
        }
        // Its turn is still to come: those behind it are few.
        wave.standing.push_back(key);
        self.sort_standing();
    }

    /// Brings those that stand into the order in which they are due.
    fn sort_standing(&mut self) {
        let Some(wave) = &mut self.wave else { return };
        let connections = &self.connections;
        wave.standing
            .make_contiguous()
            .sort_by_key(|key| connections.get(key.place()).map(|connection| connection.bearer));
    }

    /// Sends the CONNECTs that are due.
    fn release(&mut self, at: u64) {
        let at_once = self.wave.as_ref().map_or(0, |wave| wave.waves.opening);
        // What was not begun in time comes after.
        self.open_more(at_once);
        for _ in 0..SENDS_IN_A_ROW {
            let Some(wave) = &mut self.wave else { return };
            let Some(key) = wave.standing.front().copied() else { return };
            let stands = self.connections.get(key.place()).filter(|connection| {
                connection.generation == key.generation()
                    && connection.state() == Some(State::Standing)
            });
            let Some(client) = stands.map(|connection| connection.bearer.client) else {
                wave.standing.pop_front();
                continue;
            };
            let due = wave.release_of(client, at);
            if due > self.storm.clock.now() {
                return;
            }
            wave.standing.pop_front();
            self.send_off(key, due);
        }
    }

    /// Sends the CONNECT of a connection that stands; it was due at this instant.
    fn send_off(&mut self, key: Key, due: u64) {
        let now = self.storm.clock.now();
        let Some(opening) = self.opening_mut(key.place()) else { return };
        (opening.scheduled, opening.started) = (due.min(now), now);
        opening.state = State::Sending;
        self.recorder.start(now, due.min(now));
        self.deadlines.push_back((now + self.storm.timeout, key));
        self.advance(key.place());
    }
}
