//! What was seen: histograms, counts and findings. One recorder a worker, merged afterwards.
//!
//! Merging is exact: for all attempts, recording them in two recorders and merging these is the
//! same as recording all in one. Nothing here takes a lock, and nothing allocates after its first
//! use of a histogram, but the list of findings.

pub mod latency;
pub mod pending;
mod recast;
pub mod signs;
pub mod wire;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use self::recast::Recast;
use self::{
    pending::Pending,
    signs::{Signs, Site},
};

use crate::{
    base::clock::SECOND,
    client::{
        Handshake,
        attempt::{Attempt, Code, Outcome, Phase},
        verdict::{Expectation, Verdict},
    },
};

/// The longest time that a histogram tells apart, in nanoseconds; what is longer counts as this.
const LONGEST: u64 = 3600 * SECOND;
/// Significant digits of the histograms of a run.
const DIGITS: u8 = 3;
/// Those of a run of so many kinds of token that histograms of three digits, 180 KB each, would take gigabytes.
const FEWER_DIGITS: u8 = 2;
const MANY_KINDS: usize = 64;
/// Findings that are kept of a run.
pub const MOST_FINDINGS: usize = 10_000;
/// Length of the slots in which verdicts are counted, in nanoseconds.
pub const SLOT: u64 = SECOND / 10;

/// A delay of ours from which on the generator, not the broker, is what was measured, in nanoseconds.
pub const LATE: u64 = SECOND / 100;

/// A histogram of times in nanoseconds.
pub type Times = Histogram<u32>;

/// An empty histogram with the bounds of all others, and so many significant digits.
pub fn empty_times(digits: u8) -> Times {
    match Histogram::new_with_bounds(1, LONGEST, digits) {
        Ok(histogram) => histogram,
        // The bounds are constants that the library allows; a test holds it.
        Err(_) => unreachable!("the bounds of the histograms are allowed"),
    }
}

/// How the broker answered, as far as latencies are parted by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// CONNACK with code 0.
    Accepted,
    /// CONNACK with another code.
    Refused,
    /// None.
    None,
}

impl Answer {
    /// All, in the order of the recorder.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Refused, Self::None];

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Refused(_) => Self::Refused,
            _ => Self::None,
        }
    }
}

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

/// What became of accepted clients.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sessions {
    /// Clients that were accepted and held their connection.
    pub held: u64,
    /// Connections that ended before the client wanted, by what ended them.
    pub dropped: Vec<(Code, u64)>,
}

/// Everything that a recorder has seen.
#[derive(Clone, Debug)]
pub struct Measurements {
    kinds: usize,
    brokers: usize,
    /// Significant digits of its histograms.
    digits: u8,
    /// By kind, broker, answer and phase; made on first use.
    times: Vec<Option<Box<Times>>>,
    /// Attempts that entered a phase and did not complete it, by kind, broker and phase.
    unfinished: Vec<u64>,
    /// Of these, the ones that ran into their deadline; the others ended before it, without an answer.
    timed_out: Vec<u64>,
    tallies: Vec<(Tally, u64)>,
    /// Attempts started, with or without an outcome so far.
    pub started: u64,
    /// Attempts that have an outcome and are left out of the latencies: those of the warm-up.
    pub untimed: u64,
    /// Attempts given up because the run was interrupted.
    pub abandoned: u64,
    /// Connections open when this was handed over.
    pub open: u64,
    /// Judged verdicts by slot since the start of the storm: first slot, then counts.
    slots: Vec<u32>,
    first_slot: u64,
    /// When the first attempt started.
    pub first_start: Option<u64>,
    /// When the last attempt that started was to start.
    pub last_scheduled: Option<u64>,
    /// When the last CONNACK came, or another end that was judged.
    pub last_answer: Option<u64>,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Accepted clients.
    pub sessions: Sessions,
    /// TLS handshakes that came to an end, by broker and by what they agreed on.
    handshakes: Vec<(usize, Handshake, u64)>,
    /// Whether answers are kept one by one.
    keeps_answers: bool,
    /// They.
    pub answers: Vec<KeyAnswer>,
    /// Name lookups that waited too long for a thread of ours.
    pub late_lookups: u64,
    /// CPU time that driving the clients took, in nanoseconds.
    pub cpu_ns: u64,
    /// What was seen of each address of brokers.
    pub signs: Vec<Signs>,
    /// Attempts that brokers closed and that are not settled.
    pub pending: Vec<Pending>,
    /// Bare connects that asked whether a broker is there.
    pub checks: u64,
}

