//! From which change on a metric counts, and where that comes from.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::metric::{self, Measured};
use crate::record::results::{Summary, trend::median};

/// Earlier results from which on their spread says more than a default.
pub const ENOUGH: usize = 10;
/// No spread is taken for smaller: what repeats so exactly once will not do so for ever.
const FLOOR: f64 = 0.01;

/// The changes that count, by where they come from: the command line before history before defaults.
#[derive(Clone, Debug, Default)]
pub struct Thresholds {
    /// `--threshold`, for all metrics.
    pub asked: Option<f64>,
    /// By metric, from the spread of earlier results.
    pub history: BTreeMap<String, f64>,
    /// How many those were.
    pub results: usize,
}

impl Thresholds {
    /// With those that follow from earlier results, each of one or more runs, from the oldest on; of fewer than ten
    /// nothing follows.
    #[must_use]
    pub fn with_history(mut self, results: &[Vec<Summary>]) -> Self {
        self.results = results.len();
        if results.len() < ENOUGH {
            return self;
        }
        let mut by_metric: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for runs in results {
            let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for measured in runs.iter().flat_map(metric::of) {
                values.entry(measured.metric).or_default().push(measured.value);
            }
            for (name, mut values) in values {
                by_metric.entry(name).or_default().push(median(&mut values));
            }
        }
        for (name, values) in by_metric {
            // One that some results have not says less than it seems.
            if values.len() == results.len() {
                self.history.insert(name, from_spread(&values));
            }
        }
        self
    }

    /// The change from which on a metric counts, and where that comes from.
    pub fn of(&self, measured: &Measured) -> (f64, Source) {
        if let Some(asked) = self.asked {
            return (asked, Source::Asked);
        }
        match self.history.get(&measured.metric) {
            Some(threshold) => (*threshold, Source::Earlier(self.results)),
            None => (measured.threshold, Source::Default),
        }
    }
}

/// Where a threshold comes from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Source {
    /// There is none, and nothing is said of it.
    #[default]
    None,
    /// There is none, as what is counted needs none.
    Counted,
    /// The command line.
    Asked,
    /// The spread of so many earlier results.
    Earlier(usize),
    /// What counts where nothing better is known.
    Default,
}

impl Source {
    /// By its words in a file; `None` of others.
    fn named(words: &str) -> Option<Self> {
        [Self::None, Self::Counted, Self::Asked, Self::Default]
            .into_iter()
            .find(|source| source.to_string() == words)
            .or_else(|| words.strip_suffix(EARLIER)?.parse().ok().map(Self::Earlier))
    }
}

/// What follows the number of earlier results.
const EARLIER: &str = " earlier results";

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Counted => f.write_str("none: counted"),
            Self::Asked => f.write_str("--threshold"),
            Self::Earlier(results) => write!(f, "{results}{EARLIER}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words = String::deserialize(from)?;
        Self::named(&words).ok_or_else(|| D::Error::custom("no source of a threshold"))
    }
}

/// The third quartile and three times the distance of both quartiles, of the relative changes from one result to the
/// next, as the CI of rustls has it, which takes it from rustc-perf; the fence of Tukey (Exploratory Data Analysis,
/// 1977) beyond which a value is far out.
fn from_spread(values: &[f64]) -> f64 {
    let mut changes: Vec<f64> =
        values.windows(2).map(|pair| (pair[1] / pair[0] - 1.0).abs()).collect();
    changes.sort_by(f64::total_cmp);
    let (first, third) = (quantile(&changes, 0.25), quantile(&changes, 0.75));
    (third + 3.0 * (third - first)).max(FLOOR)
}

/// A quantile of sorted values, linear between them (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len().saturating_sub(1)) as f64;
    let below = at.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        (Some(low), None) => *low,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
