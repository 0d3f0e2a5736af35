//! `[session]`: what an accepted client does with its connection.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};

/// `[session]` of a scenario. Without it an accepted client holds, pings and leaves.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    /// Where a client publishes to find out whether its token still counts, if `policy.ends_on` is `publish`: QoS 0, without
    /// a payload. May hold `{n}`, `{client_id}` and `{username}`.
    #[serde(default = "probe_topic")]
    pub probe_topic: String,
    /// A session that is still open so long after its deadline and `policy.expiry_leeway` has outlived its token.
    #[serde(default = "super::seconds::<5>", with = "bounds::Time")]
    pub grace: Duration,
}

fn probe_topic() -> String {
    "tokenstorm/{client_id}".into()
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { probe_topic: probe_topic(), grace: super::seconds::<5>() }
    }
}
