//! The run's own authorization server, resolved: `[issuer]` with what it takes over from elsewhere.

use std::{fmt, path::Path, time::Duration};

use serde_json::{Map, Value};

use url::Url;

use super::{
    secret::{check_plain, client_secret, file_of, secret, secret_template},
    timeline::key_named,
};
use crate::{
    base::{
        clock::wall_seconds,
        error::{Error, Result},
    },
    scenario::{Issuer, IssuerTls, Scenario},
    token::{
        given::Given,
        key::SigningKey,
        names::{Names, compile_claims},
    },
};

/// What the issuer is to be.
pub struct Authority {
    /// As written, for its listeners, limits and delays.
    pub settings: Issuer,
    /// Keys that are published from the start; the first one signs.
    pub published: Vec<usize>,
    /// Lifetime of its tokens.
    pub ttl: Duration,
    /// Claims of its tokens, with placeholders.
    pub claims: Map<String, Value>,
    /// Moments among them.
    pub given: Given,
    /// What clients must show, with placeholders; `None` where no secret is any good.
    pub client_secret: Option<String>,
    /// Key that clients sign assertions with.
    pub client_key: Option<usize>,
    /// What resource owners must show, with placeholders.
    pub password: Option<String>,
    /// How it shows itself.
    pub tls: Option<Identity>,
}

/// Certificates of an issuer, as PEM.
#[derive(Clone)]
pub enum Identity {
    /// Made when it starts.
    Generated,
    /// Certificate and private key, and the same expired.
    Given {
        /// The one that is shown.
        good: (Vec<u8>, Vec<u8>),
        /// The one that has expired.
        expired: Option<(Vec<u8>, Vec<u8>)>,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated => "Identity::Generated",
            Self::Given { .. } => "Identity::Given",
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("settings", &self.settings)
            .field("published", &self.published)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Whether it has a certificate that has expired.
    pub fn can_expire(&self) -> bool {
        matches!(self.tls, Some(Identity::Generated | Identity::Given { expired: Some(_), .. }))
    }

    /// Resolves `[issuer]`; relative paths start at `base`.
    ///
    /// # Errors
    /// When a key is unknown or secret by nature, a value is out of range, or a file can't be read.
    pub fn resolve(
        scenario: &Scenario,
        keys: &[SigningKey],
        names: &Names,
        base: &Path,
    ) -> Result<Option<Self>> {
        let Some(settings) = &scenario.issuer else { return Ok(None) };
        Self::of(settings, scenario, keys, names, base)
            .map(Some)
            .map_err(|error| error.within("`issuer`"))
    }

    fn of(
        settings: &Issuer,
        scenario: &Scenario,
        keys: &[SigningKey],
        names: &Names,
        base: &Path,
    ) -> Result<Self> {
        let ttl = settings.ttl.unwrap_or(scenario.token.ttl());
        if ttl < Duration::from_secs(1) {
            return Err(Error::usage("`ttl` is below 1s, the unit of `exp`"));
        }
        if settings.limit == Some(0) {
            return Err(Error::usage("`limit` is 0: nobody would get a token")
                .hint("leave it out for no limit"));
        }
        if let Some(url) = &settings.url {
            let url = Url::parse(url).map_err(|error| {
                Error::usage(format!("`url` is no URL: {error}")).hint("write `https://host:port`")
            })?;
            check_plain("url", &url)?;
        }
        if settings.token_bytes.is_some_and(|bytes| bytes > 60_000) {
            return Err(Error::usage(
                "`token_bytes` is above 60000: CONNECT carries 65 535 at most",
            ));
        }
        let oauth = scenario.oauth.as_ref();
        let own = secret(
            "client_secret",
            settings.client_secret.as_ref(),
            settings.client_secret_env.as_deref(),
            None,
        )?;
        let client_secret = match (own, oauth) {
            (None, Some(oauth)) => client_secret("oauth.client_secret", oauth, base)?,
            (own, _) => own,
        };
        let own =
            secret("password", settings.password.as_ref(), settings.password_env.as_deref(), None)?;
        let password = match (own, oauth) {
            (None, Some(oauth)) => secret(
                "oauth.password",
                oauth.password.as_ref(),
                oauth.password_env.as_deref(),
                None,
            )?,
            (own, _) => own,
        };
        for (key, text) in [("client_secret", &client_secret), ("password", &password)] {
            if let Some(text) = text {
                secret_template(key, text, names)?;
            }
        }
        let client_key = settings.client_key.as_deref();
        let client_key = client_key.or(oauth.and_then(|oauth| oauth.private_key_jwt.as_deref()));
        let claims = settings.claims.clone().unwrap_or_else(|| scenario.token.claims.clone());
        compile_claims(&claims, names, &[], &[])?;
        let place = if settings.claims.is_some() { "issuer.claims" } else { "token.claims" };
        let given = Given::of_place(&claims, place)?;
        given.check_place(wall_seconds(), place)?;
        Ok(Self {
            published: published(settings, scenario, keys)?,
            ttl,
            claims,
            given,
            client_secret,
            client_key: client_key.map(|name| key_named(name, "client_key", keys)).transpose()?,
            password,
            tls: settings.tls.as_ref().map(|tls| identity(tls, base)).transpose()?,
            settings: settings.clone(),
        })
    }
}

/// The keys that are published from the start.
fn published(settings: &Issuer, scenario: &Scenario, keys: &[SigningKey]) -> Result<Vec<usize>> {
    let default = match &scenario.token.key {
        Some(name) => vec![name.clone()],
        None if keys.len() == 1 => vec![keys[0].name.clone()],
        None => Vec::new(),
    };
    let named = if settings.keys.is_empty() { &default } else { &settings.keys };
    if named.is_empty() {
        return Err(Error::usage("`keys` is missing: which key signs, and which are published?")
            .hint("write `keys = [\"main\"]`, and `[keys.main]` with `algorithm = \"ES256\"` and `generate = true`"));
    }
    let mut published: Vec<usize> = Vec::new();
    for name in named {
        let index = key_named(name, "keys", keys)?;
        if let Some(other) = published.iter().find(|other| keys[**other].kid == keys[index].kid) {
            return Err(Error::usage(format!(
                "`keys` has `{}` and `{name}`, which have the same `kid`",
                keys[*other].name
            ))
            .hint("give each key a `kid` of its own"));
        }
        published.push(index);
    }
    Ok(published)
}

fn identity(tls: &IssuerTls, base: &Path) -> Result<Identity> {
    let read = |key: &str, path: &Path| file_of(&format!("tls.{key}"), path, base);
    match (&tls.cert, &tls.key, tls.generate) {
        (None, None, true) => Ok(Identity::Generated),
        (Some(cert), Some(key), false) => {
            let expired = match (&tls.expired_cert, &tls.expired_key) {
                (Some(cert), Some(key)) => {
                    Some((read("expired_cert", cert)?, read("expired_key", key)?))
                }
                (None, None) => None,
                _ => {
                    return Err(Error::usage(
                        "of `tls.expired_cert` and `tls.expired_key` one is missing",
                    ));
                }
            };
            Ok(Identity::Given { good: (read("cert", cert)?, read("key", key)?), expired })
        }
        _ => Err(Error::usage("`tls` needs `cert` and `key`, or `generate = true`")),
    }
}
