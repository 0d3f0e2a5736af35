//! `[target.ws]`: what the request for the upgrade to WebSocket holds, and what of its texts may be shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::showable::REDACTED;

/// `[target.ws]` of a scenario.
#[derive(Clone, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ws {
    /// The path, and query if any, in place of that of the URLs in `brokers`. It may hold `{n}`, `{client_id}`, `{username}`,
    /// and what a client shows: `{token}`, `{signature}`, each also with `:url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Headers by name, with the same in their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl std::fmt::Debug for Ws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ws").field("headers", &self.headers.len()).finish_non_exhaustive()
    }
}

impl Ws {
    /// The same without what may be a secret.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let header = |(name, value): (&String, &String)| (name.clone(), hidden(value));
        Self {
            path: self.path.as_deref().map(hidden_path),
            headers: self.headers.iter().map(header).collect(),
        }
    }
}

/// What in a text is known to be no secret.
const OPEN: [&str; 8] = [
    "{token}",
    "{token:url}",
    "{signature}",
    "{signature:url}",
    "{n}",
    "{client_id}",
    "{username}",
    "Bearer ",
];

/// A text that may be shown: itself where it is placeholders and what parts them, else nothing of it.
pub(super) fn hidden(text: &str) -> String {
    let rest = OPEN.iter().fold(text.to_owned(), |rest, open| rest.replace(open, ""));
    let is_open = rest.chars().all(|c| ":~/=&?., ".contains(c));
    if is_open { text.to_owned() } else { REDACTED.to_owned() }
}

/// A path that may be shown: without the values of its query.
pub(super) fn hidden_path(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", hidden(value)),
        None => hidden(pair),
    };
    format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_hidden_and_what_is_written_for_all_is_not() {
        assert_eq!(hidden("Bearer {token}"), "Bearer {token}");
        assert_eq!(hidden("{token}:{signature:url}"), "{token}:{signature:url}");
        assert_eq!(hidden("OAUTH~profile~{token}"), REDACTED);
        assert_eq!(hidden("s3cret"), REDACTED);
        let path = "/mqtt?key=s3cret&access_token={token:url}&n&{n}=1";
        let shown = hidden_path(path);
        assert_eq!(
            shown,
            "/mqtt?key=<redacted>&access_token={token:url}&<redacted>&{n}=<redacted>"
        );
        assert_eq!(hidden_path("/mqtt"), "/mqtt");
    }
}
