//! How clients fetch their tokens, resolved: `[oauth]` with its texts compiled and its secrets read.

use std::{fmt, path::Path, time::Duration};

use url::Url;

use super::{
    authority::{Authority, literal_secret, secret, secret_template},
    timeline::key_named,
};
use crate::{
    error::{Error, Result},
    key::SigningKey,
    scenario::{Grant, OAuth, Scenario, TokenSource, credentials::REDACTED},
    tls::Trust,
    token::template::{Names, Template},
};

/// How clients fetch their tokens.
pub struct Fetching {
    /// As written, for its numbers and switches.
    pub settings: OAuth,
    /// Whom they ask.
    pub server: Server,
    /// Client id at the server.
    pub client_id: Template,
    /// Client secret.
    pub client_secret: Option<Template>,
    /// Key that signs assertions.
    pub assertion_key: Option<usize>,
    /// Resource owner.
    pub username: Template,
    /// Its password.
    pub password: Option<Template>,
    /// Scopes, audience and resource.
    pub scope: Option<Template>,
    /// `audience`.
    pub audience: Option<Template>,
    /// `resource`.
    pub resource: Option<Template>,
    /// What all start from, by the grant `refresh_token`.
    pub refresh_token: Option<String>,
    /// What all exchange, by the grant `token_exchange`.
    pub subject_token: Option<String>,
    /// Whose certificates the server may show.
    pub trust: Trust,
    /// One token for so many clients in a row.
    pub shared_by: u64,
}

/// Whom clients ask for tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Server {
    /// The run's own issuer.
    Own,
    /// One with a discovery document.
    Discovered(Url),
    /// One whose token endpoint is known.
    Endpoint(Url),
}

impl fmt::Debug for Fetching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetching")
            .field("settings", &self.settings)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Fetching {
    /// Resolves `[oauth]`, where tokens come from there; relative paths start at `base`.
    ///
    /// # Errors
    /// When nobody is named to ask, a secret is missing, or a value is out of range.
    pub fn resolve(
        scenario: &Scenario,
        authority: Option<&Authority>,
        keys: &[SigningKey],
        names: &Names,
        base: &Path,
    ) -> Result<Option<Self>> {
        let is_fetched = scenario.token.source == TokenSource::OAuth;
        match (&scenario.oauth, is_fetched) {
            (None, false) => Ok(None),
            (Some(_), false) => {
                Err(Error::usage("`[oauth]` is given, but `token.source` is `mint`")
                    .hint("write `source = \"oauth\"` under `[token]`, or leave `[oauth]` out"))
            }
            (None, true) if authority.is_none() => Err(Error::usage(
                "`token.source` is `oauth`, but there is neither `[oauth]` nor `[issuer]`",
            )
            .hint("write `[oauth]` with `issuer = \"https://...\"`")),
            (oauth, true) => {
                let settings = oauth.clone().unwrap_or_default();
                let shared_by = scenario.token.reuse.max(1);
                Self::of(&settings, authority, keys, names, base, shared_by)
                    .map(Some)
                    .map_err(|error| error.within("`oauth`"))
            }
        }
    }

    fn of(
        settings: &OAuth,
        authority: Option<&Authority>,
        keys: &[SigningKey],
        names: &Names,
        base: &Path,
        shared_by: u64,
    ) -> Result<Self> {
        let server = server(settings, authority)?;
        let gives = |own: &Authority| own.client_secret.is_some() || own.client_key.is_some();
        if server == Server::Own && !authority.is_some_and(gives) {
            return Err(Error::usage(
                "`client_secret` is missing: the run's own issuer gives nobody a token without one",
            )
            .hint("write `client_secret = \"of-no-value-{client_id}\"`, or `private_key_jwt`"));
        }
        check_numbers(settings)?;
        let file = settings.client_secret_file.as_ref().map(|file| base.join(file));
        let client_secret = secret(
            "client_secret",
            settings.client_secret.as_ref(),
            settings.client_secret_env.as_deref(),
            file.as_deref(),
        )?;
        let password =
            secret("password", settings.password.as_ref(), settings.password_env.as_deref(), None)?;
        let refresh_token =
            literal_secret("refresh_token", None, settings.refresh_token_env.as_deref(), None)?;
        let subject_token =
            literal_secret("subject_token", None, settings.subject_token_env.as_deref(), None)?;
        let assertion_key = settings.private_key_jwt.as_deref();
        let assertion_key =
            assertion_key.map(|name| key_named(name, "private_key_jwt", keys)).transpose()?;
        if assertion_key.is_some() && client_secret.is_some() {
            return Err(Error::usage("`client_secret` and `private_key_jwt` are both given")
                .hint("a client shows one of them"));
        }
        let needs_password = match settings.grant {
            Grant::Password => true,
            Grant::RefreshToken => refresh_token.is_none(),
            _ => false,
        };
        if needs_password && password.is_none() {
            return Err(Error::usage("`password` is missing: the first token is fetched by it")
                .hint("write `password_env = \"NAME\"`; `refresh_token` also takes `refresh_token_env`"));
        }
        let text = |key: &'static str, text: &Option<String>| {
            text.as_deref()
                .map(|text| names.text(text).map_err(|error| error.within(format!("`{key}`"))))
                .transpose()
        };
        let hidden = |key: &'static str, text: &Option<String>| {
            text.as_deref().map(|text| secret_template(key, text, names)).transpose()
        };
        let trust = Trust::load("ca", settings.ca.as_deref(), settings.verify, base)?;
        Ok(Self {
            server,
            client_id: names
                .text(&settings.client_id)
                .map_err(|error| error.within("`client_id`"))?,
            client_secret: hidden("client_secret", &client_secret)?,
            assertion_key,
            username: names.text(&settings.username).map_err(|error| error.within("`username`"))?,
            password: hidden("password", &password)?,
            scope: text("scope", &settings.scope)?,
            audience: text("audience", &settings.audience)?,
            resource: text("resource", &settings.resource)?,
            refresh_token,
            subject_token,
            trust,
            shared_by,
            settings: settings.clone(),
        })
    }

    /// Whether tokens are fetched before the storm: all of them, or those that refreshing starts from.
    pub fn has_prelude(&self) -> bool {
        self.settings.prefetch || self.starts_from_password()
    }

    /// Whether each client first fetches a refresh token of its own.
    pub fn starts_from_password(&self) -> bool {
        self.settings.grant == Grant::RefreshToken && self.refresh_token.is_none()
    }
}

