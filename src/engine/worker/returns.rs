//! Later turns: clients that come back when their connection ended, and those that renew their token by connecting again.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use super::{
    Connection, Key, Stage, State, Worker,
    launch::{Equipped, equip},
};
use crate::{
    base::clock::{SECOND, nanoseconds, signed},
    client::{
        attempt::{Attempt, Code, Outcome, Step},
        verdict::{
            Expectation,
            ending::{Met, RENEWED},
        },
    },
    engine::{
        carried::{Again, Carried},
        journey::{Journey, Purpose},
    },
    plan::life::Life,
    record::measure::{Back, Count},
    scenario::Reconnect,
    supply::source::{Answer, NO_MORE_ROWS, Order},
    token::Bearer,
};

/// How an attempt ends whose client has had all tokens that a file has for it: no later one would get any.
const NO_TOKEN_LEFT: Outcome = Outcome::TokenFailed(Code::Word(NO_MORE_ROWS));

/// By how many nanoseconds after the old token's end a renewal that counts so is accepted.
const LATE: [(Count, i64); 3] = [
    (Count::RenewalsLate, 0),
    (Count::RenewalsLateBy100Ms, SECOND as i64 / 10),
    (Count::RenewalsLateBy1S, SECOND as i64),
];

/// A client that waits to come back.
#[derive(Debug)]
pub(super) struct Away {
    /// When it tries.
    pub(super) due: u64,
    /// It, in the turn that it begins then.
    bearer: Bearer,
    how: Waits,
}

/// What a client waits with.
#[derive(Debug)]
enum Waits {
    /// With nothing: its turn begins when it is due.
    Idle(Box<Journey>),
    /// With an attempt that has its token already.
    Equipped(Key),
}

impl Ord for Away {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.bearer).cmp(&(other.due, other.bearer))
    }
}

impl PartialOrd for Away {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Away {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Away {}

impl Worker {
    /// The journey of a client in its first turn, where it may have more.
    pub(super) fn sets_out(&self, kind: usize) -> Option<Box<Journey>> {
        self.storm.plan.turns_of(kind).map(|_| Box::new(Journey::first()))
    }

    /// The connection of a client ended before it wanted: it comes back, where clients do.
    pub(super) fn dropped(&mut self, bearer: Bearer, mut journey: Box<Journey>, now: u64) {
        let old = journey.renewal.take();
        // The turn of an attempt that had no token is over, too.
        let bearer = Bearer { turn: bearer.turn.max(journey.last_turn), ..bearer };
        if self.reconnects().is_none() {
            // Whoever waits for a token has nothing to replace any more.
            return old.into_iter().for_each(|key| self.forsake(key));
        }
        self.recorder.dropped_at(now, self.storm.start);
        (journey.failures, journey.renewed) = (0, None);
        journey.purpose = Purpose::Return { dropped: now };
        match old {
            // The token that it waits for is that of its first attempt to come back.
            Some(key) => self.becomes_return(key, bearer, journey, now),
            None => self.goes_on(bearer, journey, now),
        }
    }

    /// With which token clients come back, where they do.
    fn reconnects(&self) -> Option<Reconnect> {
        let turns = self.storm.plan.turns.as_ref()?;
        Some(turns.reconnect).filter(|reconnect| *reconnect != Reconnect::None)
    }

    /// A client is away, and tries again after its backoff, unless that is over when it would have left, or it gives up.
    fn goes_on(&mut self, bearer: Bearer, journey: Box<Journey>, now: u64) {
        let plan = &self.storm.plan;
        let Some(turns) = &plan.turns else { return };
        let life = plan.life(bearer.client);
        let (turn, place) = (bearer.turn.saturating_add(1), (life.kind, life.broker));
        let due = now.saturating_add(nanoseconds(life.wait(turns, turn, journey.failures)));
        if journey.failures >= turns.tries {
            return self.recorder.stays_away(Count::GaveUp, place);
        }
        if due >= journey.leaves_at {
            return self.recorder.stays_away(Count::StillAway, place);
        }
        let bearer = Bearer { turn, ..bearer };
        self.away.push(Reverse(Away { due, bearer, how: Waits::Idle(journey) }));
    }

