//! `[session]`: what an accepted client does with its connection.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Mix,
    bounds::{self, As},
};

/// `[session]` of a scenario. Without it an accepted client holds, pings and leaves.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    /// What a client does before its token ends.
    #[serde(default)]
    pub renew: Renew,
    /// So long before `exp` a token is renewed at the latest.
    #[serde(default = "super::seconds::<5>", with = "bounds::Time")]
    pub renew_before: Duration,
    /// Up to so much earlier, drawn by client and turn.
    #[serde(default, with = "bounds::Time")]
    pub renew_jitter: Duration,
    /// With which tokens clients authenticate again: entries as in `[[mix]]`, drawn by client and turn. Default: `fresh`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renew_with: Vec<Mix>,
    /// With which token a client comes back whose connection the broker, the network or an event ended.
    #[serde(default)]
    pub reconnect: Reconnect,
    /// How long it waits before it tries.
    #[serde(default)]
    pub backoff: BackoffSettings,
    /// Failed attempts in a row after which it gives up.
    #[serde(default = "super::whole::<10, u32>", with = "bounds::Count")]
    pub tries: u32,
    /// Where a client publishes to find out whether its token still counts, if `policy.ends_on` is `publish`: QoS 0, without
    /// a payload. May hold `{n}`, `{client_id}` and `{username}`.
    #[serde(default = "probe_topic")]
    pub probe_topic: String,
    /// A session that is still open so long after its deadline and `policy.expiry_leeway` has outlived its token.
    #[serde(default = "super::seconds::<5>", with = "bounds::Time")]
    pub grace: Duration,
}

/// What a client does before its token ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Renew {
    /// Nothing.
    #[default]
    None,
    /// It leaves, and connects again with another token.
    Reconnect,
    /// It authenticates again on its connection, with another token (MQTT 5.0, 4.12.1).
    Reauthenticate,
}

/// With which token a client comes back.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconnect {
    /// It does not.
    #[default]
    None,
    /// With the last one that the broker accepted from it, as libraries do that keep it.
    SameToken,
    /// With a new one.
    FreshToken,
}

/// How long a client waits before it tries to come back: `first` after its connection ended, `factor` times as long after each
/// attempt that failed.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackoffSettings {
    /// The first wait.
    #[serde(with = "bounds::Time")]
    pub first: Duration,
    /// By what each further wait is longer than the one before, at least 1.
    #[serde(with = "bounds::Share")]
    pub factor: f64,
    /// The longest wait.
    #[serde(with = "bounds::Time")]
    pub most: Duration,
    /// Which part of a wait is drawn.
    pub jitter: Jitter,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            factor: 2.0,
            most: super::seconds::<30>(),
            jitter: Jitter::Full,
        }
    }
}

/// Which part of a wait is drawn (Brooker, "Exponential Backoff and Jitter", 2015).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// All of it.
    #[default]
    Full,
    /// Half of it.
    Equal,
    /// Nothing: all wait for the same time.
    None,
}

fn probe_topic() -> String {
    "tokenstorm/{client_id}".into()
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            renew: Renew::None,
            renew_before: super::seconds::<5>(),
            renew_jitter: Duration::ZERO,
            renew_with: Vec::new(),
            reconnect: Reconnect::None,
            backoff: BackoffSettings::default(),
            tries: 10,
            probe_topic: probe_topic(),
            grace: super::seconds::<5>(),
        }
    }
}
