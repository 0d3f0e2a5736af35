use super::*;
use crate::scenario::{Overrides, Scenario, parse};

fn text(more: &str) -> String {
    format!(
        "name = \"a\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 1\nconcurrency = 1\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n{more}\n"
    )
}

fn read(condition: &str) -> crate::base::error::Result<Scenario> {
    let more = format!("[thresholds]\nconnack = [\"p50 < 1s\", {condition}]");
    parse(&text(&more), &Overrides::default())
}

fn refused(condition: &str) -> String {
    let error = read(condition).unwrap_err();
    format!("{error}\n{}", error.way_out().unwrap_or_default())
}

#[test]
fn a_condition_is_a_string_or_a_table_that_may_end_the_run() {
    let of = |condition: &str| read(condition).unwrap().thresholds["connack"][1].clone();
    assert_eq!(of("\"p99 < 1s\""), Condition::from("p99 < 1s"));
    assert_eq!(of("{ condition = \"p99 < 1s\" }"), Condition::from("p99 < 1s"));
    let aborts = |after| Condition {
        condition: "p99 < 1s".into(),
        abort_after: Some(Duration::from_secs(after)),
    };
    assert_eq!(of("{ condition = \"p99 < 1s\", abort_on_fail = true }"), aborts(0));
    assert_eq!(
        of("{ condition = \"p99 < 1s\", abort_on_fail = true, grace = \"10s\" }"),
        aborts(10)
    );
}

#[test]
fn a_table_that_is_wrong_says_what_is_allowed() {
    let unknown = refused("{ condition = \"p99 < 1s\", abort_on_fial = true }");
    for word in [
        "line 11",
        "unknown field `abort_on_fial`",
        "`condition`, `abort_on_fail`, `grace`",
        "did you mean `abort_on_fail`?",
    ] {
        assert!(unknown.contains(word), "`{word}` is not in: {unknown}");
    }
    let graceful = refused("{ condition = \"p99 < 1s\", grace = \"10s\" }");
    assert!(graceful.contains("without `abort_on_fail = true`"), "{graceful}");
    assert!(refused("{ abort_on_fail = true }").contains("missing field `condition`"));
    let number = refused("5");
    assert!(number.contains("expected a condition such as `\"p99 < 250ms\"`"), "{number}");
    let length = refused("{ condition = \"p99 < 1s\", abort_on_fail = true, grace = 10 }");
    assert!(length.contains("expected a duration"), "{length}");
}

#[test]
fn a_string_stays_a_string_and_a_table_a_table() {
    let scenario =
        read("{ condition = \"p99 < 1s\", abort_on_fail = true, grace = \"10s\" }").unwrap();
    let written = toml::to_string(&scenario).unwrap();
    assert!(written.contains("\"p50 < 1s\""), "{written}");
    let again = parse(&written, &Overrides::default()).unwrap();
    assert_eq!(scenario.thresholds, again.thresholds, "{written}");
    assert_eq!(written, toml::to_string(&again).unwrap());
}

#[test]
fn an_objective_of_a_search_is_a_string() {
    let slo = |condition: &str| {
        let more = format!("[capacity]\nslo = {{ connack = [{condition}] }}");
        parse(&text(&more), &Overrides::default())
    };
    assert_eq!(slo("\"p99 < 1s\"").unwrap().capacity.unwrap().slo["connack"], ["p99 < 1s"]);
    let error = slo("{ condition = \"p99 < 1s\", abort_on_fail = true }").unwrap_err();
    assert!(error.to_string().contains("belongs to `[thresholds]`"), "{error}");
}

#[test]
fn the_schema_allows_both() {
    let schema = schemars::schema_for!(Condition).to_value().to_string();
    for word in ["anyOf", "\"string\"", "abort_on_fail", "grace", "condition"] {
        assert!(schema.contains(word), "`{word}` is not in: {schema}");
    }
}
