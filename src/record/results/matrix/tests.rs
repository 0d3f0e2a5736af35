use super::{Cell, fewest, upper_bound};
use crate::record::results::fixture;

#[test]
fn of_several_brokers_the_one_with_the_fewest_answers_bounds() {
    let cell = |broker: Option<&str>, judged: u64| -> Cell {
        let cell = serde_json::from_value(fixture::cell("expired", "refuse", "correct")).unwrap();
        Cell { judged, broker: broker.map(str::to_owned), ..cell }
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
