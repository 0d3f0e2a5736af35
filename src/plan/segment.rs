//! A segment: the share of a run that one agent takes.
//!
//! Clients are dealt out in rounds of as many places as there are agents, which keep the weights, in an order that follows from the
//! seed; a cycle of rounds has a prime number of places. So each agent meets every kind
//! of token and every broker, whatever numbers those have, and the clients of each follow from seed, weights and index
//! alone. Clients that share a token stay together.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::base::error::{Error, Result};

/// Places of a cycle: a prime, so that no number of brokers or workers divides it, and many, so that weights are kept to
/// within a part in 65 521.
const CYCLE: u64 = 65_521;
/// Parts the random numbers that deal clients out from those of arrivals and kinds.
const STREAM: u64 = 0x7365_676d;

/// The share of one agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Its number, from 0.
    pub index: usize,
    /// The weights of all.
    pub weights: Vec<u64>,
    /// Its places of a cycle, in order.
    places: Arc<[u32]>,
    /// Clients in a place: those that share a token.
    reuse: u64,
}

impl Segment {
    /// Share `index` of a run that is split by these weights.
    ///
    /// # Errors
    /// When a weight is 0, there is no such index, or there are more shares than a cycle has places.
    pub fn new(index: usize, weights: &[u64], seed: u64, reuse: u64) -> Result<Self> {
        if index >= weights.len() {
            return Err(Error::usage(format!(
                "segment {index} of {}: the first segment is 0",
                weights.len()
            )));
        }
        let owners = owners(weights, seed)?;
        let places = (0..).zip(&owners).filter(|(_, owner)| **owner == index);
        Ok(Self {
            index,
            weights: weights.to_vec(),
            places: places.map(|(place, _)| place).collect(),
            reuse: reuse.max(1),
        })
    }

    /// The number of its client `own`, counted from 0.
    pub fn client(&self, own: u64) -> u64 {
        let (group, within) = (own / self.reuse, own % self.reuse);
        let count = self.places.len() as u64;
        let place = u64::from(self.places[(group % count) as usize]);
        (group / count * CYCLE + place) * self.reuse + within
    }

    /// How many of the first `clients` of the run are its own.
    pub fn count(&self, clients: u64) -> u64 {
        let (groups, rest) = (clients / self.reuse, clients % self.reuse);
        let place = (groups % CYCLE) as u32;
        let before = self.places.partition_point(|own| *own < place);
        let own = groups / CYCLE * self.places.len() as u64 + before as u64;
        let has_rest = self.places.get(before) == Some(&place);
        own * self.reuse + if has_rest { rest } else { 0 }
    }
}

/// How many of the first `clients` of a run each of its segments has: as [`Segment::count`] says of one.
///
/// # Errors
/// As [`Segment::new`].
pub fn counts(clients: u64, weights: &[u64], seed: u64, reuse: u64) -> Result<Vec<u64>> {
    let reuse = reuse.max(1);
    let (groups, rest) = (clients / reuse, clients % reuse);
    let (cycles, place) = (groups / CYCLE, groups % CYCLE);
    let mut counts = vec![0; weights.len()];
    for (at, owner) in (0..).zip(owners(weights, seed)?) {
        counts[owner] += (cycles + u64::from(at < place)) * reuse;
        counts[owner] += if at == place { rest } else { 0 };
    }
    Ok(counts)
}

/// Who has each place of a cycle.
fn owners(weights: &[u64], seed: u64) -> Result<Vec<usize>> {
    if weights.contains(&0) || weights.len() as u64 > CYCLE {
        return Err(Error::usage(format!(
            "a run is split by {} weights: they are above 0, and at most {CYCLE}",
            weights.len()
        )));
    }
    let mut owners = dealt(weights);
    // Fisher and Yates within each round; the bias of a remainder of 64 bits is nothing.
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ STREAM);
    for round in owners.chunks_mut(weights.len().max(1)) {
        for last in (1..round.len()).rev() {
            round.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
        }
    }
    Ok(owners)
}

/// Who has each place of a cycle before rounds are mixed, in turns that keep the weights from the first place on: each goes to whom it brings closest
/// to its share from below (the divisor method of Webster and Sainte-Lague).
fn dealt(weights: &[u64]) -> Vec<usize> {
    let turn = |count: u64, owner: usize| {
        let due = (2 * count + 1) as f64 / weights[owner] as f64;
        // Above zero, so that their bits are in their order.
        Reverse((due.to_bits(), owner, count))
    };
    let mut turns: BinaryHeap<_> = (0..weights.len()).map(|owner| turn(0, owner)).collect();
    let mut owners = Vec::with_capacity(CYCLE as usize);
    while owners.len() < CYCLE as usize {
        let Some(Reverse((_, owner, count))) = turns.pop() else { break };
        owners.push(owner);
        turns.push(turn(count + 1, owner));
    }
    owners
}

/// A whole split by weights, to the nearest: what is left over goes to the largest remainders, and among equals to the first.
pub fn apportioned(whole: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum::<u128>().max(1);
    let exact = |weight: &u64| u128::from(*weight) * u128::from(whole);
    let mut shares: Vec<u64> = weights.iter().map(|weight| (exact(weight) / sum) as u64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| Reverse(exact(&weights[*index]) % sum));
    let left = whole.saturating_sub(shares.iter().sum());
    for index in order.into_iter().take(left as usize) {
        shares[index] += 1;
    }
    shares
}

#[cfg(test)]
mod tests;
