use std::{
    collections::HashSet,
    net::{IpAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
};

use super::*;

/// What this kernel has.
fn choices() -> impl Iterator<Item = PortChoice> {
    [PortChoice::of_this_kernel(), PortChoice::ByBinding].into_iter()
}

/// Some of the ports that this host connects from: the kernel takes none outside of them.
fn some_ports() -> std::ops::RangeInclusive<u16> {
    let first = *crate::base::host::Limits::read().ports.start();
    first..=first + 399
}

/// Local addresses of connections to a listener, all held open.
fn connected(
    listener: &TcpListener,
    walk: &mut PortWalk,
    choice: PortChoice,
    count: usize,
) -> Vec<(OwnedFd, TcpStream, SocketAddr)> {
    let target = listener.local_addr().unwrap();
    (0..count)
        .map(|_| {
            let socket =
                open(target, walk, choice, 400).unwrap_or_else(|error| panic!("{error:?}"));
            let (accepted, from) = listener.accept().unwrap();
            (socket, accepted, from)
        })
        .collect()
}

#[test]
fn connections_come_from_the_ports_that_were_chosen_either_way_and_busy_ones_are_skipped() {
    for (address, sources) in [
        ("127.0.0.1:0", vec![]),
        ("127.0.0.1:0", vec!["127.0.0.7".parse::<IpAddr>().unwrap()]),
        ("[::1]:0", vec![]),
    ] {
        let listener = TcpListener::bind(address).unwrap();
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for choice in choices() {
            // Both walk the same ports, so the second meets those that the first has taken.
            let mut walk = PortWalk::new(
                &sources,
                listener.local_addr().unwrap(),
                &some_ports(),
                (0, 1),
                1,
                0,
            );
            for (socket, accepted, from) in connected(&listener, &mut walk, choice, 100) {
                assert!(some_ports().contains(&from.port()), "{choice:?} {from}");
                assert!(sources.is_empty() || sources.contains(&from.ip()), "{choice:?} {from}");
                assert!(seen.insert(from), "{choice:?} {from} twice");
                assert!(socket.as_raw_fd() != accepted.as_raw_fd());
                all.push((socket, accepted));
            }
        }
        assert_eq!(all.len(), 200);
    }
}

#[test]
fn a_walk_without_a_free_port_is_a_local_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let first = (some_ports().start() + 400..some_ports().start() + 700)
        .step_by(3)
        .find(|first| (*first..first + 3).all(|port| is_free(&port)))
        .unwrap();
    let few = first..=first + 2;
    for choice in choices() {
        let mut walk = PortWalk::new(&[], listener.local_addr().unwrap(), &few, (0, 1), 1, 0);
        let held = connected(&listener, &mut walk, choice, 3);
        let target = listener.local_addr().unwrap();
        let fourth = open(target, &mut walk, choice, 400).unwrap_err();
        assert_eq!(fourth, Outcome::LocalError("no_port"), "{choice:?}");
        // Reset, so that no port stays in TIME_WAIT for the second choice.
        for (socket, _, _) in &held {
            sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO)).unwrap();
        }
    }
}
