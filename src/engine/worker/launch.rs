//! How an attempt starts: it is due, orders its token, and sets out with it.

use std::sync::Arc;

use super::{Connection, Key, STARTS_IN_A_ROW, Stage, State, Terms, Worker};
use crate::{
    base::{
        clock::{Clock, SECOND},
        host::thread_cpu,
    },
    client::{
        attempt::{Outcome, Phase, Step},
        packet::TooLong,
        verdict::{Validity, foreign::Said},
    },
    engine::{
        bringing::{put_again, put_first},
        carried::Carried,
        connection::{More, NOWHERE},
        journey::Journey,
        opening::{Instants, Opening},
        storm::Storm,
        target::Spot,
    },
    plan::{Plan, life::Life},
    scenario::{Check, Reconnect, TokenIn},
    supply::source::{Answer, Handed, Order},
    token::{Bearer, Times, placing::Scratch},
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
            let life = self.next_life();
            now = self.storm.clock.now();
            if self.park(life, scheduled, now) {
                continue;
            }
            self.count_start(now, scheduled);
            self.begin(life, scheduled, now);
        }
    }

    /// The life of this worker's next client.
    pub(super) fn next_life(&mut self) -> Life {
        let plan = &self.storm.plan;
        let client = plan.client(self.next_client);
        self.next_client += self.workers;
        plan.life(client)
    }

    /// An attempt starts.
    pub(super) fn count_start(&mut self, now: u64, scheduled: u64) {
        self.recorder.start(now, scheduled);
        if self.cpu_at.is_none() {
            self.cpu_at = Some(thread_cpu());
        }
    }

    /// Begins the first turn of a client: orders its token, and sets out where that is there.
    pub(super) fn begin(&mut self, life: Life, scheduled: u64, started: u64) {
        let place = self.enter(life, (scheduled, started));
        let order = Order {
            bearer: life.bearer(0),
            kind: life.kind,
            at: started,
            deadline: started + self.storm.timeout,
            ticket: Key::new(place, self.generation).data(),
            may_wait: false,
        };
        let Some(connection) = self.connections.get_mut(place) else { return };
        let answer = self.source.ask(order);
        let Some(answer) = answer else {
            if let Some(opening) = connection.opening_mut() {
                opening.wait_for_token(&self.storm, life, scheduled);
            }
            return;
        };
        let equipped =
            equip(connection, &answer, Step::NotEntered, (&self.storm, &mut self.scratch));
        self.set_out(place, equipped);
    }

    /// Goes on with attempts whose tokens have come.
    pub(super) fn take_tokens(&mut self) {
        for _ in 0..STARTS_IN_A_ROW {
            let Some((ticket, answer)) = self.source.next_answer() else { return };
            let key = Key::from_data(ticket);
            let Some(connection) = self.connections.get_mut(key.place()).filter(|found| {
                found.generation == key.generation() && found.state() == Some(State::Ordering)
            }) else {
                // Its attempt did not wait for it long enough.
                continue;
            };
            let came = Step::At(self.storm.clock.now());
            let equipped = equip(connection, &answer, came, (&self.storm, &mut self.scratch));
            self.set_out(key.place(), equipped);
        }
    }

    /// A connection for the attempt of a client's first turn, which waits for its token.
    pub(super) fn enter(&mut self, life: Life, times: (u64, u64)) -> usize {
        let journey = self.sets_out(life.kind);
        self.enter_turn(life, 0, times, journey)
    }

    /// The same for any turn.
    pub(super) fn enter_turn(
        &mut self,
        life: Life,
        turn: u32,
        (scheduled, started): (u64, u64),
        journey: Option<Box<Journey>>,
    ) -> usize {
        let storm = &self.storm;
        let mut terms = Terms::of(validity(storm.clock, Times::default()));
        terms.has_no_slot = turn > 0;
        let mut packet = self.packets.pop().unwrap_or_default();
        packet.clear();
        let opening = Opening {
            state: State::Ordering,
            deadline: i64::MIN,
            key: None,
            keep_alive: storm.keep_alive,
            minted_for: storm.clock.wall(started),
            token_turn: turn,
            carried: None,
            scheduled,
            started,
            opened: started,
            token: Step::Unfinished,
            at: Instants::default(),
            sent_at: started,
            arrived: 0,
            terms,
            packet,
            sent: 0,
            upgrade: None,
            again: None,
            is_again: false,
            names_method: false,
            is_challenged: false,
            inbound: None,
        };
        self.generation = self.generation.wrapping_add(1);
        let place = self.connections.insert(Connection {
            link: None,
            generation: self.generation,
            kind: life.kind as u16,
            broker: life.broker as u16,
            way: NOWHERE,
            occupies: false,
            hears_room: false,
            more: More::No,
            bearer: life.bearer(turn),
            journey,
            stage: Stage::Opening(match self.openings.pop() {
                Some(mut spare) => {
                    *spare = opening;
                    spare
                }
                None => Box::new(opening),
            }),
        });
        self.in_flight += 1;
        self.first_in_flight += u64::from(turn == 0);
        self.deadlines.push_back((started + storm.timeout, Key::new(place, self.generation)));
        place
    }

    /// Sends an attempt that has its CONNECT on its way to the broker, or ends it.
    pub(super) fn set_out(&mut self, place: usize, equipped: Equipped) {
        let storm = Arc::clone(&self.storm);
        let Some(connection) = self.connections.get(place) else { return };
        let key = Key::new(place, connection.generation);
        let Bearer { client, turn } = connection.bearer;
        let broker = usize::from(connection.broker);
        match equipped {
            Equipped::Ready if self.is_ask(place) => return self.authenticate(place),
            Equipped::Ready if self.rests(place) => return,
            Equipped::Ready => self.replace(place),
            Equipped::Failed(state, outcome) => return self.fail(place, state, outcome),
            Equipped::Never => return self.abandon(place),
            Equipped::Half => return self.order_good(place),
        }
        match &storm.targets[broker].spot {
            Spot::At(addresses) => {
                // Behind an address with several, a client goes on to the next.
                let rank = storm.plan.spread.rank_of(client).wrapping_add(u64::from(turn));
                self.open(place, addresses[(rank % addresses.len() as u64) as usize]);
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

impl Opening {
    /// Says what is known of an attempt while its token is minted: when that would be good.
    pub(super) fn wait_for_token(&mut self, storm: &Storm, life: Life, scheduled: u64) {
        if storm.plan.is_fetched(life.kind) {
            return;
        }
        let mould = &storm.plan.mould;
        let (from, until) = mould.kinds[life.kind].recipe.good_in(scheduled as i64, mould.ttl);
        self.terms.validity = Validity { from, until };
        self.minted_for = storm.clock.wall(scheduled);
    }
}

/// What came of an attempt's order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Equipped {
    /// It has its token, and CONNECT.
    Ready,
    /// It has ended, in this state.
    Failed(State, Outcome),
    /// There will be no token.
    Never,
    /// It has the token that it is to authenticate again with, and none to connect with yet.
    Half,
}

/// Gives an attempt what came of its order, at this step, and encodes its CONNECT.
pub(super) fn equip(
    connection: &mut Connection,
    answer: &Answer<'_>,
    came: Step,
    (storm, scratch): (&Storm, &mut Scratch),
) -> Equipped {
    let sends = if connection.is_ask() { Sends::Auth } else { Sends::Connect };
    if let (Answer::Token(handed), true) = (answer, storm.shelf.is_some())
        && let (Some(Said::Refuse(_)), 0) = (handed.said, handed.ready.bearer.turn)
    {
        // Whether a client comes back goes by its first token, and here that alone knows.
        connection.journey = None;
    }
    let Stage::Opening(opening) = &mut connection.stage else { return Equipped::Never };
    match answer {
        Answer::Token(handed) => {
            opening.token = came;
            hand_over(opening, handed, sends, (storm, scratch))
        }
        Answer::Failed(failure) => {
            // What is not there at once has been waited for.
            let state = if came == Step::NotEntered { State::Starting } else { State::Ordering };
            if came == Step::NotEntered {
                opening.token = came;
            }
            Equipped::Failed(state, Outcome::TokenFailed(failure.code))
        }
        Answer::NotMade => {
            opening.token = came;
            Equipped::Failed(State::Starting, Outcome::LocalError("no_token"))
        }
        Answer::Never => Equipped::Never,
    }
}

/// Gives an attempt its token.
pub(super) fn hand_over(
    opening: &mut Opening,
    handed: &Handed<'_>,
    sends: Sends,
    (storm, scratch): (&Storm, &mut Scratch),
) -> Equipped {
    let ready = &handed.ready;
    if opening.again.is_some() {
        // It is about the token that it had first, and that was there.
        opening.token = Step::NotEntered;
        return packed(opening, handed, sends, (storm, scratch));
    }
    let mut times = ready.times;
    if handed.said.is_none() {
        // `iat` alone makes no start of a token of ours.
        times.nbf = times.nbf.filter(|_| storm.plan.policy.checks(Check::Nbf));
    }
    opening.state = State::Starting;
    opening.key = ready.key;
    opening.deadline = match (handed.is_jwt, times.exp) {
        (false, _) => i64::MIN,
        (true, None) => i64::MAX,
        // Claims are in seconds, and some issuers write fractions of them.
        (true, Some(exp)) => storm.clock.at_wall(exp.saturating_sub(exp.rem_euclid(SECOND as i64))),
    };
    opening.minted_for = ready.minted_for;
    opening.token_turn = ready.bearer.turn;
    if let Some(turns) = storm.plan.turns.as_ref().filter(|it| it.reconnect == Reconnect::SameToken)
    {
        opening.carried = Some(Carried::of(handed, turns.keeps_tokens));
    }
    opening.terms.said = handed.said;
    opening.terms.is_word = handed.is_word;
    opening.terms.validity = validity(storm.clock, times);
    if storm.plan.shares_names {
        storm.watched.get_or_init(|| opening.terms.validity);
    }
    if storm.plan.mould.kinds[ready.kind].recipe.again && sends == Sends::Connect {
        let equipped = packed(opening, handed, Sends::Auth, (storm, scratch));
        if let Equipped::Failed(..) = equipped {
            return equipped;
        }
        opening.again = Some(std::mem::take(&mut opening.packet));
        return Equipped::Half;
    }
    packed(opening, handed, sends, (storm, scratch))
}

/// Encodes what takes a token to the broker.
fn packed(
    opening: &mut Opening,
    handed: &Handed<'_>,
    sends: Sends,
    (storm, scratch): (&Storm, &mut Scratch),
) -> Equipped {
    let token_in = storm.plan.token_in;
    let word = match encode(&storm.plan, handed, sends, scratch, opening) {
        Ok(()) => return Equipped::Ready,
        Err(Misfit::TooLong(field)) => word_of(field, token_in),
        Err(Misfit::Unfit) => "unfit_token",
    };
    Equipped::Failed(State::Starting, Outcome::LocalError(word))
}

/// When a token is good by its own claims.
fn validity(clock: Clock, times: Times) -> Validity {
    Validity {
        from: times.nbf.map_or(i64::MIN, |nbf| clock.at_wall(nbf)),
        until: times.exp.map_or(i64::MAX, |exp| clock.at_wall(exp)),
    }
}

/// The word for a field that is too long; the token is the one that stands in it.
fn word_of(field: TooLong, token_in: TokenIn) -> &'static str {
    match (field, token_in) {
        (TooLong::ClientId, _) => "client_id_too_long",
        (TooLong::Username, TokenIn::Password | TokenIn::AuthData | TokenIn::WsHeader) => {
            "username_too_long"
        }
        // Entries of the catalogue bring their token in the other fields.
        (TooLong::Username, TokenIn::Username | TokenIn::Template)
        | (TooLong::Password | TooLong::Will | TooLong::Property | TooLong::AuthData, _) => {
            "token_too_long"
        }
    }
}

/// The packet that takes a token to the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sends {
    Connect,
    /// AUTH, of a client that authenticates again.
    Auth,
}

