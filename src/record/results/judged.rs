//! Thresholds of a run, and what became of them.

use serde::{Deserialize, Serialize};

use super::Percentile;
use crate::base::words::{BoundState, Metric, Phase, Unit, Word};

/// A threshold and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Judged {
    pub metric: String,
    pub condition: String,
    /// `None` where the run has no such number.
    pub observed: Option<Percentile>,
    /// `None` where the run can't tell.
    pub passed: Option<bool>,
    /// Why the run can't tell, where it measured something.
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
    /// The generator was late, and lateness only adds to times: a time that is too long may be its own.
    GeneratorLimited,
    /// The change whose time it bounds was not seen.
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

/// The threshold that ended a run before its time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Aborted {
    pub metric: String,
    pub condition: String,
    /// What had been observed by then; `thresholds` has what it was in the end.
    pub observed: Option<Percentile>,
    /// The second of the storm at whose end that was seen, as in `timeline.csv`.
    pub second: u64,
    /// Of a series: the run that was ended, by its folder.
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
