//! How an attempt starts: it is due, and has its token.

use std::sync::Arc;

use super::{Connection, Key, STARTS_IN_A_ROW, Stage, State, Terms, Waiting, Worker};
use crate::{
    base::{clock::Clock, error::Result, host::thread_cpu},
    client::{
        attempt::{Outcome, Phase, Step},
        packet::{Connect, TooLong},
        verdict::Validity,
    },
    engine::{
        connection::{More, NOWHERE},
        opening::{Instants, Opening},
        storm::keep_alive,
        target::Spot,
    },
    plan::Plan,
    record::measure::Count,
    scenario::{Check, TokenIn},
    supply::{Ready, Stock},
    token::{Minter, Times, placing::Scratch, recipe::Form},
};

impl Worker {
    /// Starts the attempts that are due.
    pub(super) fn start_due(&mut self, mut now: u64) {
        for _ in 0..STARTS_IN_A_ROW {
            // Where no port is free, each start is thousands of system calls.
            if self.signal.is_stopped() {
                return;
            }
            let Some(scheduled) = self.pace.take(now) else { return };
            let client = self.storm.plan.client(self.next_client);
            self.next_client += self.workers;
            now = self.storm.clock.now();
            if self.park(client, scheduled, now) {
                continue;
            }
            self.count_start(now, scheduled);
            if self.storm.fetcher.is_some() {
                self.launch_without_supply(client, scheduled, now);
            } else if self.waiting.is_empty() && self.stock() == Stock::Ready {
                self.launch(client, scheduled, now, Step::NotEntered);
            } else {
                self.waiting.push_back(Waiting { client, scheduled, started: now });
            }
        }
    }

    /// An attempt starts.
    pub(super) fn count_start(&mut self, now: u64, scheduled: u64) {
        self.recorder.start(now, scheduled);
        if self.cpu_at.is_none() {
            self.cpu_at = Some(thread_cpu());
        }
    }

    /// Whether the next token is there; makes sure that its coming is heard.
    fn stock(&mut self) -> Stock {
        let mut is_said = false;
        loop {
            match self.outlet.stock() {
                // Its attempt did not wait for it long enough.
                Stock::Ready if self.unwanted > 0 => {
                    self.outlet.take();
                    self.unwanted -= 1;
                }
                Stock::Pending if !is_said => {
                    // Said first, looked again after: a token that comes in between is not missed.
                    self.signal.wait();
                    is_said = true;
                }
                stock => return stock,
            }
        }
    }

    /// Launches attempts whose tokens have come.
    pub(super) fn serve_waiting(&mut self) {
        while !self.waiting.is_empty() {
            match self.stock() {
                Stock::Ready => {}
                Stock::Pending => return,
                Stock::Exhausted => {
                    // Minting failed: the engine says why, and ends the run.
                    self.recorder[Count::Abandoned] += self.waiting.len() as u64;
                    self.waiting.clear();
                    return;
                }
            }
            let now = self.storm.clock.now();
            let Some(waiting) = self.waiting.pop_front() else { return };
            self.launch(waiting.client, waiting.scheduled, waiting.started, Step::At(now));
        }
    }

    /// Opens the connection of an attempt that has its token, and sends CONNECT if it can.
    pub(super) fn launch(&mut self, client: u64, scheduled: u64, started: u64, mut token: Step) {
        let storm = Arc::clone(&self.storm);
        let mut packet = self.packets.pop().unwrap_or_default();
        packet.clear();
        let Some((mut ready, mut bytes)) = self.outlet.take() else { return };
        let use_at = storm.clock.wall(if let Step::At(at) = token { at } else { started });
        let lain = ready.minted_for.abs_diff(use_at);
        if storm.shelf_lives.as_ref().is_some_and(|lives| lain > lives[ready.kind]) {
            self.renewed.clear();
            let offset = storm.clock.at_wall(use_at) - storm.start as i64;
            let moment = (storm.plan.turn(ready.kind, offset), use_at);
            // What was signed once can be signed again; if not, the token is judged as it is.
            if let Ok(renewed) =
                renew(&storm.plan, &mut self.minter, &ready, moment, &mut self.renewed)
            {
                (ready, bytes) = (renewed, &self.renewed);
                // Signing it was a wait for a token, and no part of what follows.
                token = Step::At(storm.clock.now());
            }
        }
        debug_assert_eq!(ready.client, client, "tokens come in the order of attempts");
        let encoded = encode(&storm.plan, &ready, bytes, &mut self.scratch, &mut packet);
        let place = self.enter(&ready, (scheduled, started), token, packet);
        self.set_out(place, encoded);
    }

