//! What was seen: histograms, counts and findings. One recorder a worker, merged afterwards.
//!
//! Merging is exact: for all attempts, recording them in two recorders and merging these is the
//! same as recording all in one. Nothing here takes a lock, and nothing allocates after its first use of
//! a histogram, but what is kept one by one (findings, answers, attempts that are not settled) or by second and address.

pub mod latency;
pub mod operations;
pub mod pending;
mod recast;
pub mod returns;
pub mod signs;
mod slots;
mod sums;
mod tallies;
mod times;
pub mod wire;

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use self::{
    operations::{Operated, OperationTally, PendingEnd},
    pending::Pending,
    signs::{Signs, Site},
    sums::{Marks, Sums},
    tallies::Tallies,
    times::Table,
};
pub use self::{
    recast::Recast,
    returns::{Back, MOST_RETURNS, MOST_TRIES},
    slots::{SLOT, Slots},
    sums::{Count, Mark},
    times::{Answer, Times, empty_times},
};

use crate::{
    base::{clock::SECOND, words::Verdict},
    client::{
        Handshake,
        attempt::{Attempt, Code, Outcome},
        verdict::Expectation,
    },
};

/// Findings that are kept of a run.
pub const MOST_FINDINGS: usize = 10_000;

/// A delay of ours from which on the generator, not the broker, is what was measured, in nanoseconds.
pub const LATE: u64 = SECOND / 100;

/// What is counted together in `verdicts.csv`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Tally {
    /// Index of the kind of token.
    pub kind: usize,
    /// Index of the broker.
    pub broker: usize,
    /// What had to happen.
    pub expected: Expectation,
    /// What happened.
    pub outcome: Outcome,
    /// What that is worth.
    pub verdict: Verdict,
}

/// How many attempts there are in the tallies that `select` keeps.
pub fn sum(tallies: &[(Tally, u64)], select: impl Fn(&Tally) -> bool) -> u64 {
    tallies.iter().filter(|(tally, _)| select(tally)).map(|(_, count)| count).sum()
}

/// An attempt whose verdict is not `correct`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Finding {
    /// The attempt.
    pub attempt: Attempt,
    /// Its verdict.
    pub verdict: Verdict,
}

/// An answer to a token, kept one by one where keys come and go: what happened when is told from the order.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyAnswer {
    /// When CONNECT was sent.
    pub sent: u64,
    /// When the answer came.
    pub ended: u64,
    /// Index of the kind of token.
    pub kind: u16,
    /// Index of the broker.
    pub broker: u16,
    /// Index of the key that signed it, where one did.
    pub key: Option<u16>,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Whether its own time claims did not forbid it.
    pub in_time: bool,
}

/// Answers that are kept of a run: 32 bytes each.
pub const MOST_ANSWERS: usize = 1_000_000;

/// What is counted of a connection that holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Session {
    /// It began to hold.
    Held,
    /// It ended before its client wanted.
    Dropped,
}

/// Everything that a recorder has seen. On the bus all travels as it stands here, but for the times ([`wire`]).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measurements {
    #[serde(skip)]
    times: Table,
    sums: Sums,
    marks: Marks,
    /// Attempts that have an outcome.
    tallies: Tallies<Tally>,
    /// Judged verdicts by slot.
    slots: Slots,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Connections that ended before the client wanted, by what ended them.
    dropped: Tallies<Code>,
    /// Connections that began to hold, and those that ended before the client wanted, by broker.
    sessions: Tallies<(usize, Session)>,
    /// TLS handshakes that came to an end, by broker and by what they agreed on.
    handshakes: Tallies<(usize, Handshake)>,
    /// Whether answers are kept one by one.
    #[serde(skip)]
    keeps_answers: bool,
    /// The answers that are kept.
    pub answers: Vec<KeyAnswer>,
    /// What was seen of each address of brokers.
    #[serde(serialize_with = "signs::only_seen")]
    pub signs: Vec<Signs>,
    /// Attempts that brokers closed and that are not settled.
    pub pending: Vec<Pending>,
    /// What connected clients did or met.
    operations: Tallies<OperationTally>,
    /// The first of these that are findings.
    pub found: Vec<Operated>,
    /// Connections that brokers closed and that are not settled.
    pub ends: Vec<PendingEnd>,
    /// Connections that ended whose clients may come back, by slot.
    drops: Slots,
    /// The clients that came back, as far as they are kept.
    backs: Vec<Back>,
    /// How many attempts it took clients to come back, [`returns::MOST_TRIES`] standing for more as well.
    tries: Tallies<u8>,
}

impl Index<Count> for Measurements {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.sums.0[count as usize]
    }
}

