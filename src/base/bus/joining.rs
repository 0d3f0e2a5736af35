//! How a connection to the bus is made, with which credentials, and what is said where it can't be.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, ReconnectToServer, ServerAddr,
};

use rustls::ClientConfig;

use super::{
    Settings,
    news::{Heard, News},
};
use crate::base::{
    clock::{Clock, nanoseconds},
    error::{Error, Result, showable},
    host::{
        loopback::is_this_host,
        reading::{self, LONGEST_TEXT},
    },
    tls::{OwnCertificate, Trust, client_of, failure},
};

/// How long a connection may take, where it can: a SYN that is lost is sent again after 1 s, 3 s and 7 s, and a new
/// connection begins that anew.
const QUICK: Duration = Duration::from_secs(3);
/// How long it may take where that was too short: round trips of a second, and TLS.
const PATIENT: Duration = Duration::from_secs(10);
/// Between two looks whether a server has come.
const RETRY: Duration = Duration::from_millis(500);
/// Between two tries to bring a connection back: well below what an agent's silence may last. Twice as long at most, so
/// that a thousand agents do not come at one instant.
const AGAIN: Duration = Duration::from_millis(100);
/// How often the server is asked whether it is there; the third question without an answer ends the connection. A single
/// server may be far away. Of several another one answers, if it is asked soon.
const PING: Duration = Duration::from_secs(1);
const PING_OF_SEVERAL: Duration = Duration::from_millis(600);
/// The environment's names for what must not stand on a command line.
const USER: &str = "TOKENSTORM_NATS_USER";
const PASSWORD: &str = "TOKENSTORM_NATS_PASSWORD";
pub(super) const TOKEN: &str = "TOKENSTORM_NATS_TOKEN";

impl Settings {
    /// The addresses of the URL.
    ///
    /// # Errors
    /// When it is none of NATS.
    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>> {
        let parsed = self.url.split(',').map(|url| {
            let is_known = ["nats://", "tls://"].iter().any(|scheme| url.starts_with(scheme));
            if url.contains('@') {
                return Err(Error::usage(
                    "`--nats` has a user or a password in it, which others on this host can read",
                )
                .hint(format!("set {USER} and {PASSWORD}, or {TOKEN}, or give `--creds FILE`")));
            }
            let parsed = url.parse::<ServerAddr>().ok();
            parsed.filter(|_| is_known || !url.contains("://")).ok_or_else(|| {
                let is_plain = url.len() <= 200 && showable::pasted(url).is_none();
                let shown = if is_plain { format!("is `{url}`, which is") } else { "is".into() };
                Error::usage(format!("`--nats` {shown} no address of NATS"))
                    .hint("write `nats://host:4222`, or `tls://host:4222`")
            })
        });
        parsed.collect()
    }

    /// Refuses what would let strangers control agents, or read keys that need not be read.
    pub(super) fn check(&self, addresses: &[ServerAddr]) -> Result<bool> {
        let is_local = addresses.iter().all(|address| is_this_host(address.host()));
        let is_tls = self.tls || addresses.iter().all(ServerAddr::tls_required);
        let has_credentials = self.creds.is_some()
            || self.identity.is_some()
            || self.token.is_some()
            || variable(TOKEN).is_some()
            || variable(USER).is_some();
        if !is_local && !has_credentials {
            let shown: Vec<String> =
                addresses.iter().map(|address| format!("`{}`", address.host())).collect();
            return Err(Error::usage(format!(
                "NATS at {} is not on this host, and there are no credentials for it: whoever reaches it could start storms",
                shown.join(", ")
            ))
            .hint(format!("give `--creds FILE`, or set {TOKEN}, or {USER} and {PASSWORD}, or bring a certificate by `--tls-cert` and `--tls-key`")));
        }
        Ok(is_local || is_tls)
    }

    fn options(&self, name: &str, is_tls: bool, servers: usize) -> Result<ConnectOptions> {
        // The one that was lost last is the last one to be tried again.
        let tried = AtomicUsize::new(0);
        let mut options = ConnectOptions::new()
            .name(name)
            .reconnect_to_server_callback(move |known, _| {
                let at = tried.fetch_add(1, Ordering::Relaxed);
                let delay = if at == 0 { Duration::ZERO } else { AGAIN + jitter(AGAIN) };
                let server = known.get(at % known.len().max(1));
                let next = server.map(|server| ReconnectToServer {
                    addr: server.addr.clone(),
                    delay: Some(delay),
                });
                std::future::ready(next)
            })
            .ping_interval(if servers > 1 { PING_OF_SEVERAL } else { PING })
            .require_tls(self.tls || is_tls)
            // A server that another names may be reached by a way that was not asked for.
            .ignore_discovered_servers()
            .subscription_capacity(1 << 16)
            .client_capacity(1 << 12);
        if let Some(file) = &self.creds {
            // Not by the library's own way: its errors repeat the path, and what is in the file.
            let text = reading::read_text(file, LONGEST_TEXT).map_err(|error| {
                let named = showable::file(file, Path::new(""));
                Error::usage(format!("`--creds` names {named}: {error}"))
                    .hint("it takes the path of a file, which `nsc generate creds` writes")
            })?;
            options = options.credentials(&text).map_err(|_| {
                Error::usage("the file of `--creds` holds no JWT and seed of a NATS user")
                    .hint("`nsc generate creds` writes such a file")
            })?;
        }
        if let Some(token) = self.token.clone().or_else(|| variable(TOKEN)) {
            options = options.token(token);
        }
        if let Some(user) = variable(USER) {
            options = options.user_and_password(user, variable(PASSWORD).unwrap_or_default());
        }
        Ok(options.tls_client_config(self.tls_client()?))
    }

