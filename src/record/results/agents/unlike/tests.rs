use super::*;
use crate::record::results::{Percentile, agents::Failures};

fn at(broker: &str, tried: u64, count: u64) -> Failures {
    Failures { broker: broker.into(), tried, count, since: 3 }
}

fn agent(segment: usize, answered: u64, failed: u64, p99_us: f64) -> Agent {
    Agent {
        agent: format!("a{segment}"),
        host: "h".into(),
        segment,
        attempts: answered + failed,
        accepted: answered,
        failed,
        failures: vec![at("mqtt://b", answered + failed, failed)],
        connack_p99_us: Some(Percentile::Number(p99_us)),
        ..Agent::default()
    }
}

#[test]
fn the_agent_whose_attempts_fail_alone_is_named_with_broker_and_second() {
    let one = [agent(0, 1000, 0, 900.0), agent(1, 0, 447, 900.0), agent(2, 990, 1, 900.0)];
    let [told] = &reasons(&one)[..] else { panic!("{:?}", reasons(&one)) };
    assert!(told.contains("agent `a1` on h had most of the attempts"), "{told}");
    assert!(told.contains("447 of 448 at `mqtt://b`, from second 3 on"), "{told}");
    // Where it happens to all, nobody is named.
    let all = [agent(0, 500, 447, 900.0), agent(1, 480, 447, 900.0), agent(2, 510, 400, 900.0)];
    assert_eq!(reasons(&all), [""; 0]);
    // Nor where there is nobody to compare with, or where it may be chance.
    assert_eq!(reasons(&one[1..2]), [""; 0]);
    assert_eq!(reasons(&[agent(0, 1000, 0, 1.0), agent(1, 1000, 9, 1.0)]), [""; 0]);
}

#[test]
fn a_broker_that_fails_for_all_does_not_hide_the_agent_that_fails_alone_at_another() {
    let of = |segment, own| Agent {
        failures: vec![at("mqtt://dead", 70, 70), at("mqtt://b", 70, own)],
        ..agent(segment, 0, 0, 900.0)
    };
    let [told] = &reasons(&[of(0, 0), of(1, 66), of(2, 0)])[..] else { panic!("one is told of") };
    assert!(told.contains("agent `a1`") && told.contains("66 of 66 at `mqtt://b`"), "{told}");
    assert!(!told.contains("mqtt://dead"), "{told}");
}

#[test]
fn the_agent_whose_answers_come_late_alone_is_named_with_both_times() {
    let late = [agent(0, 400, 0, 1_200.0), agent(1, 400, 0, 206_000.0), agent(2, 400, 0, 1_100.0)];
    let [told] = &reasons(&late)[..] else { panic!("{:?}", reasons(&late)) };
    assert!(told.contains("agent `a1` on h is 206.0 ms, of the others 1.2 ms"), "{told}");
    let alike = [agent(0, 400, 0, 150_000.0), agent(1, 400, 0, 206_000.0)];
    assert_eq!(reasons(&alike), [""; 0]);
    // A time that is three times as long and still a matter of microseconds.
    assert_eq!(reasons(&[agent(0, 400, 0, 300.0), agent(1, 400, 0, 1_200.0)]), [""; 0]);
    // Of a few answers the 99th percentile is one of them.
    assert_eq!(reasons(&[agent(0, 400, 0, 300.0), agent(1, 40, 0, 90_000.0)]), [""; 0]);
}
