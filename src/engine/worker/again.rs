//! Clients that authenticate again (MQTT 5.0, 4.12.1): the token that is asked for while a connection stands, the AUTH that
//! takes it there, and what comes of it.

use super::{Connection, Key, Stage, State, Terms, Worker, ways::Way};
use crate::{
    base::words::Verdict,
    client::{
        attempt::{Attempt, Close, Code, Outcome, Step},
        reauth::Reauth,
        session::Ended,
        verdict::{
            Expectation,
            ending::{Met, RENEWED},
        },
    },
    engine::{
        carried::Carried,
        connection::Held,
        journey::Asked,
        opening::{Opening, Who},
    },
    record::measure::{
        Count,
        operations::{Operated, PendingEnd},
    },
    token::Bearer,
};

impl Worker {
    /// Whether an entry is an ask for a token to authenticate again with, and no attempt.
    pub(super) fn is_ask(&self, place: usize) -> bool {
        self.connections.get(place).is_some_and(Connection::is_ask)
    }

    /// How many such asks there are.
    pub(super) fn asks(&self) -> u64 {
        self.connections.iter().filter(|(_, connection)| connection.is_ask()).count() as u64
    }

    /// Takes an ask out: it is over, and nothing of it is counted here.
    fn take_ask(&mut self, place: usize) -> Option<(Bearer, usize, Key, Box<Opening>)> {
        let connection = self.connections.try_remove(place)?;
        let old = connection.journey.as_ref().and_then(|journey| journey.purpose.asks_for())?;
        self.in_flight -= 1;
        match connection.stage {
            Stage::Opening(opening) => {
                Some((connection.bearer, usize::from(connection.kind), old, opening))
            }
            Stage::Held(_) | Stage::Leaving(_) => None,
        }
    }

    /// An ask that nobody wants any more.
    pub(super) fn forsake_ask(&mut self, place: usize) {
        self.recorder[Count::ReauthsForsaken] += 1;
        if let Some((.., opening)) = self.take_ask(place) {
            self.reclaim(Stage::Opening(opening));
        }
    }

    /// An ask brought no token.
    pub(super) fn ask_failed(&mut self, place: usize, outcome: Outcome, now: u64) {
        let Some((bearer, kind, old, opening)) = self.take_ask(place) else { return };
        // A wait that was too long, and what could not be made, are no answer of a server, and no token either.
        let code = match outcome {
            Outcome::Timeout(_) => Code::Word("timeout"),
            outcome => outcome.code(),
        };
        self.recorder[Count::RenewalsWithoutToken] += 1;
        let broker = self.storm.plan.life(bearer.client).broker;
        let who = Who { bearer, kind, broker };
        let attempt = opening.attempt(who, Outcome::TokenFailed(code), now);
        let expected = self.expected(&attempt, opening.terms).0;
        let reauth = Reauth { attempt, expected, verdict: Verdict::NotJudged };
        self.recorder.operated(&Operated::Reauth(reauth), self.storm.warm);
        self.reclaim(Stage::Opening(opening));
        if self.has_kept(old) {
            self.asks_again(old, bearer, now);
        }
    }

    /// An ask has its token: its client authenticates again.
    pub(super) fn authenticate(&mut self, place: usize) {
        let now = self.storm.clock.now();
        let purpose = self.connections.get(place).and_then(|it| it.journey.as_ref());
        let Some(old) = purpose.and_then(|journey| journey.purpose.asks_for()) else { return };
        if !self.has_kept(old) {
            return self.forsake_ask(place);
        }
        let Some((bearer, kind, old, mut opening)) = self.take_ask(place) else { return };
        let due = now.saturating_add(self.storm.timeout);
        let is_it = |it: &&mut Connection| it.generation == old.generation();
        let Some(connection) = self.connections.get_mut(old.place()).filter(is_it) else { return };
        let (Stage::Held(held), Some(journey)) = (&mut connection.stage, &mut connection.journey)
        else {
            return;
        };
        if self.storm.plan.mints() {
            // It had a connection meanwhile: a wait for a signature of ours delayed nothing.
            opening.token = Step::At(now);
        }
        let method = self.storm.plan.mould.names.auth_method.clone();
        held.session.reauthenticate(std::mem::take(&mut opening.packet), method, due);
        opening.state = State::Awaiting;
        (journey.renewal, journey.failures) = (None, 0);
        journey.asked = Some(Asked { turn: bearer.turn, kind: kind as u16, opening });
        self.recorder[Count::RenewalsSent] += 1;
        self.tend(old.place(), now);
        let sent = self.storm.clock.now();
        if let Some(asked) = self.asked_mut(old) {
            asked.opening.sent_at = sent;
        }
    }

