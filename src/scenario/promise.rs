//! `[policy]`: what a broker promises to check, and how it promises to refuse. Profiles are the
//! same table in a file.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    bounds::{self, As},
    expiry::{ByVersion, EndsOn, EndsWith, OnExpiry},
};

/// `[policy]` of a scenario, or a profile; what is not given comes from the profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// Versions of MQTT that the broker speaks: 4 for 3.1.1, 5 for 5.0. Default: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<super::Protocol>>,
    /// Algorithms that the broker accepts. Default: those of the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<super::Algorithm>>,
    /// Claims whose value is checked. For `iss` and `aud` the values of `[token.claims]` are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Check>>,
    /// Claims whose absence must be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<Vec<String>>,
    /// Claims compared with the connection's client id or user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binds: Option<Vec<String>>,
    /// What becomes of a token whose `kid` names no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_kid: Option<UnknownKid>,
    /// Whether padding and loose base64 may be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Permission, not duty: inside it both answers are right.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub leeway: Option<Duration>,
    /// The longest that the broker lets `exp` be after `iat`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub max_lifetime: Option<Duration>,
    /// The longest token in bytes that the broker promises to take; good ones above it may be refused.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Length>")]
    pub longest_token: Option<u16>,
    /// Entries of the catalogue of defects that the broker is documented to accept, `*` stands for any text: both
    /// answers are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Vec<String>>,
    /// Controls of the catalogue that the broker is documented to refuse: both answers are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuses: Option<Vec<String>>,
    /// CONNACK codes of a refusal, for all defects or by group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuses_with: Option<RefusesWith>,
    /// By how much the broker delays a refusal, on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub refusal_delay: Option<Duration>,
    /// How long after its publication a new key of the issuer may still be unknown; both answers are right until then.
    /// Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub new_key_within: Option<Duration>,
    /// How long after a key was taken out of the key set its tokens may still be accepted. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub old_key_within: Option<Duration>,
    /// A broker that keeps its verdicts accepts the same token again until so long after its last acceptance that was right
    /// without that; later ones do not prolong it. Both answers are right until then.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub verdict_cache: Option<Duration>,
    /// What becomes of a live connection when its token ends. Default: nothing is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<ByVersion<Option<OnExpiry>>>,
    /// How long after `exp` and `expiry_leeway` the end of a live connection may come; at most `session.grace`. Default: 2s.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub expiry_within: Option<Duration>,
    /// The leeway of live connections. Default: `leeway`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub expiry_leeway: Option<Duration>,
    /// When the broker looks whether the token of a live connection has ended. Default: by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_on: Option<ByVersion<Option<EndsOn>>>,
    /// How the end has to look. Default: anyhow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_with: Option<EndsWith>,
    /// What becomes of a client that authenticates again on its connection with a good token. Default: nothing is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reauthentication: Option<Reauthentication>,
    /// What closing without CONNACK is worth as a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_close: Option<SilentClose>,
    /// How many connections of one run the broker takes: refusals while so many of ours are open there are `not_judged`.
    /// 0: not known. Agents divide it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Clients>")]
    pub max_connections: Option<u64>,
    /// What becomes of a CONNECT without user name and password; `accept` makes a broker without
    /// authentication the promise, as a control needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<OnAnonymous>,
}

/// A claim whose value a broker can check by itself.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Audience (RFC 7519, 4.1.3).
    Aud,
    /// Confirmation (RFC 8705, 3): a token that is bound to a certificate is brought with that one.
    Cnf,
    /// Expiration time (4.1.4).
    Exp,
    /// Issued at (4.1.6): not in the future.
    Iat,
    /// Issuer (4.1.1).
    Iss,
    /// Not before (4.1.5).
    Nbf,
    /// The header's type (RFC 8725, 3.11): `JWT`, `at+jwt` (RFC 9068) or none.
    Typ,
}

/// What becomes of a token whose `kid` names no key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownKid {
    /// The `kid` does not choose the key.
    Ignore,
    /// It must be refused.
    #[default]
    Refuse,
}

/// How exactly base64url (RFC 7515, 2) is demanded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Padding and loose base64 may be accepted.
    Lenient,
    /// They must be refused.
    #[default]
    Strict,
}