impl IndexMut<Count> for Measurements {
    fn index_mut(&mut self, count: Count) -> &mut u64 {
        &mut self.sums.0[count as usize]
    }
}

impl Measurements {
    /// An empty recorder for so many kinds of token and brokers.
    pub fn new(kinds: usize, brokers: usize) -> Self {
        Self { times: Table::new(kinds, brokers), ..Self::default() }
    }

    /// The same recorder, which keeps answers one by one where `keeps`.
    #[must_use]
    pub fn keeping_answers(self, keeps: bool) -> Self {
        Self { keeps_answers: keeps, ..self }
    }

    /// An empty recorder of the same shape.
    #[must_use]
    pub fn alike(&self) -> Self {
        Self::new(self.times.kinds, self.times.brokers).keeping_answers(self.keeps_answers)
    }

    /// Empties it, keeping its memory for the next use.
    pub fn clear(&mut self) {
        self.times.clear();
        self.sums = Sums::default();
        self.marks = Marks::default();
        self.tallies.clear();
        self.slots.clear();
        self.findings.clear();
        self.dropped.clear();
        self.sessions.clear();
        self.handshakes.clear();
        self.answers.clear();
        self.signs.iter_mut().for_each(Signs::clear);
        self.pending.clear();
        self.operations.clear();
        self.found.clear();
        self.ends.clear();
        self.drops.clear();
        self.backs.clear();
        self.tries.clear();
    }