    fn asked_mut(&mut self, key: Key) -> Option<&mut Asked> {
        let is_it = |it: &&mut Connection| it.generation == key.generation();
        let connection = self.connections.get_mut(key.place()).filter(is_it)?;
        connection.journey.as_mut()?.asked.as_mut()
    }

    /// The broker took the token: from now on the connection goes by it.
    pub(super) fn authenticated(&mut self, place: usize, now: u64) {
        let Some(asked) = self.take_asked(place) else { return };
        let Some(connection) = self.connections.get(place) else { return };
        let attempt = asked.attempt(connection.who(), Outcome::Accepted, now);
        let old = connection.held().map_or(i64::MIN, |held| held.deadline);
        let (expected, verdict) = self.judged_again(&attempt, asked.opening.terms, false);
        let reauth = Reauth { attempt, expected, verdict };
        self.recorder.operated(&Operated::Reauth(reauth), self.storm.warm);
        self.count_renewed(now, old);
        // What became of the end of the token before, if that was then.
        self.token_met(place, Met::Us(RENEWED), now);
        self.goes_by(place, asked, expected, now);
    }

    /// Has a connection go by the token that its broker has just taken.
    fn goes_by(&mut self, place: usize, asked: Asked, expected: Expectation, now: u64) {
        let Asked { turn, kind, mut opening } = asked;
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (Stage::Held(held), Some(journey)) = (&mut connection.stage, &mut connection.journey)
        else {
            return;
        };
        let plan = &self.storm.plan;
        let (life, leaves_at) = (plan.life(connection.bearer.client), journey.leaves_at);
        // A connection that should not be there any more has no end that is due, and nothing to renew.
        let is_wrong = matches!(expected, Expectation::Refuse(_));
        let deadline = if is_wrong { i64::MIN } else { opening.deadline };
        let watch = self.storm.end_judge(plan.protocol).watch(deadline, now);
        let turns = plan.turns.as_ref().filter(|_| !is_wrong);
        let due = turns.and_then(|turns| life.renewal(turns, turn, opening.came(), deadline));
        let has_more = self.source.has_more(life.client);
        let due = due.filter(|due| due.at < leaves_at && has_more);
        self.recorder[Count::RenewalsAtHalf] += u64::from(due.is_some_and(|due| due.is_too_short));
        held.session.go_by(watch.filter(|it| it.probes_at < leaves_at), due.map(|due| due.at), now);
        (held.deadline, held.is_decided) = (deadline, false);
        journey.renewed = Some((now, kind));
        (held.key, held.minted_for, held.token_turn) =
            (opening.key, opening.minted_for, opening.token_turn);
        if let Some(token) = opening.carried.take() {
            let is_right = !matches!(expected, Expectation::Refuse(_) | Expectation::Either(_));
            journey.token = Some(Carried { accepted: is_right.then_some(now), ..token });
        }
        self.reclaim(Stage::Opening(opening));
    }

