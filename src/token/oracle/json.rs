//! JSON objects of which every member is seen, also one that comes twice.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{Fault, Faults};

/// The members of an object; of one that comes twice the last, as most parsers have it.
pub(super) type Object = serde_json::Map<String, Value>;

/// Deeper than any token that is meant well.
const DEEPEST: usize = 32;

/// Every member of an object, in order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Reads an object; `None` where it can't be read, with the fault that says why.
pub(super) fn object(bytes: &[u8], faults: &mut Faults) -> Option<Object> {
    if std::str::from_utf8(bytes).is_err() {
        faults.add(Fault::Utf8);
    }
    let text = String::from_utf8_lossy(bytes);
    if depth(&text) > DEEPEST {
        faults.add(Fault::TooDeep);
    }
    match serde_json::from_str::<Members>(&text) {
        Ok(Members(members)) => {
            let mut object = Object::new();
            for (name, value) in members {
                if object.insert(name, value).is_some() {
                    faults.add(Fault::Duplicate);
                }
            }
            Some(object)
        }
        Err(error) => {
            // The library has no kinds of syntax errors, only words.
            let words = error.to_string();
            if words.contains("surrogate") || words.contains("hex escape") {
                faults.add(Fault::Utf8);
            } else if words.contains("number out of range") {
                faults.add(Fault::NumberRange);
            } else if !words.contains("recursion limit") {
                faults.add(Fault::NotJson);
            }
            None
        }
    }
}

/// How deep brackets are nested, strings left out.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
