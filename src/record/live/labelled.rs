//! Counts by the values of their labels.

use std::collections::BTreeMap;

/// How often what has these values of its labels came.
#[derive(Clone, Debug, Default)]
pub(super) struct Labelled<const LABELS: usize>(BTreeMap<[String; LABELS], u64>);

impl<const LABELS: usize> Labelled<LABELS> {
    /// Counts something so many times.
    pub(super) fn add(&mut self, values: [&str; LABELS], count: u64) {
        *self.0.entry(values.map(str::to_owned)).or_default() += count;
    }

    /// Adds all that another counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (values, count) in &other.0 {
            *self.0.entry(values.clone()).or_default() += count;
        }
    }

    /// All counts with their values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ([&str; LABELS], u64)> {
        self.0.iter().map(|(values, count)| (values.each_ref().map(String::as_str), *count))
    }
}
