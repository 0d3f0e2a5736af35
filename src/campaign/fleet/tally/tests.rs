use super::*;
use crate::client::{
    attempt::{Attempt, Close},
    verdict::{Expectation, Verdict},
};

fn seen(broker: usize, outcome: Outcome, count: u64) -> Measurements {
    let mut seen = Measurements::new(1, 2);
    for client in 0..count {
        let attempt = Attempt { client, broker, ended: 2, ..Attempt::example(1, outcome) };
        seen.record(&attempt, Expectation::Accept, Verdict::NotJudged, 0, 0);
    }
    seen
}

#[test]
fn failures_are_told_by_broker_with_the_second_of_the_first() {
    let mut lot = Lot::default();
    lot.add(&seen(1, Outcome::Accepted, 3), 0);
    lot.add(&seen(1, Outcome::Closed(Close::Fin), 2), 4);
    lot.add(&seen(1, Outcome::Timeout(Phase::Connack), 1), 7);
    lot.add(&seen(0, Outcome::Refused(5), 1), 7);
    assert_eq!((lot.accepted, lot.refused, lot.failed()), (3, 1, 3));
    let failures = lot.failures(&["a".into(), "b".into()]);
    let of =
        |broker: &str, tried, count, since| Failures { broker: broker.into(), tried, count, since };
    assert_eq!(failures, [of("a", 1, 0, 0), of("b", 6, 3, 4)]);
}