    /// Index of the kind and of the broker of a client.
    fn place_of(&self, bearer: Bearer) -> (usize, usize) {
        let life = self.storm.plan.life(bearer.client);
        (life.kind, life.broker)
    }

    /// Starts the clients whose time to come back has come.
    pub(super) fn start_away(&mut self) {
        for _ in 0..super::STARTS_IN_A_ROW {
            let now = self.storm.clock.now();
            if self.signal.is_stopped() {
                return;
            }
            let Some(Reverse(away)) = self.away.peek() else { return };
            if away.due > now {
                return;
            }
            let Some(Reverse(Away { due, bearer, how })) = self.away.pop() else { return };
            match how {
                Waits::Idle(journey) => self.come_back(due, bearer, journey, now),
                Waits::Equipped(key) => self.goes_at_last(key, due, now),
            }
        }
    }

    fn come_back(&mut self, due: u64, bearer: Bearer, journey: Box<Journey>, now: u64) {
        let storm = Arc::clone(&self.storm);
        let life = storm.plan.life(bearer.client);
        self.recorder.start_later(Count::ReturnsBegun);
        let sends_again = self.reconnects() == Some(Reconnect::SameToken);
        let again = journey.token.as_ref().filter(|_| sends_again);
        let (last, minted) = (
            again.and_then(|carried| carried.accepted),
            again.map(|carried| match carried.how {
                Again::Minted { turn, minted_for } => Some((turn, minted_for)),
                Again::Kept(_) => None,
            }),
        );
        let life = match again {
            Some(carried) => life.with_kind(carried.kind),
            None => life.with_kind(self.source.next_kind(life.client).unwrap_or(life.kind)),
        };
        let place = self.enter_turn(life, bearer.turn, (due, now), Some(journey));
        if let Some(opening) = self.opening_mut(place) {
            opening.terms.last_accepted = last;
        }
        let order = Order {
            bearer,
            kind: life.kind,
            at: now,
            deadline: now + storm.timeout,
            ticket: Key::new(place, self.generation).data(),
            may_wait: false,
        };
        match minted {
            None => self.order(place, order, life),
            Some(Some((turn, minted_for))) => {
                let at = u64::try_from(storm.clock.at_wall(minted_for)).unwrap_or_default();
                self.source.mint(Order { bearer: Bearer { turn, ..bearer }, at, ..order });
                self.waits(place, life, at);
            }
            Some(None) => self.send_again(place),
        }
    }

    /// Orders the token of an attempt, and sets out where it is there.
    fn order(&mut self, place: usize, order: Order, life: Life) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Some(answer) = self.source.ask(order) else {
            return self.waits(place, life, order.at);
        };
        let equipped =
            equip(connection, &answer, Step::NotEntered, (&self.storm, &mut self.scratch));
        self.set_out(place, equipped);
    }

    /// Says what is known of a token while it is minted for this instant.
    fn waits(&mut self, place: usize, life: Life, at: u64) {
        let storm = Arc::clone(&self.storm);
        if let Some(opening) = self.opening_mut(place) {
            opening.wait_for_token(&storm, life, at);
        }
    }

    /// Sends a token again that was kept.
    fn send_again(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Some(journey) = connection.journey.take() else { return };
        let equipped = match &journey.token {
            Some(Carried { how: Again::Kept(kept), .. }) => {
                let answer = Answer::Token(kept.handed());
                let shared = (&*self.storm, &mut self.scratch);
                equip(connection, &answer, Step::NotEntered, shared)
            }
            _ => Equipped::Never,
        };
        connection.journey = Some(journey);
        self.set_out(place, equipped);
    }

