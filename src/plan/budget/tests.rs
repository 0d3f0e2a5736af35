use super::*;
use crate::plan::{Plan, loaded};

/// The budget of 2 000 arrivals a second for 10 s, of clients that hold for 5 s; one in five is expired.
fn budget(target: &str, load: &str, policy: &str) -> Result<Budget> {
    let text = format!(
        "name = \"a\"\n[target]\n{target}\n[load]\narrivals = \"constant\"\nhold = \"5s\"\n\
             stages = [{{ rate = 2000, for = \"10s\" }}]\n{load}\n[policy]\n{policy}\n[keys.main]\nalgorithm = \"HS256\"\n\
             generate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 4\n[[mix]]\ntoken = \"expired\"\nshare = 1\n"
    );
    let limits = Limits { descriptors: 100_000, ports: 30_000..=39_999, cpus: 2 };
    Plan::unchecked(&loaded(&text), &limits).map(|plan| plan.budget)
}

#[test]
fn ports_are_counted_by_the_broker_that_the_fewest_sources_reach() {
    let ports = |target: &str, sources: &str| {
        budget(&format!("brokers = [{target}]"), &format!("source_addresses = [{sources}]"), "")
            .map(|budget| budget.ports())
    };
    let (v4, v6) = ("\"mqtt://127.0.0.1\"", "\"mqtt://[::1]\"");
    assert_eq!(ports(v4, "").unwrap(), 10_000);
    assert_eq!(ports(&format!("{v4}, {v6}"), "").unwrap(), 20_000);
    let sources = "\"127.0.0.2\", \"127.0.0.3\", \"::1\"";
    assert_eq!(ports(v4, sources).unwrap(), 20_000);
    // Every other client goes to the IPv6 broker, and one source reaches that.
    assert_eq!(ports(&format!("{v4}, {v6}"), sources).unwrap(), 20_000);
    let error = ports(v6, "\"127.0.0.2\"").unwrap_err();
    assert!(error.to_string().contains("can reach `mqtt://[::1]`"), "{error}");
}

#[test]
fn in_a_segment_a_broker_may_get_more_than_its_share() {
    let one = budget("brokers = [\"mqtt://127.0.0.1\"]", "", "").unwrap();
    let spread = |brokers: &str| {
        let text = format!(
            "name = \"a\"\n[target]\nbrokers = [{brokers}]\n[load]\nclients = 1\nconcurrency = 1\n\
                                [[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n"
        );
        Spread::resolve(&loaded(&text).scenario.target).unwrap()
    };
    let alone = one.at_random(&spread("\"mqtt://127.0.0.1\""), 2);
    assert_eq!((alone.share, alone.ports()), (1.0, 10_000), "there is nowhere else to go");
    let two = spread("\"mqtt://127.0.0.1:1\", \"mqtt://127.0.0.1:2\"");
    let budget = Budget { sockets: 20_000, brokers: 2, share: 0.5, ..one };
    assert_eq!(budget.ports(), 20_000);
    // Four deviations of 10 000 coins: 0.02.
    let dealt = budget.at_random(&two, 2);
    assert!((dealt.share - 0.52).abs() < 1e-9, "{}", dealt.share);
    assert_eq!(dealt.ports(), 19_231);
    let ports = Budget { sockets: 0, ..budget }.at_random(&two, 2).ports();
    assert_eq!(ports, 10_000, "one client can go to either");
}

#[test]
fn clients_that_a_broker_keeps_waiting_for_their_refusal_hold_a_socket_too() {
    let target = "brokers = [\"mqtt://127.0.0.1\"]";
    let quick = budget(target, "", "").unwrap();
    // 2 000 a second, four in five for 5 s, all for 200 ms; with the one at the end of each stretch.
    assert_eq!((quick.sockets, quick.burst), (8_401, 201));
    assert_eq!(quick.most_sockets, 10_001 + 401);
    let slow = budget(target, "", "refusal_delay = \"3s\"").unwrap();
    assert_eq!(slow.sockets, 8_401 + 1_201);
}