impl Measurements {
    /// An empty recorder for so many kinds of token and brokers.
    pub fn new(kinds: usize, brokers: usize) -> Self {
        let cells = kinds * brokers * Phase::ALL.len();
        Self {
            kinds,
            brokers,
            digits: if kinds > MANY_KINDS { FEWER_DIGITS } else { DIGITS },
            times: vec![None; cells * Answer::ALL.len()],
            unfinished: vec![0; cells],
            timed_out: vec![0; cells],
            tallies: Vec::with_capacity(64),
            started: 0,
            untimed: 0,
            abandoned: 0,
            open: 0,
            slots: Vec::with_capacity(64),
            first_slot: 0,
            first_start: None,
            last_scheduled: None,
            last_answer: None,
            findings: Vec::new(),
            sessions: Sessions::default(),
            handshakes: Vec::new(),
            keeps_answers: false,
            answers: Vec::new(),
            late_lookups: 0,
            cpu_ns: 0,
            signs: Vec::new(),
            pending: Vec::new(),
            checks: 0,
        }
    }

    /// The same recorder, which keeps answers one by one where `keeps`.
    #[must_use]
    pub fn keeping_answers(self, keeps: bool) -> Self {
        Self { keeps_answers: keeps, ..self }
    }

    /// Keeps an answer that says something about its token, where they are kept.
    pub fn answered(&mut self, attempt: &Attempt, in_time: bool) {
        let &Attempt { sent, ended, kind, broker, key, outcome, .. } = attempt;
        if self.keeps_answers && self.answers.len() < MOST_ANSWERS {
            let (kind, broker) = (kind as u16, broker as u16);
            let accepted = outcome == Outcome::Accepted;
            self.answers.push(KeyAnswer { sent, ended, kind, broker, key, accepted, in_time });
        }
    }

    /// Empties it, keeping its memory for the next use.
    pub fn clear(&mut self) {
        for times in self.times.iter_mut().flatten() {
            if !times.is_empty() {
                times.reset();
            }
        }
        self.unfinished.fill(0);
        self.timed_out.fill(0);
        self.tallies.clear();
        self.slots.clear();
        self.findings.clear();
        self.handshakes.clear();
        self.answers.clear();
        self.signs.iter_mut().for_each(Signs::clear);
        self.pending.clear();
        self.checks = 0;
        self.sessions = Sessions::default();
        (self.started, self.untimed, self.abandoned) = (0, 0, 0);
        (self.open, self.cpu_ns, self.late_lookups) = (0, 0, 0);
        (self.first_start, self.last_scheduled, self.last_answer) = (None, None, None);
    }

    fn cell(&self, kind: usize, broker: usize, phase: Phase) -> usize {
        (kind * self.brokers + broker) * Phase::ALL.len() + phase as usize
    }

    /// Counts an attempt that starts, and was to start when `scheduled`.
    pub fn start(&mut self, at: u64, scheduled: u64) {
        self.started += 1;
        self.last_scheduled = self.last_scheduled.max(Some(scheduled));
        self.first_start = Some(self.first_start.map_or(at, |first| first.min(at)));
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
        let &Attempt { kind, broker, outcome, .. } = attempt;
        self.tally(Tally { kind, broker, expected, outcome, verdict }, 1);
        if verdict != Verdict::NotJudged {
            self.count_verdict(attempt.ended.saturating_sub(storm) / SLOT, 1);
        }
        if verdict != Verdict::NotJudged || outcome.is_answer() {
            self.last_answer = self.last_answer.max(Some(attempt.ended));
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
            self.untimed += 1;
            return;
        }
        let answer = Answer::of(outcome) as usize;
        for (phase, length) in attempt.phases() {
            let cell = self.cell(kind, broker, phase);
            let Some(length) = length else {
                self.unfinished[cell] += 1;
                self.timed_out[cell] += u64::from(matches!(outcome, Outcome::Timeout(_)));
                continue;
            };
            let times = self.times[cell * Answer::ALL.len() + answer]
                .get_or_insert_with(|| Box::new(empty_times(self.digits)));
            times.saturating_record(length.max(1));
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

    fn tally(&mut self, tally: Tally, count: u64) {
        match self.tallies.iter_mut().find(|(known, _)| *known == tally) {
            Some((_, sum)) => *sum += count,
            None => self.tallies.push((tally, count)),
        }
    }

    fn count_verdict(&mut self, slot: u64, count: u32) {
        if self.slots.is_empty() {
            self.first_slot = slot;
        }
        if slot < self.first_slot {
            let missing = (self.first_slot - slot) as usize;
            self.slots.splice(0..0, std::iter::repeat_n(0, missing));
            self.first_slot = slot;
        }
        let at = (slot - self.first_slot) as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, 0);
        }
        self.slots[at] += count;
    }

    /// Counts a connection that ended before its client wanted.
    pub fn dropped(&mut self, code: Code, count: u64) {
        match self.sessions.dropped.iter_mut().find(|(known, _)| *known == code) {
            Some((_, sum)) => *sum += count,
            None => self.sessions.dropped.push((code, count)),
        }
    }

