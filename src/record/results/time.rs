//! Times as files have them: microseconds, percentiles, and the distribution of a phase.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::record::measure::latency::{Latency, Quantile};

/// A time in microseconds, or `">timeout"` where it falls among attempts that never completed the
/// phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Percentile {
    /// Microseconds, or the number that a threshold bounds.
    Number(f64),
    /// Longer than these microseconds, the timeout.
    Beyond(f64),
    /// Among attempts that ended without an answer before their timeout, which is this: no time is known of them. Files
    /// of JSON do not tell the two apart, cells of CSV do.
    Unanswered(f64),
}

impl Percentile {
    /// The time in microseconds, or the number that a threshold bounds; `None` where there is none.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Beyond(_) | Self::Unanswered(_) => None,
        }
    }

    /// Beyond which time it lies, in microseconds; `None` of one that is a number, or of which nothing is known.
    pub fn bound(self) -> Option<f64> {
        match self {
            Self::Beyond(timeout) => Some(timeout),
            Self::Number(_) | Self::Unanswered(_) => None,
        }
    }

    /// The timeout in microseconds, of a percentile that is no number.
    pub fn timeout(self) -> Option<f64> {
        match self {
            Self::Number(_) => None,
            Self::Beyond(timeout) | Self::Unanswered(timeout) => Some(timeout),
        }
    }
}

impl std::fmt::Display for Percentile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Beyond(timeout) | Self::Unanswered(timeout) => write!(f, ">{timeout}"),
        }
    }
}

impl Serialize for Percentile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => to.serialize_f64(*number),
            beyond => to.collect_str(beyond),
        }
    }
}

impl<'de> Deserialize<'de> for Percentile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(number) => Ok(Self::Number(number)),
            Written::Text(text) => {
                let timeout = text.strip_prefix('>').and_then(|timeout| timeout.parse().ok());
                let timeout = timeout.filter(|timeout: &f64| timeout.is_finite());
                timeout.map(Self::Beyond).ok_or_else(|| {
                    D::Error::custom("a time is a number of microseconds, or `>` and the timeout")
                })
            }
        }
    }
}

/// The times of a phase. A percentile among attempts that never completed the phase reads `">..."`
/// with the limit of the phase in microseconds: `load.connect_timeout`; of `expiry_enforcement`,
/// `expiry_leeway` and `grace` together; of `reconnect`, `load.hold`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PhaseStats {
    /// Attempts or operations that completed the phase.
    pub count: u64,
    /// Attempts or operations that entered it and did not complete it. Percentiles count them as
    /// longer than all others.
    pub unfinished: u64,
    /// The shortest time, in microseconds. Null if none completed the phase.
    pub min_us: Option<f64>,
    /// The mean of those that completed it, in microseconds. Null if there were none.
    pub mean_us: Option<f64>,
    /// The median, in microseconds.
    pub p50_us: Percentile,
    /// The 90th percentile, in microseconds.
    pub p90_us: Percentile,
    /// The 95th.
    pub p95_us: Percentile,
    /// The 99th.
    pub p99_us: Percentile,
    /// The 99.9th.
    pub p999_us: Percentile,
    /// The 99.99th.
    pub p9999_us: Percentile,
    /// The longest time, in microseconds.
    pub max_us: Percentile,
}

/// Nanoseconds as microseconds, to the nanosecond.
pub fn microseconds(nanoseconds: f64) -> f64 {
    nanoseconds.round() / 1000.0
}

impl PhaseStats {
    /// The statistics of a phase, where anybody entered it; `timeout` in nanoseconds.
    pub fn new(latency: &Latency, timeout: u64) -> Option<Self> {
        let at = |percent| percentile(latency, percent, timeout);
        (!latency.is_empty()).then(|| Self {
            count: latency.count(),
            unfinished: latency.unfinished,
            min_us: latency.least().map(|least| microseconds(least as f64)),
            mean_us: latency.mean().map(microseconds),
            p50_us: at(50.0),
            p90_us: at(90.0),
            p95_us: at(95.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            p9999_us: at(99.99),
            max_us: at(100.0),
        })
    }

    /// Nobody ran into the timeout: of what was not answered no time is known.
    pub(super) fn without_timeouts(&mut self) {
        for (_, percentile) in self.percentiles() {
            if let Percentile::Beyond(timeout) = *percentile {
                *percentile = Percentile::Unanswered(timeout);
            }
        }
    }

    /// Its percentiles, each with the name of its column less the unit.
    pub(super) fn percentiles(&mut self) -> [(&'static str, &mut Percentile); 7] {
        [
            ("p50", &mut self.p50_us),
            ("p90", &mut self.p90_us),
            ("p95", &mut self.p95_us),
            ("p99", &mut self.p99_us),
            ("p999", &mut self.p999_us),
            ("p9999", &mut self.p9999_us),
            ("max", &mut self.max_us),
        ]
    }
}

/// A percentile of a phase that anybody entered.
pub fn percentile_of(latency: &Latency, percent: f64, timeout: u64) -> Option<Percentile> {
    (!latency.is_empty()).then(|| percentile(latency, percent, timeout))
}

/// A percentile as files have it.
pub fn percentile(latency: &Latency, percent: f64, timeout: u64) -> Percentile {
    match latency.percentile(percent) {
        Quantile::Time(time) => Percentile::Number(microseconds(time as f64)),
        Quantile::Beyond if latency.is_timeout(percent) => {
            Percentile::Beyond((timeout / 1000) as f64)
        }
        Quantile::Beyond => Percentile::Unanswered((timeout / 1000) as f64),
    }
}
