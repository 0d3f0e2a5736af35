//! `[capacity]`, `[control]` and `[sweep]`: scenarios that are many runs.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Algorithm,
    bounds::{self, As},
};

/// `[capacity]`: the highest rate of arrivals at which the objectives hold is searched for.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// What must hold at a rate: metrics and conditions as in `[thresholds]`.
    #[serde(deserialize_with = "super::threshold::objectives")]
    pub slo: BTreeMap<String, Vec<String>>,
    /// Arrivals a second of the first step, and the lowest rate there is.
    #[serde(default = "super::whole::<100, f64>", with = "bounds::Rate")]
    pub start: f64,
    /// By what the rate is multiplied as long as the objectives hold, above 1.
    #[serde(default = "step", with = "bounds::Share")]
    pub step: f64,
    /// How long a step is measured, after its warm-up; longer where its percentile needs more samples.
    #[serde(default = "super::seconds::<10>", with = "bounds::Time")]
    pub hold: Duration,
    /// How long a step goes on before it is measured.
    #[serde(default = "super::seconds::<2>", with = "bounds::Time")]
    pub warmup: Duration,
    /// How near the highest rate that held and the lowest that did not must come, as a share of the former.
    #[serde(default = "precision", with = "bounds::Share")]
    pub precision: f64,
    /// How often the rate that was found is run again; each time it must hold.
    #[serde(default = "super::whole::<3, u32>", with = "bounds::Count")]
    pub confirm: u32,
    /// The highest rate that is tried.
    #[serde(default = "super::whole::<1_000_000, f64>", with = "bounds::Rate")]
    pub most: f64,
    /// Steps after which the search ends with what is known.
    #[serde(default = "super::whole::<40, u32>", with = "bounds::Count")]
    pub max_steps: u32,
    /// How long the broker is left alone between two steps.
    #[serde(default = "super::seconds::<1>", with = "bounds::Time")]
    pub rest: Duration,
}

/// `[control]`: what verifying costs, by the same load with and without tokens to verify.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Which runs are compared.
    #[serde(default = "all")]
    pub arms: Vec<Arm>,
    /// How often each is run; at least 2, as an interval needs them.
    #[serde(default = "super::whole::<5, u32>", with = "bounds::Count")]
    pub repeat: u32,
    /// What clients bring in the runs without tokens.
    #[serde(default)]
    pub without: Without,
    /// Where the broker lets them in like that. Default: the same brokers; embedded ones need not be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// The user name of `without = "password"`, with templates as in `[identity]`.
    pub username: Option<String>,
    /// Name of the environment variable that holds its password.
    pub password_env: Option<String>,
    /// How long the broker is left alone between two runs.
    #[serde(default = "super::seconds::<1>", with = "bounds::Time")]
    pub rest: Duration,
}

fn all() -> Vec<Arm> {
    vec![Arm::Without, Arm::Reused, Arm::Unique]
}

/// One of the runs that are compared.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// No token comes.
    Without,
    /// All bring the same token.
    Reused,
    /// Each brings its own.
    Unique,
}

impl Arm {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::Reused => "reused",
            Self::Unique => "unique",
        }
    }
}

/// What clients bring where no token is verified.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Without {
    /// Neither user name nor password.
    #[default]
    Anonymous,
    /// A user name and a password that the broker compares.
    Password,
}

/// `[sweep]`: the same scenario at all combinations of these values.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    /// `alg` of the good tokens. Default: that of the scenario.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub algorithm: Vec<Algorithm>,
    /// Bits of RSA keys; other keys are run once, whatever stands here.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "Vec::<bounds::Length>")]
    pub rsa_bits: Vec<u16>,
    /// Version of MQTT: 4 or 5.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocol: Vec<u8>,
    /// Percent of the arrivals whose tokens must be refused.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "Vec::<bounds::Share>")]
    pub bad_share: Vec<f64>,
    /// Length of a good token in bytes, by a claim that pads it.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "Vec::<bounds::Length>")]
    pub token_bytes: Vec<u32>,
    /// How often each combination is run.
    #[serde(with = "bounds::Count")]
    pub repeat: u32,
    /// How long the broker is left alone between two runs.
    #[serde(with = "bounds::Time")]
    pub rest: Duration,
}

impl Sweep {
    /// How many values each axis has.
    pub fn lengths(&self) -> [usize; 5] {
        [
            self.algorithm.len(),
            self.rsa_bits.len(),
            self.protocol.len(),
            self.bad_share.len(),
            self.token_bytes.len(),
        ]
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            algorithm: Vec::new(),
            rsa_bits: Vec::new(),
            protocol: Vec::new(),
            bad_share: Vec::new(),
            token_bytes: Vec::new(),
            repeat: 1,
            rest: Duration::from_secs(1),
        }
    }
}

fn step() -> f64 {
    1.5
}

fn precision() -> f64 {
    0.05
}
