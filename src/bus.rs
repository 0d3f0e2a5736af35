//! The bus between a coordinator and its agents: NATS, with subjects and bytes; what they mean is not known here.
//!
//! `async-nats` reconnects by itself and keeps the order of one connection. It promises no delivery: who needs one
//! acknowledges.

pub mod server;

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};
use bytes::Bytes;
use crossbeam_channel::{Receiver, unbounded};
use tokio::runtime::Runtime;

use crate::{
    clock::{Clock, nanoseconds},
    error::{Error, Result, showable},
    host::{
        loopback::is_this_host,
        reading::{self, LONGEST_TEXT},
    },
};

/// How long a first connection may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// Between two looks whether a server has come.
const RETRY: Duration = Duration::from_millis(500);
/// How often the server is asked whether it is there.
const PING: Duration = Duration::from_secs(2);
/// Bytes of messages about one subject that wait to be read: some seconds of a fleet of a thousand agents.
const MOST_WAITING: usize = 256 << 20;
/// The environment's names for what must not stand on a command line.
const USER: &str = "TOKENSTORM_NATS_USER";
const PASSWORD: &str = "TOKENSTORM_NATS_PASSWORD";
const TOKEN: &str = "TOKENSTORM_NATS_TOKEN";

/// Where the bus is, and as whom it is joined.
#[derive(Clone, Default)]
pub struct Settings {
    /// `nats://host:port` or `tls://host:port`; several, parted by commas, for a cluster.
    pub url: String,
    /// A file with the JWT and seed of a NATS user.
    pub creds: Option<PathBuf>,
    /// Whether nothing but TLS will do.
    pub tls: bool,
    /// PEM file with the authorities of the server's certificate, beside those that this host trusts.
    pub ca: Option<PathBuf>,
    /// PEM files of a certificate of one's own and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long a server that does not answer is waited for.
    pub patience: Duration,
    /// A token that is known already, in place of the environment's.
    pub token: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URL and token may be secrets.
        f.debug_struct("Settings").field("creds", &self.creds).finish_non_exhaustive()
    }
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub payload: Bytes,
    /// Its place among those that wait.
    _place: Place,
}

/// Memory of a message beside what it says.
const OF_MESSAGE: usize = 256;

/// What a message takes of the memory for those that wait, for as long as it is there.
#[derive(Debug)]
struct Place {
    waiting: Arc<AtomicUsize>,
    bytes: usize,
}

