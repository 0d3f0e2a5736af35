//! Brokers that go away by themselves: told apart from those that close a connection, in one place, from the signs that all
//! workers and agents have seen.
//!
//! Instants count from the start of the storm. Signs come in whole seconds that are over everywhere, so what follows
//! from them does not change with what comes later.

mod watched;

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use self::watched::Watched;
use super::{
    gone::{MOST_ON_THE_WAY, Sign},
    outages::Deed,
};
use crate::{
    base::clock::SECOND,
    client::{
        attempt::{Attempt, Close, Outcome, Step},
        verdict::Verdict,
    },
    record::measure::{
        Measurements,
        operations::{Operated, PendingEnd},
        pending::Pending,
        signs::{Signs, Site},
    },
};

/// A gap opens so long before a broker was found gone: a process that dies ends its connections one after the other.
const BEFORE: u64 = SECOND;
/// What ended so long before the last sign of life may still be what the broker died of: signs of life are noted by other
/// threads, and a port takes connects until the process is gone.
const SLACK: u64 = SECOND / 100;
/// A `closed` waits at most so many nanoseconds for signs that decide about it.
const PATIENCE: u64 = 3 * SECOND;

/// A broker that went away by itself.
#[derive(Clone, Debug)]
pub struct Absence {
    /// Which, and at which address.
    pub site: Site,
    /// When, in nanoseconds since the start of the storm.
    pub at: u64,
    /// What showed it.
    pub by: Sign,
    /// When it answered a CONNECT that was begun after that; `None` where it has not.
    pub back: Option<u64>,
    /// Attempts that it had before it and did not answer, the likeliest first; the first [`MOST_ON_THE_WAY`].
    pub on_the_way: Vec<Attempt>,
    /// The last sign of life before it.
    last_life: u64,
    /// Whether it ended a connection about then.
    has_cut: bool,
}

impl Absence {
    /// Takes an attempt that ended by FIN or RST in its gap, where it was on the way; the storm started at `start`.
    fn meets(&mut self, attempt: &Attempt, start: u64) {
        let since = |at: u64| at.saturating_sub(start);
        let is_sent = attempt.steps.connack != Step::NotEntered;
        if !is_sent
            || since(attempt.begun()) >= self.at
            || since(attempt.ended) + SLACK < self.last_life
        {
            return;
        }
        // Whom it read from it closes in an orderly way, and the token that it died of came late.
        let rank = |attempt: &Attempt| {
            (attempt.outcome == Outcome::Closed(Close::Rst), u64::MAX - attempt.sent)
        };
        let place = self.on_the_way.partition_point(|known| rank(known) <= rank(attempt));
        self.on_the_way.insert(place, *attempt);
        self.on_the_way.truncate(MOST_ON_THE_WAY);
    }
}

/// Which brokers have gone away so far, for whoever wants to know while the run goes: handed on as soon as it is decided, a
/// second or two later than it was.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Vec<Absence>>>);

impl Board {
    /// Takes the place of what was told before.
    pub fn tell(&self, absences: &[Absence]) {
        absences.clone_into(&mut self.0.lock());
    }

    /// All of them, those that are back included.
    pub fn all(&self) -> Vec<Absence> {
        self.0.lock().clone()
    }

    /// Whether a broker is away, at one of its addresses.
    pub fn is_away(&self, broker: usize) -> bool {
        let told = self.0.lock();
        told.iter().any(|gone| usize::from(gone.site.broker) == broker && gone.back.is_none())
    }
}

/// A second whose attempts that were closed are not all settled.
#[derive(Debug)]
struct Unsettled {
    second: u64,
    /// What was seen in it, where that is looked at once more.
    seen: Option<Measurements>,
    closed: Closed,
}

/// What brokers closed, which is settled when it is known whether they were there.
#[derive(Debug, Default)]
pub struct Closed {
    /// Attempts.
    pub attempts: Vec<Pending>,
    /// Connections of clients that had been accepted.
    pub sessions: Vec<PendingEnd>,
}

impl Closed {
    /// Where each of them was closed, and when.
    fn places(&self) -> impl Iterator<Item = (Site, u64)> {
        let attempts = self.attempts.iter().map(|it| (it.site, it.attempt.ended));
        attempts.chain(self.sessions.iter().map(|it| (it.site, it.operated.ended())))
    }
}

/// A second that is settled.
#[derive(Debug)]
pub struct Settled {
    /// Which.
    pub second: u64,
    /// What was seen in it, where it was given.
    pub seen: Option<Measurements>,
    /// Its attempts that were closed, with their verdicts.
    pub ends: Vec<(Pending, Verdict)>,
    /// Its other connections that were closed, and whether their broker was away then.
    pub sessions: Vec<(PendingEnd, bool)>,
}

/// Follows whether brokers are there, second by second.
#[derive(Debug, Default)]
pub struct Absences {
    watched: Vec<Watched>,
    found: Vec<Absence>,
    unsettled: VecDeque<Unsettled>,
    /// All that came before this instant is known.
    known: u64,
}

