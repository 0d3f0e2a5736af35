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
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    Answer, Count, MOST_ANSWERS, MOST_FINDINGS, Measurements, SLOT, Session, Tally, Times,
    operations::Operated,
    returns::{MOST_RETURNS, MOST_TRIES},
    times::{Cell, LONGEST},
};
use crate::{
    base::words::{Operation, Phase, Verdict},
    client::attempt::{Attempt, Outcome},
};

/// A count that no second of any host comes to: far more than a fleet of the largest size starts in one.
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

/// A recorder as it travels: its shape, its times, and all the rest as it stands.
#[derive(Deserialize, Serialize)]
struct Sheet<M> {
    kinds: usize,
    brokers: usize,
    digits: u8,
    /// Those in which there is something, with their places.
    cells: Vec<(usize, CellSheet)>,
    rest: M,
}

/// A cell of the table of times, with the bytes of its histograms.
#[derive(Deserialize, Serialize)]
struct CellSheet {
    times: [Option<ByteBuf>; Answer::ALL.len()],
    unfinished: u64,
    timed_out: u64,
}

/// Writes recorders, keeping what it needs for that.
#[derive(Default)]
pub struct Encoder(V2DeflateSerializer);

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Encoder {
    /// The bytes of what a recorder has seen.
    ///
    /// # Errors
    /// Never of a recorder that counts less than the histograms' serializer can: 2^63.
    pub fn encode(&mut self, seen: &Measurements) -> Result<Vec<u8>, Unreadable> {
        let table = &seen.times;
        let mut cells = Vec::new();
        for (place, cell) in table.cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            cells.push((place, self.cell(cell, table.digits)?));
        }
        let (kinds, brokers, digits) = (table.kinds, table.brokers, table.digits);
        let sheet = Sheet { kinds, brokers, digits, cells, rest: seen };
        postcard::to_stdvec(&sheet).map_err(|_| Unreadable("can't be written"))
    }

    fn cell(&mut self, cell: &Cell, digits: u8) -> Result<CellSheet, Unreadable> {
        let mut times = [const { None }; Answer::ALL.len()];
        for (answer, of_answer) in cell.filled() {
            let mut bytes = Vec::new();
            let short = shortened(of_answer, digits);
            self.0.serialize(&short, &mut bytes).map_err(|_| Unreadable("too large a count"))?;
            times[answer] = Some(ByteBuf::from(bytes));
        }
        Ok(CellSheet { times, unfinished: cell.unfinished, timed_out: cell.timed_out })
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
        let mut sheet: Sheet<Measurements> =
            postcard::from_bytes(bytes).map_err(|_| Unreadable("no measurements"))?;
        let table = &into.times;
        if (sheet.kinds, sheet.brokers, sheet.digits) != (table.kinds, table.brokers, table.digits)
        {
            return Err(Unreadable("of another run"));
        }
        if !sheet.is_possible(into.keeps_answers) {
            return Err(Unreadable("numbers out of range"));
        }
        for (place, cell) in std::mem::take(&mut sheet.cells) {
            let own = into.times.cells.get_mut(place).ok_or(Unreadable("of another run"))?;
            (own.unfinished, own.timed_out) = (cell.unfinished, cell.timed_out);
            for (own, bytes) in own.times.iter_mut().zip(cell.times) {
                *own = bytes.map(|it| self.0.read(&it, sheet.digits)).transpose()?.map(Box::new);
            }
        }
        let (times, keeps_answers) = (std::mem::take(&mut into.times), into.keeps_answers);
        *into = Measurements { times, keeps_answers, ..sheet.rest };
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

impl Count {
    /// What it comes to at most where so many attempts have an outcome.
    fn most(self, attempts: u64) -> u64 {
        match self {
            Self::Untimed
            | Self::Held
            | Self::LaterEnded
            | Self::EndedAfter
            | Self::Back
            | Self::AuthMethodMissing
            | Self::RowsEnded => attempts,
            // What sessions meet comes in another interval than the attempts that opened them.
            Self::Started
            | Self::Abandoned
            | Self::Open
            | Self::LateLookups
            | Self::Checks
            | Self::TrialEnds
            | Self::PingedAfter
            | Self::AnsweredAfter
            | Self::LaterAbandoned
            | Self::AuthChallenged
            | Self::RowsTaken
            | Self::ReturnsBegun
            | Self::Drops
            | Self::GaveUp
            | Self::StillAway
            | Self::RenewalsBegun
            | Self::RenewalsConverted
            | Self::RenewalsSent
            | Self::RenewalsForsaken
            | Self::RenewalsWithoutToken
            | Self::RenewalsFailed
            | Self::Renewed
            | Self::RenewalsLate
            | Self::RenewalsLateBy100Ms
            | Self::RenewalsLateBy1S
            | Self::RenewalsAtHalf
            | Self::ReauthsBegun
            | Self::ReauthsForsaken
            | Self::ReauthsAbandoned => MOST_COUNT,
            Self::CpuNs | Self::CpuAfterNs => MOST_CPU,
        }
    }
}

impl Sheet<Measurements> {
    /// Whether everything in it has a place in a recorder, and can have been seen: before anything is made of it.
    fn is_possible(&self, keeps_answers: bool) -> bool {
        let tallies = self.rest.tallies.into_iter();
        let attempts = tallies.map(|(_, count)| *count).try_fold(0_u64, u64::checked_add);
        attempts.filter(|attempts| *attempts <= MOST_COUNT).is_some_and(|attempts| {
            self.is_placed(keeps_answers) && self.is_bounded(attempts) && self.is_told(attempts)
        })
    }

    fn is_placed(&self, keeps_answers: bool) -> bool {
        let seen = &self.rest;
        let is_known = |kind: usize, broker: usize| kind < self.kinds && broker < self.brokers;
        seen.tallies.into_iter().all(|(tally, _)| is_known(tally.kind, tally.broker))
            && seen.findings.iter().all(|of| is_known(of.attempt.kind, of.attempt.broker))
            && seen.handshakes.into_iter().all(|((broker, _), _)| *broker < self.brokers)
            && seen.sessions.into_iter().all(|((broker, _), _)| *broker < self.brokers)
            && seen.answers.iter().all(|of| is_known(of.kind.into(), of.broker.into()))
            && (keeps_answers || seen.answers.is_empty())
            && seen.signs.iter().all(|signs| signs.is_sound(self.brokers))
            && seen.pending.iter().all(|of| {
                is_known(of.attempt.kind, of.attempt.broker)
                    && usize::from(of.site.broker) == of.attempt.broker
            })
            && seen.operations.into_iter().all(|(tally, _)| is_known(tally.kind, tally.broker))
            && seen.found.iter().all(|of| is_known(of.kind(), of.broker()))
            && seen.ends.iter().all(|of| {
                is_known(of.operated.kind(), of.operated.broker())
                    && usize::from(of.site.broker) == of.operated.broker()
            })
    }

    /// The operation whose phase a cell holds the times of.
    fn operation_at(place: usize) -> Operation {
        Phase::ALL[place % Phase::COUNT].operation()
    }

    fn is_bounded(&self, attempts: u64) -> bool {
        let seen = &self.rest;
        let handshakes = seen.handshakes.into_iter().map(|(_, count)| *count);
        let judged: u64 = seen.slots.counts.iter().map(|count| u64::from(*count)).sum();
        let operations = seen.operations.into_iter().map(|(_, count)| *count);
        let Some(operations) = operations.clone().try_fold(0_u64, u64::checked_add) else {
            return false;
        };
        let stayed = seen[Count::GaveUp].saturating_add(seen[Count::StillAway]);
        let most = |place: usize| match Self::operation_at(place) {
            Operation::Connect => attempts,
            Operation::Expire | Operation::Reauthenticate => operations,
            Operation::Return => stayed,
        };
        seen.sums.iter().all(|(count, number)| number <= count.most(attempts))
            && handshakes.into_iter().all(|number| number <= MOST_COUNT)
            && self.are_sessions_counted()
            && judged <= attempts
            && operations <= MOST_COUNT
            && self.cells.iter().all(|(place, cell)| {
                cell.unfinished <= most(*place) && cell.timed_out <= cell.unfinished
            })
            && seen.tallies.into_iter().all(|(_, count)| *count > 0)
            && seen.operations.into_iter().all(|(_, count)| *count > 0)
    }

    /// Whether brokers together have as many sessions that began to hold, and that ended, as the run has.
    fn are_sessions_counted(&self) -> bool {
        let seen = &self.rest;
        let by_broker = |which: Session| {
            let own = seen.sessions.into_iter().filter(move |((_, what), _)| *what == which);
            own.map(|(_, count)| *count).try_fold(0_u64, u64::checked_add)
        };
        let mut dropped = seen.dropped.into_iter().map(|(_, count)| *count);
        let dropped = dropped.try_fold(0_u64, u64::checked_add);
        by_broker(Session::Held) == Some(seen[Count::Held])
            && dropped.is_some_and(|dropped| dropped <= MOST_COUNT)
            && by_broker(Session::Dropped) == dropped
    }

    /// Whether it lists no more than so many attempts, and a run of so many kinds and brokers, can bring about.
    fn is_told(&self, attempts: u64) -> bool {
        let seen = &self.rest;
        let most = usize::try_from(attempts).unwrap_or(usize::MAX);
        let histograms = self.cells.iter().map(|(_, cell)| cell.times.iter().flatten().count());
        let operations: u64 = seen.operations.into_iter().map(|(_, count)| *count).sum();
        let operations = usize::try_from(operations).unwrap_or(usize::MAX);
        let stayed = seen[Count::GaveUp].saturating_add(seen[Count::StillAway]);
        let stayed = usize::try_from(stayed).unwrap_or(usize::MAX);
        // Each attempt, and each operation, enters a phase once.
        let entered = most.saturating_add(operations).saturating_add(stayed);
        let phases = entered.saturating_mul(Phase::COUNT);
        self.cells.len() <= phases
            && histograms.sum::<usize>() <= phases
            && seen.tallies.len() <= self.kinds * self.brokers * MOST_TALLIES
            && seen.findings.len() <= most.min(MOST_FINDINGS)
            && seen.answers.len() <= most.min(MOST_ANSWERS)
            && seen.handshakes.len() <= self.brokers * MOST_HANDSHAKES
            && seen.dropped.len() <= MOST_CODES
            && seen.sessions.len() <= self.brokers * 2
            && seen.signs.len() <= self.brokers * MOST_ADDRESSES
            && seen.operations.len() <= self.kinds * self.brokers * MOST_TALLIES
            && seen.found.len() <= operations.min(MOST_FINDINGS)
            && seen.backs.len() <= most.min(MOST_RETURNS)
            && seen.tries.into_iter().all(|(tries, _)| (1..=MOST_TRIES).contains(tries))
            && seen.tries.len() <= usize::from(MOST_TRIES)
            && seen.tries.into_iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count))
                == Some(seen[Count::Back])
            && seen.drops.counts.iter().map(|count| u64::from(*count)).sum::<u64>()
                == seen[Count::Drops]
    }
}

