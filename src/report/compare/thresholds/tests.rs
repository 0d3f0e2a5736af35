use super::*;

#[test]
fn a_threshold_from_history_is_the_far_fence_of_its_changes_and_has_a_floor() {
    // Changes of 2, 4, 6 and 8 %: quartiles 3.5 and 6.5 %, fence 6.5 + 3 * 3 = 15.5 %.
    let mut values = vec![100.0];
    for change in [0.02, 0.04, 0.06, 0.08] {
        values.push(values[values.len() - 1] * (1.0 + change));
    }
    assert!((from_spread(&values) - 0.155).abs() < 1e-9, "{}", from_spread(&values));
    assert!((from_spread(&[100.0; 11]) - FLOOR).abs() < 1e-12);
}

#[test]
fn the_command_line_comes_before_history_and_that_before_defaults() {
    let measured = Measured {
        metric: "connack.p50".into(),
        unit: "us",
        better: metric::Better::Lower,
        value: 1.0,
        is_beyond: false,
        threshold: 0.05,
    };
    let mut thresholds = Thresholds::default();
    assert_eq!(thresholds.of(&measured), (0.05, Source::Default));
    thresholds.history.insert("connack.p50".into(), 0.07);
    thresholds.results = 12;
    assert_eq!(thresholds.of(&measured), (0.07, Source::Earlier(12)));
    thresholds.asked = Some(0.2);
    assert_eq!(thresholds.of(&measured), (0.2, Source::Asked));
}