/// Why a token can't be taken to the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Misfit {
    /// A field would be too long.
    TooLong(TooLong),
    /// The text that would bring it has no place for its bytes.
    Unfit,
}

impl From<TooLong> for Misfit {
    fn from(field: TooLong) -> Self {
        Self::TooLong(field)
    }
}

/// Encodes the packet, and what the request for an upgrade to WebSocket has of the client.
///
/// # Errors
/// When the token does not fit into it.
fn encode(
    plan: &Plan,
    handed: &Handed<'_>,
    sends: Sends,
    scratch: &mut Scratch,
    opening: &mut Opening,
) -> Result<(), Misfit> {
    let ready = &handed.ready;
    let kind = &plan.mould.kinds[ready.kind];
    let names = &plan.mould.names;
    let given = (ready.password, plan.mould.shown(handed.bytes));
    let name = plan.named(ready.bearer.client);
    let brought = scratch.fields(names, &kind.recipe, plan.token_in, name, given);
    if brought.carried.is_some_and(|token| names.unfit(token).is_some()) {
        return Err(Misfit::Unfit);
    }
    opening.upgrade = brought.upgrade.map(|own| Box::new(own.into()));
    let out = &mut opening.packet;
    opening.names_method = match sends {
        Sends::Connect => put_first(plan, kind, &brought, out)?,
        Sends::Auth => {
            put_again(&brought, out)?;
            true
        }
    };
    Ok(())
}
