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
