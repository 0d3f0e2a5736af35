//! Why a text is no scenario, in TOML's own words, but for what may be a secret.
//!
//! The parser shows the line and the value that are wrong. Here a line is shown only if neither its key nor anything in
//! it may be a secret, and a message never repeats a value of such a key. Names of unknown keys and the keys allowed
//! are always told.

use crate::base::error::{
    Error, is_slip, nearest,
    showable::{holds_private_key, pasted},
};

/// Keys of `[keys.NAME]` that take no secret; what stands there all the same may be one.
const OPEN_KEYS: [&str; 5] = ["algorithm", "generate", "bits", "kid", "secret_base64"];

/// Keys that hold a secret or say where one is, by their names.
const SOURCES: [&str; 7] =
    ["secret", "secret_file", "secret_env", "private_key", "jwk", "client_secret", "password"];

/// Words in the names of keys that may hold a secret.
const SECRET_WORDS: [&str; 12] = [
    "secret",
    "private",
    "passw",
    "passphrase",
    "passwd",
    "credential",
    "creds",
    "jwk",
    "pem",
    "_env",
    "_file",
    "_token",
];

/// The error of a text.
pub(super) fn of_text(text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let (line, column) = (
        before.matches('\n').count() + 1,
        before.chars().rev().take_while(|c| *c != '\n').count() + 1,
    );
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let place = Place::of(text, line, error);
    let is_open = place.is_open(source, error);
    let message = message(error.message(), is_open);
    let told = if is_open {
        format!("\n{}", error.to_string().trim_end())
    } else {
        let key = place.key().map(|key| format!("`{key}`: ")).unwrap_or_default();
        format!(
            "TOML parse error at line {line}, column {column}: {key}{message} (the line is not shown)"
        )
    };
    let may_be_secret = !is_open
        && (place.is_of_secrets() && !is_open_key(&place.path)
            || takes_secret(&place.path)
            || !place.is_known);
    hinted(Error::usage(told), error.message(), may_be_secret)
}

/// The error of a table that has no text of its own.
pub(super) fn of_table(error: &toml::de::Error) -> Error {
    let path = path_of(error);
    let is_open = !is_secret(&path) && is_harmless(error.message());
    let message = message(error.message(), is_open);
    let key = if path.is_empty() { String::new() } else { format!("`{}`: ", path.join(".")) };
    hinted(Error::usage(format!("{key}{message}")), error.message(), takes_secret(&path))
}

fn hinted(error: Error, message: &str, may_be_secret: bool) -> Error {
    match way_out(message) {
        Some(hint) => error.hint(hint),
        None if !may_be_secret => error,
        None => error.hint(
            "a secret is a string: `secret = \"...\"`, or it is in a file or a variable: `secret_file = \"path\"`, `private_key = \"path\"`, `secret_env = \"NAME\"`",
        ),
    }
}

/// Where in a scenario an error is.
struct Place {
    /// The keys down to the value, where the parser knows them; else those of the line.
    path: Vec<String>,
    /// Whether the parser knows them: what a broken text has in front of a `=` may be a part of a secret.
    is_known: bool,
    /// Whether the line is a statement by itself, or a part of one that begins above it.
    is_whole: bool,
}

impl Place {
    fn of(text: &str, line: usize, error: &toml::de::Error) -> Self {
        let known = path_of(error);
        let reading = Reading::up_to(text, line);
        let is_known = !known.is_empty();
        let path = if is_known { known } else { reading.path };
        Self { path, is_known, is_whole: reading.is_whole }
    }

    /// The place as an error may show it.
    fn key(&self) -> Option<String> {
        let last = self.path.last()?;
        let is_told = SOURCES.contains(&last.as_str());
        if self.is_known && self.path.iter().all(|part| is_word(part)) {
            Some(self.path.join("."))
        } else {
            is_told.then(|| last.clone())
        }
    }

    /// Whether it is in a table that has keys for secrets.
    fn is_of_secrets(&self) -> bool {
        let first = self.path.first().map(String::as_str);
        matches!(first, Some("keys" | "oauth" | "issuer" | "control"))
    }

    /// Whether the line and the values in the message may be shown.
    fn is_open(&self, source: &str, error: &toml::de::Error) -> bool {
        // A line with an algorithm in another case is shown; a remark on it may hold anything.
        let is_slip = is_slip_of_variant(error.message()) && !source.contains('#');
        self.is_whole
            && (is_slip && self.is_known || !is_secret(&self.path))
            && !has_secret_keys(error.message())
            && (self.is_known || !self.is_of_secrets())
            && !sets_secret(source)
            && !crate::base::error::showable::url_may_hold_secret(source)
            && is_harmless(source)
            && is_harmless(error.message())
    }
}

