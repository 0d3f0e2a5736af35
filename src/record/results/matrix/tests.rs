use super::{Cell, fewest, upper_bound};

#[test]
fn of_several_brokers_the_one_with_the_fewest_answers_bounds() {
    let cell = |broker: Option<&str>, judged: u64| -> Cell {
        serde_json::from_value(serde_json::json!({
            "defect": "expired", "group": "time", "protocol": 5, "expected": "refuse", "strict_expected": "refuse",
            "outcome": "refused", "code": 135, "verdict": "correct", "severity": "high", "attempts": 1, "judged": judged,
            "false_accepts": 0, "latency_p50_us": null, "strict_verdict": "correct", "upper_bound_95": null, "broker": broker
        }))
        .unwrap()
    };
    let cells = [cell(Some("a"), 9), cell(Some("b"), 2), cell(Some("a"), 9), cell(Some("b"), 3)];
    assert_eq!(fewest(&cells, &["a", "b"]), 5);
    assert_eq!(fewest(&cells, &["a", "b", "c"]), 0, "of one nothing is known");
    assert_eq!(fewest(&[cell(None, 4), cell(None, 5)], &["a"]), 9);
}

#[test]
fn the_upper_bound_is_the_rule_of_three_where_that_holds() {
    for tries in [100, 1000, 30_000] {
        let bound = upper_bound(tries).unwrap();
        assert!((bound * tries as f64 - 3.0).abs() < 0.05, "{tries}: {bound}");
    }
    assert!((upper_bound(1).unwrap() - 0.95).abs() < 1e-9, "one try says next to nothing");
    assert_eq!(upper_bound(0), None);
}