    /// A client's token is to be renewed: it asks for the next one, while its connection goes on.
    pub(super) fn renew(&mut self, place: usize, due: u64, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let (Some(held), Some(journey)) = (connection.held(), &connection.journey) else { return };
        let old = Key::new(place, connection.generation);
        let (ends, leaves_at) = (held.deadline, journey.leaves_at);
        let bearer = Bearer { turn: journey.last_turn, ..connection.bearer };
        let life = self.storm.plan.life(bearer.client);
        let is_by_auth = self.storm.plan.renews_by_auth();
        let purpose = if is_by_auth {
            Purpose::Reauth { on: old }
        } else {
            Purpose::Renewal { old: Some(old), ends }
        };
        let next = Journey {
            purpose,
            leaves_at,
            last_turn: bearer.turn.saturating_add(1),
            ..Journey::first()
        };
        let turn = next.last_turn;
        let kind = if is_by_auth {
            self.recorder[Count::ReauthsBegun] += 1;
            self.storm.plan.renews_with(life, turn)
        } else {
            self.recorder.start_later(Count::RenewalsBegun);
            life.kind
        };
        let kind = self.source.next_kind(life.client).unwrap_or(kind);
        let asked = life.with_kind(kind);
        let entered = self.enter_turn(asked, turn, (due, now), Some(Box::new(next)));
        let ticket = Key::new(entered, self.generation);
        if let Some(journey) = self.connections.get_mut(place).and_then(|it| it.journey.as_mut()) {
            (journey.renewal, journey.last_turn) = (Some(ticket), turn);
        }
        let order = Order {
            bearer: self.storm.plan.bearer_of(kind, Bearer { turn, ..bearer }),
            kind,
            at: now,
            deadline: now + self.storm.timeout,
            ticket: ticket.data(),
            may_wait: true,
        };
        self.order(entered, order, asked);
    }

    /// An attempt has its token. Whether it waits all the same: its client is away, and its backoff is not over.
    pub(super) fn rests(&mut self, place: usize) -> bool {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get_mut(place) else { return false };
        let (bearer, key) = (connection.bearer, Key::new(place, connection.generation));
        let due = connection.journey.as_ref().map_or(0, |journey| journey.not_before);
        let Some(opening) = connection.opening_mut().filter(|_| due > now) else { return false };
        // Its time is up a while after it has set out.
        opening.started = due;
        self.away.push(Reverse(Away { due, bearer, how: Waits::Equipped(key) }));
        true
    }

    /// The backoff of an attempt is over that had its token before.
    fn goes_at_last(&mut self, key: Key, due: u64, now: u64) {
        let place = key.place();
        let is_it = |it: &&mut Connection| it.generation == key.generation();
        let Some(connection) = self.connections.get_mut(place).filter(is_it) else { return };
        let Some(opening) = connection.opening_mut() else { return };
        opening.begin(due, now);
        self.deadlines.push_back((now + self.storm.timeout, key));
        self.set_out(place, Equipped::Ready);
    }

    /// An attempt has its token. Where that renews another, the client leaves the connection that it had with that one.
    pub(super) fn replace(&mut self, place: usize) {
        let now = self.storm.clock.now();
        let journey = self.connections.get_mut(place).and_then(|it| it.journey.as_mut());
        let Some(Purpose::Renewal { old, .. }) = journey.map(|journey| &mut journey.purpose) else {
            return;
        };
        let Some(old) = old.take() else { return };
        self.recorder[Count::RenewalsSent] += 1;
        let is_fetched = self.storm.plan.issuance.fetching.is_some();
        if let Some(opening) = self.opening_mut(place).filter(|_| !is_fetched) {
            // It had a connection meanwhile: a wait for a signature of ours delayed nothing.
            opening.token = Step::NotEntered;
        }
        let is_it = |it: &&mut Connection| it.generation == old.generation();
        let Some(connection) = self.connections.get_mut(old.place()).filter(is_it) else { return };
        let before = connection.journey.take();
        if let Some(journey) = self.connections.get_mut(place).and_then(|it| it.journey.as_mut()) {
            journey.token = before.and_then(|before| before.token);
        }
        self.leaves_as_witness(old.place(), now);
        self.leave_for(old.place(), Met::Us(RENEWED), now);
    }