/// Whether a line sets a key that may hold a secret, also within a table on that line.
fn sets_secret(line: &str) -> bool {
    let mut parts: Vec<&str> = line.split('=').collect();
    parts.pop();
    let last_word = |part: &&str| {
        let name = part.trim().trim_end_matches(['"', '\'']);
        let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let start = name.rfind(|c: char| !is_of_name(c)).map_or(0, |at| at + 1);
        // The place behind a letter of several bytes is none.
        name.get(start..).unwrap_or_default().to_owned()
    };
    parts.iter().map(last_word).any(|name| is_secret(&[name]))
}

/// Whether a text can be the name of a key.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && pasted(text).is_none()
}

/// Whether an unknown key stands in a table that has keys for secrets: it may be one of them with a slip in its name.
fn has_secret_keys(message: &str) -> bool {
    let mut names = message.split('`').skip(1).step_by(2);
    unknown(message).is_some() && names.any(|name| is_secret(&[name.to_owned()]))
}

/// Whether a text of an error holds nothing that looks like a key or a token.
fn is_harmless(text: &str) -> bool {
    let values = text.split(['"', '\'', '`', ' ', '=', ',']);
    !holds_private_key(text)
        && values.filter(|value| !value.is_empty()).all(|value| {
            // What is JSON may be TOML as well; only what is in it counts.
            value.starts_with(['{', '[']) || pasted(value).is_none()
        })
        && !text.contains("-----BEGIN")
}

/// Whether a key may hold a secret. All of `[keys]` does but what is known to be open.
fn is_secret(path: &[String]) -> bool {
    let last = path.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    if last == "longest_token" {
        // A length of `[policy]`.
        return false;
    }
    let is_of_keys = path.first().is_some_and(|first| first == "keys");
    let is_of_tls = path.iter().any(|part| part == "tls") && last.ends_with("key");
    is_of_keys
        || is_of_tls
        || path.iter().any(|part| part == "headers")
        || is_of_file(&last)
        || SECRET_WORDS.iter().any(|word| last.contains(word))
}

/// Whether a key takes a file or a name that belongs to TLS, in whose place its content may stand.
pub(super) fn is_of_file(name: &str) -> bool {
    matches!(name, "ca" | "crl" | "cert" | "server_name" | "expired_cert" | "expired_key")
}

/// Whether a key is one that takes a secret, or may be meant to.
fn takes_secret(path: &[String]) -> bool {
    is_secret(path) && !is_open_key(path)
}

/// Whether a key is known to take none.
fn is_open_key(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    path.len() == 3 && OPEN_KEYS.contains(&last) || is_of_file(last)
}

/// The keys down to the value that is wrong, as the parser knows them: it tells them where it has no text to show.
fn path_of(error: &toml::de::Error) -> Vec<String> {
    let mut error = error.clone();
    error.set_input(None);
    let told = error.to_string();
    let path = told.trim_end().strip_prefix(error.message()).unwrap_or_default();
    let path = path.trim().strip_prefix("in `").and_then(|path| path.strip_suffix('`'));
    path.map(|path| path.split('.').map(str::to_owned).collect()).unwrap_or_default()
}

/// A scenario read line by line, as far as telling where a line belongs takes. The text may be broken.
struct Reading {
    /// The last heading and the key of the last line that has one.
    path: Vec<String>,
    /// Whether the last line begins a statement.
    is_whole: bool,
}

impl Reading {
    fn up_to(text: &str, line: usize) -> Self {
        let (mut heading, mut path) = (Vec::new(), Vec::new());
        // The mark of a string over several lines, and the depth of brackets, that are open.
        let (mut open, mut depth): (Option<&str>, i64) = (None, 0);
        let mut is_whole = true;
        let mut is_in_pem = false;
        for source in text.lines().take(line) {
            let begins = open.is_none() && depth <= 0;
            let plain = source.trim();
            is_in_pem |= plain.contains("-----BEGIN");
            let key = key_of(plain);
            let is_statement = plain.is_empty() || plain.starts_with(['#', '[']) || key.is_some();
            // What stands after a statement's first line is shown only if that may be.
            is_whole = begins && is_statement && !is_in_pem;
            if begins {
                depth = 0;
                if plain.starts_with('[') {
                    heading = names(plain.trim_matches(['[', ']', ' ']));
                    path.clone_from(&heading);
                } else if let Some(key) = key {
                    path = [heading.clone(), key].concat();
                }
            }
            is_in_pem &= !plain.contains("-----END");
            if !(begins && plain.starts_with('[')) {
                step(source, &mut open, &mut depth);
            }
        }
        Self { path, is_whole }
    }
}

/// The names before the `=` of a line.
fn key_of(line: &str) -> Option<Vec<String>> {
    let (key, _) = line.split_once('=')?;
    let names = names(key);
    let is_key = |name: &String| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '{' | '}' | ':'))
    };
    names.iter().all(is_key).then_some(names)
}

fn names(key: &str) -> Vec<String> {
    key.split('.').map(|name| name.trim().trim_matches(['"', '\'']).to_owned()).collect()
}

