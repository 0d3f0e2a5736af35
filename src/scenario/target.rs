//! `[target]`: which brokers are stormed, how they are spoken to, and what they promise.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[target]` of a scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `mqtt://host:port`, several for a cluster, or `"embedded"`: a broker that the run starts and stops.
    pub brokers: Vec<String>,
    /// 5 for MQTT 5.0, 4 for MQTT 3.1.1.
    #[serde(default)]
    pub protocol: Protocol,
    /// The field of CONNECT that carries the token.
    #[serde(default)]
    pub token_in: TokenIn,
    /// What this broker promises to check: `strict` or `rmqtt`. Default: `rmqtt` where a broker is
    /// `embedded`, else `strict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How far the broker's clock may be from ours.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "String")]
    pub clock_uncertainty: Duration,
    /// You may load this target; needed for every target that is not loopback.
    #[serde(default)]
    pub authorized: bool,
}

/// The protocol level of CONNECT.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(with = "u8")]
pub enum Protocol {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.0.
    #[default]
    V5,
}

impl TryFrom<u8> for Protocol {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            4 => Ok(Self::V4),
            5 => Ok(Self::V5),
            other => {
                Err(format!("unknown protocol `{other}`, expected 5 (MQTT 5.0) or 4 (MQTT 3.1.1)"))
            }
        }
    }
}

impl From<Protocol> for u8 {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V4 => 4,
            Protocol::V5 => 5,
        }
    }
}

/// The field of CONNECT that carries the token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenIn {
    /// The password, as most brokers want it.
    #[default]
    Password,
    /// The user name; the password stays away.
    Username,
}