impl Measurements {
    /// Whether all attempts entered the phases that each of them enters, once, and those that are not settled are among
    /// them.
    fn adds_up(&self) -> bool {
        let attempts = self.attempts();
        let table = &self.times;
        let entered = |phase: Phase| {
            let cells = (0..table.kinds).flat_map(|kind| {
                (0..table.brokers).map(move |broker| table.cell(kind, broker, phase))
            });
            cells.fold(self[Count::Untimed], |sum, cell| sum.saturating_add(cell.entered()))
        };
        let mut unsettled: BTreeMap<Tally, u64> = BTreeMap::new();
        for pending in &self.pending {
            let Attempt { kind, broker, outcome, .. } = pending.attempt;
            let (expected, verdict) = (pending.expected, Verdict::NotJudged);
            *unsettled.entry(Tally { kind, broker, expected, outcome, verdict }).or_default() += 1;
        }
        let is_entered = |phase: Phase| match phase {
            Phase::StartDelay | Phase::Connect | Phase::Response => entered(phase) == attempts,
            _ => entered(phase) <= attempts,
        };
        let operations = |of: Operation| {
            let own = self.operations.into_iter().filter(move |(tally, _)| tally.operation == of);
            own.map(|(_, count)| count).sum::<u64>()
        };
        let expires = operations(Operation::Expire);
        let timed = [Phase::ExpiryEnforcement, Phase::ExpiryEarly]
            .into_iter()
            .map(|phase| entered(phase) - self[Count::Untimed])
            .fold(0, u64::saturating_add);
        let away = self[Count::GaveUp].saturating_add(self[Count::StillAway]);
        let returned = entered(Phase::Reconnect) - self[Count::Untimed];
        let reauths = entered(Phase::Reauth) - self[Count::Untimed];
        timed == expires
            && reauths <= operations(Operation::Reauthenticate)
            && returned == self[Count::Back].saturating_add(away)
            && self.backs.iter().all(|back| back.dropped <= back.back)
            && Phase::ALL.into_iter().filter(|it| it.operation().is_attempt()).all(is_entered)
            && unsettled.iter().all(|(tally, count)| {
                matches!(tally.outcome, Outcome::Closed(_)) && *count <= self.tallies.count(*tally)
            })
    }

