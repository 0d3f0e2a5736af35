//! A worker: one thread, one epoll set, its share of the clients.
//!
//! The hot path takes no lock and, after its buffers have grown, allocates nothing. Waiting is done
//! in `epoll_pwait2` with a timeout in nanoseconds, so that pacing needs no timer of its own.

mod again;
mod alarms;
mod answer;
mod challenge;
mod connect;
mod drops;
mod expiry;
mod held;
mod judged;
mod launch;
mod leaving;
mod park;
mod returns;
mod turns;
mod unsettled;
mod waves;
mod ways;
mod witness;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    net::SocketAddr,
    num::NonZeroU64,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
};
use slab::Slab;

use super::{
    connection::{Connection, More, Stage},
    key::Key,
    opening::{Opening, State, Terms},
    pace::Pace,
    resolver::Answer,
    storm::Storm,
};
use crate::{
    base::{
        clock::SECOND,
        error::{Error, Result},
        host::thread_cpu,
    },
    client::{
        attempt::{Attempt, Outcome},
        outbox::Outbox,
        port::PortWalk,
        socket::{self, PortChoice},
        transport::Transport,
    },
    plan::Model,
    record::measure::{Count, Measurements},
    supply::{Outlet, signal::Signal, source::TokenSource},
    token::placing::Scratch,
};

/// Attempts that are started, tokens that are taken and alarms that ring in a row before events are looked at again, when
/// the worker is behind.
const STARTS_IN_A_ROW: usize = 64;
/// Events taken from epoll at one time.
const EVENTS: usize = 256;
/// What is read from a socket at one time.
const INBOX: usize = 16 * 1024;
/// What attempts leave behind, of each sort, that is kept for the next ones.
const SPARES: usize = 256;

/// What a worker has seen since it last handed over.
#[derive(Debug)]
pub struct Report {
    /// The second of the storm that it covers.
    pub covers: u64,
    /// The second that the next one will cover.
    pub next: u64,
    /// What was seen.
    pub seen: Box<Measurements>,
    /// Nothing follows.
    pub is_last: bool,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    storm: Arc<Storm>,
    signal: Arc<Signal>,
    source: TokenSource,
    pace: Pace,
    /// The wave under way, in `preconnect`.
    wave: Option<waves::Wave>,
    epoll: OwnedFd,
    connections: Slab<Connection>,
    generation: u32,
    /// Attempts without an outcome that have a connection.
    in_flight: u64,
    /// Those of them that are first turns.
    first_in_flight: u64,
    /// All first turns are over: CPU time is that of later ones.
    firsts_are_over: bool,
    /// What events of the run do to connections.
    drops: drops::Drops,
    /// Clients that wait to come back.
    away: BinaryHeap<Reverse<returns::Away>>,
    /// How each broker is spoken to.
    transports: Vec<Transport>,
    /// Local ports for each broker, by its address: few of these, so a list is searched faster than a map.
    walks: Vec<Vec<(SocketAddr, PortWalk, u16)>>,
    /// All addresses that it has gone to.
    ways: Vec<ways::Way>,
    /// How far it is with the clients that it holds.
    watch: witness::Watch,
    /// Whether it was asked after the last attempt whether brokers are there.
    has_asked: bool,
    /// Whether it was noted that no attempt and no session is left.
    has_ended: bool,
    answers: Receiver<Answer>,
    reply: Sender<Answer>,
    choice: PortChoice,
    /// Deadlines of attempts, in the order in which they started.
    deadlines: VecDeque<(u64, Key)>,
    /// Pings and departures.
    alarms: alarms::Alarms,
    /// Connections that are over, and how long the broker may take to close them.
    leaving: VecDeque<(u64, Key)>,
    /// How many of them it has not closed yet.
    left_open: usize,
    /// Its connections that have a socket.
    sockets: usize,
    /// Connections that had more to read than a turn allows, in the order in which they have their next.
    listed: VecDeque<Key>,
    /// Clients whose tokens have to end before they start.
    parked: BinaryHeap<Reverse<park::Parked>>,
    /// Attempts that are judged later.
    unsettled: VecDeque<(Attempt, Terms, u16)>,
    /// Its next attempt, counted over all workers.
    next_client: u64,
    number: usize,
    workers: u64,
    recorder: Box<Measurements>,
    reports: Sender<Report>,
    spares: Receiver<Box<Measurements>>,
    second: u64,
    cpu_at: Option<u64>,
    /// Buffers of CONNECTs that are sent.
    packets: Vec<Vec<u8>>,
    /// Boxes of attempts that are over.
    #[expect(clippy::vec_box, reason = "the box is what the next attempt takes over")]
    openings: Vec<Box<Opening>>,
    inbox: Box<[u8]>,
    scratch: Scratch,
    /// The topic of a probe.
    topic: Vec<u8>,
}

