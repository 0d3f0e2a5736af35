use std::time::Duration;

use super::*;

#[test]
fn a_failure_ends_the_run_only_where_it_is_to_and_after_its_grace() {
    let threshold = |condition: &str, after: Option<u64>| {
        let parsed = Threshold::parse("thresholds", "connack", condition, &[], &[]).unwrap();
        parsed.aborting(after.map(Duration::from_secs)).unwrap()
    };
    let judged = |condition: &str, passed| Judged {
        metric: "connack".into(),
        condition: condition.into(),
        observed: Some(Percentile::Number(9.0)),
        passed,
        undecided: None,
    };
    let (first, second, third) = ("p50 < 1us", "p90 < 1us", "p99 < 1us");
    let thresholds =
        [threshold(first, None), threshold(second, Some(3)), threshold(third, Some(0))];
    let ended = |passed: [Option<bool>; 3], at| {
        let all = [first, second, third].into_iter().zip(passed);
        let all: Vec<Judged> = all.map(|(text, passed)| judged(text, passed)).collect();
        ends_run(&thresholds, &all, at).map(|aborted| aborted.condition)
    };
    let (held, failed) = (Some(true), Some(false));
    assert_eq!(ended([failed, held, held], 9), None, "it is not to end the run");
    assert_eq!(ended([held, failed, held], 1), None, "two of three seconds are over");
    assert_eq!(ended([held, failed, held], 2).as_deref(), Some(second));
    assert_eq!(ended([held, held, failed], 0).as_deref(), Some(third));
    assert_eq!(ended([held, None, None], 9), None, "what can't tell does not fail");
}
