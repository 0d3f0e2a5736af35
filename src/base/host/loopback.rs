//! What is certainly this host: addresses and names that lead nowhere else.

use std::net::IpAddr;

/// Whether an address is one of loopback (RFC 6890), also where it is written as IPv6 (RFC 4291, 2.5.5.2).
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a name or a written address is certainly that of this host: `localhost`, with or without the dot of the root (RFC
/// 6761, 6.3), or loopback, in brackets or not.
pub fn is_this_host(host: &str) -> bool {
    let written = host.trim_start_matches('[').trim_end_matches(']');
    let name = written.strip_suffix('.').unwrap_or(written);
    name.eq_ignore_ascii_case("localhost") || written.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_else_is_this_host_however_it_is_written() {
        for host in
            ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"]
                .into_iter()
                .chain(["localhost", "localhost.", "LOCALHOST"])
        {
            assert!(is_this_host(host), "{host}");
        }
        for host in ["192.0.2.1", "::", "0.0.0.0", "::ffff:192.0.2.1", "localhost.invalid", "", "."]
        {
            assert!(!is_this_host(host), "{host}");
        }
    }
}
