//! What a recorder has seen, as bytes for another process: exact, count for count and bucket for bucket.
//!
//! Histograms are HDR V2, deflated, as every library of that name reads them; the rest is `postcard`. Instants travel as
//! they are: who sends them takes the start of its storm off, who reads them puts its own on ([`Measurements::moved`]).
//!
//! Who sends them may be anybody: nothing is made room for before it is known that it can be, and what does not add up
//! within itself is refused as a whole.

mod histogram;

use std::{collections::BTreeMap, fmt};

use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use rustls::{CipherSuite, ProtocolVersion};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    Answer, DIGITS, FEWER_DIGITS, Finding, KeyAnswer, LONGEST, MOST_ANSWERS, MOST_FINDINGS,
    Measurements, SLOT, Sessions, Tally, Times, pending::Pending, signs::Signs,
};
use crate::client::{
    Handshake,
    attempt::{Attempt, Outcome, Phase},
    verdict::Verdict,
};

/// A count that no second of any host comes to: a thousand times what a fleet of the largest size starts in one.
const MOST_COUNT: u64 = 1 << 40;
/// CPU time that no second of any host comes to, in nanoseconds: 13 days.
const MOST_CPU: u64 = 1 << 50;
/// Ways to end, with their codes and verdicts, that a kind of token has at a broker at most: some forty are met in practice.
const MOST_TALLIES: usize = 256;
/// Versions and suites of TLS that a broker agrees on at most, resumed or not.
const MOST_HANDSHAKES: usize = 64;
/// Codes of DISCONNECT, and words, that end sessions.
const MOST_CODES: usize = 1024;
/// Addresses that the name of a broker stands for at most.
const MOST_ADDRESSES: usize = 256;

/// Why bytes are no measurements of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A recorder, flat.
#[derive(Deserialize, Serialize)]
struct Sheet {
    kinds: usize,
    brokers: usize,
    digits: u8,
    times: Vec<(usize, ByteBuf)>,
    /// By cell: attempts that did not complete it, and how many of these ran into their deadline.
    unfinished: Vec<(usize, u64, u64)>,
    tallies: Vec<(Tally, u64)>,
    /// Started, untimed, abandoned, open, late lookups, nanoseconds of CPU.
    sums: [u64; 6],
    first_slot: u64,
    slots: Vec<u32>,
    first_start: Option<u64>,
    last_scheduled: Option<u64>,
    last_answer: Option<u64>,
    findings: Vec<Finding>,
    sessions: Sessions,
    handshakes: Vec<(usize, bool, u16, u16, u64)>,
    answers: Vec<KeyAnswer>,
    signs: Vec<Signs>,
    pending: Vec<Pending>,
    checks: u64,
}

/// Writes recorders, keeping what it needs for that.
pub struct Encoder(V2DeflateSerializer);

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self(V2DeflateSerializer::new())
    }
}

impl Encoder {
    /// The bytes of what a recorder has seen.
    ///
    /// # Errors
    /// Never of a recorder that counts less than the histograms' serializer can: 2^63.
    pub fn encode(&mut self, seen: &Measurements) -> Result<Vec<u8>, Unreadable> {
        let mut times = Vec::new();
        for (cell, of_cell) in seen.times.iter().enumerate() {
            let Some(of_cell) = of_cell.as_deref().filter(|times| !times.is_empty()) else {
                continue;
            };
            let mut bytes = Vec::new();
            let short = shortened(of_cell, seen.digits);
            self.0.serialize(&short, &mut bytes).map_err(|_| Unreadable("too large a count"))?;
            times.push((cell, ByteBuf::from(bytes)));
        }
        let ends = seen.unfinished.iter().zip(&seen.timed_out).enumerate();
        let unfinished = ends.map(|(cell, (count, timed_out))| (cell, *count, *timed_out));
        let of_hands = |(broker, hands, count): &(usize, Handshake, u64)| {
            (*broker, hands.is_resumed, hands.version.into(), hands.suite.into(), *count)
        };
        let sheet = Sheet {
            kinds: seen.kinds,
            brokers: seen.brokers,
            digits: seen.digits,
            times,
            unfinished: unfinished.filter(|(_, count, _)| *count > 0).collect(),
            tallies: seen.tallies.clone(),
            sums: [
                seen.started,
                seen.untimed,
                seen.abandoned,
                seen.open,
                seen.late_lookups,
                seen.cpu_ns,
            ],
            first_slot: seen.first_slot,
            slots: seen.slots.clone(),
            first_start: seen.first_start,
            last_scheduled: seen.last_scheduled,
            last_answer: seen.last_answer,
            findings: seen.findings.clone(),
            sessions: seen.sessions.clone(),
            handshakes: seen.handshakes.iter().map(of_hands).collect(),
            answers: seen.answers.clone(),
            signs: seen.signs.iter().filter(|signs| !signs.is_empty()).cloned().collect(),
            pending: seen.pending.clone(),
            checks: seen.checks,
        };
        postcard::to_stdvec(&sheet).map_err(|_| Unreadable("can't be written"))
    }
}