fn server(settings: &OAuth, authority: Option<&Authority>) -> Result<Server> {
    let url = |key: &str, text: &str| -> Result<Url> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            Error::usage(format!("`{key}` is no URL of a server"))
                .hint("write `https://host:port/path`")
        })?;
        // An endpoint may have a query (RFC 6749, 3.2), an issuer has none (OpenID Connect Discovery 1.0, 3).
        let mut plain = url.clone();
        if key == "token_endpoint" {
            plain.set_query(None);
        }
        check_plain(key, &plain)?;
        if text.contains(REDACTED) {
            return Err(Error::usage(format!("the query of `{key}` was taken out of this file"))
                .hint("write the URL as it was, `https://host/path?...`"));
        }
        Ok(url)
    };
    match (&settings.issuer, &settings.token_endpoint) {
        (Some(_), Some(_)) => Err(Error::usage("`issuer` and `token_endpoint` are both given")
            .hint("with `issuer` the discovery document says where the endpoint is")),
        (Some(issuer), None) => Ok(Server::Discovered(url("issuer", issuer)?)),
        (None, Some(_)) if settings.grant == Grant::DeviceCode => Err(Error::usage(
            "`device_code` needs `issuer`: its discovery document has two endpoints",
        )),
        (None, Some(endpoint)) => Ok(Server::Endpoint(url("token_endpoint", endpoint)?)),
        (None, None) if authority.is_some() => Ok(Server::Own),
        (None, None) => Err(Error::usage("`issuer` is missing: whom do the clients ask?")
            .hint("write `issuer = \"https://...\"`, or bring one along: `[issuer]`")),
    }
}

/// Refuses what in a URL may be a secret, and would stand in results and errors.
pub(super) fn check_plain(key: &str, url: &Url) -> Result<()> {
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return Ok(());
    }
    Err(Error::usage(format!("`{key}` has a user, a password or a query in it (not shown)"))
        .hint("secrets have keys of their own, such as `client_secret_env`"))
}

fn check_numbers(settings: &OAuth) -> Result<()> {
    let longest = Duration::from_hours(1);
    for (key, is_fine, allowed) in [
        ("connections", (1..=10_000).contains(&settings.connections), "1 to 10000"),
        ("retries", settings.retries <= 1000, "0 to 1000"),
        ("rate", settings.rate.is_none_or(|rate| (0.01..=1e6).contains(&rate)), "0.01 to 1000000"),
        ("backoff", settings.backoff <= longest, "0s to 1h"),
        ("max_backoff", settings.max_backoff <= longest, "0s to 1h"),
        ("timeout", (Duration::from_millis(1)..=longest).contains(&settings.timeout), "1ms to 1h"),
    ] {
        if !is_fine {
            return Err(Error::usage(format!("`{key}` is out of range"))
                .hint(format!("it may be {allowed}")));
        }
    }
    Ok(())
}
