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
mod tests;
