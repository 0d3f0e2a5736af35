//! How often each of an open set of things came.

use serde::{Deserialize, Serialize};

/// How often each thing came, in the order in which they came first. There are few: they are searched one by one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tallies<K>(pub(super) Vec<(K, u64)>);

impl<K: Copy + PartialEq> Tallies<K> {
    /// Counts something so many times.
    pub fn add(&mut self, thing: K, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((thing, count)),
        }
    }

    /// Counts something once less, where it was counted.
    pub fn take_one(&mut self, thing: K) {
        if let Some((_, sum)) = self.0.iter_mut().find(|(known, _)| *known == thing) {
            *sum = sum.saturating_sub(1);
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// Adds all that another counted.
    pub fn merge(&mut self, other: &Self) {
        for (thing, count) in other {
            self.add(*thing, *count);
        }
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How often something came.
    pub fn count(&self, thing: K) -> u64 {
        self.0.iter().filter(|(known, _)| *known == thing).map(|(_, count)| count).sum()
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How often anything came.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl<K> Default for Tallies<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, K> IntoIterator for &'a Tallies<K> {
    type Item = &'a (K, u64);
    type IntoIter = std::slice::Iter<'a, (K, u64)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