impl Absences {
    /// Those so far, in the order in which they were found.
    pub fn all(&self) -> &[Absence] {
        &self.found
    }

    /// Takes a second that all have left behind: the signs in it, and what is to be settled. `seen` is handed back with the
    /// verdicts.
    pub fn second(
        &mut self,
        second: u64,
        signs: &[Signs],
        closed: Closed,
        seen: Option<Measurements>,
    ) {
        for signs in signs {
            let known = self.watched.iter().position(|watched| watched.site == signs.site);
            let place = known.unwrap_or_else(|| {
                self.watched.push(Watched::new(signs.site));
                self.watched.len() - 1
            });
            self.watched[place].take(signs);
        }
        self.known = self.known.max((second + 1) * SECOND);
        self.unsettled.push_back(Unsettled { second, seen, closed });
    }

    /// Settles what can be: the seconds of which enough is known, in their order; all where the run `is_over`. The storm
    /// started at `start`, `deeds` are what the run has done to brokers.
    pub fn settle(&mut self, start: u64, deeds: &[Deed], is_over: bool) -> Vec<Settled> {
        if is_over {
            self.known = u64::MAX;
        }
        let found = &mut self.found;
        for watched in &mut self.watched {
            watched.decide(self.known, start, deeds, found);
        }
        if is_over {
            // Whoever runs a broker may stop it once all is over.
            found.retain(|gone| {
                let watched = self.watched.iter().find(|watched| watched.site == gone.site);
                let over = watched.and_then(|watched| watched.over);
                gone.has_cut || over.is_none_or(|over| gone.at < over)
            });
        }
        let mut settled = Vec::new();
        while let Some(first) = self.unsettled.pop_front_if(|first| {
            let end = (first.second + 1) * SECOND;
            let is_decided = |(site, ended): (Site, u64)| {
                let ended = ended.saturating_sub(start);
                self.known >= ended.saturating_add(PATIENCE)
                    || self.watched.iter().filter(|watched| watched.site == site).all(|watched| {
                        !watched.is_undecided(ended.saturating_add(BEFORE), self.known)
                    })
            };
            self.known >= end.saturating_add(SECOND) && first.closed.places().all(is_decided)
        }) {
            settled.push(self.judge(first, start));
        }
        settled
    }

    /// Whether the broker at an address was away, or had said that it goes, at an instant.
    pub fn is_in_gap(&self, site: Site, at: u64) -> bool {
        self.found.iter().any(|gone| gone.site == site && is_within(gone, at))
            || self.watched.iter().any(|watched| watched.site == site && watched.is_excused(at))
    }

    /// Whether the broker had said that it shuts down, and was not back, at some instant of a second.
    pub fn had_shut(&self, broker: usize, second: u64) -> bool {
        let (from, to) = (second * SECOND, (second + 1) * SECOND);
        self.watched
            .iter()
            .any(|watched| usize::from(watched.site.broker) == broker && watched.had_shut(from, to))
    }

    /// Takes what ended by FIN or RST, if it was in a gap and on the way.
    fn meets(&mut self, site: Site, attempt: &Attempt, start: u64) {
        let at = attempt.ended.saturating_sub(start);
        let mut found = self.found.iter_mut();
        if let Some(gone) = found.find(|gone| gone.site == site && is_within(gone, at)) {
            gone.meets(attempt, start);
        }
    }

    fn judge(&mut self, second: Unsettled, start: u64) -> Settled {
        let Closed { attempts, sessions } = second.closed;
        let mut ends = Vec::with_capacity(attempts.len());
        for pending in attempts {
            let at = pending.attempt.ended.saturating_sub(start);
            let is_away = self.is_in_gap(pending.site, at);
            self.meets(pending.site, &pending.attempt, start);
            let verdict = if is_away { Verdict::NotJudged } else { pending.verdict };
            ends.push((pending, verdict));
        }
        let mut seen = second.seen;
        if let Some(seen) = &mut seen {
            for (pending, verdict) in &ends {
                seen.settle(pending, *verdict, start);
            }
        }
        let sessions = sessions.into_iter().map(|end| {
            if let Operated::Reauth(reauth) = &end.operated {
                self.meets(end.site, &reauth.attempt, start);
            }
            let at = end.operated.ended().saturating_sub(start);
            // A broker that is back too soon to be found gone ended its connections all the same when it went.
            let was_down = self
                .watched
                .iter()
                .any(|it| it.site == end.site && it.has_refused(at, at.saturating_add(SECOND)));
            (end, was_down || self.is_in_gap(end.site, at))
        });
        let sessions = sessions.collect();
        Settled { second: second.second, seen, ends, sessions }
    }
}

fn is_within(gone: &Absence, at: u64) -> bool {
    at >= gone.at.saturating_sub(BEFORE) && gone.back.is_none_or(|back| at <= back)
}

#[cfg(test)]
mod tests;
