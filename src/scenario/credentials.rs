//! `[identity]`, `[keys.*]`, `[token]` and `[[mix]]`: who the clients are and what they bring.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    bounds::{self, As},
    ws,
};
use crate::base::error::showable::REDACTED;

/// `[identity]`: what the clients call themselves.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Client id; `{n}` is the client's number and must be in it, or two clients would collide.
    pub client_id: String,
    /// User name; `{n}` and `{client_id}` may be in it, and what a client shows: `{token}`, `{signature}`, each also with
    /// `:url`.
    pub username: String,
    /// Password, where it is not the token alone; the same and `{username}` may be in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Name of the key under `[keys]` that makes `{signature}`: RSASSA-PKCS1-v1_5 with SHA-256 over the token's text, in
    /// base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_key: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Identity {
    /// The same with a password of its own taken out, where that may be a secret.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self { password: self.password.as_deref().map(ws::hidden), ..self.clone() }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            client_id: "storm-{n}".into(),
            username: "user-{n}".into(),
            password: None,
            signature_key: None,
        }
    }
}

/// One key that tokens are signed with; exactly one source of it is given.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The JWS algorithm (RFC 7518).
    pub algorithm: Algorithm,
    /// HMAC secret as text.
    pub secret: Option<String>,
    /// File whose bytes are the HMAC secret. One line break at the end of a text is not part of it; a file that is no
    /// UTF-8 is taken whole.
    pub secret_file: Option<PathBuf>,
    /// Environment variable that holds the HMAC secret.
    pub secret_env: Option<String>,
    /// Whether `secret`, `secret_file` or `secret_env` holds the HMAC secret in base64 or base64url.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_base64: bool,
    /// File with the private key: PEM or DER (PKCS#8; RSA also PKCS#1, EC also SEC1).
    pub private_key: Option<PathBuf>,
    /// File with a private JWK or a set of them (RFC 7517); `kid` chooses among several.
    pub jwk: Option<PathBuf>,
    /// Make a new key for each run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generate: bool,
    /// Bits of an RSA key that is made: 2048, 3072 or 4096. Default: 2048.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Length>")]
    pub bits: Option<u16>,
    /// The `kid` header parameter. Default: that of the JWK; without one tokens carry none.
    pub kid: Option<String>,
    /// The key itself, where another process has sent it; nothing that is written anywhere.
    #[serde(skip)]
    pub held: Option<Held>,
}

/// A key as one process sends it to another.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub enum Held {
    /// An HMAC secret.
    Secret(Vec<u8>),
    /// A private key: PKCS #8 (RFC 5208).
    Private(Vec<u8>),
    /// What is in the file that the key names, which was read already; it is not sent.
    #[serde(skip)]
    File(Vec<u8>),
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Key {
    /// One that is made for the run.
    pub fn made(algorithm: Algorithm, kid: &str) -> Self {
        Self {
            algorithm,
            secret: None,
            secret_file: None,
            secret_env: None,
            secret_base64: false,
            private_key: None,
            jwk: None,
            generate: true,
            bits: None,
            kid: Some(kid.to_owned()),
            held: None,
        }
    }

    /// The same key as another process has sent it.
    #[must_use]
    pub fn holding(&self, held: Held) -> Self {
        Self {
            held: Some(held),
            generate: false,
            bits: None,
            ..Self { kid: self.kid.clone(), ..Self::made(self.algorithm, "") }
        }
    }

    /// The same key with its secret replaced by `<redacted>`.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self { secret: self.secret.as_ref().map(|_| REDACTED.into()), ..self.clone() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A JWS algorithm (RFC 7518, RFC 8037) that tokens can be signed with, or that of user JWTs of NATS.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    #[serde(rename = "ed25519-nkey")]
    Nkey,
}

