//! How CONNECT is written: which version of MQTT, and which of its fields carries the token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl Protocol {
    /// The version of MQTT as its standard is numbered.
    pub fn version(self) -> &'static str {
        match self {
            Self::V4 => "3.1.1",
            Self::V5 => "5.0",
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

/// What carries the token: a field of CONNECT, a header, or texts of the scenario's own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenIn {
    /// The password, as most brokers want it.
    #[default]
    Password,
    /// The user name; the password stays away.
    Username,
    /// The Authentication Data of enhanced authentication (MQTT 5.0, 4.12), beside `auth_method`.
    AuthData,
    /// A header of the upgrade to WebSocket: `Authorization: Bearer` (RFC 6750, 2.1).
    WsHeader,
    /// Wherever templates have it. Nothing that a scenario writes here: its templates say so.
    #[serde(skip)]
    Template,
}

impl TokenIn {
    /// Whether the token is in no field of CONNECT that is its own.
    pub fn is_by_template(self) -> bool {
        match self {
            Self::WsHeader | Self::Template => true,
            Self::Password | Self::Username | Self::AuthData => false,
        }
    }
}
