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
    pub fn turn_of(&self, n: u64) -> u64 {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(weights: &[f64]) -> Spread {
        Spread::of(counts(weights))
    }

    #[test]
    fn without_weights_and_with_equal_ones_clients_take_turns() {
        for spread in [Spread::of(vec![1; 3]), spread(&[5.0, 5.0, 5.0])] {
            let brokers: Vec<usize> = (0..7).map(|n| spread.broker_of(n)).collect();
            assert_eq!(brokers, [0, 1, 2, 0, 1, 2, 0]);
            assert_eq!((spread.in_turn(), spread.turn_of(7)), (3, 2));
        }
    }

    #[test]
    fn by_weights_no_broker_has_its_clients_in_a_burst() {
        let of = |weights: &[f64], count| -> Vec<usize> {
            (0..count).map(|n| spread(weights).broker_of(n)).collect()
        };
        assert_eq!(of(&[3.0, 1.0], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(of(&[2.0, 1.0, 1.0], 4), [0, 1, 2, 0]);
        assert_eq!(of(&[0.5, 0.25, 0.25], 4), [0, 1, 2, 0]);
    }

    #[test]
    fn the_largest_share_is_that_of_a_worker_where_workers_have_ports_of_their_own() {
        assert!((spread(&[1.0, 1.0]).largest(7) - 0.5).abs() < 1e-9);
        // With one worker that of the broker.
        assert!((spread(&[3.0, 1.0]).largest(1) - 0.75).abs() < 1e-9);
        // Turns 0 1 2 0: of two workers one has turn 2 and half of broker 0, the other the rest.
        assert!((spread(&[2.0, 1.0, 1.0]).largest(2) - 0.5).abs() < 1e-9);
        // Turns 0 0 1 0: one of two workers has the second and the last, half of all: the whole, by half of the ports.
        assert!((spread(&[3.0, 1.0]).largest(2) - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn every_stretch_of_clients_falls_on_brokers_by_their_weights(
            weights in prop::collection::vec(0.5_f64..50.0, 1..8),
            from in 0_u64..1_000_000,
            length in 1_u64..5000,
        ) {
            let spread = spread(&weights);
            let mut seen = vec![0_u64; weights.len()];
            for n in from..from + length {
                let broker = spread.broker_of(n);
                if seen[broker] > 0 {
                    prop_assert!(spread.turn_of(n) > 0);
                }
                seen[broker] += 1;
            }
            let sum: f64 = weights.iter().sum();
            for (count, weight) in seen.iter().zip(&weights) {
                let due = weight / sum * length as f64;
                // Smooth: never further from its due than the brokers are many, and a cycle's rounding.
                let slack = weights.len() as f64 + length as f64 / 1000.0;
                prop_assert!((*count as f64 - due).abs() <= slack, "{seen:?} {weights:?}");
            }
        }

        #[test]
        fn the_clients_of_a_broker_have_turns_without_a_gap(
            weights in prop::collection::vec(1_u8..9, 1..6),
        ) {
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let spread = spread(&weights);
            let mut next = vec![0; weights.len()];
            for n in 0..500 {
                let broker = spread.broker_of(n);
                prop_assert_eq!(spread.turn_of(n), next[broker]);
                next[broker] += 1;
            }
        }
    }
}
