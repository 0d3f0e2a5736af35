//! Clients that bring a fetched token when it has ended: they wait for that without a connection, and without a slot.

use std::cmp::{Ordering, Reverse};

use super::{
    Stage, State, Worker,
    launch::{Equipped, Sends, hand_over},
};
use crate::{
    base::clock::{SECOND, nanoseconds},
    client::attempt::{Code, Outcome, Step},
    plan::life::Life,
    supply::{oauth::Brought, source::Handed},
};

/// How long is waited for a token once nobody else is left to start: longer, and a run would last as long as the tokens of
/// some server.
const PATIENCE: u64 = 10 * SECOND;

/// A client that waits for the end of its token.
#[derive(Debug)]
pub(super) struct Parked {
    /// When it starts; the end of time where its token has no end.
    pub(super) due: u64,
    client: u64,
    brought: Brought,
}

impl Ord for Parked {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.client).cmp(&(other.due, other.client))
    }
}

impl PartialOrd for Parked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Parked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Parked {}

impl Worker {
    /// Puts a client aside whose token was fetched and has to end first, or starts it where it has ended; `false` where the
    /// token has not to.
    pub(super) fn park(&mut self, life: Life, scheduled: u64, now: u64) -> bool {
        let storm = &self.storm;
        let Some(ended_for) = storm.plan.ended_for(life.kind) else { return false };
        let Some(Ok(brought)) = self.source.at_hand(life.client) else { return false };
        let due = brought.token.times.exp.map(|exp| {
            let end = storm.clock.at_wall(exp).saturating_add(nanoseconds(ended_for) as i64);
            u64::try_from(end).unwrap_or_default()
        });
        let parked = Parked { due: due.unwrap_or(u64::MAX), client: life.client, brought };
        if parked.due <= now {
            self.start_one_parked(&parked, scheduled, now, false);
        } else {
            self.parked.push(Reverse(parked));
            self.pace.outcome(now);
        }
        true
    }

    /// Starts the clients whose tokens have ended. Once all others have started, it gives up on those whose tokens do not end
    /// soon.
    pub(super) fn start_parked(&mut self) {
        if !self.parked.is_empty() && self.pace.is_done() {
            let soon = self.storm.clock.now().saturating_add(PATIENCE);
            let is_hopeless = |parked: &Reverse<Parked>| parked.0.due > soon;
            if self.parked.iter().any(is_hopeless) {
                let (hopeless, others): (Vec<_>, Vec<_>) =
                    self.parked.drain().partition(is_hopeless);
                self.parked.extend(others);
                for Reverse(parked) in hopeless {
                    let now = self.storm.clock.now();
                    self.start_one_parked(&parked, now, now, true);
                }
            }
        }
        loop {
            let now = self.storm.clock.now();
            if self.parked.peek().is_none_or(|Reverse(first)| first.due > now) {
                return;
            }
            let Some(Reverse(parked)) = self.parked.pop() else { return };
            self.start_one_parked(&parked, parked.due, now, true);
        }
    }

    fn start_one_parked(
        &mut self,
        Parked { due, client, brought }: &Parked,
        scheduled: u64,
        now: u64,
        has_no_slot: bool,
    ) {
        self.count_start(now, scheduled);
        let life = self.storm.plan.life(*client);
        let place = self.enter(life, (scheduled, now));
        let at = self.storm.clock.wall(now);
        let Some(Stage::Opening(opening)) =
            self.connections.get_mut(place).map(|connection| &mut connection.stage)
        else {
            return;
        };
        opening.token = Step::NotEntered;
        opening.terms.has_no_slot = has_no_slot;
        let equipped = if *due <= now {
            let handed = Handed::fetched(brought, (life.bearer(0), life.kind), at);
            hand_over(opening, &handed, Sends::Connect, (&self.storm, &mut self.scratch))
        } else {
            let outcome = Outcome::TokenFailed(Code::Word("still_valid"));
            Equipped::Failed(State::Starting, outcome)
        };
        self.set_out(place, equipped);
    }
}
