//! Thresholds of a run, and what became of them.

use serde::{Deserialize, Serialize};

use super::Percentile;
use crate::base::words::{BoundState, Metric, Phase, Unit, Word};

/// A threshold and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Judged {
    /// The number that the threshold bounds, as the scenario writes it.
    pub metric: String,
    /// The bound, such as `p99 < 50ms`.
    pub condition: String,
    /// The number, times in microseconds. Null if the run has no such number.
    pub observed: Option<Percentile>,
    /// Whether the bound holds. Null if the run can't tell.
    pub passed: Option<bool>,
    /// Why the run can't tell although it measured something. The run then exits with 3, unless a
    /// false accept or a broker that went away makes it 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Undecided>,
}

impl Judged {
    /// How it stands.
    pub fn state(&self) -> BoundState {
        match self.passed {
            Some(true) => BoundState::Held,
            Some(false) => BoundState::Missed,
            None => BoundState::Undecided,
        }
    }

    /// Whether it bounds a time: of a phase, but for counts of it, or of another number that is one.
    pub fn is_time(&self) -> bool {
        let name = self.metric.split('{').next().unwrap_or_default().trim();
        let is_phase = Phase::named(name).is_some() && !self.condition.starts_with("count");
        is_phase || Metric::named(name).is_some_and(|metric| metric.unit() == Unit::Time)
    }
}

/// Why a threshold is neither held nor missed, so that the run has not measured what it was to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undecided {
    /// The load generator was late, and its lateness may be what makes the time too long.
    GeneratorLimited,
    /// The threshold bounds the time of a change of keys that was not seen: no broker accepted the
    /// old key before, or all accepted the new one before it was published.
    NeverHappened,
}

impl Undecided {
    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::GeneratorLimited => "the generator was late, and its lateness is in this time",
            Self::NeverHappened => "the change whose time it bounds was never seen",
        }
    }
}

/// The threshold that ended a run early.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Aborted {
    /// The number that the threshold bounds, as the scenario writes it.
    pub metric: String,
    /// The bound.
    pub condition: String,
    /// The number at that moment, times in microseconds; `thresholds` has the final one. Null if
    /// there was none.
    pub observed: Option<Percentile>,
    /// The second of the storm at whose end the run was ended, as in `timeline.csv`.
    pub second: u64,
    /// The run of the series that was ended, by the name of its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Aborted {
    /// That the run ended, and why.
    pub fn words(&self) -> String {
        let Self { metric, condition, second, run, .. } = self;
        let run = run.as_ref().map_or_else(String::new, |run| format!("run {run} "));
        format!("{run}ended early in second {second}: `{metric}` {condition} did not hold")
    }
}
