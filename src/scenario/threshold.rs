//! `[thresholds]`: a condition, as a string or as a table that says what its failure does while the run goes.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::bounds::{self, As};

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
    #[serde(default, skip_serializing_if = "Option::is_none", with = "Option::<bounds::Time>")]
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
mod tests;