/// Reads what recorders have seen, keeping what it needs for that.
#[derive(Default)]
pub struct Decoder(histogram::Reader);

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// Reads into an empty recorder of the same run, which is good for merging it into another: its histograms are no longer
    /// than what is in them.
    ///
    /// # Errors
    /// When the bytes are damaged, do not add up, or are of a run of other kinds and brokers: then nothing of them may be
    /// used.
    pub fn decode(&mut self, bytes: &[u8], into: &mut Measurements) -> Result<(), Unreadable> {
        let sheet: Sheet =
            postcard::from_bytes(bytes).map_err(|_| Unreadable("no measurements"))?;
        if (sheet.kinds, sheet.brokers, sheet.digits) != (into.kinds, into.brokers, into.digits) {
            return Err(Unreadable("of another run"));
        }
        sheet.check(into)?;
        for (cell, bytes) in sheet.times {
            let times = self.0.read(&bytes, into.digits)?;
            let place = into.times.get_mut(cell).ok_or(Unreadable("of another run"))?;
            *place = Some(Box::new(times));
        }
        for (cell, count, timed_out) in sheet.unfinished {
            *into.unfinished.get_mut(cell).ok_or(Unreadable("of another run"))? = count;
            *into.timed_out.get_mut(cell).ok_or(Unreadable("of another run"))? = timed_out;
        }
        into.tallies = sheet.tallies;
        let [started, untimed, abandoned, open, late_lookups, cpu_ns] = sheet.sums;
        (into.started, into.untimed, into.abandoned) = (started, untimed, abandoned);
        (into.open, into.late_lookups, into.cpu_ns) = (open, late_lookups, cpu_ns);
        (into.first_slot, into.slots) = (sheet.first_slot, sheet.slots);
        (into.first_start, into.last_scheduled) = (sheet.first_start, sheet.last_scheduled);
        into.last_answer = sheet.last_answer;
        into.findings = sheet.findings;
        into.sessions = sheet.sessions;
        into.handshakes = sheet
            .handshakes
            .into_iter()
            .map(|(broker, is_resumed, version, suite, count)| {
                let version = ProtocolVersion::from(version);
                let suite = CipherSuite::from(suite);
                (broker, Handshake { is_resumed, version, suite }, count)
            })
            .collect();
        into.answers = sheet.answers;
        (into.signs, into.pending, into.checks) = (sheet.signs, sheet.pending, sheet.checks);
        if into.adds_up() { Ok(()) } else { Err(Unreadable("not consistent in itself")) }
    }
}

/// The same histogram, no longer than its longest time needs: half the work for whoever reads and merges it.
fn shortened(times: &Times, digits: u8) -> Times {
    let high = times.max().clamp(2, LONGEST);
    let Ok(mut short) = Times::new_with_bounds(1, high, digits) else { return times.clone() };
    match short.add(times) {
        Ok(()) => short,
        Err(_) => times.clone(),
    }
}

impl Sheet {
    /// Refuses what would be no place in a recorder, and what can't be: before anything is made of it.
    fn check(&self, into: &Measurements) -> Result<(), Unreadable> {
        let attempts = self.attempts().filter(|attempts| *attempts <= MOST_COUNT);
        let attempts = attempts.ok_or(Unreadable("numbers out of range"))?;
        if self.is_placed(into) && self.is_bounded(attempts) && self.is_told(attempts) {
            Ok(())
        } else {
            Err(Unreadable("numbers out of range"))
        }
    }