impl Place {
    /// A place for so many bytes, where there is one.
    fn take(waiting: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        let before = waiting.fetch_add(bytes, Ordering::Relaxed);
        let place = Self { waiting: Arc::clone(waiting), bytes };
        (before + bytes <= MOST_WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A connection to the bus. It closes when this is dropped.
#[derive(Debug)]
pub struct Bus {
    runtime: Runtime,
    client: Client,
    is_private: bool,
}

impl Settings {
    /// The addresses of the URL.
    ///
    /// # Errors
    /// When it is none of NATS.
    fn addresses(&self) -> Result<Vec<ServerAddr>> {
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
    fn check(&self, addresses: &[ServerAddr]) -> Result<bool> {
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

    fn options(&self, name: &str, is_tls: bool) -> Result<ConnectOptions> {
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(CONNECTING)
            .ping_interval(PING)
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
            let password = variable(PASSWORD).unwrap_or_default();
            options = options.user_and_password(user, password);
        }
        for file in self.ca.iter().chain(self.identity.iter().flat_map(|(cert, key)| [cert, key])) {
            if !file.is_file() {
                let named = showable::file(file, Path::new(""));
                return Err(Error::usage(format!(
                    "`--tls-ca`, `--tls-cert` or `--tls-key` names {named}, which is not there"
                ))
                .hint("each takes the path of a PEM file, not what is in it"));
            }
        }
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &self.identity {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        Ok(options)
    }
}

impl Settings {
    /// Connects once; an error says whether the server may come yet.
    async fn join(
        &self,
        addresses: &[ServerAddr],
        name: &str,
    ) -> std::result::Result<Client, (Error, bool)> {
        let is_tls = addresses.iter().all(ServerAddr::tls_required);
        let options = self.options(name, is_tls).map_err(|error| (error, false))?;
        let hosts: Vec<String> = addresses
            .iter()
            .map(|address| format!("{}:{}", address.host(), address.port()))
            .collect();
        options.connect(addresses.to_vec()).await.map_err(|error| {
            let may_come = matches!(
                error.kind(),
                ConnectErrorKind::Dns | ConnectErrorKind::TimedOut | ConnectErrorKind::Io
            );
            let is_refused = matches!(
                error.kind(),
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation
            );
            if is_refused {
                let told = Error::usage(format!("NATS at {} refused the credentials", hosts.join(", ")))
                    .hint(format!("set {TOKEN}, or {USER} and {PASSWORD}, or give `--creds FILE`"));
                return (told, false);
            }
            let told = Error::not_measured(format!("no NATS answers at {}: {error}", hosts.join(", ")))
                .hint("start it (`nats-server`, Debian: `apt install nats-server`), or check `--nats` and `--tls`");
            (told, may_come)
        })
    }
}

impl Bus {
    /// Joins the bus; a server that is not there yet is waited for.
    ///
    /// # Errors
    /// When the settings are wrong, credentials are missing, or no server answers in time.
    pub fn connect(settings: &Settings, name: &str, stop: &AtomicBool) -> Result<Self> {
        let addresses = settings.addresses()?;
        let is_private = settings.check(&addresses)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("bus")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::not_measured(format!("can't start the bus' thread: {error}"))
            })?;
        // More than one is linked in, so the library can't tell by itself. Set already where this is not the first bus.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (clock, mut is_said) = (Clock::start(), false);
        let client = loop {
            match runtime.block_on(settings.join(&addresses, name)) {
                Ok(client) => break client,
                Err((error, may_come)) => {
                    if stop.load(Ordering::Relaxed) {
                        return Err(Error::interrupted("interrupted before NATS answered"));
                    }
                    if !may_come || clock.now() > nanoseconds(settings.patience) {
                        return Err(error);
                    }
                    if !is_said {
                        is_said = true;
                        let patience = humantime::format_duration(settings.patience);
                        crate::tell!("{error}; waiting for it, {patience} at most");
                    }
                    thread::sleep(RETRY);
                }
            }
        };
        let is_local = addresses.iter().all(|address| is_this_host(address.host()));
        if !is_local && !client.server_info().auth_required && settings.identity.is_none() {
            return Err(Error::usage(
                "this NATS is not on this host and asks nobody for credentials: whoever reaches it could start storms",
            )
            .hint("give it an `authorization` block, or accounts"));
        }
        Ok(Self { runtime, client, is_private })
    }

    /// Whether what is said can't be read on the way to the server: it is on this host, or behind TLS.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// The most bytes of a message.
    pub fn most_bytes(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// Whether the connection stands.
    pub fn stands(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// What is said about a subject from now on. Whoever does not listen for long misses what would take too much memory:
    /// the bus promises no delivery.
    ///
    /// # Errors
    /// When the connection is gone for good.
    pub fn subscribe(&self, subject: &str) -> Result<Receiver<Message>> {
        let gone = |why: &dyn fmt::Display| {
            Error::not_measured(format!("can't listen to `{subject}` on NATS: {why}"))
        };
        let (heard, messages) = unbounded();
        let mut subscriber = self
            .runtime
            .block_on(self.client.subscribe(subject.to_owned()))
            .map_err(|error| gone(&error))?;
        // Only what the server knows of is heard.
        self.runtime.block_on(self.client.flush()).map_err(|error| gone(&error))?;
        let waiting = Arc::default();
        self.runtime.spawn(async move {
            use futures_util::StreamExt;
            while let Some(message) = subscriber.next().await {
                let (subject, payload) = (message.subject.to_string(), message.payload);
                let bytes = payload.len() + subject.len() + OF_MESSAGE;
                let Some(place) = Place::take(&waiting, bytes) else { continue };
                if heard.send(Message { subject, payload, _place: place }).is_err() {
                    return;
                }
            }
        });
        Ok(messages)
    }

    /// Says something about a subject; what can't be sent now is sent when the connection stands again.
    ///
    /// # Errors
    /// When it is longer than the server takes, or the connection is closed for good.
    pub fn publish(&self, subject: &str, payload: impl Into<Bytes>) -> Result<()> {
        let payload = payload.into();
        let size = payload.len();
        self.runtime.block_on(self.client.publish(subject.to_owned(), payload)).map_err(|error| {
            Error::not_measured(format!("NATS does not take a message of {size} bytes: {error}"))
                .hint("raise `max_payload` of the server: 8MB will do")
        })
    }

    /// Waits until what was said is with the server, for a moment at most.
    pub fn flush(&self) {
        let _ = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(1), self.client.flush()).await
        });
    }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_nobody_reads_take_bounded_memory_and_give_their_place_back() {
        let waiting = Arc::default();
        let half = MOST_WAITING / 2;
        let (one, two) = (Place::take(&waiting, half), Place::take(&waiting, half));
        assert!(one.is_some() && two.is_some());
        assert!(Place::take(&waiting, 1).is_none());
        drop(one);
        assert!(Place::take(&waiting, half).is_some());
        drop(two);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
    }
}
