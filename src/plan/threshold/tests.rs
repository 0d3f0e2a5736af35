use super::*;

fn parse(metric: &str, condition: &str) -> Result<Threshold> {
    Threshold::parse(
        "thresholds",
        metric,
        condition,
        &["fresh", "expired"],
        &["mqtt://127.0.0.1:1883"],
    )
}

#[test]
fn a_percentile_of_a_phase_is_bounded_in_microseconds() {
    let threshold =
        parse("connack{token:fresh, broker:mqtt://127.0.0.1:1883}", "p99.9 <= 250ms").unwrap();
    assert_eq!(threshold.aggregate, Aggregate::Percentile(99.9));
    assert_eq!(threshold.comparison, Comparison::LessOrEqual);
    assert!((threshold.bound - 250_000.0).abs() < 1e-9);
    assert_eq!(threshold.token.as_deref(), Some("fresh"));
    assert_eq!(threshold.broker.as_deref(), Some("mqtt://127.0.0.1:1883"));
}

#[test]
fn counts_and_rates_are_plain_numbers() {
    assert!((parse("verdict.not_judged", "rate < 0.001").unwrap().bound - 0.001).abs() < 1e-12);
    assert_eq!(parse("verdict.false_accept", "count == 0").unwrap().aggregate, Aggregate::Count);
    assert_eq!(
        parse("throughput.verdicts_per_s", "value > 100").unwrap().aggregate,
        Aggregate::Value
    );
}

#[test]
fn what_is_told_of_a_series_ends_no_run_of_it() {
    let aborting = |metric, condition| {
        parse(metric, condition).unwrap().aborting(Some(Duration::from_secs(3)))
    };
    let after = aborting("connack", "p99 < 1s").unwrap().abort_after;
    assert_eq!(after, Some(Duration::from_secs(3)));
    let error = aborting("capacity.per_s", "value > 100").unwrap_err();
    assert!(error.to_string().contains("told of a whole series"), "{error}");
    assert_eq!(error.way_out(), Some("write `[\"value > 100\"]`"));
}

#[test]
fn a_typo_lists_what_there_is() {
    let hint =
        |metric, condition| parse(metric, condition).unwrap_err().way_out().unwrap().to_owned();
    assert!(hint("conack", "p99 < 1s").starts_with("did you mean `connack`?"));
    assert!(hint("connack{token:frsh}", "p99 < 1s").starts_with("did you mean `fresh`?"));
    assert_eq!(hint("connack", "p99 < fast"), "write it like `p99 < 250ms`");
    assert_eq!(hint("connack", "rate < 1"), "write it like `p99 < 250ms`");
    assert_eq!(hint("connack", "p101 < 1s"), "write it like `p99 < 250ms`");
    assert_eq!(hint("verdict.correct", "count 5"), "write it like `count == 0`");
}

#[test]
fn what_is_counted_of_the_whole_run_is_asked_of_no_kind_and_no_broker() {
    assert!(parse("operation.expire.open{token:fresh}", "count == 0").is_ok());
    for metric in ["lifetime.outlived{token:fresh}", "returns.back{broker:mqtt://127.0.0.1:1883}"] {
        let error = parse(metric, "value == 0").unwrap_err();
        assert!(error.to_string().contains("is counted of the whole run"), "{error}");
    }
}
