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
    client::socket,
    clock::Clock,
    error::{Error, Result},
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

/// Starts the threads that look names up, and gives what they are asked by. They end when nobody can ask
/// any more, each after its last question: nobody waits for that.
///
/// # Errors
/// When no thread can be started.
pub(super) fn start(clock: Clock, sources: &[IpAddr]) -> Result<Sender<Ask>> {
    let (asks, asked) = unbounded();
    for number in 0..THREADS {
        let (asked, sources): (Receiver<Ask>, Vec<IpAddr>) = (asked.clone(), sources.to_vec());
        thread::Builder::new()
            .name(format!("names-{number}"))
            .spawn(move || {
                for Ask { host, port, key, asked, deadline, reply, signal } in asked {
                    let now = clock.now();
                    // Those that gave up must not keep others waiting.
                    let addresses = if now < deadline {
                        reachable(&lookup(&host, port).unwrap_or_default(), &sources)
                    } else {
                        Vec::new()
                    };
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

/// All addresses of a host.
pub(super) fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Those that this host has a route to, of one family; where it has none to any, those that it would take.
pub(super) fn reachable(found: &[SocketAddr], sources: &[IpAddr]) -> Vec<SocketAddr> {
    let routed: Vec<SocketAddr> =
        found.iter().copied().filter(|address| socket::route(*address).is_ok()).collect();
    let reachable = usable(&routed, sources);
    if reachable.is_empty() { usable(found, sources) } else { reachable }
}

/// Those of one family that the sources can reach: IPv4 first, since a broker that listens on one family
/// only listens on that mostly.
fn usable(found: &[SocketAddr], sources: &[IpAddr]) -> Vec<SocketAddr> {
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
    fn addresses_without_a_route_are_left_out_unless_there_is_no_other() {
        // No host has a route to the one of IPv4 that must not be used (RFC 1122, 3.2.1.3).
        let dead = addresses(&["255.255.255.255:1"]);
        let both = addresses(&["255.255.255.255:1", "127.0.0.1:1"]);
        assert_eq!(reachable(&both, &[]), addresses(&["127.0.0.1:1"]));
        assert_eq!(reachable(&dead, &[]), dead);
    }

    #[test]
    fn threads_answer_and_ring_and_do_not_look_up_what_nobody_waits_for() {
        let clock = Clock::start();
        let asks = start(clock, &[]).unwrap();
        let (reply, answers) = unbounded();
        let signal = Arc::new(Signal::new().unwrap());
        for (place, deadline) in [u64::MAX, 0].into_iter().enumerate() {
            let ask = Ask {
                host: "127.0.0.1".into(),
                port: 1883,
                key: Key::new(place, 7),
                asked: clock.now(),
                deadline,
                reply: reply.clone(),
                signal: Arc::clone(&signal),
            };
            asks.send(ask).unwrap();
        }
        let mut seen: Vec<Answer> = answers.iter().take(2).collect();
        seen.sort_by_key(|answer| answer.key);
        assert_eq!(seen[0].addresses, addresses(&["127.0.0.1:1883"]));
        assert_eq!(seen[1].addresses, Vec::new());
        // Comes back at once, as the bell has been rung, or when it is.
        let mut polled =
            [rustix::event::PollFd::from_borrowed_fd(signal.bell(), rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut polled, None).unwrap(), 1);
    }
}
