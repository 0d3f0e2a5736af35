use super::*;
use proptest::prelude::*;

fn million() -> Whole {
    Whole {
        attempts: 1_000_000,
        sockets: 1_000_000,
        peak_per_s: Some(10_000.0),
        pings_per_s: 1_000_000.0 / 42.0,
        attempt_cpu_us: 100.0,
        reuse: 1,
        connection_bytes: 5_500,
    }
}

fn host() -> Host {
    Host {
        descriptors: 1_048_576,
        own_descriptors: 50,
        ports: 28_232,
        memory: Some(16 << 30),
        own_memory: 100 << 20,
        workers: 4,
        signs_per_s: Some(1_000_000.0),
        signing_agents: Some(1),
    }
}

#[test]
fn a_million_clients_from_one_address_a_host_take_36_hosts_for_their_ports() {
    let shares = million().shares(&host(), 36);
    let of = |resource| *shares.iter().find(|share| share.resource == resource).unwrap();
    assert_eq!(of(Resource::Ports).agents, Some(36));
    assert_eq!(of(Resource::Ports).takes as u64, 27_778);
    assert_eq!(of(Resource::Descriptors).takes as u64, 27_828);
    assert_eq!(of(Resource::Memory).agents, Some(1));
    // 1 CPU second a second for attempts and 0.6 for pings; 2.8 there are.
    assert_eq!(of(Resource::Cores).agents, Some(1));
    assert_eq!(decides(&shares).unwrap().resource, Resource::Ports);
    let wide = Host { ports: 28_232 * 40, ..host() };
    assert_eq!(decides(&million().shares(&wide, 1)).unwrap().agents, Some(1));
}

#[test]
fn a_host_that_has_nothing_left_is_not_made_good_by_any_number() {
    let none = Host { descriptors: 50, ..host() };
    let shares = million().shares(&none, 100);
    let decisive = decides(&shares).unwrap();
    assert_eq!((decisive.resource, decisive.agents), (Resource::Descriptors, None));
}

#[test]
fn what_no_schedule_sets_is_not_guessed() {
    let closed = Whole { peak_per_s: None, ..million() };
    let shares = closed.shares(&host(), 4);
    assert!(shares.iter().all(|share| share.resource.is_hard()), "{shares:?}");
}

proptest! {
    #[test]
    fn the_number_that_is_asked_for_is_enough_and_one_less_is_not(
        sockets in 1_u64..20_000_000,
        descriptors in 100_u64..2_000_000,
        ports in 1_u64..500_000,
        memory in 200_u64..64_000,
    ) {
        let whole = Whole { sockets, ..million() };
        let host = Host { descriptors, ports, memory: Some(memory << 20), ..host() };
        for share in whole.shares(&host, 1).into_iter().filter(|share| share.resource.is_hard()) {
            let agents = share.agents.unwrap();
            let fits = |agents| {
                let with = whole.shares(&host, agents);
                let share = *with.iter().find(|other| other.resource == share.resource).unwrap();
                share.takes <= share.has.unwrap()
            };
            prop_assert!(fits(agents));
            prop_assert!(agents == 1 || !fits(agents - 1));
        }
    }
}