    /// Adds what another recorder has seen.
    pub fn merge(&mut self, other: &Self) {
        self.times.merge(&other.times);
        self.sums += &other.sums;
        self.marks.merge(&other.marks);
        self.tallies.merge(&other.tallies);
        self.slots.merge(&other.slots);
        self.dropped.merge(&other.dropped);
        self.sessions.merge(&other.sessions);
        self.handshakes.merge(&other.handshakes);
        let room = MOST_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.iter().take(room));
        let room = MOST_ANSWERS.saturating_sub(self.answers.len());
        self.answers.extend(other.answers.iter().take(room));
        for (place, theirs) in other.signs.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            self.signs_of(place, theirs.site).merge(theirs);
        }
        self.pending.extend_from_slice(&other.pending);
        self.operations.merge(&other.operations);
        let room = MOST_FINDINGS.saturating_sub(self.found.len());
        self.found.extend(other.found.iter().take(room));
        self.ends.extend_from_slice(&other.ends);
        self.drops.merge(&other.drops);
        let room = MOST_RETURNS.saturating_sub(self.backs.len());
        self.backs.extend(other.backs.iter().take(room));
        self.tries.merge(&other.tries);
    }

    /// Counts an attempt that starts, and was to start when `scheduled`.
    pub fn start(&mut self, at: u64, scheduled: u64) {
        self[Count::Started] += 1;
        self.marks.note(Mark::LastScheduled, scheduled);
        self.marks.note(Mark::FirstStart, at);
    }

    /// Records an attempt that has its outcome; `storm` is when the storm started, and latencies of
    /// attempts that were scheduled before `warm` are left out.
    pub fn record(
        &mut self,
        attempt: &Attempt,
        expected: Expectation,
        verdict: Verdict,
        storm: u64,
        warm: u64,
    ) {
        let &Attempt { kind, broker, outcome, turn, .. } = attempt;
        self.tallies.add(Tally { kind, broker, expected, outcome, verdict }, 1);
        self[Count::LaterEnded] += u64::from(turn > 0);
        // Throughput is of first turns.
        if verdict != Verdict::NotJudged && turn == 0 {
            self.slots.count(attempt.ended.saturating_sub(storm) / SLOT, 1);
        }
        if (verdict != Verdict::NotJudged || outcome.is_answer()) && turn == 0 {
            self.marks.note(Mark::LastAnswer, attempt.ended);
        }
        if verdict != Verdict::Correct && self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { attempt: *attempt, verdict });
        }
        self.time(attempt, warm);
    }

    /// Records the phases of an attempt, unless it was scheduled before `warm`.
    fn time(&mut self, attempt: &Attempt, warm: u64) {
        let &Attempt { kind, broker, outcome, .. } = attempt;
        if attempt.scheduled < warm {
            self[Count::Untimed] += 1;
            return;
        }
        let (answer, digits) = (Answer::of(outcome), self.times.digits);
        for (phase, length) in attempt.phases() {
            let cell = self.times.cell_mut(kind, broker, phase);
            if let Some(length) = length {
                cell.complete(answer, length, digits);
            } else {
                cell.unfinished += 1;
                cell.timed_out += u64::from(matches!(outcome, Outcome::Timeout(_)));
            }
        }
    }

    /// Keeps an answer that says something about its token, where they are kept.
    pub fn answered(&mut self, attempt: &Attempt, sent: u64, in_time: bool) {
        let &Attempt { ended, kind, broker, key, outcome, .. } = attempt;
        if self.keeps_answers && self.answers.len() < MOST_ANSWERS {
            let (kind, broker) = (kind as u16, broker as u16);
            let accepted = outcome == Outcome::Accepted;
            self.answers.push(KeyAnswer { sent, ended, kind, broker, key, accepted, in_time });
        }
    }

    /// What is seen of an address; `hint` is where it stands, mostly.
    pub fn signs_of(&mut self, hint: usize, site: Site) -> &mut Signs {
        let is_it = |signs: &Signs| signs.site == site;
        if self.signs.get(hint).is_some_and(is_it) {
            return &mut self.signs[hint];
        }
        let place = self.signs.iter().position(is_it).unwrap_or_else(|| {
            self.signs.push(Signs::new(site));
            self.signs.len() - 1
        });
        &mut self.signs[place]
    }

    /// Counts a connection to a broker whose client was accepted and holds.
    pub fn count_held(&mut self, broker: usize) {
        self[Count::Held] += 1;
        self.sessions.add((broker, Session::Held), 1);
    }

    /// Counts a connection to a broker that ended before its client wanted.
    pub fn count_drop(&mut self, broker: usize, code: Code) {
        self.dropped.add(code, 1);
        self.sessions.add((broker, Session::Dropped), 1);
    }

    /// How many connections to a broker began to hold, or ended before their clients wanted.
    pub fn sessions_of(&self, broker: usize, what: Session) -> u64 {
        self.sessions.count((broker, what))
    }

    /// Connections that ended before their clients wanted, by what ended them.
    pub fn dropped(&self) -> &Tallies<Code> {
        &self.dropped
    }

    /// Counts a name lookup that waited so long for a thread of ours.
    pub fn looked_up(&mut self, waited: u64) {
        self[Count::LateLookups] += u64::from(waited > LATE);
    }

    /// Counts a TLS handshake with a broker.
    pub fn shook_hands(&mut self, broker: usize, handshake: Handshake) {
        self.handshakes.add((broker, handshake), 1);
    }

    /// TLS handshakes with one broker or all, by what they agreed on.
    pub fn handshakes(&self, broker: Option<usize>) -> impl Iterator<Item = (Handshake, u64)> {
        let hands = &self.handshakes;
        let wanted =
            hands.into_iter().filter(move |((of, _), _)| broker.is_none_or(|it| it == *of));
        wanted.map(|((_, handshake), count)| (*handshake, *count))
    }

    /// When that was, where there was any, in nanoseconds of the run's clock.
    pub fn mark(&self, mark: Mark) -> Option<u64> {
        self.marks.0[mark as usize]
    }

    /// What was counted, in the order of the mix, with outcomes and verdicts apart.
    pub fn tallies(&self) -> Vec<(Tally, u64)> {
        let mut tallies: Vec<(Tally, u64)> = self.tallies.into_iter().copied().collect();
        tallies.sort_unstable();
        tallies
    }

    /// Judged verdicts in each slot.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Attempts of these kinds whose answer said nothing about their token, and all of them.
    pub fn not_judged(&self, of: impl Fn(usize) -> bool) -> (u64, u64) {
        let own = self.tallies.into_iter().filter(|(tally, _)| of(tally.kind));
        own.fold((0, 0), |(mute, all), (tally, count)| {
            let is_mute = tally.verdict == Verdict::NotJudged;
            (mute + if is_mute { *count } else { 0 }, all + count)
        })
    }

    /// Attempts that have an outcome.
    pub fn attempts(&self) -> u64 {
        self.tallies.sum()
    }

    /// Attempts that were given up because the run was interrupted.
    pub fn abandoned(&self) -> u64 {
        self[Count::Abandoned].saturating_sub(self[Count::RenewalsForsaken])
    }

    /// First turns that have an outcome or were given up.
    pub fn first_turns(&self) -> u64 {
        let later = self[Count::LaterEnded] + self[Count::LaterAbandoned];
        (self.attempts() + self[Count::Abandoned]).saturating_sub(later)
    }

    /// Clients whose connection ended, and of which it is known whether they came back.
    pub fn ends_of_returns(&self) -> u64 {
        self[Count::Back] + self[Count::GaveUp] + self[Count::StillAway]
    }

    /// Clients whose first turn has started.
    pub fn clients(&self) -> u64 {
        let later = self[Count::ReturnsBegun] + self[Count::RenewalsBegun];
        self[Count::Started].saturating_sub(later)
    }
}

#[cfg(test)]
mod tests;