impl Algorithm {
    /// All algorithms, in order.
    pub const ALL: [Self; 13] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
        Self::Nkey,
    ];

    /// The algorithm of that name, as `alg` has it (RFC 7518, 3.1; RFC 8037, 3.1).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.to_string() == name)
    }

    /// The family of keys that it takes: those of RSA serve both paddings.
    pub fn family(self) -> &'static str {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => "HMAC",
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => {
                "RSA"
            }
            Self::ES256 | Self::ES384 => "EC",
            Self::EdDSA | Self::Nkey => "Ed25519",
        }
    }

    /// Whether the same key makes the same signature of the same bytes each time: PSS and ECDSA draw a part of it.
    pub fn signs_alike(self) -> bool {
        match self {
            Self::HS256
            | Self::HS384
            | Self::HS512
            | Self::RS256
            | Self::RS384
            | Self::RS512
            | Self::EdDSA
            | Self::Nkey => true,
            Self::PS256 | Self::PS384 | Self::PS512 | Self::ES256 | Self::ES384 => false,
        }
    }

    /// Whether it is registered for JWS (RFC 7518, 3.1; RFC 8037, 3.1): NATS has a name of its own.
    pub fn is_registered(self) -> bool {
        self != Self::Nkey
    }

    /// Whether it signs with an Ed25519 key.
    pub fn is_ed25519(self) -> bool {
        matches!(self, Self::EdDSA | Self::Nkey)
    }

    /// Whether one secret both signs and verifies.
    pub fn is_hmac(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nkey => f.write_str("ed25519-nkey"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// `[token]`: what is in a fresh token.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// Where tokens come from.
    pub source: TokenSource,
    /// CSV or JSON Lines with tokens that others made: `token`, and `client_id`, `username`, `expected`, `kind` if wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Name of the key under `[keys]`; may be left out where there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `exp` - `iat`, at least 1s. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub ttl: Option<Duration>,
    /// Up to so much is added to `ttl`, drawn by client and turn.
    #[serde(with = "bounds::Time", skip_serializing_if = "Duration::is_zero")]
    pub ttl_jitter: Duration,
    /// Tokens of first turns end so long after the start of the storm, rounded up to a whole second: many in one second.
    #[serde(skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub exp_at: Option<Duration>,
    /// One token for so many connects; more than 1 is an error where claims bind it to one client.
    #[serde(with = "bounds::All")]
    pub reuse: u64,
    /// Tokens kept ready ahead of their use. Default: as many as the schedule needs, within a
    /// bound of memory (open model), or eight times the concurrency (closed model).
    #[serde(skip_serializing_if = "Option::is_none", with = "Option::<bounds::Clients>")]
    pub ahead: Option<u64>,
    /// Length of a good token in bytes, within a few: a claim `pad` brings it there.
    #[serde(skip_serializing_if = "Option::is_none", with = "Option::<bounds::Length>")]
    pub bytes: Option<u32>,
    /// Name of the environment variable whose value comes in the place of a token; set by `[control]` alone.
    #[serde(skip)]
    pub password_env: Option<String>,
    /// Claims; strings may hold `{n}`, `{client_id}` and `{username}`. `iat`, `exp` and `jti` come
    /// by themselves.
    pub claims: serde_json::Map<String, serde_json::Value>,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            source: TokenSource::Mint,
            file: None,
            key: None,
            ttl: None,
            ttl_jitter: Duration::ZERO,
            exp_at: None,
            reuse: 1,
            ahead: None,
            bytes: None,
            password_env: None,
            claims: serde_json::Map::new(),
        }
    }
}

impl Token {
    /// Lifetime of tokens that are minted.
    pub fn ttl(&self) -> Duration {
        self.ttl.unwrap_or(Duration::from_hours(1))
    }
}

/// Where tokens come from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// Signed here, with a key of `[keys]`.
    Mint,
    /// Fetched by the clients from an authorization server, as `[oauth]` says.
    #[serde(rename = "oauth")]
    OAuth,
    /// Made by others, and listed in `file`.
    File,
}

/// One entry of `[[mix]]`: a kind of token and its share.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// A name of `tokenstorm token defects`, such as `fresh` or `expired`.
    pub token: String,
    /// Its share of the clients, relative to the sum of all shares; above 0.
    #[serde(with = "bounds::Share")]
    pub share: f64,
    /// The kind's distance in time, such as `expired` by `"1h"`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub by: Option<Duration>,
    /// The key these tokens are signed with; default: that of `[token]`.
    pub key: Option<String>,
    /// `false`: both answers are right, as for a token of which the policy promises nothing.
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub judged: bool,
    /// What the results call it; default: the token's name. Two entries can't share one.
    pub name: Option<String>,
}

impl Mix {
    /// The only entry of a mix.
    pub fn only(token: &str, name: &str) -> Self {
        Self {
            token: token.to_owned(),
            share: 1.0,
            by: None,
            key: None,
            judged: true,
            name: Some(name.to_owned()),
        }
    }

    /// What the results call this entry.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.token)
    }
}