    /// The client of an attempt that renews a token lost the connection that it had: it comes back instead.
    fn becomes_return(&mut self, key: Key, bearer: Bearer, mut journey: Box<Journey>, now: u64) {
        let plan = &self.storm.plan;
        let Some(turns) = &plan.turns else { return };
        let wait = plan.life(bearer.client).wait(turns, bearer.turn, 0);
        journey.not_before = now.saturating_add(nanoseconds(wait));
        let is_it = |it: &&mut Connection| it.generation == key.generation();
        let Some(connection) = self.connections.get_mut(key.place()).filter(is_it) else { return };
        if !connection.is_ask() {
            connection.journey = Some(journey);
            self.recorder[Count::RenewalsConverted] += 1;
            return;
        }
        if usize::from(connection.kind) == plan.life(bearer.client).kind {
            // Until now it was no attempt.
            connection.journey = Some(journey);
            self.recorder[Count::ReauthsForsaken] += 1;
            self.recorder.start_later(Count::ReturnsBegun);
            return;
        }
        // Nobody comes back with the token that it asks for.
        self.forsake_ask(key.place());
        self.goes_on(bearer, journey, now);
    }

    /// Gives up an attempt to renew a token that nobody wants any more: no CONNECT was sent, and none is counted.
    pub(super) fn forsake(&mut self, key: Key) {
        let is_it = |it: &&mut Connection| it.generation == key.generation();
        let Some(connection) = self.connections.get_mut(key.place()).filter(is_it) else { return };
        if connection.is_ask() {
            return self.forsake_ask(key.place());
        }
        if connection.state() == Some(State::Ordering) {
            connection.journey = None;
            self.recorder[Count::RenewalsForsaken] += 1;
            self.abandon(key.place());
        }
    }

    /// Counts an attempt to renew a token that is given up before it has one.
    pub(super) fn count_unanswered(&mut self, place: usize) {
        let journey = self.connections.get(place).and_then(|it| it.journey.as_ref());
        let waits = |purpose| matches!(purpose, Purpose::Renewal { old: Some(_), .. });
        let waits = journey.is_some_and(|journey| waits(journey.purpose));
        self.recorder[Count::RenewalsWithoutToken] += u64::from(waits);
    }

    /// What follows for its client from an attempt that was not accepted.
    pub(super) fn failed(
        &mut self,
        bearer: Bearer,
        mut journey: Box<Journey>,
        (expected, outcome): (Expectation, Outcome),
        now: u64,
    ) {
        match journey.purpose {
            // It was never let in; or it was no attempt.
            Purpose::First | Purpose::Reauth { .. } => {}
            Purpose::Return { .. } if outcome == NO_TOKEN_LEFT => {
                let place = self.place_of(bearer);
                self.recorder.stays_away(Count::GaveUp, place);
            }
            Purpose::Return { .. } => {
                journey.failures += 1;
                journey.not_before = 0;
                self.goes_on(bearer, journey, now);
            }
            Purpose::Renewal { old: Some(old), .. } => {
                self.recorder[Count::RenewalsWithoutToken] += 1;
                if self.has_kept(old) {
                    self.asks_again(old, bearer, now);
                }
            }
            Purpose::Renewal { .. } => {
                let was_good = matches!(expected, Expectation::Accept);
                self.recorder[Count::RenewalsFailed] += u64::from(was_good);
                self.dropped(bearer, journey, now);
            }
        }
    }

    /// Whether a client still has the connection whose token was to be renewed.
    pub(super) fn has_kept(&self, old: Key) -> bool {
        let own = self.connections.get(old.place()).filter(|it| it.generation == old.generation());
        let journey = own.filter(|it| it.held().is_some()).and_then(|it| it.journey.as_ref());
        journey.is_some_and(|journey| journey.renewal.is_some())
    }

