//! What there is to know of the numbers of a run, and of what a search found: the reasons, and their words.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::judged::Aborted;
use crate::{
    base::{
        numbers::{count, nanos, whole},
        words::Cause,
    },
    record::measure::LATE,
};

/// How a reason begins whose sentence says that a search came to its end without a limit.
const ALL_HELD: &str = "all held up to";

/// Why the numbers of a run can't be taken at their face value, or what decided a search. In files it is a sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Arrivals started late: the 99th percentile of `start_delay`, in nanoseconds.
    LateArrivals(u64),
    /// So many of all clients waited for their own token.
    SlowSigning {
        /// Those that waited.
        waited: u64,
        /// All.
        of: u64,
    },
    /// So many name lookups waited for a thread.
    SlowLookups(u64),
    /// The generator used this share of the CPU that it may use.
    BusyGenerator(f64),
    /// So many connections did not stand when their wave was released.
    LateForWave(u64),
    /// So many attempts met a limit of this host.
    LocalLimit(u64),
    /// Attempts that could not be judged.
    NotJudged {
        /// How many.
        count: u64,
        /// Of how many.
        of: u64,
        /// At which brokers, in brackets.
        places: String,
    },
    /// A host that brokers share with the generator had next to no idle CPU.
    BusyHost {
        /// The least share that was idle.
        idle: f64,
        /// The most that the generator used.
        own: f64,
    },
    /// The wall clock moved, in nanoseconds.
    WallStep(i64),
    /// The user ended it.
    Interrupted {
        /// Attempts under way.
        abandoned: u64,
        /// Attempts that were not started, and all, where it is known how many there were to be.
        left: Option<(u64, u64)>,
    },
    /// A threshold ended it.
    Ended(Box<Aborted>),
    /// Of a search: at this rate the generator was the limit.
    GeneratorAt(f64, String),
    /// Of a search: at this rate the objectives did not hold.
    FailedAt(f64, String),
    /// Of a search: the objectives held up to the highest rate.
    AllHeld(f64),
    /// Of a search: what was the matter even at the lowest rate.
    NotEven(&'static str, f64),
    /// Of a series: it is so of one of its runs.
    OfRun(String, Box<Self>),
    /// Told elsewhere: by an agent, of a file, or in a folder that was read.
    Told(String),
}

impl Reason {
    /// A reason that was read.
    fn read(text: String) -> Self {
        let most = text
            .strip_prefix(ALL_HELD)
            .and_then(|rest| rest.split(' ').find_map(|word| word.parse().ok()));
        most.map_or(Self::Told(text), Self::AllHeld)
    }
}

impl Reason {
    /// What it is, in a word.
    pub fn cause(&self) -> Cause {
        match self {
            Self::LateArrivals(_) => Cause::LateArrivals,
            Self::SlowSigning { .. } => Cause::SlowSigning,
            Self::SlowLookups(_) => Cause::SlowLookups,
            Self::BusyGenerator(_) => Cause::BusyGenerator,
            Self::LateForWave(_) => Cause::LateForWave,
            Self::LocalLimit(_) => Cause::LocalLimit,
            Self::NotJudged { .. } => Cause::NotJudged,
            Self::BusyHost { .. } => Cause::BusyHost,
            Self::WallStep(_) => Cause::WallStep,
            Self::Interrupted { .. } => Cause::Interrupted,
            Self::Ended(_) => Cause::EndedEarly,
            Self::OfRun(_, reason) => reason.cause(),
            Self::GeneratorAt(..)
            | Self::FailedAt(..)
            | Self::AllHeld(_)
            | Self::NotEven(..)
            | Self::Told(_) => Cause::Other,
        }
    }
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::Told(words)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LATE_MS: u64 = LATE / 1_000_000;
        match self {
            Self::LateArrivals(p99) => write!(
                f,
                "arrivals started late: p99 of start_delay is {}, so the load was not the one of the schedule",
                nanos(*p99 as f64)
            ),
            Self::SlowSigning { waited, of } => write!(
                f,
                "{} of {} attempts waited over {LATE_MS} ms for their token: signing was slower than the load, and `connect` and `response` contain it",
                count(*waited),
                count(*of)
            ),
            Self::SlowLookups(late) => write!(
                f,
                "{} name lookups waited over {LATE_MS} ms for a thread to do them: `dns` contains our limit",
                count(*late)
            ),
            Self::BusyGenerator(share) => write!(
                f,
                "tokenstorm used {:.0} % of the CPU it may use over 5 s: the latencies may be its own",
                share * 100.0
            ),
            Self::LateForWave(late) => write!(
                f,
                "{} connections did not stand when their wave was released: they came after it",
                count(*late)
            ),
            Self::LocalLimit(local) => write!(
                f,
                "{} attempts met a limit of this host, and say nothing of the broker",
                count(*local)
            ),
            Self::NotJudged { count: open, of, places } => write!(
                f,
                "{} of {} attempts could not be judged{places}: verdicts are those of the others",
                count(*open),
                count(*of)
            ),
            Self::BusyHost { idle, own } => write!(
                f,
                "this host, which tokenstorm and the broker share, was only {:.0} % idle over 5 s: all on it slowed each other down (tokenstorm itself used {:.0} % at most)",
                idle * 100.0,
                own * 100.0
            ),
            Self::WallStep(step) => write!(
                f,
                "the wall clock moved by {} during the run: verdicts that hang on time may be wrong",
                nanos(step.unsigned_abs() as f64)
            ),
            Self::Interrupted { abandoned, left } => {
                write!(f, "{} attempts under way were abandoned", count(*abandoned))?;
                match left {
                    Some((left, of)) => {
                        write!(f, ", {} of {} were not started", count(*left), count(*of))
                    }
                    None => Ok(()),
                }
            }
            Self::Ended(aborted) => f.write_str(&aborted.words()),
            Self::GeneratorAt(rate, why) => {
                write!(f, "at {} a second the generator was the limit: {why}", whole(*rate))
            }
            Self::FailedAt(rate, why) => write!(f, "at {} a second: {why}", whole(*rate)),
            Self::AllHeld(most) => write!(f, "{ALL_HELD} `capacity.most`, {most} a second"),
            Self::NotEven(what, start) => {
                write!(f, "{what} at the lowest rate, {start} a second")
            }
            Self::OfRun(run, reason) => write!(f, "{run}: {reason}"),
            Self::Told(words) => f.write_str(words),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::read)
    }
}

/// Reasons as one sentence.
pub fn joined(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_came_to_its_end_without_a_limit_is_known_from_its_file_too() {
        let written = serde_json::to_string(&Reason::AllHeld(25_000.0)).unwrap();
        assert_eq!(written, "\"all held up to `capacity.most`, 25000 a second\"");
        assert_eq!(serde_json::from_str::<Reason>(&written).unwrap(), Reason::AllHeld(25_000.0));
        let other = Reason::FailedAt(20.0, "connack p99 < 1s (2.0 s)".into());
        let written = serde_json::to_string(&other).unwrap();
        let read: Reason = serde_json::from_str(&written).unwrap();
        assert_eq!(read, Reason::Told(other.to_string()));
    }
}
