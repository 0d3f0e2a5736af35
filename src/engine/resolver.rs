//! Names of brokers, looked up by the system's own resolver: once before the storm, or by each attempt.
//!
//! That resolver blocks (`getaddrinfo`), so attempts ask threads of their own; waiting for a free one is a
//! part of the phase `dns`.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::connection::Key;
use crate::{
    error::{Error, Result},
    supply::signal::Signal,
};

/// Lookups at one time. A resolver that takes 10 ms then answers 3 200 attempts a second.
const THREADS: usize = 32;

/// A question.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// The connection that waits.
    pub(super) key: Key,
    pub(super) reply: Sender<Answer>,
    pub(super) signal: Arc<Signal>,
}

/// Its answer: the addresses, none where the name has none.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Starts the threads that look names up, and gives what they are asked by. They end when nobody can ask
/// any more, each after its last question: nobody waits for that.
///
/// # Errors
/// When no thread can be started.
pub(super) fn start() -> Result<Sender<Ask>> {
    let (asks, asked) = unbounded();
    for number in 0..THREADS {
        let asked: Receiver<Ask> = asked.clone();
        thread::Builder::new()
            .name(format!("names-{number}"))
            .spawn(move || {
                for Ask { host, port, key, reply, signal } in asked {
                    let addresses = lookup(&host, port).unwrap_or_default();
                    // Nobody waits any more when the run is over.
                    if reply.send(Answer { key, addresses }).is_ok() {
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

/// All addresses of a host.
pub(super) fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Those of one family that the sources can reach: IPv4 first, since a broker that listens on one family
/// only listens on that mostly.
pub(super) fn usable(found: &[SocketAddr], sources: &[IpAddr]) -> Vec<SocketAddr> {
    let reached = |is_ipv4: bool| {
        sources.is_empty() || sources.iter().any(|source| source.is_ipv4() == is_ipv4)
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for is_ipv4 in [true, false] {
        if addresses.is_empty() && reached(is_ipv4) {
            for address in found.iter().filter(|address| address.is_ipv4() == is_ipv4) {
                // The system names an address once for each type of socket.
                if !addresses.contains(address) {
                    addresses.push(*address);
                }
            }
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_of_one_family_are_used_and_ipv4_comes_first_unless_sources_say_otherwise() {
        let found = addresses(&["[::1]:1", "127.0.0.1:1", "127.0.0.1:1", "127.0.0.2:1", "[::2]:1"]);
        let v4 = addresses(&["127.0.0.1:1", "127.0.0.2:1"]);
        let v6 = addresses(&["[::1]:1", "[::2]:1"]);
        let source = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(usable(&found, &[]), v4);
        assert_eq!(usable(&found, &[source("127.0.0.9")]), v4);
        assert_eq!(usable(&found, &[source("::1")]), v6);
        assert_eq!(usable(&found, &[source("::1"), source("127.0.0.9")]), v4);
        assert_eq!(usable(&v6, &[]), v6);
        assert_eq!(usable(&v6, &[source("127.0.0.9")]), Vec::new());
    }

    #[test]
    fn threads_answer_and_ring() {
        let asks = start().unwrap();
        let (reply, answers) = unbounded();
        let signal = Arc::new(Signal::new().unwrap());
        for (place, host) in ["localhost", "no-such-name.invalid"].into_iter().enumerate() {
            let ask = Ask {
                host: host.into(),
                port: 1883,
                key: Key::new(place, 7),
                reply: reply.clone(),
                signal: Arc::clone(&signal),
            };
            asks.send(ask).unwrap();
        }
        let mut seen: Vec<Answer> = answers.iter().take(2).collect();
        seen.sort_by_key(|answer| answer.key);
        assert!(seen[0].addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(!seen[0].addresses.is_empty() && seen[1].addresses.is_empty(), "{seen:?}");
    }
}
