//! What braces in a text mean: `{name}` is a placeholder, `{{` and `}}` are braces, and `${name}` is left as it is, since
//! brokers fill in such names themselves.

use serde_json::Value;

use crate::base::error::{Error, Result};

/// A part of a text as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part<'a> {
    /// Bytes as they are.
    Literal(&'a str),
    /// What stands in braces after a `$`, with the braces: left as it is, for a broker to fill in.
    Foreign(&'a str),
    /// A placeholder, without its braces.
    Name(&'a str),
}

/// Takes a text apart. `{name}` is a placeholder, `{{` and `}}` are braces, and `${name}` is left as it is.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>> {
    let wrong = |what: &str| Error::usage(format!("`{text}` has {what}")).hint(BRACES);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        parts.push(Part::Literal(before));
        if brace.starts_with("{{") || brace.starts_with("}}") {
            parts.push(Part::Literal(&brace[..1]));
            rest = &brace[2..];
            continue;
        }
        if brace.starts_with('}') {
            return Err(wrong("a `}` that closes nothing"));
        }
        let end = brace.find('}').ok_or_else(|| wrong("a `{` that is not closed"))?;
        parts.push(if before.ends_with('$') {
            Part::Foreign(&brace[..=end])
        } else {
            Part::Name(&brace[1..end])
        });
        rest = &brace[end + 1..];
    }
    parts.push(Part::Literal(rest));
    Ok(parts)
}

/// How braces are written.
pub(super) const BRACES: &str = "a brace that is meant as one is written twice: `{{`, `}}`";

/// The text itself, where it holds no placeholder.
pub fn constant(text: &str) -> Option<String> {
    let parts = parts(text).ok()?.into_iter();
    parts
        .map(|part| match part {
            Part::Literal(text) | Part::Foreign(text) => Some(text),
            Part::Name(_) => None,
        })
        .collect()
}

/// A text with its placeholders filled in; those that have no value stay as they are.
pub fn filled(text: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let Ok(parts) = parts(text) else { return text.to_owned() };
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Literal(text) | Part::Foreign(text) => filled.push_str(text),
            Part::Name(name) => match value_of(name) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    filled
}

/// Whether a value of claims holds a placeholder.
pub fn has_placeholder(value: &Value) -> bool {
    any_part(value, &|part| matches!(part, Part::Name(_)))
}

/// Whether a value of claims is another one for each client: the account and the user of NATS are not the client's.
pub fn is_per_client(value: &Value) -> bool {
    any_part(value, &|part| matches!(part, Part::Name(name) if !name.ends_with("_nkey")))
}

/// Whether a value of claims holds one of our placeholders after a `$`, which is left as it is: `${username}`.
pub fn has_foreign(value: &Value) -> bool {
    any_part(value, &|part| matches!(part, Part::Foreign("{n}" | "{client_id}" | "{username}")))
}

fn any_part(value: &Value, wanted: &impl Fn(&Part<'_>) -> bool) -> bool {
    match value {
        Value::String(text) => parts(text).is_ok_and(|parts| parts.iter().any(wanted)),
        Value::Array(items) => items.iter().any(|item| any_part(item, wanted)),
        Value::Object(members) => members.values().any(|member| any_part(member, wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_the_broker_is_no_placeholder() {
        assert_eq!(constant("a${n}{{").as_deref(), Some("a${n}{"));
        assert_eq!(constant("{n}"), None);
        let has = |text: &str| has_foreign(&serde_json::json!([{ "a": text }]));
        assert!(has("${username}") && has("x/${n}") && !has("${clientid}") && !has("{username}"));
        assert_eq!(filled("{x}{n}", |_| None), "{x}{n}");
        assert_eq!(filled("{{${n}}}{n}", |name| (name == "n").then(|| "7".to_owned())), "{${n}}7");
    }
}
