//! `[issuer]`: the built-in authorization server of a run.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};
use crate::base::error::showable::REDACTED;

/// `[issuer]`: an authorization server that is started and stopped by the run. Its key set has a listener of its own,
/// so that it can be away while tokens are still issued.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Where it listens; port 0 for a free one.
    #[serde(default = "anywhere")]
    pub listen: SocketAddr,
    /// Where its key set is served.
    #[serde(default = "anywhere")]
    pub jwks_listen: SocketAddr,
    /// Its identifier, `iss` and the root of its discovery, where others reach it by another name. Default: its
    /// address.
    pub url: Option<String>,
    /// Keys under `[keys]` that are published from the start; the first one signs. Default: that of `[token]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Keys that are published beside them and sign nothing.
    #[serde(default, with = "bounds::Count")]
    pub extra_keys: u16,
    /// Lifetime of its tokens, at least 1s. Default: `token.ttl`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub ttl: Option<Duration>,
    /// Claims of its tokens; `{client_id}`, `{username}` and `{n}` are told from the client that asks. Default:
    /// `[token.claims]`.
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,
    /// Tokens are padded to about this many bytes by a claim `pad`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Length>")]
    pub token_bytes: Option<u32>,
    /// The secret that a client must show; `{client_id}` is its id. Default: what `[oauth]` sends.
    pub client_secret: Option<String>,
    /// Environment variable that holds it.
    pub client_secret_env: Option<String>,
    /// Key under `[keys]` that clients sign assertions with (`private_key_jwt`). Default: that of `[oauth]`.
    pub client_key: Option<String>,
    /// The password that a resource owner must show; `{username}` is its name. Default: what `[oauth]` sends.
    pub password: Option<String>,
    /// Environment variable that holds it.
    pub password_env: Option<String>,
    /// Token requests a second that are served; those above get 429. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Count>")]
    pub limit: Option<u32>,
    /// What a 429 says in `Retry-After`.
    #[serde(default = "super::seconds::<1>", with = "bounds::Time")]
    pub retry_after: Duration,
    /// How long a device has to wait for its approval.
    #[serde(default, with = "bounds::Time")]
    pub device_approval: Duration,
    /// What the key set says in `Cache-Control: max-age`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
    pub max_age: Option<Duration>,
    /// HTTPS.
    pub tls: Option<IssuerTls>,
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Issuer {
    /// The same with its secrets replaced by `<redacted>`.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let hide = |secret: &Option<String>| secret.as_ref().map(|_| REDACTED.into());
        Self {
            client_secret: hide(&self.client_secret),
            password: hide(&self.password),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("listen", &self.listen)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// `[issuer.tls]`: how the issuer shows itself; PEM files, paths start from the scenario's folder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerTls {
    /// Its certificate, with the authorities between.
    pub cert: Option<PathBuf>,
    /// The private key of that.
    pub key: Option<PathBuf>,
    /// A certificate that has expired, for `jwks_outage` with `how = "expired_certificate"`.
    pub expired_cert: Option<PathBuf>,
    /// The private key of that.
    pub expired_key: Option<PathBuf>,
    /// Certificates are made for the run; only embedded brokers and the clients are told to trust them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generate: bool,
}

/// `[target.jwks]`: how an embedded broker takes its keys from a key set.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jwks {
    /// URL of the key set. Default: where the discovery document of `oauth.issuer` has it (`jwks_uri`), or that of the run's
    /// own `[issuer]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// PEM file of the authorities that the certificate of its server is checked by, or of that certificate itself.
    /// Default: that of `[oauth]`, or else the authorities that this host trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long a fetched set is used before it is fetched again.
    #[serde(with = "bounds::Time")]
    pub cache: Duration,
    /// Whether a `kid` that is not in the set has it fetched again.
    pub refetch: bool,
    /// The least time between two fetches.
    #[serde(with = "bounds::Time")]
    pub min_interval: Duration,
    /// How long a fetch may take.
    #[serde(with = "bounds::Time")]
    pub timeout: Duration,
    /// What becomes of tokens when the set is not to be had.
    pub when_away: WhenAway,
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            url: None,
            ca: None,
            cache: Duration::from_mins(5),
            refetch: true,
            min_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            when_away: WhenAway::default(),
        }
    }
}

/// What becomes of tokens when the cached key set is over and a new one is not to be had.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// The old keys go on; without any, all are refused.
    #[default]
    Stale,
    /// All are refused.
    Closed,
    /// What can't be verified is let in: a defect, to see that it is found.
    Open,
}
