//! The threads that attempts have the brokers' names looked up by, as the system's resolver blocks; waiting
//! for a free one is a part of the phase `dns`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::key::Key;
use crate::{
    base::{
        clock::Clock,
        error::{Error, Result},
        host::loopback::is_loopback,
    },
    client::names::{lookup, reachable},
    supply::signal::Signal,
};

/// Lookups at one time. A resolver that takes 10 ms then answers 12 800 attempts a second.
const THREADS: usize = 128;

/// A question.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// The connection that waits.
    pub(super) key: Key,
    pub(super) asked: u64,
    /// When nobody waits for the answer any more.
    pub(super) deadline: u64,
    pub(super) reply: Sender<Answer>,
    pub(super) signal: Arc<Signal>,
}

/// Its answer: the addresses, none where the name has none.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) addresses: Vec<SocketAddr>,
    /// How long it waited for a thread that was free, in nanoseconds: that was our doing.
    pub(super) waited: u64,
}

/// Starts the threads that look names up, and gives what they are asked by; only addresses of this host are told unless
/// others may be loaded (`authorized`). They end when nobody can ask
/// any more, each after its last question: nobody waits for that.
///
/// # Errors
/// When no thread can be started.
pub(super) fn start(clock: Clock, sources: &[IpAddr], authorized: bool) -> Result<Sender<Ask>> {
    let (asks, asked) = unbounded();
    for number in 0..THREADS {
        let (asked, sources): (Receiver<Ask>, Vec<IpAddr>) = (asked.clone(), sources.to_vec());
        thread::Builder::new()
            .name(format!("names-{number}"))
            .spawn(move || {
                for Ask { host, port, key, asked, deadline, reply, signal } in asked {
                    let now = clock.now();
                    // Those that gave up must not keep others waiting.
                    let mut addresses = if now < deadline {
                        reachable(&lookup(&host, port).unwrap_or_default(), &sources)
                    } else {
                        Vec::new()
                    };
                    // What was a name of this host may be one of another by now.
                    addresses.retain(|address| authorized || is_loopback(address.ip()));
                    let waited = now.saturating_sub(asked);
                    // Nobody waits any more when the run is over.
                    if reply.send(Answer { key, addresses, waited }).is_ok() {
                        signal.ring();
                    }
                }
            })
            .map_err(|error| {
                Error::not_measured(format!("can't start a thread for names: {error}"))
            })?;
    }
    Ok(asks)
}

#[cfg(test)]
mod tests;
