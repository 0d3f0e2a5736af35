//! Latencies out of the recorder: summed over what is not asked for, with the unfinished counted in.

use super::{Answer, Measurements, Times, empty_times};
use crate::client::attempt::Phase;

/// The times of one phase, and how many attempts entered it without completing it.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Times of those that completed it; `None` where nobody did.
    pub times: Option<Times>,
    /// Those that did not.
    pub unfinished: u64,
    /// Of those that did not, the ones that ran into their deadline.
    pub timed_out: u64,
}

/// A percentile of a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantile {
    /// In nanoseconds.
    Time(u64),
    /// It falls among those that never completed the phase: longer than any time there is.
    Beyond,
}

impl Latency {
    /// Adds what others took, of the same bounds.
    pub fn join(&mut self, other: &Self) {
        self.unfinished += other.unfinished;
        self.timed_out += other.timed_out;
        match (&mut self.times, &other.times) {
            (Some(mine), Some(theirs)) => {
                // Of the same bounds, so adding can't fail.
                let _ = mine.add(theirs);
            }
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
    }

    /// Whether nobody entered the phase.
    pub fn is_empty(&self) -> bool {
        self.times.is_none() && self.unfinished == 0
    }

    /// Attempts that completed the phase.
    pub fn count(&self) -> u64 {
        self.times.as_ref().map_or(0, Times::len)
    }

    /// The `percent`th percentile over all that entered the phase, finished or not.
    ///
    /// The nearest-rank definition: the least time that `percent` % of them did not exceed.
    pub fn percentile(&self, percent: f64) -> Quantile {
        let all = self.count() + self.unfinished;
        let rank = rank(percent, all).clamp(1, all.max(1));
        match &self.times {
            Some(times) if rank <= times.len() => {
                // Half a rank below, so that rounding can't push the quantile to the next rank.
                let quantile = (rank as f64 - 0.5) / times.len() as f64;
                Quantile::Time(times.value_at_quantile(quantile))
            }
            _ => Quantile::Beyond,
        }
    }

    /// Whether a percentile falls among the attempts that ran into their deadline: the timeout is then its lower bound.
    ///
    /// Attempts that ended without an answer before their deadline, by a reset for instance, have no time at all. They
    /// come before those that timed out, so that a percentile is called a timeout only where it is one.
    pub fn is_timeout(&self, percent: f64) -> bool {
        let all = self.count() + self.unfinished;
        rank(percent, all).clamp(1, all.max(1)) > all - self.timed_out.min(all)
    }

    /// The least time, where somebody completed the phase.
    pub fn least(&self) -> Option<u64> {
        self.times.as_ref().map(hdrhistogram::Histogram::min)
    }

    /// The mean time of those that completed the phase.
    pub fn mean(&self) -> Option<f64> {
        self.times.as_ref().map(Times::mean)
    }
}

impl Measurements {
    /// The latency of a phase for one kind of token, broker and answer, or for all of each.
    ///
    /// Attempts that did not complete a phase have no answer by which to part them: they are in
    /// `unfinished` only where all answers are asked for.
    pub fn latency(
        &self,
        phase: Phase,
        kind: Option<usize>,
        broker: Option<usize>,
        answer: Option<Answer>,
    ) -> Latency {
        let mut sum: Option<Times> = None;
        let (mut unfinished, mut timed_out) = (0, 0);
        for kind in only(kind, self.times.kinds) {
            for broker in only(broker, self.times.brokers) {
                let cell = self.times.cell(kind, broker, phase);
                if answer.is_none() {
                    unfinished += cell.unfinished;
                    timed_out += cell.timed_out;
                }
                let wanted = answer.map(|answer| answer as usize);
                for (_, times) in cell.filled().filter(|(of, _)| wanted.is_none_or(|it| it == *of))
                {
                    // All have the same bounds, so adding can't fail.
                    let _ = sum.get_or_insert_with(|| empty_times(self.times.digits)).add(times);
                }
            }
        }
        Latency { times: sum, unfinished, timed_out }
    }

    /// The histograms of a phase for one kind of token and broker, an answer each, and how many did not complete it.
    pub fn parts(
        &self,
        phase: Phase,
        kind: usize,
        broker: usize,
    ) -> (impl Iterator<Item = &Times>, u64) {
        let cell = self.times.cell(kind, broker, phase);
        (cell.filled().map(|(_, times)| times), cell.unfinished)
    }

    /// The latency of a phase for these kinds of token together, at all brokers.
    pub fn latency_of(&self, phase: Phase, kinds: &[usize]) -> Latency {
        let mut sum = Latency::default();
        for kind in kinds {
            sum.join(&self.latency(phase, Some(*kind), None, None));
        }
        sum
    }
}

/// How many of `all` a percentile must not be exceeded by, at least.
///
/// 99.9 % of 1000 are 999, though the product of the two floats is a little more: what is within
/// their rounding of a whole number is that number. 10^-7 is above the rounding error up to 10^8
/// attempts, and below the least fraction that percentiles of four decimals make.
fn rank(percent: f64, all: u64) -> u64 {
    let exact = percent * all as f64 / 100.0;
    let whole = exact.round();
    (if (exact - whole).abs() < 1e-7 { whole } else { exact.ceil() }) as u64
}

fn only(one: Option<usize>, count: usize) -> std::ops::Range<usize> {
    one.map_or(0..count, |one| one..one + 1)
}

#[cfg(test)]
mod tests;
