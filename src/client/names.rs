//! Names of brokers, as the system's own resolver (`getaddrinfo`) finds them, and which of their addresses to
//! use.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
};

use super::socket;

/// All addresses of a host. Blocks.
///
/// # Errors
/// When it has none, or nobody can be asked.
pub fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Those that this host has a route to, of one family; where it has none to any, those that it would take.
pub fn reachable(found: &[SocketAddr], sources: &[IpAddr]) -> Vec<SocketAddr> {
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
}
