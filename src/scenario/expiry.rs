//! What a broker promises of a connection whose token ends: keys of `[policy]`, several of which may differ by version of
//! MQTT.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Unexpected, Visitor, value},
};

use super::Protocol;

/// A value that holds for both versions of MQTT, or one for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ByVersion<T> {
    /// Of MQTT 3.1.1.
    pub v4: T,
    /// Of MQTT 5.0.
    pub v5: T,
}

impl<T> ByVersion<T> {
    /// The one of a version.
    pub fn of(&self, protocol: Protocol) -> &T {
        match protocol {
            Protocol::V4 => &self.v4,
            Protocol::V5 => &self.v5,
        }
    }
}

impl<T> ByVersion<Option<T>> {
    /// The same, with what it leaves open taken from another.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { v4: self.v4.or(other.v4), v5: self.v5.or(other.v5) }
    }
}

/// As it is written: one word, or a table with one a version.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
struct Each<T> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v4: Option<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v5: Option<T>,
}

impl<T: Copy + PartialEq + Serialize> Serialize for ByVersion<Option<T>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self.v4, self.v5) {
            (Some(v4), Some(v5)) if v4 == v5 => v4.serialize(to),
            (v4, v5) => Each { v4, v5 }.serialize(to),
        }
    }
}

impl<'de, T: Copy + Deserialize<'de>> Deserialize<'de> for ByVersion<Option<T>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrEach(PhantomData))
    }
}

/// Reads a word for both versions, or a table.
struct OneOrEach<T>(PhantomData<T>);

impl<'de, T: Copy + Deserialize<'de>> Visitor<'de> for OneOrEach<T> {
    type Value = ByVersion<Option<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, or a table with one for `v4` and one for `v5`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        let both = T::deserialize(value::StrDeserializer::new(word))?;
        Ok(ByVersion { v4: Some(both), v5: Some(both) })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let Each { v4, v5 } = Each::deserialize(value::MapAccessDeserializer::new(map))?;
        Ok(ByVersion { v4, v5 })
    }
}

impl<T: JsonSchema> JsonSchema for ByVersion<Option<T>> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByVersion", T::schema_name()).into()
    }

    fn json_schema(made: &mut SchemaGenerator) -> Schema {
        let (one, each) = (made.subschema_for::<T>(), made.subschema_for::<Each<T>>());
        json_schema!({ "anyOf": [one, each] })
    }
}

/// What a broker does with a live connection when its token ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// It ends the connection.
    Disconnect,
    /// It leaves it as it is.
    Keep,
    /// It leaves it open, and nothing passes any more.
    Starve,
}

/// When a broker looks whether the token of a live connection has ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndsOn {
    /// By itself, when the time has come.
    #[default]
    Time,
    /// When the next packet comes: a ping will do.
    Packet,
    /// When the client publishes or subscribes.
    Publish,
}

/// How the end of a connection looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// DISCONNECT with this reason code (MQTT 5.0).
    Code(u8),
    /// DISCONNECT with whatever code, or with none (to a client of 3.1.1).
    Disconnect,
    /// The connection is closed in an orderly way.
    Fin,
    /// It is reset.
    Rst,
}

impl End {
    const WORDS: [(&'static str, Self); 3] =
        [("disconnect", Self::Disconnect), ("fin", Self::Fin), ("rst", Self::Rst)];
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self, Self::WORDS.iter().find(|(_, end)| end == self)) {
            (Self::Code(code), _) => to.serialize_u8(*code),
            (_, Some((word, _))) => to.serialize_str(word),
            (_, None) => to.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CodeOrWord)
    }
}

struct CodeOrWord;

impl Visitor<'_> for CodeOrWord {
    type Value = End;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason code of DISCONNECT, 0 to 255, or `fin`, `rst` or `disconnect`")
    }

    fn visit_i64<E: Error>(self, code: i64) -> Result<End, E> {
        let code =
            u8::try_from(code).map_err(|_| E::invalid_value(Unexpected::Signed(code), &self));
        code.map(End::Code)
    }

    fn visit_u64<E: Error>(self, code: u64) -> Result<End, E> {
        let known = u8::try_from(code);
        known.map(End::Code).map_err(|_| E::invalid_value(Unexpected::Unsigned(code), &self))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<End, E> {
        let known = End::WORDS.iter().find(|(name, _)| *name == word).map(|(_, end)| *end);
        known.ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }
}

impl JsonSchema for End {
    fn schema_name() -> Cow<'static, str> {
        "End".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A reason code of DISCONNECT, or a word for how the connection ends.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 255 },
                { "enum": ["fin", "rst", "disconnect"] },
            ],
        })
    }
}

/// How the end of a connection has to look, by version of MQTT.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with a list for `v4` and one for `v5`, as `{ v4 = [\"fin\"], v5 = [0x87] }`"
)]
pub struct EndsWith {
    /// In MQTT 3.1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v4: Option<Vec<End>>,
    /// In MQTT 5.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v5: Option<Vec<End>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Written {
        on: ByVersion<Option<OnExpiry>>,
        with: EndsWith,
    }

    fn read(on: &str, with: &str) -> Result<Written, toml::de::Error> {
        toml::from_str(&format!("on = {on}\nwith = {with}\n"))
    }

    #[test]
    fn a_word_holds_for_both_versions_a_table_for_each_and_both_are_read_as_they_were_written() {
        let all = "{ v4 = [\"fin\", \"rst\"], v5 = [0x87, 160, \"disconnect\"] }";
        let both = read("\"keep\"", all).unwrap();
        let keep = Some(OnExpiry::Keep);
        assert_eq!(both.on, ByVersion { v4: keep, v5: keep });
        assert_eq!(both.with.v4, Some(vec![End::Fin, End::Rst]));
        assert_eq!(both.with.v5, Some(vec![End::Code(0x87), End::Code(0xA0), End::Disconnect]));
        let each = read("{ v5 = \"starve\" }", "{}").unwrap();
        assert_eq!(each.on, ByVersion { v4: None, v5: Some(OnExpiry::Starve) });
        assert_eq!(each.on.or(both.on).v4, keep, "what is left open comes from the other");
        for written in [both, each] {
            let text = toml::to_string(&written).unwrap();
            assert_eq!(toml::from_str::<Written>(&text).unwrap(), written, "{text}");
        }
    }

    #[test]
    fn a_word_that_there_is_not_is_refused_with_those_that_there_are() {
        let told = |on: &str, with: &str| read(on, with).unwrap_err().to_string();
        let unknown = told("\"drop\"", "{}");
        assert!(unknown.contains("`disconnect`, `keep`, `starve`"), "{unknown}");
        let unknown = told("{ v3 = \"keep\" }", "{}");
        assert!(unknown.contains("`v4` or `v5`"), "{unknown}");
        for with in ["{ v4 = [\"close\"] }", "{ v4 = [256] }", "{ v4 = [-1] }"] {
            let told = told("\"keep\"", with);
            assert!(told.contains("0 to 255, or `fin`"), "{told}");
        }
    }
}
