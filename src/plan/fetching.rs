//! How clients fetch their tokens, resolved: `[oauth]` with its texts compiled and its secrets read.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use url::Url;

use super::{
    Plan,
    authority::Authority,
    secret::{check_plain, client_secret, file_of, literal_secret, secret, secret_template},
    timeline::key_named,
};
use crate::{
    base::{
        error::{Error, Result, showable::REDACTED},
        tls::{OwnCertificate, Trust},
    },
    scenario::{Grant, OAuth, Scenario, TokenSource},
    token::{FRESH, key::SigningKey, names::Names, recipe::Exp, template::Template},
};

/// A token that is brought when it has ended.
pub const EXPIRED: &str = "expired";
/// The token of the client before.
pub(super) const STOLEN: &str = "stolen";
/// Entries of the catalogue that need nothing but what the server issues.
pub const FETCHED: [&str; 3] = [FRESH, EXPIRED, STOLEN];
/// How long a fetched token that is to have ended has ended, where the mix does not say it: clocks may differ, and whoever
/// waits for it should not wait long.
pub const ENDED_FOR: Duration = Duration::from_secs(1);

/// Bytes that a token may take on average, with what is read of it: usual ones have 1 to 2 KB.
const TOKEN_BYTES: u64 = 8192;
/// Bytes for tokens in the smallest run: a few hundred of the longest.
const LEAST_ROOM: u64 = 64 * 1024 * 1024;
/// Bytes that an answer takes until it is read: the longest that is.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// How clients fetch their tokens.
pub struct Fetching {
    /// As written, for its numbers and switches.
    pub settings: OAuth,
    /// Whom they ask.
    pub server: Server,
    /// Whether each shows its own certificate there.
    pub shows_own: bool,
    /// Client id at the server.
    pub client_id: Template,
    /// Client secret.
    pub client_secret: Option<Template>,
    /// Key that signs assertions.
    pub assertion_key: Option<usize>,
    /// Whom they are for, where the scenario says it.
    pub assertion_audience: Option<Template>,
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

impl Server {
    /// Whether it is asked over TLS, and is not the run's own, which asks for no certificate.
    fn is_https(&self) -> bool {
        match self {
            Self::Own => false,
            Self::Discovered(url) | Self::Endpoint(url) => url.scheme() == "https",
        }
    }
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
        match (&scenario.oauth, scenario.token.source == TokenSource::OAuth) {
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
        let client_secret = client_secret("client_secret", settings, base)?;
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
        if settings.grant == Grant::Password && password.is_none() {
            return Err(Error::usage("`password` is missing: the token is fetched by it")
                .hint("write `password_env = \"NAME\"`"));
        }
        if settings.assertion_audience.is_some() && assertion_key.is_none() {
            return Err(Error::usage(
                "`assertion_audience` is given, but no client shows an assertion",
            )
            .hint("write `private_key_jwt = \"NAME\"`, a key under `[keys]`, or leave it out"));
        }
        let shows_own = names.x5t_s256.is_some() && settings.tls.is_none() && server.is_https();
        let shows_itself = client_secret.is_some()
            || assertion_key.is_some()
            || settings.tls.is_some()
            || shows_own;
        let starts_anew = settings.grant == Grant::RefreshToken && refresh_token.is_none();
        if starts_anew && password.is_none() && !shows_itself {
            return Err(Error::usage("nothing says how a client gets its first refresh token")
                .hint("write `refresh_token_env`, or what the first one is fetched by: `password_env`, or a secret of the client for `client_credentials`"));
        }
        let plain = |key: &str, text: &str| {
            names.text(text).map_err(|error| error.within(format!("`{key}`")))
        };
        let text = |key: &str, text: &Option<String>| {
            text.as_deref().map(|text| plain(key, text)).transpose()
        };
        let hidden = |key: &str, text: &Option<String>| {
            text.as_deref().map(|text| secret_template(key, text, names)).transpose()
        };
        let mut trust = Trust::load("ca", settings.ca.as_deref(), settings.verify, base)?;
        trust.own = own_certificate(settings, &server, base)?.map(Arc::new);
        Ok(Self {
            shows_own,
            server,
            client_id: plain("client_id", &settings.client_id)?,
            client_secret: hidden("client_secret", &client_secret)?,
            assertion_key,
            assertion_audience: text("assertion_audience", &settings.assertion_audience)?,
            // Only a password login names a user.
            username: match &password {
                Some(_) => plain("username", &settings.username)?,
                None => Template::compile("", &[])?,
            },
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

    /// By which grant each client first fetches a refresh token of its own, where it does.
    pub fn starts_from(&self) -> Option<Grant> {
        let starts_anew =
            self.settings.grant == Grant::RefreshToken && self.refresh_token.is_none();
        let by = if self.password.is_some() { Grant::Password } else { Grant::ClientCredentials };
        starts_anew.then_some(by)
    }

    /// By which grant a client gets a token without a refresh token; `None` where all start from one that the scenario names.
    pub fn login(&self) -> Option<Grant> {
        match self.settings.grant {
            Grant::RefreshToken => self.starts_from(),
            grant => Some(grant),
        }
    }
}

impl Plan {
    /// Bytes that fetched tokens may take at one time: those that are held until their clients come, those of clients that
    /// are there, and refresh tokens. The fetcher holds no more.
    pub fn token_room(&self) -> u64 {
        let Some(fetching) = &self.issuance.fetching else { return 0 };
        let is_ahead = fetching.settings.prefetch || self.waits_for_ends();
        let clients = self.known_attempts();
        let ahead = if is_ahead { clients.div_ceil(self.reuse) } else { 0 };
        let refreshes = (0..self.mould.kinds.len()).any(|kind| self.fetches_later(kind));
        let refreshing = if refreshes || fetching.starts_from().is_some() { clients } else { 0 };
        let held = ahead.saturating_add(refreshing).saturating_add(self.budget.most_sockets);
        held.saturating_mul(TOKEN_BYTES).max(LEAST_ROOM)
    }

    /// Bytes that fetching takes: the tokens, and an answer on each connection.
    pub fn fetching_bytes(&self) -> u64 {
        let settings = self.issuance.fetching.as_ref().map(|fetching| &fetching.settings);
        let answers = settings.map_or(0, |settings| u64::from(settings.connections) * ANSWER_BYTES);
        self.token_room().saturating_add(answers)
    }

    /// Whether the tokens of a kind are fetched.
    pub fn is_fetched(&self, kind: usize) -> bool {
        self.issuance.fetching.is_some() && FETCHED.contains(&self.mould.kinds[kind].defect.name)
    }

    /// Whether tokens are fetched from a server that is not the run's own.
    pub fn is_issued_elsewhere(&self) -> bool {
        let fetching = self.issuance.fetching.as_ref();
        fetching.is_some_and(|fetching| fetching.server != Server::Own)
    }

    /// How long the fetched tokens of a kind have to have ended when they are brought, where they have to.
    pub fn ended_for(&self, kind: usize) -> Option<Duration> {
        let kind = Some(&self.mould.kinds[kind]).filter(|_| self.is_fetched(kind))?;
        match kind.recipe.exp {
            Exp::Ago(by) if kind.defect.name == EXPIRED => Some(by),
            _ => None,
        }
    }

    /// Whether tokens are fetched before the storm: all of them, those that refreshing starts from, or those that have to
    /// end first.
    pub fn has_prelude(&self) -> bool {
        self.issuance.fetching.as_ref().is_some_and(|fetching| {
            fetching.settings.prefetch || fetching.starts_from().is_some() || self.waits_for_ends()
        })
    }

    /// Whether fetched tokens of some kind have to have ended when they are brought.
    fn waits_for_ends(&self) -> bool {
        (0..self.mould.kinds.len()).any(|kind| self.ended_for(kind).is_some())
    }

    /// Whether some clients bring a fetched token that another brings as well.
    pub fn shares_fetched(&self) -> bool {
        self.reuse > 1 || (0..self.mould.kinds.len()).any(|kind| self.is_stolen(kind))
    }

    /// The client whose fetched token client `n` brings: the first of its group; where that is stolen, of the group before,
    /// and of the one after where there is none.
    pub fn subject_of(&self, n: u64) -> u64 {
        let own = self.minted_as(n);
        if self.is_stolen(self.kind_of(own)) {
            own.checked_sub(self.reuse).unwrap_or(own + self.reuse)
        } else {
            own
        }
    }

    /// How many clients bring the fetched token of this one.
    pub fn bearers_of(&self, subject: u64) -> u64 {
        let groups = [
            subject.checked_sub(self.reuse).filter(|before| *before == 0),
            Some(subject),
            Some(subject + self.reuse),
        ];
        let brings = |first: &u64| {
            *first < self.attempts
                && self.is_fetched(self.kind_of(*first))
                && self.subject_of(*first) == subject
        };
        let size = |first: u64| self.reuse.min(self.attempts - first);
        groups.into_iter().flatten().filter(brings).map(size).sum()
    }

    fn is_stolen(&self, kind: usize) -> bool {
        self.is_fetched(kind) && self.mould.kinds[kind].defect.name == STOLEN
    }
}

/// The certificate that clients show to the server.
fn own_certificate(
    settings: &OAuth,
    server: &Server,
    base: &Path,
) -> Result<Option<OwnCertificate>> {
    let Some(own) = &settings.tls else { return Ok(None) };
    if let Server::Discovered(url) | Server::Endpoint(url) = server
        && url.scheme() == "http"
    {
        return Err(Error::usage("`tls` is given, but the server is asked over plain HTTP")
            .hint("write `https://`, or leave `[oauth.tls]` out"));
    }
    let (Some(cert), Some(key)) = (&own.cert, &own.key) else {
        return Err(Error::usage("of `tls.cert` and `tls.key` one is missing")
            .hint("mutual TLS needs both: the certificate and its private key"));
    };
    let (cert, key) = (file_of("tls.cert", cert, base)?, file_of("tls.key", key, base)?);
    let own = OwnCertificate::read(("oauth.tls.cert", &cert), ("oauth.tls.key", &key))?;
    own.check()?;
    Ok(Some(own))
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
