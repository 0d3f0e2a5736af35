//! `[[events]]`: what happens to the issuer and to the brokers while the storm goes on.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};

/// One entry of `[[events]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, after the start of the storm. What is at `"0s"` is so before the brokers start.
    #[serde(with = "bounds::Time")]
    pub at: Duration,
    /// What.
    pub r#do: Deed,
    /// How long it lasts. Default: until `restore`, or the end.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub r#for: Option<Duration>,
    /// `rotate_keys`: the key under `[keys]` that signs afterwards.
    pub to: Option<String>,
    /// `rotate_keys`: what comes first.
    pub order: Option<Order>,
    /// `rotate_keys`: time between publishing the new key and signing with it, or the other way round. Default: 2s.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub step: Option<Duration>,
    /// `rotate_keys`: how long the old key stays published after the new one signs. Default: for ever; 0s by the order
    /// `remove_old`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub keep_old: Option<Duration>,
    /// `jwks_outage`: how the key set is away. `drop_clients`: how connections end.
    pub how: Option<How>,
    /// `drop_clients`: which share of the clients that are connected then, above 0 and up to 1. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Share>")]
    pub share: Option<f64>,
    /// `issuer_slow`: by how much every answer of the token endpoint is late.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub by: Option<Duration>,
    /// `revoke`: the key whose tokens are revoked, which is taken out of the key set. Default: every token issued so
    /// far, as introspection and refreshing see it.
    pub key: Option<String>,
    /// `stop_broker`, `start_broker`: which one, as it stands in `target.brokers`; the second of several that are `embedded`
    /// is `embedded-2`.
    pub broker: Option<String>,
    /// `stop_broker`, `start_broker`: what `sh` runs to do it. An embedded broker needs none: the run kills it, and starts
    /// it again at the same port.
    pub command: Option<String>,
}

impl Event {
    /// The keys that it is given, besides `at` and `do`.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        [
            ("for", self.r#for.is_some()),
            ("to", self.to.is_some()),
            ("order", self.order.is_some()),
            ("step", self.step.is_some()),
            ("keep_old", self.keep_old.is_some()),
            ("how", self.how.is_some()),
            ("by", self.by.is_some()),
            ("key", self.key.is_some()),
            ("share", self.share.is_some()),
            ("broker", self.broker.is_some()),
            ("command", self.command.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
    }
}

/// What an event does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Another key signs.
    RotateKeys,
    /// The key set is away, or wrong.
    JwksOutage,
    /// The token endpoint takes its time.
    IssuerSlow,
    /// Tokens are revoked.
    Revoke,
    /// Outage and slowness are over; a key that was revoked is published again.
    Restore,
    /// A broker ends.
    StopBroker,
    /// A broker that was stopped comes back.
    StartBroker,
    /// Connections of clients end from our side, without DISCONNECT.
    DropClients,
}

impl Deed {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::RotateKeys => "rotate_keys",
            Self::JwksOutage => "jwks_outage",
            Self::IssuerSlow => "issuer_slow",
            Self::Revoke => "revoke",
            Self::Restore => "restore",
            Self::StopBroker => "stop_broker",
            Self::StartBroker => "start_broker",
            Self::DropClients => "drop_clients",
        }
    }

    /// Whether it is done to a broker.
    pub fn is_of_broker(self) -> bool {
        matches!(self, Self::StopBroker | Self::StartBroker)
    }

    /// Whether it is done to the issuer, and neither to a broker nor to clients.
    pub fn is_of_issuer(self) -> bool {
        !self.is_of_broker() && self != Self::DropClients
    }
}

/// The order of a rotation's steps.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The new key is published, and signs after `step`: what RFC 7517 readers can follow.
    #[default]
    PublishThenSign,
    /// The new key signs, and is published after `step`.
    SignBeforePublish,
    /// In one moment the new key is published and signs, and the old one is gone.
    RemoveOld,
}

/// How something is away, or ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Nobody listens.
    Refuse,
    /// Nobody answers.
    Hang,
    /// Status 500.
    #[serde(rename = "500")]
    Status500,
    /// Status 200 with a page of HTML.
    Html,
    /// A key set without keys.
    EmptySet,
    /// Two keys under each `kid`, the wrong one first.
    DuplicateKid,
    /// A set of 10 MB.
    Huge,
    /// A certificate that has expired.
    ExpiredCertificate,
    /// Connections are closed.
    Close,
    /// Connections are reset.
    Reset,
}

impl How {
    /// How a key set is away; `None` where it is how connections end.
    pub fn outage(self) -> Option<Outage> {
        Some(match self {
            Self::Refuse => Outage::Refuse,
            Self::Hang => Outage::Hang,
            Self::Status500 => Outage::Status500,
            Self::Html => Outage::Html,
            Self::EmptySet => Outage::EmptySet,
            Self::DuplicateKid => Outage::DuplicateKid,
            Self::Huge => Outage::Huge,
            Self::ExpiredCertificate => Outage::ExpiredCertificate,
            Self::Close | Self::Reset => return None,
        })
    }
}

/// How a key set is away.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// Nobody listens.
    #[default]
    Refuse,
    /// Nobody answers.
    Hang,
    /// Status 500.
    #[serde(rename = "500")]
    Status500,
    /// Status 200 with a page of HTML.
    Html,
    /// A key set without keys.
    EmptySet,
    /// Two keys under each `kid`, the wrong one first.
    DuplicateKid,
    /// A set of 10 MB.
    Huge,
    /// A certificate that has expired.
    ExpiredCertificate,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