/// What closing the connection without CONNACK is worth as a refusal.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SilentClose {
    /// A promised way to refuse.
    Correct,
    /// A refusal without its reason.
    #[default]
    WrongReason,
}

/// What a broker does with AUTH that authenticates a client again (MQTT 5.0, 4.12.1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reauthentication {
    /// It takes a good token, and ends the connection of a client with a bad one.
    Accept,
    /// It ends the connection, whatever the token.
    Refuse,
}

/// What becomes of a CONNECT that brings no credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAnonymous {
    /// It is let in: a broker without authentication.
    Accept,
    /// It must be refused.
    #[default]
    Refuse,
}

/// A group of defects; brokers may refuse each with codes of its own.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The signature is not that of these bytes by the key.
    Signature,
    /// The `alg` is none, another, or used with a key of another kind.
    Algorithm,
    /// Another header parameter misleads.
    Header,
    /// Expired, not yet valid, or without the claim that says so.
    Time,
    /// Another client's, issuer's or audience's token.
    Identity,
    /// Not a JWT, or one that is not encoded as it must be.
    Structure,
    /// Encrypted or compressed.
    Encrypted,
    /// No token, or not where the broker looks for it.
    Placement,
    /// In an AUTH on a connection that a good token opened.
    Reauthentication,
}

impl Group {
    /// All groups, in order.
    pub const ALL: [Self; 9] = [
        Self::Signature,
        Self::Algorithm,
        Self::Header,
        Self::Time,
        Self::Identity,
        Self::Structure,
        Self::Encrypted,
        Self::Placement,
        Self::Reauthentication,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Algorithm => "algorithm",
            Self::Header => "header",
            Self::Time => "time",
            Self::Identity => "identity",
            Self::Structure => "structure",
            Self::Encrypted => "encrypted",
            Self::Placement => "placement",
            Self::Reauthentication => "reauthentication",
        }
    }
}

/// CONNACK codes of a refusal: for all groups of defects, and by group where a group has its own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "one field a group of defects, as in `Group`")]
pub struct RefusesWith {
    /// Return codes of MQTT 3.1.1.
    pub v4: Option<Vec<u8>>,
    /// Reason codes of MQTT 5.0.
    pub v5: Option<Vec<u8>>,
    /// Reason codes of the DISCONNECT that answers a bad token in AUTH. Default: 0x87.
    pub reauth: Option<Vec<u8>>,
    /// HTTP statuses of a refused upgrade to WebSocket that brings the token: 401, 403. Default: both.
    pub http: Option<Vec<u16>>,
    pub signature: Option<Codes>,
    pub algorithm: Option<Codes>,
    pub header: Option<Codes>,
    pub time: Option<Codes>,
    pub identity: Option<Codes>,
    pub structure: Option<Codes>,
    pub encrypted: Option<Codes>,
    pub placement: Option<Codes>,
}

/// CONNACK codes of both protocol versions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    /// Return codes of MQTT 3.1.1.
    pub v4: Option<Vec<u8>>,
    /// Reason codes of MQTT 5.0.
    pub v5: Option<Vec<u8>>,
}

impl RefusesWith {
    /// Gives a group codes of its own.
    pub fn put(&mut self, group: Group, codes: Codes) {
        let own = match group {
            Group::Signature => &mut self.signature,
            Group::Algorithm => &mut self.algorithm,
            Group::Header => &mut self.header,
            Group::Time => &mut self.time,
            Group::Identity => &mut self.identity,
            Group::Structure => &mut self.structure,
            Group::Encrypted => &mut self.encrypted,
            Group::Placement => &mut self.placement,
            // It has no table: its codes are those of `reauth`.
            Group::Reauthentication => return self.reauth = codes.v5,
        };
        *own = Some(codes);
    }

    /// The codes that single groups have for themselves.
    pub fn by_group(&self) -> BTreeMap<Group, &Codes> {
        [
            (Group::Signature, &self.signature),
            (Group::Algorithm, &self.algorithm),
            (Group::Header, &self.header),
            (Group::Time, &self.time),
            (Group::Identity, &self.identity),
            (Group::Structure, &self.structure),
            (Group::Encrypted, &self.encrypted),
            (Group::Placement, &self.placement),
        ]
        .into_iter()
        .filter_map(|(group, codes)| Some((group, codes.as_ref()?)))
        .collect()
    }
}
