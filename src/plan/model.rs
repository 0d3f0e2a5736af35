//! How attempts come about: the models of load, and how many attempts there are in each.

use std::time::Duration;

use super::{
    broker::Broker,
    range::check_range,
    schedule::{Rates, Schedule},
};
use crate::{
    base::{
        error::{Error, Result},
        numbers::whole,
    },
    scenario::{Arrivals, Load, LoadMode, ReceiveTime, bounds::LONGEST},
};

/// Tokens that are handed to a worker at one time: enough that a channel's cost vanishes, few enough that a slow signer
/// delivers several batches a second.
pub const BATCH: u64 = 16;
/// Attempts of a run whose scenario sets no bound.
const MOST_ATTEMPTS: u64 = 100_000_000;
/// Connections of a wave, where the scenario does not say.
const WAVE: u64 = 1000;
/// Connections that may stand at one time.
const MOST_STANDING: u64 = 100_000;
/// Connections of a wave that are being opened at one time, where the scenario does not say: few enough that no listen
/// backlog overflows.
const OPENING: u32 = 64;
/// The highest rate of a release.
const MOST_A_SECOND: f64 = 10_000_000.0;

/// How attempts come about.
#[derive(Clone, Debug)]
pub enum Model {
    /// Arrivals on a schedule.
    Open {
        /// Rates over time.
        rates: Rates,
        /// How arrivals are spread.
        arrivals: Arrivals,
    },
    /// So many attempts under way at one time.
    Closed {
        /// How many.
        concurrency: u32,
        /// When no more are started, from the start of the storm; `None` where their number ends it.
        length: Option<Duration>,
    },
    /// Connections first, then their CONNECTs, in waves.
    Preconnect(Waves),
}

/// The waves of `preconnect`.
#[derive(Clone, Copy, Debug)]
pub struct Waves {
    /// Connections in each but the last; a multiple of the tokens that come in one batch to all workers.
    pub size: u64,
    /// Connections that are being opened at one time.
    pub opening: u32,
    /// CONNECTs a second of a wave that is released; `None` for all at once.
    pub rate: Option<f64>,
    /// How long connections may stand until the last one does.
    pub patience: Duration,
}

impl Model {
    /// The model of a load that so many workers drive.
    ///
    /// # Errors
    /// When a key is missing, out of range, or belongs to another model.
    pub(super) fn resolve(load: &Load, workers: usize, warnings: &mut Vec<String>) -> Result<Self> {
        check_keys(load)?;
        match load.model() {
            LoadMode::Open => {
                Ok(Self::Open { rates: Rates::resolve(&load.stages)?, arrivals: load.arrivals })
            }
            mode @ (LoadMode::Closed | LoadMode::Churn) => {
                let concurrency = load.concurrency.filter(|concurrency| *concurrency > 0).ok_or_else(|| {
                    Error::usage("`load.concurrency` is missing or 0: the closed model needs to know how many at one time")
                        .hint("write `concurrency = 64`")
                })?;
                if load.warmup > Duration::ZERO {
                    warnings.push(
                        "`load.warmup` counts from the start of the run in the closed model too"
                            .into(),
                    );
                }
                let length = (mode == LoadMode::Churn).then(|| length(load)).transpose()?;
                Ok(Self::Closed { concurrency, length })
            }
            LoadMode::Preconnect => Ok(Self::Preconnect(waves(load, workers)?)),
        }
    }

    /// The due times of so many clients at most; `None` where they hang on answers.
    pub fn schedule(&self, seed: u64, clients: u64) -> Option<Schedule> {
        match self {
            Self::Open { rates, arrivals } => Some(Schedule::new(rates, *arrivals, seed, clients)),
            _ => None,
        }
    }

    /// Its name in scenarios.
    pub fn mode(&self) -> LoadMode {
        match self {
            Self::Open { .. } => LoadMode::Open,
            Self::Closed { length: None, .. } => LoadMode::Closed,
            Self::Closed { length: Some(_), .. } => LoadMode::Churn,
            Self::Preconnect(_) => LoadMode::Preconnect,
        }
    }

    /// Its name in files.
    pub fn name(&self) -> &'static str {
        match self.mode() {
            LoadMode::Open => "open",
            LoadMode::Closed => "closed",
            LoadMode::Churn => "churn",
            LoadMode::Preconnect => "preconnect",
        }
    }

    /// Whether attempts are due at instants that do not hang on answers: then being late is the generator's fault.
    pub fn is_paced(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Closed { .. } => false,
            Self::Preconnect(waves) => waves.rate.is_some(),
        }
    }
}