    /// Moves all instants by so many nanoseconds, back and forth without loss: they wrap.
    pub fn moved(&mut self, by: i64) {
        let move_one = |at: &mut u64| *at = at.wrapping_add_signed(by);
        self.marks.iter_mut().for_each(move_one);
        let found = self.findings.iter_mut().map(|finding| &mut finding.attempt);
        for attempt in found.chain(self.pending.iter_mut().map(|pending| &mut pending.attempt)) {
            attempt.moved(by);
        }
        for answer in &mut self.answers {
            move_one(&mut answer.sent);
            move_one(&mut answer.ended);
        }
        for back in &mut self.backs {
            move_one(&mut back.dropped);
            move_one(&mut back.back);
        }
        let ends = self.ends.iter_mut().map(|end| &mut end.operated);
        for operated in self.found.iter_mut().chain(ends) {
            match operated {
                Operated::Expire(expire) => {
                    move_one(&mut expire.accepted);
                    move_one(&mut expire.ended);
                    expire.deadline = expire.deadline.wrapping_add(by);
                }
                Operated::Reauth(reauth) => reauth.attempt.moved(by),
            }
        }
    }

    /// Whether all instants and slots lie between these instants; `storm` is when slots begin to count.
    pub fn lies_within(&self, from: u64, to: u64, storm: u64) -> bool {
        self.marks.iter().all(|at| (from..=to).contains(&at))
            && (self.slots.counts.is_empty()
                || self.slots.end() <= to.saturating_sub(storm) / SLOT + 1)
            && self.signs.iter().all(|signs| signs.ends_by(to.saturating_sub(storm)))
            && (self.drops.counts.is_empty()
                || self.drops.end() <= to.saturating_sub(storm) / SLOT + 1)
            && self
                .backs
                .iter()
                .all(|it| from <= it.dropped && (it.dropped..=to).contains(&it.back))
            && self
                .pending
                .iter()
                .map(|pending| &pending.attempt)
                .chain(self.findings.iter().map(|finding| &finding.attempt))
                .all(|of| (from..=to).contains(&of.started) && (from..=to).contains(&of.ended))
            && self
                .ends
                .iter()
                .map(|end| &end.operated)
                .chain(&self.found)
                .all(|of| (from..=to).contains(&of.began()) && (from..=to).contains(&of.ended()))
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