    /// A token that is to be renewed could not be had: the connection goes on, and its client asks again after its backoff.
    pub(super) fn asks_again(&mut self, old: Key, bearer: Bearer, now: u64) {
        let storm = Arc::clone(&self.storm);
        let Some(turns) = &storm.plan.turns else { return };
        let Some(connection) = self.connections.get_mut(old.place()) else { return };
        let (Stage::Held(held), Some(journey)) = (&mut connection.stage, &mut connection.journey)
        else {
            return;
        };
        let life = storm.plan.life(bearer.client);
        let wait = nanoseconds(life.wait(turns, bearer.turn, journey.failures));
        (journey.renewal, journey.failures) = (None, journey.failures.saturating_add(1));
        if self.source.has_more(bearer.client) {
            held.session.renew_at(now.saturating_add(wait));
        }
        self.tend(old.place(), now);
    }

    /// A client was accepted, whatever the turn, with this token.
    pub(super) fn arrives(
        &mut self,
        place: usize,
        carried: Option<Carried>,
        leaves_at: u64,
        (attempt, expected): (&Attempt, Expectation),
    ) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Some(journey) = &mut connection.journey else { return };
        let last = journey.token.take().and_then(|token| token.accepted);
        // A later acceptance that only a cache explains does not prolong it.
        let is_right = !matches!(expected, Expectation::Refuse(_) | Expectation::Either(_));
        let is_same = attempt.token_turn != attempt.turn;
        let accepted = if is_right { Some(attempt.ended) } else { last.filter(|_| is_same) };
        journey.token = carried.map(|token| Carried { accepted, ..token });
        journey.leaves_at = leaves_at;
        journey.last_turn = attempt.turn;
        if attempt.turn > 0 {
            self.is_back(place, attempt.ended);
        }
    }

    /// A client in a later turn was accepted.
    fn is_back(&mut self, place: usize, now: u64) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (kind, broker) = (usize::from(connection.kind), usize::from(connection.broker));
        let Some(journey) = &mut connection.journey else { return };
        let attempts = journey.failures.saturating_add(1);
        (journey.failures, journey.not_before) = (0, 0);
        match std::mem::replace(&mut journey.purpose, Purpose::First) {
            Purpose::First | Purpose::Reauth { .. } => {}
            Purpose::Return { dropped } => {
                self.recorder.back(Back { dropped, back: now }, attempts, (kind, broker));
            }
            Purpose::Renewal { ends, .. } => {
                self.count_renewed(now, ends);
            }
        }
    }

    /// Counts a token that was renewed: another was accepted, and it ends at that instant.
    pub(super) fn count_renewed(&mut self, now: u64, ends: i64) {
        self.recorder[Count::Renewed] += 1;
        let late = signed(now).saturating_sub(ends);
        for (count, by) in LATE {
            self.recorder[count] += u64::from(late > by);
        }
    }

    /// The run is interrupted: whoever is away stays away.
    pub(super) fn leave_away(&mut self) {
        for Reverse(away) in std::mem::take(&mut self.away) {
            // An attempt that is under way is counted with the others.
            if matches!(away.how, Waits::Equipped(_)) {
                continue;
            }
            let place = self.place_of(away.bearer);
            self.recorder.stays_away(Count::StillAway, place);
        }
        let returning = self.connections.iter().filter(|(_, it)| it.opening().is_some());
        let returning: Vec<Bearer> = returning
            .filter(|(_, it)| {
                let journey = it.journey.as_ref();
                journey.is_some_and(|it| matches!(it.purpose, Purpose::Return { .. }))
            })
            .map(|(_, it)| it.bearer)
            .collect();
        for bearer in returning {
            let place = self.place_of(bearer);
            self.recorder.stays_away(Count::StillAway, place);
        }
    }
}
