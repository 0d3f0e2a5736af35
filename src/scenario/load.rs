//! `[load]`: how many clients come, how fast, from where, and how long they stay.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};

/// `[load]` of a scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// `open`: arrivals do not wait for answers. `closed`: a new one starts when one has its
    /// outcome. Default: `closed` where `concurrency` is given, else `open`.
    pub mode: Option<LoadMode>,
    /// How arrivals of the open model are spread.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Rates over time (open model).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// At most so many clients in all; in the closed model exactly so many.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Clients>")]
    pub clients: Option<u64>,
    /// Attempts without an outcome at one time (`closed`, `churn`). A client that holds does not count. In `preconnect`
    /// connections that are being opened at one time.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Clients>")]
    pub concurrency: Option<u32>,
    /// Attempts scheduled before it ends are judged, but left out of the latencies.
    #[serde(default, with = "bounds::Time")]
    pub warmup: Duration,
    /// An accepted client stays this long, pings, then disconnects. Default: 10 s; in `churn` and `preconnect` 0 s.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub hold: Option<Duration>,
    /// From started to CONNACK; a deadline in any phase is the outcome `timeout`.
    #[serde(default = "super::seconds::<10>", with = "bounds::Time")]
    pub connect_timeout: Duration,
    /// Keep alive of CONNECT, 0 to 65535 s; 0 turns pings off.
    #[serde(default = "super::seconds::<60>", with = "bounds::Time")]
    pub keep_alive: Duration,
    /// Clean Start (5.0) or Clean Session (3.1.1).
    #[serde(default = "super::yes")]
    pub clean_start: bool,
    /// Local addresses to connect from; each gives about 28 000 connections to one broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<IpAddr>,
    /// Where they were given, where that was not here.
    #[serde(skip)]
    pub sources_from: Option<&'static str>,
    /// How long `churn` goes on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub r#for: Option<Duration>,
    /// Connections that `preconnect` opens before it sends their CONNECTs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Clients>")]
    pub wave: Option<u64>,
    /// CONNECTs a second that a wave is released at. Default: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Rate>")]
    pub release: Option<f64>,
    /// How long a connection of `preconnect` may stand before its CONNECT is due, below what the broker allows.
    #[serde(default = "super::seconds::<5>", with = "bounds::Time")]
    pub login_timeout: Duration,
    /// How a client closes its connection.
    #[serde(default)]
    pub close: Closing,
    /// What says when a CONNACK has come.
    #[serde(default)]
    pub receive_time: ReceiveTime,
    /// `strict`: a run limited by the generator exits 3.
    #[serde(default)]
    pub validity: ValidityRule,
    /// Threads that drive the clients. Default: half the CPUs, at least 1, at most 16; the other
    /// half signs tokens, and serves a broker on the same host.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Count>")]
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
    /// The same for a set time, and a client leaves with its verdict.
    Churn,
    /// Connections are opened first; their CONNECTs are sent together, wave after wave.
    Preconnect,
}

/// How a client closes its connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// DISCONNECT, then the broker is given time to close first, so that `TIME_WAIT` takes up no port of ours.
    #[default]
    Orderly,
    /// DISCONNECT where it was accepted, and a reset at once (`SO_LINGER` 0): no side keeps the port.
    Reset,
}

/// What says when a CONNACK has come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveTime {
    /// This program, when it reads it.
    #[default]
    User,
    /// The kernel, when its segment arrives (`SO_TIMESTAMPING`, software): a generator that is busy does not lengthen
    /// what the broker took. Plain TCP only.
    Kernel,
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
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Rate>")]
    pub rate: Option<f64>,
    /// Arrivals a second at the end of the stage; the start is where the stage before ended, or 0.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Rate>")]
    pub ramp_to: Option<f64>,
    /// How long the stage lasts.
    #[serde(with = "bounds::Time")]
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
    /// Where the addresses to connect from were given, as errors name it.
    pub fn sources_key(&self) -> &'static str {
        self.sources_from.unwrap_or("load.source_addresses")
    }

    /// How long an accepted client stays.
    pub fn hold(&self) -> Duration {
        self.hold.unwrap_or(match self.model() {
            LoadMode::Open | LoadMode::Closed => Duration::from_secs(10),
            LoadMode::Churn | LoadMode::Preconnect => Duration::ZERO,
        })
    }

    /// The model: as given, or `closed` where only `concurrency` is.
    pub fn model(&self) -> LoadMode {
        self.mode.unwrap_or(if self.concurrency.is_some() && self.stages.is_empty() {
            LoadMode::Closed
        } else {
            LoadMode::Open
        })
    }
}
