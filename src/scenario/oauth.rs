//! `[oauth]`: how clients fetch their tokens from an authorization server.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{self, As};
use crate::base::error::showable::REDACTED;

/// Kind of a signed assertion (RFC 7523, 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The grant of a device (RFC 8628, 3.4).
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The grant that exchanges a token (RFC 8693, 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Kind of an access token (RFC 8693, 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `[oauth]`, where `token.source = "oauth"`. Texts may hold `{n}`, `{client_id}` and `{username}`, which are those of
/// `[identity]`.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuth {
    /// URL of the authorization server, found out by its discovery document. Default: the run's own `[issuer]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// URL of the token endpoint, where there is no discovery. It may have a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// How a token is asked for.
    pub grant: Grant,
    /// Client id at the authorization server.
    pub client_id: String,
    /// Client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Environment variable that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// File that holds it (one line break at its end is not part of it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Key under `[keys]` that signs an assertion in place of a secret (RFC 7523, 2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key_jwt: Option<String>,
    /// Whom such an assertion is for (its `aud`). Default: the issuer, where the discovery document says what that is; or else
    /// the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_audience: Option<String>,
    /// How the secret is sent.
    pub client_auth: ClientAuth,
    /// Resource owner of the grant `password`.
    pub username: String,
    /// Password of the resource owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Environment variable that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Environment variable with the refresh token that all clients start from. Without it each fetches its own before the
    /// storm: by the grant `password` where there is one, else by `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_env: Option<String>,
    /// Environment variable with the token that is exchanged. Without it each client exchanges one that it fetches by
    /// `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_env: Option<String>,
    /// Scopes, parted by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `audience`, as some servers want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `resource` (RFC 8707).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Which token CONNECT carries.
    pub send: Send,
    /// All tokens are fetched before the storm.
    pub prefetch: bool,
    /// A failed fetch is tried again so often.
    #[serde(with = "bounds::Count")]
    pub retries: u32,
    /// Wait before the first retry; each further one doubles it.
    #[serde(with = "bounds::Time")]
    pub backoff: Duration,
    /// Longest wait before a retry, a `Retry-After` of the server's included, jitter not.
    #[serde(with = "bounds::Time")]
    pub max_backoff: Duration,
    /// Whether each wait is stretched at random, up to twice.
    pub jitter: bool,
    /// Requests a second at most. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none", with = "Option::<bounds::Rate>")]
    pub rate: Option<f64>,
    /// Connections to the server, and so requests at one time, at most.
    #[serde(with = "bounds::Count")]
    pub connections: u32,
    /// How long one request may take.
    #[serde(with = "bounds::Time")]
    pub timeout: Duration,
    /// PEM file of the authorities that the server's certificate is checked by, or of that certificate itself. Default:
    /// the authorities that this host trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `false`: the server may show any certificate. Whoever is on the way can then read secrets and tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// The clients' own certificate, in place of a secret or beside it (RFC 8705).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientCertificate>,
}

/// `[oauth.tls]`: the certificate that clients show to the authorization server; PEM files, paths start from the scenario's
/// folder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// It, with the authorities between.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            issuer: None,
            token_endpoint: None,
            grant: Grant::default(),
            client_id: "{client_id}".into(),
            client_secret: None,
            client_secret_env: None,
            client_secret_file: None,
            private_key_jwt: None,
            assertion_audience: None,
            client_auth: ClientAuth::default(),
            username: "{username}".into(),
            password: None,
            password_env: None,
            refresh_token_env: None,
            subject_token_env: None,
            scope: None,
            audience: None,
            resource: None,
            send: Send::default(),
            prefetch: false,
            retries: 0,
            backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            jitter: true,
            rate: None,
            connections: 64,
            timeout: Duration::from_secs(10),
            ca: None,
            verify: None,
            tls: None,
        }
    }
}

impl OAuth {
    /// The same with its secrets replaced by `<redacted>`.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let hide = |secret: &Option<String>| secret.as_ref().map(|_| REDACTED.into());
        // What stands in the query of a URL may be a secret.
        let endpoint = self.token_endpoint.as_ref().map(|url| match url.split_once('?') {
            Some((url, _)) => format!("{url}?{REDACTED}"),
            None => url.clone(),
        });
        Self {
            token_endpoint: endpoint,
            client_secret: hide(&self.client_secret),
            password: hide(&self.password),
            ..self.clone()
        }
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth")
            .field("issuer", &self.issuer)
            .field("grant", &self.grant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// RFC 6749, 4.4.
    #[default]
    ClientCredentials,
    /// RFC 6749, 4.3.
    Password,
    /// RFC 6749, 6.
    RefreshToken,
    /// RFC 8628; only the built-in issuer approves by itself.
    DeviceCode,
    /// RFC 8693.
    TokenExchange,
}

/// How a client shows its secret (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the header `Authorization`.
    #[default]
    Basic,
    /// In the body of the request.
    Post,
}

/// Which token of the answer CONNECT carries.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// The access token (RFC 6749, 1.4).
    #[default]
    AccessToken,
    /// The ID token (`OpenID` Connect Core 1.0, 2).
    IdToken,
}
