//! The metrics by their names, whoever they are written for. docs/live.md has them all.

mod of_attempts;
mod of_run;

use prometheus_client::registry::Unit;

use super::{Snapshot, cumulated::Cumulated};
use crate::{base::words::Word, record::results::environment::tool};

/// Names of labels with their values.
pub(super) type Labels<'a> = Vec<(&'a str, &'a str)>;

/// A metric with all of its samples.
pub(super) struct Family<'a> {
    /// Without the program's name before it, and without what its unit and its kind put behind it.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) samples: Samples<'a>,
}

/// The samples of a metric, by its kind.
pub(super) enum Samples<'a> {
    /// Always 1.
    Info(Labels<'a>),
    Gauges(Vec<(Labels<'a>, f64)>),
    Counters(Vec<(Labels<'a>, u64)>),
    /// Counters that are no whole numbers.
    Sums(Vec<(Labels<'a>, f64)>),
    Histograms(Vec<(Labels<'a>, &'a Cumulated)>),
}

/// The counter that others began, before this program did: nobody here knows when.
pub(super) const OF_OTHERS: &str = "monitor_cpu";

impl Family<'_> {
    fn new<'a>(name: &'static str, help: &'static str, samples: Samples<'a>) -> Family<'a> {
        Family { name, help, unit: None, samples }
    }

    /// Whether it has any samples.
    #[cfg(feature = "otlp")]
    pub(super) fn has_samples(&self) -> bool {
        match &self.samples {
            Samples::Info(_) => true,
            Samples::Gauges(samples) | Samples::Sums(samples) => !samples.is_empty(),
            Samples::Counters(samples) => !samples.is_empty(),
            Samples::Histograms(samples) => !samples.is_empty(),
        }
    }

    fn in_unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

/// A gauge of one sample.
fn gauge(name: &'static str, help: &'static str, value: f64) -> Family<'static> {
    Family::new(name, help, Samples::Gauges(vec![(Vec::new(), value)]))
}

/// A counter of one sample.
fn counter(name: &'static str, help: &'static str, count: u64) -> Family<'static> {
    Family::new(name, help, Samples::Counters(vec![(Vec::new(), count)]))
}

/// A sample for each word of a set, under this label: 1 where it is among those that are meant, and 0 where not.
fn states<W: Word>(label: &'static str, meant: &[W]) -> Vec<(Labels<'static>, f64)> {
    let is_meant = |word: &W| f64::from(u8::from(meant.contains(word)));
    W::WORDS.iter().map(|word| (vec![(label, word.name())], is_meant(word))).collect()
}

/// All metrics of a run, and what serves them; before the first run only the latter.
///
/// They are handed to `each` one after the other, as a matrix has tens of thousands of samples.
///
/// # Errors
/// Those of `each`.
pub(super) fn each<E>(
    snapshot: Option<&Snapshot>,
    mut each: impl FnMut(Family<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let tool = tool();
    let build = vec![("version", tool.version.as_str()), ("commit", tool.commit.as_str())];
    each(Family::new("build", "What serves these metrics.", Samples::Info(build)))?;
    let Some(snapshot) = snapshot else { return Ok(()) };
    of_run::all(snapshot).into_iter().try_for_each(&mut each)?;
    of_attempts::all(snapshot).into_iter().try_for_each(&mut each)
}
