//! What no type of a scenario refuses, found by its place: values that JSON has not, and secrets that were pasted where
//! a path or a name belongs.

use std::path::Path;

use toml::{Table, Value};

use crate::base::{
    error::{
        Error, Result,
        showable::{Pasted, holds_private_key, pasted},
    },
    shipped::is_path,
    tls::settings::PER_CLIENT,
};

/// What a key of a scenario takes, told by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    /// The path of a file.
    Path,
    /// The name of an environment variable.
    Variable,
    /// The name of a key, a profile, or another name.
    Name,
    /// A secret itself.
    Secret,
    /// Something else.
    Other,
}

fn takes(path: &[&str]) -> Takes {
    let last = path.iter().rev().find(|part| part.parse::<usize>().is_err());
    let name = last.copied().unwrap_or_default();
    let is_claim = path.contains(&"claims");
    let is_tls = path.contains(&"tls");
    match name {
        _ if is_claim => Takes::Other,
        "secret" | "client_secret" | "password" => Takes::Secret,
        "private_key" | "jwk" | "ca" | "crl" | "cert" | "file" | "expired_cert" | "expired_key"
        | "client_ca" | "client_ca_key" => Takes::Path,
        "key" if is_tls => Takes::Path,
        _ if name.ends_with("_file") => Takes::Path,
        _ if name.ends_with("_env") => Takes::Variable,
        "key" | "keys" | "client_key" | "signature_key" | "private_key_jwt" | "profile" | "kid" => {
            Takes::Name
        }
        _ => Takes::Other,
    }
}

/// Looks at every value of a scenario.
///
/// # Errors
/// When one is a date or no finite number, or a secret stands where a path or a name belongs; nothing of a secret is
/// shown.
pub(super) fn check(table: &Table) -> Result<()> {
    of_table(table, &mut Vec::new())
}

fn of_table<'a>(table: &'a Table, path: &mut Vec<&'a str>) -> Result<()> {
    for (name, value) in table {
        // A claim may have any name: the JSON of an `acl` as well.
        let is_claim = path.contains(&"claims");
        if holds_private_key(name) || !is_claim && pasted(name).is_some() {
            let place = if path.is_empty() { "the scenario".into() } else { shown(path) };
            return Err(Error::usage(format!("a name in {place} is a secret or a file's content (not shown)"))
                .hint("names are short: `[keys.main]`; the key itself is in a file, `private_key = \"key.pem\"`"));
        }
        path.push(name);
        of_value(value, path)?;
        path.pop();
    }
    Ok(())
}

fn of_value<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Result<()> {
    match value {
        Value::Table(table) => of_table(table, path),
        Value::Array(items) => items.iter().try_for_each(|item| of_value(item, path)),
        Value::String(text) => of_text(text, path),
        Value::Float(number) if !number.is_finite() => Err(Error::usage(format!(
            "{} is `{value}`, which is no number that JSON has",
            shown(path)
        ))
        .hint(format!("write a number, or a text: `\"{value}\"`"))),
        Value::Datetime(date) => {
            Err(Error::usage(format!("{} is the date `{date}`, which JSON has not", shown(path)))
                .hint(as_json(date)))
        }
        _ => Ok(()),
    }
}

/// How a date may be written instead.
fn as_json(date: &toml::value::Datetime) -> String {
    let text = date.to_string();
    let seconds = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    match seconds {
        Ok(seconds) => format!("write a text, `\"{text}\"`, or seconds since 1970, `{seconds}`"),
        Err(_) => format!("write a text, `\"{text}\"`"),
    }
}

/// Makes relative paths of files, and of profiles that are files, start from a folder.
pub(super) fn root(table: &mut Table, folder: &Path) {
    root_table(table, folder, &mut Vec::new());
}

fn root_table<'a>(table: &'a mut Table, folder: &Path, path: &mut Vec<&'a str>) {
    for (name, value) in table {
        path.push(name);
        root_value(value, folder, path);
        path.pop();
    }
}

fn root_value<'a>(value: &'a mut Value, folder: &Path, path: &mut Vec<&'a str>) {
    match value {
        Value::Table(table) => root_table(table, folder, path),
        Value::Array(items) => items.iter_mut().for_each(|item| root_value(item, folder, path)),
        Value::String(text) if names_file(text, path) => {
            *text = folder.join(&*text).display().to_string();
        }
        _ => {}
    }
}

/// Whether a text is the path of a file, by the key that it stands at.
fn names_file(text: &str, path: &[&str]) -> bool {
    match takes(path) {
        // Certificates of each client are made.
        Takes::Path => text != PER_CLIENT,
        Takes::Name => path == ["target", "profile"] && is_path(text),
        _ => false,
    }
}

fn of_text(text: &str, path: &[&str]) -> Result<()> {
    let takes = takes(path);
    let wanted = match takes {
        Takes::Path => "the path of a file",
        Takes::Variable => "the name of an environment variable",
        Takes::Name => "a name",
        Takes::Other if holds_private_key(text) => {
            return Err(Error::usage(format!("{} holds a private key (not shown)", shown(path)))
                .hint("put the key into a file, and name that: `private_key = \"key.pem\"`"));
        }
        Takes::Secret | Takes::Other => return Ok(()),
    };
    let is_no_name = takes == Takes::Variable && !text.chars().all(is_of_name);
    // A `kid` is any text (RFC 7515, 4.1.4): JSON and several lines are no sign of a secret there.
    let is_kid = path.last() == Some(&"kid") && !holds_private_key(text);
    let found =
        pasted(text).filter(|what| !(is_kid && matches!(what, Pasted::Json | Pasted::Lines)));
    let Some(what) = found.map(Pasted::words).or(is_no_name.then_some("another text")) else {
        return Ok(());
    };
    Err(Error::usage(format!(
        "{} takes {wanted}, but its value is {what} (not shown)",
        shown(path)
    ))
    .hint(way_out(takes, path)))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn way_out(takes: Takes, path: &[&str]) -> String {
    let name = path.last().copied().unwrap_or_default();
    match takes {
        Takes::Path => format!(
            "put it into a file beside the scenario, which nobody else can read, and write `{name} = \"{}\"`",
            if name == "jwk" { "key.jwk" } else { "key.pem" }
        ),
        Takes::Variable => format!("`export NAME=...` first, then `{name} = \"NAME\"`"),
        _ if name == "profile" => {
            "name a profile, or the path of its file: docs/profiles.md has them all".into()
        }
        _ => "a key is defined under `[keys.NAME]`, and is called NAME elsewhere".into(),
    }
}

/// The place of a value; names that are no short words are left out.
fn shown(path: &[&str]) -> String {
    let part = |part: &&str| {
        let is_word = part.len() <= 64
            && part.chars().all(|c| is_of_name(c) || matches!(c, '{' | '}' | ':' | ','));
        if is_word { (*part).to_owned() } else { "...".to_owned() }
    };
    format!("`{}`", path.iter().map(part).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests;
