//! When each attempt of the open model is due.

use std::time::Duration;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, Exp1};

use super::segment::Segment;
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        error::{Error, Result},
    },
    scenario::{Arrivals, Stage},
};

/// The highest rate that can be asked for: above what any host can send.
const MOST_A_SECOND: f64 = 10_000_000.0;

/// A stretch of the schedule with its rates resolved.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Seconds from the start of the storm to its own.
    start: f64,
    seconds: f64,
    rate: f64,
    end_rate: f64,
    /// Arrivals expected before it.
    before: f64,
}

impl Stretch {
    fn arrivals(&self) -> f64 {
        f64::midpoint(self.rate, self.end_rate) * self.seconds
    }

    /// Seconds from the start of the storm until `count` arrivals are expected, counted from the
    /// start of the stretch: the inverse of a quadratic, in the form that is stable for flat rates.
    fn when(&self, count: f64) -> f64 {
        let slope = (self.end_rate - self.rate) / self.seconds;
        let root = (self.rate * self.rate + 2.0 * slope * count).max(0.0).sqrt();
        self.start + (2.0 * count / (self.rate + root)).clamp(0.0, self.seconds)
    }
}

/// The rates of the open model over time.
#[derive(Clone, Debug)]
pub struct Rates {
    stretches: Vec<Stretch>,
}

impl Rates {
    /// Resolves the stages.
    ///
    /// # Errors
    /// When there is none, or one has not exactly one of `rate` and `ramp_to`, or values out of range.
    pub fn resolve(stages: &[Stage]) -> Result<Self> {
        let mut rates = Self { stretches: Vec::with_capacity(stages.len()) };
        let (mut at, mut before, mut rate) = (0.0, 0.0, 0.0);
        for (index, stage) in stages.iter().enumerate() {
            let (from, to) = match (stage.rate, stage.ramp_to) {
                (Some(steady), None) => (steady, steady),
                (None, Some(end)) => (rate, end),
                _ => {
                    return Err(Error::usage(format!("`load.stages[{index}]` needs exactly one of `rate` and `ramp_to`"))
                        .hint("write `{ rate = 500, for = \"5s\" }` or `{ ramp_to = 2000, for = \"10s\" }`"));
                }
            };
            let seconds = stage.r#for.as_secs_f64();
            if !(0.0..=MOST_A_SECOND).contains(&to) || from + to <= 0.0 || seconds <= 0.0 {
                return Err(Error::usage(format!(
                    "`load.stages[{index}]` goes from {from:?}/s to {to:?}/s in {seconds} s"
                ))
                .hint("rates are above 0 and at most 10 000 000 a second, `for` is above 0s"));
            }
            let stretch = Stretch { start: at, seconds, rate: from, end_rate: to, before };
            at += seconds;
            before += stretch.arrivals();
            rate = to;
            rates.stretches.push(stretch);
        }
        if rates.stretches.is_empty() {
            return Err(Error::usage("`load.stages` is missing: the open model needs rates")
                .hint("write `stages = [{ rate = 500, for = \"5s\" }]`, or `concurrency = 64` for the closed model"));
        }
        Ok(rates)
    }

    /// The highest rate, in arrivals a second.
    pub fn peak(&self) -> f64 {
        self.stretches
            .iter()
            .fold(0.0, |peak, stretch| peak.max(stretch.rate).max(stretch.end_rate))
    }

    /// Arrivals expected in all.
    pub fn expected(&self) -> f64 {
        self.stretches.last().map_or(0.0, |last| last.before + last.arrivals())
    }

    /// How long the stages last.
    pub fn length(&self) -> Duration {
        self.stretches.last().map_or(Duration::ZERO, |last| {
            Duration::try_from_secs_f64(last.start + last.seconds).unwrap_or(Duration::MAX)
        })
    }

    fn when(&self, count: f64) -> Option<f64> {
        let after = self.stretches.partition_point(|stretch| stretch.before <= count);
        let stretch = self.stretches.get(after.checked_sub(1)?)?;
        let within = count - stretch.before;
        (within < stretch.arrivals()).then(|| stretch.when(within))
    }
}

/// The due times of all attempts, in order, in nanoseconds from the start of the storm.
#[derive(Clone, Debug)]
pub struct Schedule {
    rates: Rates,
    arrivals: Arrivals,
    random: ChaCha8Rng,
    /// Arrivals expected until the next one: the schedule in a time in which the rate is 1.
    count: f64,
    left: u64,
    /// Where only the clients of a segment are wanted.
    thinning: Option<Thinning>,
}

/// Which of all arrivals are a segment's own.
#[derive(Clone, Debug)]
struct Thinning {
    segment: Segment,
    /// How many of its own have come.
    own: u64,
    /// How many of all have come.
    passed: u64,
}

impl Schedule {
    /// At most `clients` arrivals; the same seed gives the same due times.
    pub fn new(rates: &Rates, arrivals: Arrivals, seed: u64, clients: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = match arrivals {
            Arrivals::Constant => 0.0,
            Arrivals::Poisson => Exp1.sample(&mut random),
        };
        Self { rates: rates.clone(), arrivals, random, count, left: clients, thinning: None }
    }

    /// The arrivals of a segment's own clients only, each when it is due in the whole.
    #[must_use]
    pub fn of_segment(self, segment: &Segment) -> Self {
        let thinning = Thinning { segment: segment.clone(), own: 0, passed: 0 };
        Self { thinning: Some(thinning), ..self }
    }

    /// Goes on to the next arrival.
    fn advance(&mut self) {
        self.count += match self.arrivals {
            Arrivals::Constant => 1.0,
            Arrivals::Poisson => Exp1.sample(&mut self.random),
        };
    }

    /// Leaves out the arrivals of others before the next one of its own; `None` where there is no such.
    fn pass_others(&mut self) -> Option<()> {
        let Some(thinning) = &mut self.thinning else { return Some(()) };
        let others = thinning.segment.client(thinning.own) - thinning.passed;
        thinning.own += 1;
        thinning.passed += others + 1;
        self.left = self.left.checked_sub(others)?;
        (0..others).for_each(|_| self.advance());
        Some(())
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.pass_others()?;
        self.left = self.left.checked_sub(1)?;
        let seconds = self.rates.when(self.count)?;
        self.advance();
        Some((seconds * SECOND as f64) as u64)
    }
}

/// The most arrivals that fall into any window of that length.
pub fn most_within(schedule: impl Iterator<Item = u64> + Clone, window: Duration) -> u64 {
    let window = nanoseconds(window);
    // A second walk over the same schedule trails by the window, so that none is kept.
    let mut trailing = schedule.clone();
    let mut first = trailing.next();
    let (mut within, mut most) = (0, 0);
    for due in schedule {
        within += 1;
        while first.is_some_and(|first| first.saturating_add(window) < due) {
            first = trailing.next();
            within -= 1;
        }
        most = most.max(within);
    }
    most
}

#[cfg(test)]
mod tests;