    /// Attempts that have an outcome; `None` where these are more than can be counted.
    fn attempts(&self) -> Option<u64> {
        self.tallies.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count))
    }

    fn is_placed(&self, into: &Measurements) -> bool {
        let is_known = |kind: usize, broker: usize| kind < self.kinds && broker < self.brokers;
        self.tallies.iter().all(|(tally, _)| is_known(tally.kind, tally.broker))
            && self.findings.iter().all(|of| is_known(of.attempt.kind, of.attempt.broker))
            && self.handshakes.iter().all(|(broker, ..)| *broker < self.brokers)
            && self.answers.iter().all(|of| is_known(of.kind.into(), of.broker.into()))
            && (into.keeps_answers || self.answers.is_empty())
            && self.signs.iter().all(|signs| signs.is_sound(self.brokers))
            && self.pending.iter().all(|of| {
                is_known(of.attempt.kind, of.attempt.broker)
                    && usize::from(of.site.broker) == of.attempt.broker
            })
    }

    fn is_bounded(&self, attempts: u64) -> bool {
        let [started, untimed, abandoned, open, late_lookups, cpu_ns] = self.sums;
        let of_attempts = self
            .unfinished
            .iter()
            .map(|(_, count, _)| *count)
            .chain(self.slots.iter().map(|count| u64::from(*count)))
            .chain([untimed, self.sessions.held]);
        let others = [started, abandoned, open, late_lookups, self.checks];
        let counts = others
            .into_iter()
            .chain(self.handshakes.iter().map(|(.., count)| *count))
            .chain(self.sessions.dropped.iter().map(|(_, count)| *count));
        let slots: u64 = self.slots.iter().map(|count| u64::from(*count)).sum();
        of_attempts.into_iter().all(|count| count <= attempts)
            && counts.into_iter().all(|count| count <= MOST_COUNT)
            && slots <= attempts
            && cpu_ns <= MOST_CPU
            && self.unfinished.iter().all(|(_, count, timed_out)| timed_out <= count)
            && self.tallies.iter().all(|(_, count)| *count > 0)
            && matches!(self.digits, DIGITS | FEWER_DIGITS)
    }

    /// Whether it lists no more than so many attempts, and a run of so many kinds and brokers, can bring about.
    fn is_told(&self, attempts: u64) -> bool {
        let most = usize::try_from(attempts).unwrap_or(usize::MAX);
        // Each attempt enters a phase once.
        let phases = most.saturating_mul(Phase::ALL.len());
        self.times.len() <= phases
            && self.unfinished.len() <= phases
            && self.tallies.len() <= self.kinds * self.brokers * MOST_TALLIES
            && self.findings.len() <= most.min(MOST_FINDINGS)
            && self.answers.len() <= most.min(MOST_ANSWERS)
            && self.handshakes.len() <= self.brokers * MOST_HANDSHAKES
            && self.sessions.dropped.len() <= MOST_CODES
            && self.signs.len() <= self.brokers * MOST_ADDRESSES
    }
}

impl Measurements {
    /// Whether all attempts entered the phases that each of them enters, once, and those that are not settled are among
    /// them.
    fn adds_up(&self) -> bool {
        let attempts = self.attempts();
        let entered = |phase: Phase| {
            let cells =
                (0..self.kinds * self.brokers).map(|of| of * Phase::ALL.len() + phase as usize);
            cells.fold(self.untimed, |sum, cell| {
                let answers = cell * Answer::ALL.len()..(cell + 1) * Answer::ALL.len();
                let times = self.times[answers].iter().flatten().map(|times| times.len());
                sum.saturating_add(self.unfinished[cell]).saturating_add(times.sum())
            })
        };
        let mut unsettled: BTreeMap<Tally, u64> = BTreeMap::new();
        for pending in &self.pending {
            let Attempt { kind, broker, outcome, .. } = pending.attempt;
            let (expected, verdict) = (pending.expected, Verdict::NotJudged);
            *unsettled.entry(Tally { kind, broker, expected, outcome, verdict }).or_default() += 1;
        }
        let counted = |tally: &Tally| {
            let alike = self.tallies.iter().filter(|(known, _)| known == tally);
            alike.map(|(_, count)| count).sum::<u64>()
        };
        [Phase::StartDelay, Phase::Response].into_iter().all(|it| entered(it) == attempts)
            && unsettled.iter().all(|(tally, count)| {
                matches!(tally.outcome, Outcome::Closed(_)) && *count <= counted(tally)
            })
    }

    /// Moves all instants by so many nanoseconds, back and forth without loss: they wrap.
    pub fn moved(&mut self, by: i64) {
        let move_one = |at: &mut u64| *at = at.wrapping_add_signed(by);
        let instants = [&mut self.first_start, &mut self.last_scheduled, &mut self.last_answer];
        instants.into_iter().flatten().for_each(move_one);
        let found = self.findings.iter_mut().map(|finding| &mut finding.attempt);
        for attempt in found.chain(self.pending.iter_mut().map(|pending| &mut pending.attempt)) {
            attempt.moved(by);
        }
        for answer in &mut self.answers {
            move_one(&mut answer.sent);
            move_one(&mut answer.ended);
        }
    }

    /// Whether all instants and slots lie between these instants; `storm` is when slots begin to count.
    pub fn lies_within(&self, from: u64, to: u64, storm: u64) -> bool {
        let instants = [self.first_start, self.last_scheduled, self.last_answer];
        let last_slot = self.first_slot.saturating_add(self.slots.len() as u64);
        instants.into_iter().flatten().all(|at| (from..=to).contains(&at))
            && (self.slots.is_empty() || last_slot <= to.saturating_sub(storm) / SLOT + 1)
            && self.signs.iter().all(|signs| signs.ends_by(to.saturating_sub(storm)))
            && self
                .pending
                .iter()
                .map(|pending| &pending.attempt)
                .chain(self.findings.iter().map(|finding| &finding.attempt))
                .all(|of| (from..=to).contains(&of.started) && (from..=to).contains(&of.ended))
    }
}

impl Attempt {
    /// Moves all its instants.
    fn moved(&mut self, by: i64) {
        let Self { scheduled, started, opened, sent, ended, read, steps, .. } = self;
        let instants = [scheduled, started, opened, sent, ended];
        for at in instants.into_iter().chain(read).chain(steps.instants()) {
            *at = at.wrapping_add_signed(by);
        }
    }
}

#[cfg(test)]
mod tests;
