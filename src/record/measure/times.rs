//! The table of times: a cell for each kind of token, broker and phase.

use hdrhistogram::Histogram;

use crate::{
    base::{clock::SECOND, words::Phase},
    client::attempt::Outcome,
};

/// The longest time that a histogram tells apart, in nanoseconds; what is longer counts as this.
pub(super) const LONGEST: u64 = 3600 * SECOND;
/// Significant digits of the histograms of a run.
pub(super) const DIGITS: u8 = 3;
/// Those of a run of so many kinds of token that histograms of three digits, 180 KB each, would take gigabytes.
pub(super) const FEWER_DIGITS: u8 = 2;
const MANY_KINDS: usize = 64;

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

    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            refused if refused.is_refusal() => Self::Refused,
            _ => Self::None,
        }
    }
}

/// What was seen of one phase, with one kind of token, at one broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// The times of those that completed it, by answer; made on first use.
    pub times: [Option<Box<Times>>; Answer::ALL.len()],
    /// How many entered it and did not complete it.
    pub unfinished: u64,
    /// Of these, the ones that ran into their deadline; the others ended before it, without an answer.
    pub timed_out: u64,
}

impl Cell {
    /// The histograms in which there is something.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, &Times)> {
        let made = self.times.iter().enumerate();
        made.filter_map(|(answer, times)| {
            Some((answer, times.as_deref().filter(|it| !it.is_empty())?))
        })
    }

    /// Counts a time, in nanoseconds.
    pub(super) fn complete(&mut self, answer: Answer, time: u64, digits: u8) {
        let times =
            self.times[answer as usize].get_or_insert_with(|| Box::new(empty_times(digits)));
        times.saturating_record(time.max(1));
    }

    /// How many entered the phase.
    pub(super) fn entered(&self) -> u64 {
        self.filled().fold(self.unfinished, |sum, (_, times)| sum.saturating_add(times.len()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unfinished == 0 && self.filled().next().is_none()
    }

    fn clear(&mut self) {
        self.times.iter_mut().flatten().filter(|times| !times.is_empty()).for_each(|it| it.reset());
        (self.unfinished, self.timed_out) = (0, 0);
    }

    fn merge(&mut self, other: &Self, digits: u8) {
        for (answer, theirs) in other.filled() {
            let mine = self.times[answer].get_or_insert_with(|| Box::new(empty_times(digits)));
            // Of the same bounds, or (from another process) of lower ones, so adding can't fail.
            let _ = mine.add(theirs);
        }
        self.unfinished += other.unfinished;
        self.timed_out += other.timed_out;
    }
}

/// A cell for each kind of token, broker and phase. A phase is of one operation: what is not an attempt has its place
/// here by its own phases.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub kinds: usize,
    pub brokers: usize,
    /// Significant digits of its histograms.
    pub digits: u8,
    pub cells: Vec<Cell>,
}

impl Table {
    pub(super) fn new(kinds: usize, brokers: usize) -> Self {
        let digits = if kinds > MANY_KINDS { FEWER_DIGITS } else { DIGITS };
        let cells = vec![Cell::default(); kinds * brokers * Phase::COUNT];
        Self { kinds, brokers, digits, cells }
    }

    fn place(&self, kind: usize, broker: usize, phase: Phase) -> usize {
        (kind * self.brokers + broker) * Phase::COUNT + phase as usize
    }

    pub(super) fn cell(&self, kind: usize, broker: usize, phase: Phase) -> &Cell {
        &self.cells[self.place(kind, broker, phase)]
    }

    pub(super) fn cell_mut(&mut self, kind: usize, broker: usize, phase: Phase) -> &mut Cell {
        let place = self.place(kind, broker, phase);
        &mut self.cells[place]
    }

    pub(super) fn clear(&mut self) {
        self.cells.iter_mut().for_each(Cell::clear);
    }

    /// Adds the cells of another of the same shape.
    pub(super) fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.cells.iter_mut().zip(&other.cells) {
            own.merge(theirs, self.digits);
        }
    }

    /// Adds the cells of another, whose kinds and brokers have other numbers here.
    pub(super) fn merge_as(&mut self, other: &Self, kinds: &[usize], brokers: &[usize]) {
        for (kind, to_kind) in kinds.iter().enumerate().take(other.kinds) {
            for (broker, to_broker) in brokers.iter().enumerate().take(other.brokers) {
                for phase in Phase::ALL {
                    let digits = self.digits;
                    let own = self.cell_mut(*to_kind, *to_broker, phase);
                    own.merge(other.cell(kind, broker, phase), digits);
                }
            }
        }
    }
}