/// What connects a worker with the rest of the run.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) signal: Arc<Signal>,
    pub(super) outlet: Outlet,
    pub(super) reports: Sender<Report>,
    pub(super) spares: Receiver<Box<Measurements>>,
}

impl Worker {
    /// Worker `number` of `workers`.
    ///
    /// # Errors
    /// When there is no descriptor for its epoll set.
    pub(super) fn new(
        storm: &Arc<Storm>,
        number: usize,
        workers: usize,
        wiring: Wiring,
    ) -> Result<Self> {
        let plan = &storm.plan;
        let no_epoll =
            |error: Errno| Error::not_measured(format!("can't make an epoll set: {error}"));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(no_epoll)?;
        let bell = EventData::new_u64(Key::BELL.data());
        epoll::add(&epoll, wiring.signal.bell(), bell, EventFlags::IN).map_err(no_epoll)?;
        // A kernel or a sandbox without `epoll_pwait2` is found out now: later nothing would wait.
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&epoll, spare_capacity(&mut Vec::<Event>::with_capacity(1)), Some(&at_once))
            .map_err(no_epoll)?;
        let brokers = plan.brokers.len();
        let transports: Vec<Transport> =
            storm.targets.iter().map(|target| storm.transport(target)).collect();
        transports.iter().for_each(Transport::warm_up);
        let (reply, answers) = unbounded();
        let sockets = (plan.budget.sockets as usize / workers).min(1 << 20);
        Ok(Self {
            pace: Pace::new(plan, number, workers, storm.start),
            wave: match &plan.model {
                Model::Preconnect(of) => Some(waves::Wave::new(*of, workers)),
                _ => None,
            },
            epoll,
            connections: Slab::with_capacity(sockets),
            generation: 0,
            in_flight: 0,
            first_in_flight: 0,
            firsts_are_over: false,
            drops: drops::Drops::default(),
            away: BinaryHeap::new(),
            transports,
            walks: vec![Vec::new(); brokers],
            ways: Vec::new(),
            watch: witness::Watch::Busy,
            has_asked: false,
            has_ended: false,
            answers,
            reply,
            choice: PortChoice::of_this_kernel(),
            deadlines: VecDeque::new(),
            alarms: alarms::Alarms::default(),
            leaving: VecDeque::new(),
            left_open: 0,
            sockets: 0,
            listed: VecDeque::new(),
            parked: BinaryHeap::new(),
            unsettled: VecDeque::new(),
            next_client: number as u64,
            number,
            workers: workers as u64,
            recorder: Box::new(storm.recorder()),
            reports: wiring.reports,
            spares: wiring.spares,
            second: 0,
            cpu_at: None,
            packets: Vec::with_capacity(SPARES),
            openings: Vec::with_capacity(SPARES),
            inbox: vec![0; INBOX].into_boxed_slice(),
            scratch: Scratch::default(),
            topic: Vec::new(),
            source: TokenSource::new(
                plan,
                storm.clock,
                &wiring.signal,
                wiring.outlet,
                (storm.fetcher.clone(), storm.shelf.clone()),
            ),
            signal: wiring.signal,
            storm: Arc::clone(storm),
        })
    }

    /// Runs until all attempts have their outcome and all clients have left, or the run is stopped.
    pub(super) fn run(mut self) {
        // The default slack of 50 us would make every arrival late by as much.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            let now = self.storm.clock.now();
            if now >= self.storm.start + (self.second + 1) * SECOND {
                self.hand_over(now, false);
            }
            if self.signal.is_stopped() {
                self.give_up();
                break;
            }
            if self.signal.has_enough() {
                self.pace.end();
            }
            self.start_due(now);
            self.take_tokens();
            self.start_parked();
            self.drop_clients(now);
            self.start_away();
            self.settle(false);
            self.tend_wave();
            self.expire(self.storm.clock.now());
            self.end_firsts();
            if self.is_storm_over() {
                self.ask_at_the_end(now);
                self.end_vigil(now);
                self.note_the_end(now);
                if self.connections.is_empty() {
                    break;
                }
            }
            self.source.send_orders();
            self.wait(&mut events);
            for event in events.drain(..) {
                if self.signal.is_stopped() {
                    break;
                }
                self.on_event(Key::from_data(event.data.u64()), event.flags);
            }
            self.take_turns();
        }
        let now = self.storm.clock.now();
        self.hand_over(now, true);
    }

    /// Whether no attempt is under way or to come, unless one that is held loses its connection or renews its token.
    fn is_storm_over(&self) -> bool {
        self.has_no_firsts() && self.in_flight == 0 && self.away.is_empty()
    }

    /// Whether all first turns are over.
    fn has_no_firsts(&self) -> bool {
        self.pace.is_done()
            && self.first_in_flight == 0
            && self.parked.is_empty()
            && self.unsettled.is_empty()
    }

    /// An attempt of a turn is over.
    fn lands(&mut self, turn: u32) {
        self.in_flight -= 1;
        self.first_in_flight -= u64::from(turn == 0);
        self.recorder[Count::EndedAfter] += u64::from(self.firsts_are_over);
    }

    /// Tells the CPU time of first turns from that of later ones, once the former are over.
    fn end_firsts(&mut self) {
        if !self.firsts_are_over && self.has_no_firsts() {
            self.count_cpu();
            self.firsts_are_over = true;
        }
    }

    /// Sleeps until something happens or something is due.
    fn wait(&mut self, events: &mut Vec<Event>) {
        let next = [
            self.pace.due(),
            self.wave_due(),
            self.vigil_due(),
            Some(self.storm.start + (self.second + 1) * SECOND),
            self.deadlines.front().map(|(at, _)| *at),
            self.alarms.due(),
            self.leaving.front().map(|(at, _)| *at),
            self.parked.peek().map(|Reverse(parked)| parked.due),
            self.away.peek().map(|Reverse(away)| away.due),
            self.drop_due(),
            self.source.orders_due(),
        ];
        let now = self.storm.clock.now();
        let settles = (!self.unsettled.is_empty()).then_some(now + unsettled::SETTLES_EVERY);
        // Whoever is listed has his turn now, and so have tokens that have come: no event tells of it.
        let turn = (!self.listed.is_empty() || self.source.has_answer()).then_some(now);
        let left = next
            .into_iter()
            .chain([settles, turn])
            .flatten()
            .min()
            .unwrap_or(now)
            .saturating_sub(now);
        let timeout = Timespec { tv_sec: (left / SECOND) as i64, tv_nsec: (left % SECOND) as i64 };
        // Interrupted by a signal is as good as nothing happened.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout));
    }

    fn on_event(&mut self, key: Key, flags: EventFlags) {
        if key == Key::BELL {
            self.signal.hush();
            self.on_names();
            return;
        }
        let place = key.place();
        let is_current = |connection: &&mut Connection| connection.generation == key.generation();
        let Some(connection) = self.connections.get_mut(place).filter(is_current) else { return };
        let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let has_input = flags.contains(EventFlags::IN) || ends;
        let has_room = flags.contains(EventFlags::OUT);
        if connection.more != More::No {
            // Its turn comes, and tells the rest.
            return self.list(key, ends);
        }
        let is_layered = connection.link.as_mut().is_some_and(|link| {
            if has_input && link.is_layered() {
                link.wake(ends, self.storm.clock.now());
            }
            link.is_layered()
        });
        match connection.state() {
            Some(State::Connecting) if flags.intersects(EventFlags::ERR | EventFlags::HUP) => {
                let error =
                    connection.link.as_ref().and_then(|link| socket::pending_error(link.socket()));
                let outcome = error.map_or(Outcome::TcpFailed("other"), socket::failed);
                self.conclude(place, outcome, self.storm.clock.now());
            }
            Some(State::Connecting | State::Securing | State::Upgrading | State::Sending)
                if has_room || is_layered =>
            {
                self.advance(place);
                // Layers may hold what came with their last flight, and no event will tell of it.
                if has_input || is_layered {
                    self.read(place, key, ends);
                }
            }
            Some(State::Connecting) => {}
            state => {
                // What came is read first: a broker that resets may have said why before.
                if has_input || is_layered {
                    self.read(place, key, ends);
                }
                if has_room && state.is_none() {
                    self.on_room(key);
                }
            }
        }
        // Arrivals do not wait for the rest of the events.
        let now = self.storm.clock.now();
        if self.pace.due().is_some_and(|due| due <= now) {
            self.start_due(now);
        }
    }

    /// Ends an attempt that is not accepted: records it, and closes the connection or lets a broker
    /// that refused close it first.
    fn conclude(&mut self, place: usize, outcome: Outcome, now: u64) {
        if self.is_ask(place) {
            return self.ask_failed(place, outcome, now);
        }
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (who, bearer) = (connection.who(), connection.bearer);
        let (journey, way) = (connection.journey.take(), connection.way);
        let Some(opening) = connection.opening() else { return };
        let attempt = opening.attempt(who, outcome, now);
        let (state, is_before_auth) = (opening.state, opening.again.is_some());
        let terms = Terms { is_before_auth, ..opening.terms };
        self.vacate(place);
        self.lands(bearer.turn);
        self.count_in_wave(state, attempt.opened);
        let expected = self.record(&attempt, terms, way);
        self.concluded(&attempt, way, now);
        if outcome.is_refusal() {
            self.linger(place, Outbox::default(), now);
        } else {
            self.close(place);
        }
        if let Some(journey) = journey {
            self.failed(bearer, journey, (expected, outcome), now);
        }
    }

    /// Gives up an attempt whose token will never come.
    fn abandon(&mut self, place: usize) {
        if self.is_ask(place) {
            return self.give_up_ask(place);
        }
        let Some(connection) = self.connections.get(place) else { return };
        let turn = connection.bearer.turn;
        self.count_unanswered(place);
        self.recorder[Count::Abandoned] += 1;
        self.recorder[Count::LaterAbandoned] += u64::from(turn > 0);
        self.in_flight -= 1;
        self.first_in_flight -= u64::from(turn == 0);
        self.close(place);
    }

    /// Ends the attempts whose time is up.
    fn expire(&mut self, now: u64) {
        while let Some((at, key)) = self.deadlines.front().copied() {
            let stands = self
                .connections
                .get(key.place())
                .filter(|connection| connection.generation == key.generation());
            let stands = stands.and_then(Connection::opening).filter(|opening| {
                // Not that of its opening, where CONNECT was sent later.
                opening.started + self.storm.timeout == at
            });
            match stands.map(Opening::phase) {
                Some(phase) if at <= now => {
                    self.conclude(key.place(), Outcome::Timeout(phase), now);
                }
                Some(_) => break,
                None => {}
            }
            self.deadlines.pop_front();
        }
        self.ring_alarms(now);
        self.close_lingering(now);
    }

    /// Hands over what was seen, and goes on with an empty recorder.
    fn hand_over(&mut self, now: u64, is_last: bool) {
        if !is_last && self.reports.is_full() {
            // The collector is behind, on a slow disk perhaps: what was seen goes with the next report.
            self.second = now.saturating_sub(self.storm.start) / SECOND;
            return;
        }
        self.count_cpu();
        self.recorder[Count::RowsTaken] += self.source.rows_taken();
        let spare = self.spares.try_recv().unwrap_or_else(|_| Box::new(self.storm.recorder()));
        let mut seen = std::mem::replace(&mut self.recorder, spare);
        seen[Count::Open] = (self.sockets - self.left_open) as u64;
        self.look_at_witnesses(&mut seen, now);
        let covers = self.second;
        self.second = now.saturating_sub(self.storm.start) / SECOND;
        // Nobody listens any more only where the run has failed already.
        let _ = self.reports.send(Report { covers, next: self.second, seen, is_last });
    }

    /// Adds the CPU time since it was last counted: to that of first turns until these are over.
    fn count_cpu(&mut self) {
        if let Some(before) = self.cpu_at {
            let now = thread_cpu();
            let of = if self.firsts_are_over { Count::CpuAfterNs } else { Count::CpuNs };
            self.recorder[of] += now.saturating_sub(before);
            self.cpu_at = Some(now);
        }
    }

    /// The run is stopped: attempts under way are abandoned, clients that stay leave at once.
    fn give_up(&mut self) {
        self.leave_away();
        let places: Vec<usize> = self.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            self.count_unanswered(place);
        }
        self.give_up_auths();
        // What only asks for a token is no attempt.
        let attempts = self.in_flight - self.asks();
        self.recorder[Count::Abandoned] += attempts;
        self.recorder[Count::LaterAbandoned] += attempts - self.first_in_flight;
        self.start_what_stands();
        self.parked.clear();
        self.settle(true);
        self.record_interrupted();
        for (_, connection) in &mut self.connections {
            if let (Some(link), Stage::Held(held)) = (&mut connection.link, &mut connection.stage) {
                held.session.leave();
                // A broker that does not take it sees the connection close.
                let _ = leaving::send_all(link, held.session.outbox());
            }
        }
        self.connections.clear();
        self.leaving.clear();
        (self.in_flight, self.first_in_flight) = (0, 0);
        (self.left_open, self.sockets) = (0, 0);
    }

    /// A connection counts no more among those that are open at its broker.
    fn vacate(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        if std::mem::take(&mut connection.occupies)
            && let Some(occupancy) = &self.storm.occupancy
        {
            occupancy.change(self.number, usize::from(connection.broker), false);
        }
    }

    fn close(&mut self, place: usize) {
        self.vacate(place);
        // Closing the socket takes it out of the epoll set.
        let Some(closed) = self.connections.try_remove(place) else { return };
        if closed.link.is_some() {
            self.storm.sockets.fetch_sub(1, Ordering::Relaxed);
            self.sockets -= 1;
        }
        self.left_open -= usize::from(closed.is_leaving());
        self.reclaim(closed.stage);
    }

    /// Keeps what an attempt leaves behind for the next one.
    fn reclaim(&mut self, stage: Stage) {
        if let Stage::Opening(mut opening) = stage
            && self.openings.len() < SPARES
        {
            // They may be long, and the next attempt has its own.
            (opening.inbound, opening.carried, opening.again) = (None, None, None);
            let packet = std::mem::take(&mut opening.packet);
            if packet.capacity() > 0 && self.packets.len() < SPARES {
                self.packets.push(packet);
            }
            self.openings.push(opening);
        }
    }

    /// The attempt on a connection, while it has no outcome.
    fn opening_mut(&mut self, place: usize) -> Option<&mut Opening> {
        self.connections.get_mut(place)?.opening_mut()
    }

    /// An attempt comes into a state.
    fn enter_state(&mut self, place: usize, state: State) {
        if let Some(opening) = self.opening_mut(place) {
            opening.state = state;
        }
    }
}
