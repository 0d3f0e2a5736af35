use std::collections::HashSet;

use super::*;

const TARGET: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

#[test]
fn a_walk_uses_every_port_once_before_it_uses_one_again_and_never_the_target() {
    let mut walk = PortWalk::new(&[], TARGET, &(39_000..=41_000), (0, 1), 1, 12_345);
    let seen: Vec<u16> = (0..2000).map(|_| walk.next(TARGET).port()).collect();
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 2000);
    assert!(!seen.contains(&40_000));
    assert_eq!(walk.next(TARGET).port(), seen[0]);
}

#[test]
fn workers_walk_ports_of_their_own() {
    let mut all = HashSet::new();
    for worker in 0..3 {
        let mut walk = PortWalk::new(&[], TARGET, &(32_768..=60_999), (worker, 3), 1, 99);
        for _ in 0..9000 {
            assert!(all.insert(walk.next(TARGET)), "two workers share a port");
        }
    }
}

#[test]
fn every_broker_is_reached_from_all_ports_however_clients_fall_on_workers() {
    for (workers, brokers) in [(1, 3), (2, 2), (4, 2), (2, 4), (3, 2), (6, 4), (4, 6)] {
        let walk =
            |worker| PortWalk::new(&[], TARGET, &(50_000..=50_119), (worker, workers), brokers, 7);
        let mut walks: Vec<Vec<PortWalk>> =
            (0..workers).map(|worker| vec![walk(worker); brokers]).collect();
        let mut ports = vec![HashSet::new(); brokers];
        for client in 0..120 * brokers {
            let (worker, broker) = (client % workers, client % brokers);
            let port = walks[worker][broker].next(TARGET).port();
            assert!(ports[broker].insert(port), "{workers} workers, {brokers} brokers: {port}");
        }
        assert!(ports.iter().all(|ports| ports.len() == 120), "{workers} {brokers}");
    }
}

#[test]
fn sources_take_turns() {
    let sources: Vec<IpAddr> = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap()];
    let mut walk = PortWalk::new(&sources, TARGET, &(32_768..=60_999), (0, 1), 1, 0);
    let seen: Vec<SocketAddr> = (0..4).map(|_| walk.next(TARGET)).collect();
    assert_eq!(seen[0].port(), seen[1].port());
    assert_eq!([seen[0].ip(), seen[1].ip(), seen[2].ip()], [sources[0], sources[1], sources[0]]);
}