    /// Counts a name lookup that waited so long for a thread of ours.
    pub fn looked_up(&mut self, waited: u64) {
        self.late_lookups += u64::from(waited > LATE);
    }

    /// Counts TLS handshakes with a broker.
    pub fn shook_hands(&mut self, broker: usize, handshake: Handshake, count: u64) {
        let is_it =
            |known: &&mut (usize, Handshake, u64)| (known.0, known.1) == (broker, handshake);
        match self.handshakes.iter_mut().find(is_it) {
            Some((.., sum)) => *sum += count,
            None => self.handshakes.push((broker, handshake, count)),
        }
    }

    /// TLS handshakes with one broker or all, by what they agreed on.
    pub fn handshakes(&self, broker: Option<usize>) -> impl Iterator<Item = (Handshake, u64)> {
        let is_it = move |of: &&(usize, Handshake, u64)| broker.is_none_or(|broker| of.0 == broker);
        self.handshakes.iter().filter(is_it).map(|(_, handshake, count)| (*handshake, *count))
    }

    /// Adds what another recorder has seen.
    pub fn merge(&mut self, other: &Self) {
        for (at, theirs) in other.times.iter().enumerate() {
            self.add_times(at, theirs.as_deref());
        }
        for (mine, theirs) in self.unfinished.iter_mut().zip(&other.unfinished) {
            *mine += theirs;
        }
        for (mine, theirs) in self.timed_out.iter_mut().zip(&other.timed_out) {
            *mine += theirs;
        }
        for (tally, count) in &other.tallies {
            self.tally(*tally, *count);
        }
        for (offset, count) in other.slots.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.count_verdict(other.first_slot + offset as u64, *count);
        }
        for (code, count) in &other.sessions.dropped {
            self.dropped(*code, *count);
        }
        for (broker, handshake, count) in &other.handshakes {
            self.shook_hands(*broker, *handshake, *count);
        }
        let room = MOST_FINDINGS - self.findings.len().min(MOST_FINDINGS);
        self.findings.extend(other.findings.iter().take(room));
        let room = MOST_ANSWERS - self.answers.len().min(MOST_ANSWERS);
        self.answers.extend(other.answers.iter().take(room));
        for (place, theirs) in other.signs.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            self.signs_of(place, theirs.site).merge(theirs);
        }
        self.pending.extend_from_slice(&other.pending);
        self.checks += other.checks;
        self.started += other.started;
        self.untimed += other.untimed;
        self.abandoned += other.abandoned;
        self.open += other.open;
        self.sessions.held += other.sessions.held;
        self.cpu_ns += other.cpu_ns;
        self.late_lookups += other.late_lookups;
        self.first_start = [self.first_start, other.first_start].into_iter().flatten().min();
        self.last_scheduled = self.last_scheduled.max(other.last_scheduled);
        self.last_answer = self.last_answer.max(other.last_answer);
    }

    /// Adds times to those that are counted at this place.
    fn add_times(&mut self, at: usize, theirs: Option<&Times>) {
        let Some(theirs) = theirs.filter(|theirs| !theirs.is_empty()) else { return };
        // Of the same bounds, or (from another process) of lower ones, so adding can't fail.
        let mine = self.times[at].get_or_insert_with(|| Box::new(empty_times(self.digits)));
        let _ = mine.add(theirs);
    }

    /// An empty recorder of the same shape.
    #[must_use]
    pub fn alike(&self) -> Self {
        Self::new(self.kinds, self.brokers).keeping_answers(self.keeps_answers)
    }

    fn with_digits(self, digits: u8) -> Self {
        Self { digits, ..self }
    }

    /// What was counted, in the order of the mix, with outcomes and verdicts apart.
    pub fn tallies(&self) -> Vec<(Tally, u64)> {
        let mut tallies = self.tallies.clone();
        tallies.sort_unstable();
        tallies
    }

    /// Judged verdicts in each slot, from the first to the last that had any.
    pub fn verdict_slots(&self) -> &[u32] {
        &self.slots
    }

    /// Number of the slot of the first verdict, counted from the start of the storm.
    pub fn first_verdict_slot(&self) -> u64 {
        self.first_slot
    }

    /// Attempts of these kinds whose answer said nothing about their token, and all of them.
    pub fn not_judged(&self, of: impl Fn(usize) -> bool) -> (u64, u64) {
        let own = self.tallies.iter().filter(|(tally, _)| of(tally.kind));
        own.fold((0, 0), |(mute, all), (tally, count)| {
            let is_mute = tally.verdict == Verdict::NotJudged;
            (mute + if is_mute { *count } else { 0 }, all + count)
        })
    }

    /// Attempts that have an outcome.
    pub fn attempts(&self) -> u64 {
        self.tallies.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests;
