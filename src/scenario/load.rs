//! `[load]`: how many clients come, how fast, from where, and how long they stay.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[load]` of a scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// `open`: arrivals do not wait for answers. `closed`: a new one starts when one has its
    /// outcome. Default: `closed` where `concurrency` is given, else `open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LoadMode>,
    /// How arrivals of the open model are spread.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Rates over time (open model).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// At most so many clients in all; in the closed model exactly so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
    /// Attempts without an outcome at one time (closed model). A client that holds does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Attempts scheduled before it ends are judged, but left out of the latencies.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "String")]
    pub warmup: Duration,
    /// An accepted client stays this long, pings, then disconnects.
    #[serde(default = "seconds::<10>", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub hold: Duration,
    /// From started to CONNACK; a deadline in any phase is the outcome `timeout`.
    #[serde(default = "seconds::<10>", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// Keep alive of CONNECT, 0 to 65535 s; 0 turns pings off.
    #[serde(default = "seconds::<60>", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keep_alive: Duration,
    /// Clean Start (5.0) or Clean Session (3.1.1).
    #[serde(default = "yes")]
    pub clean_start: bool,
    /// Local addresses to connect from; each gives about 28 000 connections to one broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<IpAddr>,
    /// `strict`: a run limited by the generator exits 3.
    #[serde(default)]
    pub validity: ValidityRule,
    /// Threads that drive the clients. Default: half the CPUs, at least 1, at most 16; the other
    /// half signs tokens, and serves a broker on the same host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u16>,
}

/// How new attempts come about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// Arrivals follow a schedule and do not wait for answers.
    Open,
    /// A fixed number of attempts is under way.
    Closed,
}

/// The arrival process of the open model.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly spaced.
    Constant,
    /// Independent clients: exponential gaps.
    #[default]
    Poisson,
}

/// One stretch of the open model's schedule: a steady `rate`, or a ramp from the rate before.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Arrivals a second during the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Arrivals a second at the end of the stage; the start is where the stage before ended, or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_to: Option<f64>,
    /// How long the stage lasts.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub r#for: Duration,
}

/// What a run that the generator limited exits with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidityRule {
    /// Said in the summary.
    #[default]
    Report,
    /// Said in the summary, and exit code 3.
    Strict,
}

impl Load {
    /// The model: as given, or `closed` where only `concurrency` is.
    pub fn model(&self) -> LoadMode {
        self.mode.unwrap_or(if self.concurrency.is_some() && self.stages.is_empty() {
            LoadMode::Closed
        } else {
            LoadMode::Open
        })
    }
}

fn seconds<const N: u64>() -> Duration {
    Duration::from_secs(N)
}

fn yes() -> bool {
    true
}
