use super::*;

fn agent(boot: &str, network: &str, cpus: usize, descriptors: u64) -> Capacity {
    Capacity {
        boot: boot.into(),
        network: network.into(),
        cpus,
        descriptors,
        ports: (32_768, 60_999),
        ..Capacity::here(&Name::of("a").unwrap(), None, &[], true)
    }
}

#[test]
fn agents_of_one_host_get_ports_that_do_not_overlap_and_others_get_all() {
    let agents = [
        agent("h", "n", 2, 100),
        agent("h", "n", 2, 100),
        agent("h", "m", 2, 100),
        agent("g", "n", 2, 100),
    ];
    let ports = ports(&agents);
    assert_eq!(ports, [(32_768, 46_883), (46_884, 60_999), (32_768, 60_999), (32_768, 60_999)]);
}

#[test]
fn an_agent_that_is_all_but_left_out_is_named_with_what_it_lacks() {
    let of = |few: Capacity| {
        let agents = [agent("h", "n", 2, 20_000), agent("g", "n", 2, 20_000), few];
        slights(&agents, &weights(&agents, 0, 1), 0)
    };
    let told = of(agent("f", "n", 2, 100));
    assert!(told[0].1.contains("drives 0.1 % of the clients: it has 100 descriptors"), "{told:?}");
    let told = of(Capacity { ports: (40_000, 40_099), ..agent("f", "n", 2, 20_000) });
    assert!(told[0].0 == 2 && told[0].1.ends_with("it has 100 local ports"), "{told:?}");
    assert_eq!(of(agent("f", "n", 1, 20_000)), [], "half of the others' share is one");
}

#[test]
fn what_no_host_has_is_not_plausible() {
    let real = agent("h", "n", 2, 100);
    assert!(real.is_plausible());
    for forged in [
        Capacity { cpus: 1 << 63, ..real.clone() },
        Capacity { cpus: 0, ..real.clone() },
        Capacity { ports: (60_000, 1), ..real.clone() },
        Capacity { ports: (0, 0), ..real.clone() },
        Capacity { source_addresses: vec![[127, 0, 0, 1].into(); 5000], ..real },
    ] {
        assert!(!forged.is_plausible(), "{forged:?}");
    }
}

#[test]
fn agents_that_are_alike_weigh_the_same_and_the_scarcer_of_cores_and_sockets_counts() {
    let alike = vec![agent("h", "n", 2, 20_000); 4];
    assert_eq!(weights(&alike, 0, 3), [1000; 4]);
    // Twice the cores, and the same descriptors.
    let agents = [agent("h", "n", 4, 20_000), agent("g", "n", 2, 20_000)];
    assert_eq!(weights(&agents, 0, 3), [1000, 667]);
    // Two on one host share its cores.
    let agents =
        [agent("h", "n", 4, 20_000), agent("h", "n", 4, 20_000), agent("g", "n", 2, 20_000)];
    assert_eq!(weights(&agents, 0, 3), [1000; 3]);
    let tiny = [agent("h", "n", 1, 65), agent("g", "n", 1, 1_000_000)];
    assert_eq!(weights(&tiny, 0, 60)[0], 1, "nobody weighs nothing");
}
