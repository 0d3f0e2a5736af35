//! The bus between a coordinator and its agents: NATS, with subjects and bytes; what they mean is not known here.
//!
//! `async-nats` reconnects by itself and keeps the order of one connection. It promises no delivery: who needs one
//! acknowledges.

mod joining;
pub mod news;
pub mod server;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use async_nats::Client;
use bytes::Bytes;
use crossbeam_channel::{Receiver, unbounded};

use self::news::{Heard, News};
use crate::base::{
    clock::GLANCE,
    error::{Error, Result},
    host::loopback::is_this_host,
    threads::Threads,
};

/// How long something that is said may wait for the connection: what waits for longer is told by silence.
const SAYING: Duration = Duration::from_secs(1);
/// How long the server may take to know of a subscription.
const LISTENING: Duration = Duration::from_secs(10);
/// Bytes of messages about one subject that wait to be read: some seconds of a fleet of a thousand agents.
const MOST_WAITING: usize = 256 << 20;

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
    threads: Threads,
    client: Client,
    is_private: bool,
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
}

/// Resolves when the user wants an end.
async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(GLANCE).await;
    }
}

impl Bus {
    /// Joins the bus; a server that is not there yet is waited for.
    ///
    /// # Errors
    /// When the settings are wrong, credentials are missing, no server answers in time, or the user wants an end.
    pub fn connect(settings: &Settings, name: &str, stop: &Arc<AtomicBool>) -> Result<Self> {
        let addresses = settings.addresses()?;
        let is_private = settings.check(&addresses)?;
        let threads = Threads::start("bus", 1).map_err(|error| {
            Error::not_measured(format!("can't start the bus' thread: {error}"))
        })?;
        // More than one is linked in, so the library can't tell by itself. Set already where this is not the first bus.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let client = threads.block_on(async {
            tokio::select! {
                joined = settings.wait_for(&addresses, name, &heard) => joined,
                () = stopped(stop) => Err(Error::interrupted("interrupted before NATS answered")),
            }
        })?;
        let is_local = addresses.iter().all(|address| is_this_host(address.host()));
        let stop = Arc::clone(stop);
        let bus = Self { threads, client, is_private, stop, heard };
        if !is_local && !bus.client.server_info().auth_required && settings.identity.is_none() {
            return Err(Error::usage(
                "this NATS is not on this host and asks nobody for credentials: whoever reaches it could start storms",
            )
            .hint("give it an `authorization` block, or accounts"));
        }
        Ok(bus)
    }

    /// What has happened to the connection since this was last asked.
    pub fn news(&self) -> Vec<News> {
        self.heard.lock().take()
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
        let mut subscriber = self.threads.block_on(async {
            let subscribing = async {
                let subscriber = self.client.subscribe(subject.to_owned()).await;
                let subscriber = subscriber.map_err(|error| gone(&error))?;
                // Only what the server knows of is heard.
                self.client.flush().await.map_err(|error| gone(&error))?;
                Ok(subscriber)
            };
            tokio::select! {
                subscribed = tokio::time::timeout(LISTENING, subscribing) => {
                    subscribed.unwrap_or_else(|_| Err(gone(&"it does not answer")))
                }
                () = stopped(&self.stop) => Err(Error::interrupted("interrupted before NATS answered")),
            }
        })?;
        let waiting = Arc::default();
        self.threads.spawn(async move {
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
        let publishing = self.client.publish(subject.to_owned(), payload);
        match self.threads.block_on(async { tokio::time::timeout(SAYING, publishing).await }) {
            Ok(published) => published.map_err(|error| {
                Error::not_measured(format!(
                    "NATS does not take a message of {size} bytes: {error}"
                ))
                .hint("raise `max_payload` of the server: 8MB will do")
            }),
            // The connection is gone, and so much waits for it already that nothing more does.
            Err(_) => Err(Error::not_measured("the connection to NATS is gone")),
        }
    }

    /// Waits until what was said is with the server, for a moment at most.
    pub fn flush(&self) {
        // Without a connection there is nothing to wait for.
        let moment = if self.stands() { SAYING } else { 2 * GLANCE };
        let flushed = async { tokio::time::timeout(moment, self.client.flush()).await };
        let _ = self.threads.block_on(flushed);
    }
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
