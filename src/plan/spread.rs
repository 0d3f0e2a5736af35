//! Which client goes to which broker: by its number alone, so that a run is the same run again.

use super::Plan;
use crate::{
    base::error::{Error, Result},
    scenario::Target,
};

/// Turns of a cycle at most: shares are kept to one in so many, and the table fits a cache.
const MOST_TURNS: usize = 4096;
/// By how much weights may differ: the lightest broker still has four turns of the longest cycle.
const MOST_APART: f64 = 1000.0;

/// How clients are spread over the brokers: a cycle of turns that begins again and again.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The broker of each turn of the cycle, and how many turns before it in the cycle were that broker's.
    turns: Vec<(u16, u16)>,
    /// Turns of each broker in a cycle.
    counts: Vec<u16>,
    is_even: bool,
}

impl Spread {
    /// By `[target]`: in turn, or by its weights.
    ///
    /// # Errors
    /// When the weights are not one for each broker, not positive, or too far apart.
    pub fn resolve(target: &Target) -> Result<Self> {
        let (weights, brokers) = (&target.weights, target.brokers.len());
        if weights.is_empty() {
            return Ok(Self::of(vec![1; brokers]));
        }
        if weights.len() != brokers {
            return Err(Error::usage(format!(
                "`target.weights` has {} numbers, but `target.brokers` has {brokers}",
                weights.len()
            ))
            .hint("write one positive number a broker, in the order of `target.brokers`; without `target.weights` all get the same"));
        }
        if let Some(wrong) = weights.iter().find(|weight| !weight.is_finite() || **weight <= 0.0) {
            return Err(Error::usage(format!(
                "`target.weights` holds {wrong}, but must hold positive numbers"
            ))
            .hint("a broker that is to get no clients is left out of `target.brokers`"));
        }
        let least = weights.iter().copied().fold(f64::INFINITY, f64::min);
        let most = weights.iter().copied().fold(0.0, f64::max);
        if most > least * MOST_APART {
            return Err(Error::usage(format!(
                "`target.weights` has {least} and {most}: the largest may be {MOST_APART} times the smallest"
            ))
            .hint("a broker of which so little is wanted is better stormed by a run of its own"));
        }
        if brokers > MOST_TURNS / 4 {
            return Err(Error::usage(format!(
                "`target.weights` is for up to {} brokers, and there are {brokers}",
                MOST_TURNS / 4
            ))
            .hint("leave `target.weights` out: all brokers then get the same"));
        }
        Ok(Self::of(counts(weights)))
    }

    /// A cycle in which each broker has so many turns, as far from each other as they can be.
    ///
    /// Smooth weighted round robin, as nginx has it: each turn every broker gains its weight, the richest one has the
    /// turn, and pays all that was gained.
    fn of(counts: Vec<u16>) -> Self {
        let is_even = counts.iter().all(|count| *count == counts[0]);
        let sum: i64 = counts.iter().map(|count| i64::from(*count)).sum();
        let mut riches = vec![0_i64; counts.len()];
        let mut given = vec![0_u16; counts.len()];
        let turns = (0..sum).map(|_| {
            for (wealth, gain) in riches.iter_mut().zip(&counts) {
                *wealth += i64::from(*gain);
            }
            // Of several that are as rich the first one, as its place in the list says.
            let richest = (0..riches.len()).rev().max_by_key(|at| riches[*at]).unwrap_or_default();
            riches[richest] -= sum;
            given[richest] += 1;
            (richest as u16, given[richest] - 1)
        });
        Self { turns: turns.collect(), counts, is_even }
    }

    /// Index of the broker that client `n` connects to.
    pub fn broker_of(&self, n: u64) -> usize {
        usize::from(self.turns[(n % self.turns.len() as u64) as usize].0)
    }

    /// How many clients with lower numbers go to the broker of client `n`: its clients take turns at its addresses.
    pub fn rank_of(&self, n: u64) -> u64 {
        let cycle = self.turns.len() as u64;
        let (broker, before) = self.turns[(n % cycle) as usize];
        n / cycle * u64::from(self.counts[usize::from(broker)]) + u64::from(before)
    }

    /// The share of the clients that a broker gets.
    pub fn share(&self, broker: usize) -> f64 {
        f64::from(self.counts[broker]) / self.turns.len() as f64
    }

    /// Brokers over which a worker's walk over local ports may count on clients in turn: 1 where they are not.
    pub fn in_turn(&self) -> usize {
        if self.is_even { self.counts.len() } else { 1 }
    }

    /// The largest share of the clients that has to do with a broker's ports: where all ports are for everybody, that of a
    /// broker; where each worker has its part of them, that of a worker at a broker, times the workers.
    pub fn largest(&self, workers: usize) -> f64 {
        if self.is_even {
            return self.share(0);
        }
        let workers = workers.max(1);
        let mut counts = vec![0_u64; self.counts.len() * workers];
        // After so many clients, workers and turns meet as they did first.
        let all = self.turns.len() * workers;
        for n in 0..all {
            counts[usize::from(self.turns[n % self.turns.len()].0) * workers + n % workers] += 1;
        }
        let most = counts.into_iter().max().unwrap_or_default();
        most as f64 / all as f64 * workers as f64
    }
}

impl Plan {
    /// The share of the clients that goes to the broker of that label; nothing where there is none.
    pub fn share_of(&self, label: &str) -> f64 {
        let at = self.brokers.iter().position(|broker| broker.label == label);
        at.map_or(0.0, |at| self.spread.share(at))
    }
}

/// Turns of each broker: the weights themselves where they are whole numbers, else their shares of the longest cycle.
fn counts(weights: &[f64]) -> Vec<u16> {
    let whole: Option<Vec<u64>> = weights
        .iter()
        .map(|weight| (weight.fract() == 0.0 && *weight < 1e15).then_some(*weight as u64))
        .collect();
    if let Some(whole) = whole {
        let common = whole.iter().copied().fold(0, greatest_common_divisor);
        let sum: u64 = whole.iter().map(|weight| weight / common).sum();
        if sum <= MOST_TURNS as u64 {
            return whole.iter().map(|weight| (weight / common) as u16).collect();
        }
    }
    let sum: f64 = weights.iter().sum();
    let turns = |weight: &f64| (weight / sum * MOST_TURNS as f64).round().max(1.0) as u16;
    weights.iter().map(turns).collect()
}

/// Euclid's algorithm.
fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