/// Refuses keys that belong to another model.
fn check_keys(load: &Load) -> Result<()> {
    let mode = load.model();
    let (open, churn, waves) =
        (mode == LoadMode::Open, mode == LoadMode::Churn, mode == LoadMode::Preconnect);
    for (is_given, belongs, key, models, way_out) in [
        (
            load.concurrency.is_some(),
            !open,
            "concurrency",
            "the closed model",
            "leave `stages` out, or write `mode = \"closed\"` without them",
        ),
        (
            !load.stages.is_empty(),
            open,
            "stages",
            "the open model",
            "leave `stages` out, or write `mode = \"open\"` without `concurrency`",
        ),
        (load.r#for.is_some(), churn, "for", "`mode = \"churn\"`", "leave it out"),
        (load.wave.is_some(), waves, "wave", "`mode = \"preconnect\"`", "leave it out"),
        (load.release.is_some(), waves, "release", "`mode = \"preconnect\"`", "leave it out"),
    ] {
        if is_given && !belongs {
            let mode = serde_json::to_value(mode).unwrap_or_default();
            let mode = mode.as_str().unwrap_or_default();
            return Err(Error::usage(format!(
                "`load.{key}` belongs to {models}, but `load.mode` is {mode}"
            ))
            .hint(way_out));
        }
    }
    if churn && load.hold.is_some_and(|hold| !hold.is_zero()) {
        return Err(Error::usage(
            "`load.hold` is not 0s, but in `mode = \"churn\"` a client leaves with its verdict",
        )
        .hint("leave it out, or write `mode = \"closed\"` with `clients`"));
    }
    Ok(())
}

fn length(load: &Load) -> Result<Duration> {
    let length = load.r#for.filter(|length| !length.is_zero()).ok_or_else(|| {
        Error::usage("`load.for` is missing or 0s: `churn` needs to know how long it goes on")
            .hint("write `for = \"30s\"`")
    })?;
    if load.warmup >= length {
        return Err(Error::usage(format!(
            "`load.warmup` is {}, and `load.for` {}: nothing would be timed",
            humantime::format_duration(load.warmup),
            humantime::format_duration(length)
        ))
        .hint("shorten `load.warmup`, or lengthen `load.for`"));
    }
    Ok(length)
}

fn waves(load: &Load, workers: usize) -> Result<Waves> {
    let wave = load.wave.unwrap_or(WAVE);
    check_range("load.wave", wave, 1..=MOST_STANDING, " connections")?;
    if load.release.is_some_and(|rate| !(rate > 0.0 && rate <= MOST_A_SECOND)) {
        return Err(Error::usage(format!(
            "`load.release` is {}, but must be above 0, and at most {MOST_A_SECOND} a second",
            load.release.unwrap_or_default()
        ))
        .hint("leave it out for all at once"));
    }
    if load.login_timeout.is_zero() || load.login_timeout > load.connect_timeout {
        let shown = humantime::format_duration;
        return Err(Error::usage(format!(
            "`load.login_timeout` is {}, but must be above 0s and at most `load.connect_timeout`, which is {}",
            shown(load.login_timeout),
            shown(load.connect_timeout)
        ))
        .hint("it is how long the broker lets a connection stand before CONNECT comes"));
    }
    let opening = load.concurrency.unwrap_or(OPENING).max(1);
    let batches = BATCH * workers as u64;
    let size = wave.div_ceil(batches) * batches;
    let of_release = load.release.map_or(Duration::ZERO, |rate| {
        Duration::try_from_secs_f64(size as f64 / rate).map_or(LONGEST, |time| time.min(LONGEST))
    });
    let patience = load.login_timeout.saturating_sub(of_release);
    if patience.is_zero() {
        return Err(Error::usage(format!(
            "a wave of {size} connections at {} CONNECTs a second takes {}, and `load.login_timeout` is {}: the last ones would stand longer than the broker lets them",
            load.release.unwrap_or_default(),
            humantime::format_duration(of_release),
            humantime::format_duration(load.login_timeout)
        ))
        .hint("lower `load.wave`, or raise `load.release`"));
    }
    Ok(Waves { size, opening, rate: load.release, patience })
}

/// How many attempts there are in all; where a time ends the run, at most.
pub(super) fn attempts(load: &Load, model: &Model, seed: u64) -> Result<u64> {
    let clients = match (model, load.clients) {
        (_, Some(0)) => return Err(Error::usage("`load.clients` is 0: nobody would come")),
        (Model::Closed { length: None, .. } | Model::Preconnect(_), None) => {
            return Err(Error::usage(format!(
                "`load.clients` is missing: the {} model needs to know how many in all",
                model.name()
            ))
            .hint("write `clients = 20000`"));
        }
        (Model::Closed { length: Some(_), .. }, None) => MOST_ATTEMPTS,
        (_, clients) => clients.unwrap_or(u64::MAX),
    };
    let Model::Open { rates, arrivals } = model else { return Ok(clients) };
    if load.warmup >= rates.length() {
        return Err(Error::usage(format!(
            "`load.warmup` is {}, and `load.stages` last {}: nothing would be timed",
            humantime::format_duration(load.warmup),
            humantime::format_duration(rates.length())
        ))
        .hint("shorten `load.warmup`, or lengthen a stage"));
    }
    if rates.expected() > MOST_ATTEMPTS as f64 {
        return Err(Error::usage(format!(
            "`load.stages` ask for {} attempts in all",
            whole(rates.expected())
        ))
        .hint("at most 100 000 000 attempts fit into a run"));
    }
    match Schedule::new(rates, *arrivals, seed, clients).count() as u64 {
        0 => Err(Error::usage("`load.stages` are so short that nobody would come")
            .hint("raise a rate, or its `for`")),
        attempts => Ok(attempts),
    }
}

/// Refuses a clock of the kernel where its segments are not the broker's packets.
pub(super) fn check_receive_time(load: &Load, brokers: &[Broker]) -> Result<()> {
    let has_layers = brokers.iter().any(|broker| broker.tls || broker.ws.is_some());
    if load.receive_time == ReceiveTime::Kernel && has_layers {
        return Err(Error::usage(
            "`load.receive_time` is `kernel`, but a broker is behind TLS or WebSocket: when a segment of those arrives, nobody knows what is in it",
        )
        .hint("leave it out, or storm the broker over plain TCP"));
    }
    Ok(())
}

impl super::Plan {
    /// How long the storm lasts by its schedule, with the hold of the last client; `None` where that follows from what the
    /// brokers do.
    pub fn planned_length(&self) -> Option<Duration> {
        match &self.model {
            Model::Open { rates, .. } => Some(rates.length().saturating_add(self.load().hold())),
            Model::Closed { length, .. } => *length,
            Model::Preconnect(_) => None,
        }
    }
}