    /// What an AUTH came to that was not answered by success; `None` where none was under way.
    pub(super) fn auth_ended(&mut self, place: usize, outcome: Outcome, now: u64) {
        let Some(asked) = self.take_asked(place) else { return };
        let Some(connection) = self.connections.get(place) else { return };
        let attempt = asked.attempt(connection.who(), outcome, now);
        // Where the token before has ended, an end is about that.
        let is_due = connection.held().is_some_and(|held| self.is_due(held, now));
        let closed_at = match outcome {
            Outcome::Closed(_) => {
                self.ways.get(usize::from(connection.way)).map(|it: &Way| it.site)
            }
            _ => None,
        };
        let (expected, verdict) = self.judged_again(&attempt, asked.opening.terms, is_due);
        let was_good = matches!(expected, Expectation::Accept);
        self.recorder[Count::RenewalsFailed] += u64::from(was_good);
        let operated = Operated::Reauth(Reauth { attempt, expected, verdict });
        // Whether its broker was there is known later.
        match closed_at {
            Some(site) => self.recorder.pend(PendingEnd { site, operated, in_gap: None }),
            None => self.recorder.operated(&operated, self.storm.warm),
        }
        self.reclaim(Stage::Opening(asked.opening));
    }

    /// The same, for the end of a session.
    pub(super) fn auth_met(&mut self, place: usize, ended: Ended, now: u64) {
        let outcome = match ended {
            Ended::Disconnect(code) => Outcome::Refused(code.unwrap_or_default()),
            Ended::Closed(close) => Outcome::Closed(close),
            // It did not wait for as long as an answer to AUTH is waited for.
            Ended::PingTimeout => Outcome::TcpFailed("ping_timeout"),
            Ended::ProtocolError(why) => Outcome::ProtocolError(why),
            Ended::Flood => Outcome::ProtocolError("flood"),
        };
        self.auth_ended(place, outcome, now);
    }

    /// An event of the run ends a connection: what that says of an AUTH under way is nothing.
    pub(super) fn auth_cut(&mut self, place: usize, resets: bool, now: u64) {
        let Some(asked) = self.take_asked(place) else { return };
        let Some(connection) = self.connections.get(place) else { return };
        let close = if resets { Close::Rst } else { Close::Fin };
        let attempt = asked.attempt(connection.who(), Outcome::Closed(close), now);
        let expected = self.expected(&attempt, asked.opening.terms).0;
        self.recorder[Count::RenewalsFailed] += u64::from(expected == Expectation::Accept);
        let reauth = Reauth { attempt, expected, verdict: Verdict::NotJudged };
        self.recorder.operated(&Operated::Reauth(reauth), self.storm.warm);
        self.reclaim(Stage::Opening(asked.opening));
    }

    fn take_asked(&mut self, place: usize) -> Option<Asked> {
        self.connections.get_mut(place)?.journey.as_mut()?.asked.take()
    }

    fn is_due(&self, held: &Held, now: u64) -> bool {
        let protocol = self.storm.plan.protocol;
        self.storm.end_judge(protocol).is_due(held.deadline, now)
    }

    /// What had to happen to a token in AUTH, and what came is worth. `is_due`: the token before it may have ended.
    fn judged_again(
        &self,
        attempt: &Attempt,
        terms: Terms,
        is_due: bool,
    ) -> (Expectation, Verdict) {
        let expected = self.expected(attempt, terms).0;
        let says_nothing = is_due || self.storm.has_no_keys(attempt.broker);
        let verdict = match attempt.outcome {
            Outcome::Refused(_) | Outcome::Closed(_) if says_nothing => Verdict::NotJudged,
            outcome => self.storm.reauth_judge.verdict(expected, outcome),
        };
        (expected, verdict)
    }

    /// An ask whose token will never come.
    pub(super) fn give_up_ask(&mut self, place: usize) {
        self.recorder[Count::RenewalsWithoutToken] += 1;
        self.recorder[Count::ReauthsAbandoned] += 1;
        if let Some((.., opening)) = self.take_ask(place) {
            self.reclaim(Stage::Opening(opening));
        }
    }

    /// The run is interrupted: AUTHs and asks under way are given up.
    pub(super) fn give_up_auths(&mut self) {
        let asks = self.asks();
        let asked = |connection: &Connection| {
            connection.journey.as_ref().is_some_and(|journey| journey.asked.is_some())
        };
        let sent = self.connections.iter().filter(|(_, connection)| asked(connection)).count();
        self.recorder[Count::RenewalsWithoutToken] += asks;
        self.recorder[Count::ReauthsAbandoned] += asks + sent as u64;
    }
}