    /// How TLS is spoken, as with brokers: a certificate that signed itself may be its own authority.
    fn tls_client(&self) -> Result<ClientConfig> {
        let mut trust = Trust::load("--tls-ca", self.ca.as_deref(), None, Path::new(""))?;
        if let Some((cert, key)) = &self.identity {
            let read = |option: &str, file: &Path| {
                reading::read(file, LONGEST_TEXT).map_err(|error| {
                    let named = showable::file(file, Path::new(""));
                    Error::usage(format!("`{option}` names {named}, which can't be read: {error}"))
                        .hint("it takes the path of a PEM file, not what is in it")
                })
            };
            let (cert, key) = (read("--tls-cert", cert)?, read("--tls-key", key)?);
            let own = OwnCertificate::read(("--tls-cert", &cert), ("--tls-key", &key))?;
            trust.own = Some(Arc::new(own));
        }
        client_of(&trust)
    }

    /// Connects once; an error says whether the server may come yet.
    async fn join(
        &self,
        addresses: &[ServerAddr],
        name: &str,
        patience: Duration,
        heard: &Arc<Mutex<Heard>>,
    ) -> std::result::Result<Client, (Error, bool)> {
        let is_tls = addresses.iter().all(ServerAddr::tls_required);
        let options =
            self.options(name, is_tls, addresses.len()).map_err(|error| (error, false))?;
        let heard = Arc::clone(heard);
        let options = options.connection_timeout(patience).event_callback(move |event| {
            if let Some(news) = News::of(&event) {
                heard.lock().add(news);
            }
            std::future::ready(())
        });
        options.connect(addresses.to_vec()).await.map_err(|error| refusal(&error, addresses))
    }

    /// Connects as soon as a server is there.
    pub(super) async fn wait_for(
        &self,
        addresses: &[ServerAddr],
        name: &str,
        heard: &Arc<Mutex<Heard>>,
    ) -> Result<Client> {
        let (clock, mut is_said) = (Clock::start(), false);
        let mut patience = QUICK;
        loop {
            let (error, may_come) = match self.join(addresses, name, patience, heard).await {
                Ok(client) => return Ok(client),
                Err(refused) => refused,
            };
            if !may_come || clock.now() > nanoseconds(self.patience) {
                return Err(error);
            }
            if !is_said {
                is_said = true;
                let patience = humantime::format_duration(self.patience);
                crate::tell!("{error}; waiting for it, {patience} at most");
            }
            patience = if patience == QUICK { PATIENT } else { QUICK };
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Why there is no connection, and whether there may be one later.
fn refusal(error: &ConnectError, addresses: &[ServerAddr]) -> (Error, bool) {
    let hosts: Vec<String> =
        addresses.iter().map(|address| format!("{}:{}", address.host(), address.port())).collect();
    let hosts = hosts.join(", ");
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            let told = Error::usage(format!("NATS at {hosts} refused the credentials"))
                .hint(format!("set {TOKEN}, or {USER} and {PASSWORD}, or give `--creds FILE`"));
            return (told, false);
        }
        _ => {}
    }
    if let Some(error) = failure::behind(error) {
        return (no_handshake(error, &hosts), false);
    }
    let may_come = matches!(
        error.kind(),
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut | ConnectErrorKind::Io
    );
    let told = Error::not_measured(format!("no NATS answers at {hosts}: {error}"))
        .hint("start it (`nats-server`, Debian: `apt install nats-server`), or check `--nats` and `--tls`");
    (told, may_come)
}

/// Why a handshake of TLS came to nothing, and what to do: waiting does not help.
fn no_handshake(error: &rustls::Error, hosts: &str) -> Error {
    let word = failure::word(error);
    match error {
        rustls::Error::InvalidCertificate(_) => {
            Error::usage(format!("the certificate of NATS at {hosts} is not trusted: `{word}`")).hint(
                "give the authority that signed it by `--tls-ca FILE`; one that signed itself is its own authority; and name the host as the certificate does",
            )
        }
        rustls::Error::InvalidMessage(_) => {
            Error::usage(format!("what answers at {hosts} does not speak TLS: `{word}`"))
                .hint("write `nats://`, or give that server a `tls` block")
        }
        _ => Error::usage(format!("NATS at {hosts} and this program can't agree on TLS: `{word}`"))
            .hint("where the server asks for a certificate, bring one: `--tls-cert` and `--tls-key`"),
    }
}

/// A time from nothing up to this one, another one at each call.
fn jitter(most: Duration) -> Duration {
    let drawn = RandomState::new().hash_one(()) % most.as_millis().max(1) as u64;
    Duration::from_millis(drawn)
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