    /// A connection for an attempt, in the state in which it has its token.
    pub(super) fn enter(
        &mut self,
        ready: &Ready,
        (scheduled, started): (u64, u64),
        token: Step,
        packet: Vec<u8>,
    ) -> usize {
        let storm = &self.storm;
        let validity = validity(storm.clock, self.start_counts(ready.times));
        if storm.plan.shares_names {
            storm.watched.get_or_init(|| validity);
        }
        let kind = &storm.plan.mould.kinds[ready.kind];
        let is_jwt = kind.recipe.form == Form::Jwt;
        let opening = Opening {
            state: State::Starting,
            is_jwt,
            key: ready.key,
            keep_alive: storm.keep_alive,
            minted_for: ready.minted_for,
            scheduled,
            started,
            opened: started,
            token,
            at: Instants::default(),
            sent_at: started,
            arrived: 0,
            terms: Terms::of(validity),
            packet,
            sent: 0,
            inbound: None,
        };
        self.generation = self.generation.wrapping_add(1);
        let place = self.connections.insert(Connection {
            link: None,
            generation: self.generation,
            kind: ready.kind as u16,
            broker: storm.plan.broker_of(ready.client) as u16,
            way: NOWHERE,
            occupies: false,
            hears_room: false,
            more: More::No,
            client: ready.client,
            stage: Stage::Opening(match self.openings.pop() {
                Some(mut spare) => {
                    *spare = opening;
                    spare
                }
                None => Box::new(opening),
            }),
        });
        self.in_flight += 1;
        self.deadlines.push_back((started + storm.timeout, Key::new(place, self.generation)));
        place
    }

    /// The times of a token of ours that count: `iat` alone makes no start.
    fn start_counts(&self, times: Times) -> Times {
        let is_checked = self.storm.plan.policy.checks(Check::Nbf);
        Times { nbf: times.nbf.filter(|_| is_checked), ..times }
    }

    /// Sends an attempt that has its CONNECT on its way to the broker.
    pub(super) fn set_out(&mut self, place: usize, encoded: std::result::Result<(), TooLong>) {
        let storm = Arc::clone(&self.storm);
        let Some(connection) = self.connections.get(place) else { return };
        let key = Key::new(place, connection.generation);
        let (client, broker) = (connection.client, usize::from(connection.broker));
        if let Err(field) = encoded {
            let word = word_of(field, storm.plan.token_in);
            return self.fail(place, State::Starting, Outcome::LocalError(word));
        }
        match &storm.targets[broker].spot {
            Spot::At(addresses) => {
                let turn = storm.plan.spread.turn_of(client);
                self.open(place, addresses[(turn % addresses.len() as u64) as usize]);
            }
            Spot::Named(host, port) => self.look_up(key, host, *port),
            Spot::Nowhere(_, why, Phase::Dns) => {
                self.fail(place, State::Resolving, Outcome::TcpFailed(why));
            }
            Spot::Nowhere(_, why, _) => {
                self.fail(place, State::Connecting, Outcome::TcpFailed(why));
            }
        }
    }
}

/// When a token is good by its own claims.
pub(super) fn validity(clock: Clock, times: Times) -> Validity {
    Validity {
        from: times.nbf.map_or(i64::MIN, |nbf| clock.at_wall(nbf)),
        until: times.exp.map_or(i64::MAX, |exp| clock.at_wall(exp)),
    }
}

/// Mints a token again, for another moment.
fn renew(
    plan: &Plan,
    minter: &mut Option<Minter>,
    ready: &Ready,
    (turn, at): (usize, i64),
    out: &mut Vec<u8>,
) -> Result<Ready> {
    let minter = match minter {
        Some(minter) => minter,
        none => none.insert(Minter::new(&plan.mould)?),
    };
    let (password, times) = minter.mint_in_turn((ready.kind, turn), ready.client, at, out)?;
    plan.examine((ready.kind, ready.client), at, (password, out))?;
    let key = plan.mould.kinds[ready.kind].key_at(turn).map(|key| key as u16);
    Ok(ready.renewed(key, times, at))
}

/// The word for a field that is too long; the token is the one that stands in it.
fn word_of(field: TooLong, token_in: TokenIn) -> &'static str {
    match (field, token_in) {
        (TooLong::ClientId, _) => "client_id_too_long",
        (TooLong::Username, TokenIn::Password) => "username_too_long",
        // Entries of the catalogue bring their token in the other fields.
        (TooLong::Username, TokenIn::Username)
        | (TooLong::Password | TooLong::Will | TooLong::Property, _) => "token_too_long",
    }
}

/// Encodes CONNECT.
///
/// # Errors
/// When a field is too long for it.
pub(super) fn encode(
    plan: &Plan,
    ready: &Ready,
    token: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> std::result::Result<(), TooLong> {
    let kind = &plan.mould.kinds[ready.kind];
    let given = (ready.password, token);
    let names = &plan.mould.names;
    let brought =
        scratch.fields(names, &kind.recipe, plan.token_in, plan.named(ready.client), given);
    Connect {
        protocol: kind.protocol,
        clean_start: plan.load().clean_start,
        keep_alive: keep_alive(plan.load().keep_alive),
        client_id: brought.client_id,
        username: brought.username,
        password: brought.password,
        method: brought.method,
        property: brought.property,
        will: brought.will,
    }
    .encode(out)
}
