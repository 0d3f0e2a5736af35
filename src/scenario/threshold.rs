//! `[thresholds]`: a condition, as a string or as a table that says what its failure does while the run goes.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// One entry of a metric's list: `"p99 < 250ms"`, or
/// `{ condition = "p99 < 250ms", abort_on_fail = true, grace = "10s" }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// The condition as written.
    pub condition: String,
    /// Where its failure ends the run: the time from the start of the storm in which it does not yet.
    pub abort_after: Option<Duration>,
}

impl From<&str> for Condition {
    fn from(condition: &str) -> Self {
        Self { condition: condition.to_owned(), abort_after: None }
    }
}

/// The table.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The condition, such as `p99 < 250ms`.
    condition: String,
    /// Whether the run ends as soon as the condition does not hold.
    #[serde(default)]
    abort_on_fail: bool,
    /// Time from the start of the storm in which a failure does not end the run. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::bounds::time")]
    #[schemars(with = "Option<super::bounds::Time>")]
    grace: Option<Duration>,
}

/// What the JSON Schema says of both.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Form {
    Plain(String),
    Table(Table),
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Form::json_schema(generator)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(grace) = self.abort_after else { return self.condition.serialize(serializer) };
        let grace = (!grace.is_zero()).then_some(grace);
        Table { condition: self.condition.clone(), abort_on_fail: true, grace }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// Takes a string or a table, and says what is wrong with the one that it found.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a condition such as `\"p99 < 250ms\"`, or a table such as `{ condition = \"p99 < 250ms\", abort_on_fail = true, grace = \"10s\" }`",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Condition, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        if table.grace.is_some() && !table.abort_on_fail {
            return Err(A::Error::custom(
                "`grace` is given without `abort_on_fail = true`, and says when a failure begins to end the run: write both, or neither",
            ));
        }
        let grace = table.grace.unwrap_or_default();
        let abort_after = table.abort_on_fail.then_some(grace);
        Ok(Condition { condition: table.condition, abort_after })
    }
}

/// A condition of `[capacity] slo`: a string, as a step of a search is judged when it is over.
struct Objective(String);

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnlyText)
    }
}

struct OnlyText;

impl<'de> Visitor<'de> for OnlyText {
    type Value = Objective;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition such as `\"p99 < 100ms\"`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Objective, E> {
        Ok(Objective(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Objective, A::Error> {
        Err(A::Error::custom(
            "a condition of `capacity.slo` is a string such as `\"p99 < 100ms\"`: a step is judged when it is over; `abort_on_fail` belongs to `[thresholds]`",
        ))
    }
}

/// Reads `[capacity] slo`.
pub(super) fn objectives<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<std::collections::BTreeMap<String, Vec<String>>, D::Error> {
    let read = std::collections::BTreeMap::<String, Vec<Objective>>::deserialize(deserializer)?;
    let plain = |of: Vec<Objective>| of.into_iter().map(|Objective(text)| text).collect();
    Ok(read.into_iter().map(|(metric, of)| (metric, plain(of))).collect())
}

#[cfg(test)]
mod tests {
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
}
