//! `[target]`: which brokers are stormed, how they are spoken to, and what they promise.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    PolicySettings, Protocol, TokenIn, Ws,
    bounds::{self, As},
};
use crate::base::tls::settings::Tls;

/// `[target]` of a scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `mqtt://host:port`, `mqtts://`, `ws://` or `wss://host:port/path`, several for a cluster; or `"embedded"`,
    /// `"embedded+tls"`, `"embedded+ws"`, `"embedded+wss"`: a broker that the run starts and stops. `"embedded-mqtt5"`, where it was built in: another one, for
    /// tokens as authentication data.
    pub brokers: Vec<String>,
    /// How many of the clients each broker gets beside the others: one positive number a broker, in their order. Default:
    /// the same for all, in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "Vec::<bounds::Share>")]
    pub weights: Vec<f64>,
    /// 5 for MQTT 5.0, 4 for MQTT 3.1.1.
    #[serde(default)]
    pub protocol: Protocol,
    /// What carries the token. Default: the password; or the templates that hold `{token}`, in whose place it may not stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_in: Option<TokenIn>,
    /// The Authentication Method of enhanced authentication, where `token_in` is `auth_data`: `"OAUTH2-JWT"`, `"JWT"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    /// What this broker promises to check: the name of a profile that is built in, or the path of a file
    /// such as `profiles/strict.toml`. Default: `rmqtt` where a broker is `embedded`, `mqtt5` where it is `embedded-mqtt5`, else `strict`.
    pub profile: Option<String>,
    /// How far the broker's clock may be from ours.
    #[serde(default, with = "bounds::Time")]
    pub clock_uncertainty: Duration,
    /// You may load this target; needed for every target that is not loopback.
    #[serde(default)]
    pub authorized: bool,
    /// When names of brokers are looked up.
    #[serde(default)]
    pub resolve: Resolve,
    /// What the request for the upgrade to WebSocket holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws: Option<Ws>,
    /// How TLS is spoken, where a broker is behind it.
    pub tls: Option<Tls>,
    /// How embedded brokers take their keys from a key set. Default, where there is an `[issuer]`: from that.
    pub jwks: Option<super::Jwks>,
    /// What is in the file that `profile` names, where another process has sent it; nothing that is written anywhere.
    #[serde(skip)]
    pub promise: Option<Box<PolicySettings>>,
}

/// When names of brokers are looked up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolve {
    /// Before the storm: the attempts have no phase `dns`.
    #[default]
    Once,
    /// By each attempt, as a client that starts would: phase `dns`.
    Each,
}