/// Goes through a line: which string over several lines is open behind it, and how many brackets.
fn step<'a>(line: &'a str, open: &mut Option<&'static str>, depth: &mut i64) {
    let mut rest: &'a str = line;
    loop {
        if let Some(mark) = *open {
            let Some((_, behind)) = rest.split_once(mark) else { return };
            (*open, rest) = (None, behind);
            continue;
        }
        let Some(at) = rest.find(['"', '\'', '#', '[', ']', '{', '}']) else { return };
        let (mark, behind) = (&rest[at..], &rest[at + 1..]);
        rest = match mark.as_bytes()[0] {
            b'#' => return,
            b'[' | b'{' => {
                *depth += 1;
                behind
            }
            b']' | b'}' => {
                *depth -= 1;
                behind
            }
            quote => {
                let three = if quote == b'"' { "\"\"\"" } else { "'''" };
                if let Some(behind) = mark.strip_prefix(three) {
                    *open = Some(three);
                    behind
                } else {
                    closed(behind, quote)
                }
            }
        };
    }
}

/// What stands behind a string on one line; nothing where it does not end.
fn closed(text: &str, quote: u8) -> &str {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if quote == b'"' => is_escaped = true,
            byte if byte == quote => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The message of the parser; without the value that it found, where that may be a secret.
fn message(message: &str, is_open: bool) -> String {
    if is_open {
        return message.trim_end().to_owned();
    }
    if let Some(name) = unknown(message) {
        let allowed = message.split_once("`, ").map(|(_, allowed)| allowed).unwrap_or_default();
        let name =
            if is_word(name) { format!("`{name}`") } else { "(its name is not shown)".into() };
        return format!("unknown field {name}, {allowed}");
    }
    if is_slip_of_variant(message) {
        return message.to_owned();
    }
    // What was found, and what was expected in its place: serde's words.
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let expected = expected.filter(|expected| is_harmless(expected));
    let found = ["invalid type: ", "invalid value: ", "invalid length "].iter().find_map(|start| {
        let found = message.strip_prefix(start)?;
        let kind: String =
            found.chars().take_while(|c| c.is_ascii_lowercase() || *c == ' ').collect();
        Some(format!("{}{}", start, kind.trim()))
    });
    match (message.starts_with("unknown variant "), found, expected) {
        (true, _, Some(expected)) => {
            format!("its value is none that is known, expected {expected}")
        }
        (false, Some(found), Some(expected)) => {
            format!("{}, expected {expected}", found.trim_end())
        }
        _ if message.starts_with("missing field ") || message.starts_with("duplicate ") => {
            message.to_owned()
        }
        // The parser's own words of broken TOML hold nothing of the text.
        _ if is_syntax(message) => message.to_owned(),
        _ => "its value is wrong".into(),
    }
}

/// Whether a message is of a word that is one of those allowed but for a few slips, such as `hs256`.
fn is_slip_of_variant(message: &str) -> bool {
    // unknown variant `x`, expected one of `a`, `b`
    let rest = message.strip_prefix("unknown variant `");
    let Some((typed, allowed)) = rest.and_then(|rest| rest.rsplit_once("`, expected ")) else {
        return false;
    };
    is_slip(typed, allowed.split('`').skip(1).step_by(2))
}

/// Whether a message is one of broken TOML, which quotes nothing.
fn is_syntax(message: &str) -> bool {
    const WORDS: [&str; 12] = [
        "invalid basic string",
        "invalid multi-line",
        "invalid literal string",
        "invalid string",
        "invalid array",
        "invalid inline table",
        "string values must be quoted",
        "key with no value",
        "unclosed",
        "missing",
        "unexpected key or value",
        "extra",
    ];
    WORDS.iter().any(|word| message.starts_with(word)) && is_harmless(message)
}

/// The name of an unknown key.
fn unknown(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    // The name may hold a backtick itself; the list of those allowed begins after the last mark before it.
    Some(rest.split_once("`, expected ").or_else(|| rest.split_once("`, there are "))?.0)
}

/// What TOML's own message leaves to be guessed.
fn way_out(message: &str) -> Option<String> {
    if message.contains("expected a duration") {
        return Some(
            "a duration is a string: `\"500ms\"`, `\"10s\"`, `\"1h 30m\"`; no run needs one above 100 years".into(),
        );
    }
    if message.starts_with("invalid value: integer") || message.starts_with("invalid value: float")
    {
        return Some(
            "docs/scenarios.md has what each kind of number may be, `tokenstorm schema` each key"
                .into(),
        );
    }
    if message.starts_with("missing field") {
        return Some("docs/scenarios.md has every key, `tokenstorm schema` the JSON Schema".into());
    }
    // unknown field `x`, expected one of `a`, `b`
    let mut quoted = message.split('`').skip(1).step_by(2);
    let typed = quoted.next().filter(|_| message.starts_with("unknown "))?;
    nearest(typed, quoted).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests;
