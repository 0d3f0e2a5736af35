//! Files of run folders, which may come from anybody: read within bounds, and with no number in them that no run can have.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::{
    error::{
        Error, Result,
        plain::{line, steers},
    },
    host::reading::read_regular,
};

/// Longest file of a run folder that is read, in bytes: the second by second table of a run of a month is half as long.
const LONGEST: u64 = 256 * 1024 * 1024;
/// Longest file of JSON, in bytes: ten thousand kinds of token take half of it.
const LONGEST_JSON: u64 = 64 * 1024 * 1024;
/// The largest number that a file may hold: larger ones are not exact wherever JSON is read (RFC 8259, 6).
const MOST: f64 = 9_007_199_254_740_992.0;
/// The last second that a row may be of: 30 years, which no run lasts.
const LAST_SECOND: f64 = 1e9;
/// The first second that a row may be of: what comes before a storm is seconds or minutes before it.
const FIRST_SECOND: f64 = -86_400.0;
/// Columns whose cells are words: what looks like a number in them is none.
const WORDS: [&str; 17] = [
    "token",
    "broker",
    "expected",
    "outcome",
    "code",
    "verdict",
    "event",
    "detail",
    "key",
    "path",
    "caller",
    "side",
    "beyond",
    "run",
    "why",
    "arm",
    "algorithm",
];

/// The text of a file.
///
/// # Errors
/// As [`read_regular`], and where it is no text.
pub fn text(path: &Path) -> io::Result<String> {
    text_within(path, LONGEST)
}

fn text_within(path: &Path, longest: u64) -> io::Result<String> {
    String::from_utf8(read_regular(path, longest)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text (UTF-8)"))
}

/// What a file of JSON holds: its texts in one line each and without what would steer a terminal.
///
/// # Errors
/// When it can't be read, is damaged, or holds a number that no run can have; what is wrong, in words.
pub fn json(path: &Path) -> std::result::Result<Value, String> {
    let text =
        text_within(path, LONGEST_JSON).map_err(|error| format!("can't be read: {error}"))?;
    let value = serde_json::from_str(&text)
        .map_err(|error| format!("is damaged or half written: {error}"))?;
    settled(value, &mut Vec::new())
}

/// A value of JSON as it may be used. `place` are the keys and numbers that lead to it.
fn settled(value: Value, place: &mut Vec<String>) -> std::result::Result<Value, String> {
    let mut within = |name: String, value: Value| {
        place.push(name);
        let settled = settled(value, place);
        place.pop();
        settled
    };
    Ok(match value {
        Value::String(text) => Value::String(plain_line(text)),
        Value::Array(all) => {
            let all = (0..).zip(all).map(|(at, value): (usize, _)| within(at.to_string(), value));
            Value::Array(all.collect::<std::result::Result<_, _>>()?)
        }
        Value::Object(all) => {
            let all = all.into_iter().map(|(name, value)| {
                let name = plain_line(name);
                Ok((name.clone(), within(name, value)?))
            });
            Value::Object(all.collect::<std::result::Result<Map<_, _>, String>>()?)
        }
        Value::Number(number) if number.as_f64().is_none_or(|number| !is_possible(number)) => {
            return Err(format!(
                "`{}` is {number}, and no number of a run is beyond {MOST}",
                place.join(".")
            ));
        }
        other => other,
    })
}

/// A text in one line, without what steers; most are so already.
fn plain_line(text: String) -> String {
    if text.contains(|c| steers(c) || matches!(c, '\n' | '\t')) { line(&text) } else { text }
}

fn is_possible(number: f64) -> bool {
    (-MOST..=MOST).contains(&number)
}

/// Rows of a CSV, each made by a function of its cells and the names of the columns.
///
/// # Errors
/// When it is no CSV, or a row holds a number that no run can have; file, line, column, value and bound are named.
pub fn rows<T>(
    text: &str,
    path: &Path,
    read: impl Fn(&csv::StringRecord, &csv::StringRecord) -> csv::Result<T>,
) -> Result<Vec<T>> {
    let wrong = |why: &dyn std::fmt::Display| {
        Error::usage(format!("`{}` can't be read: {why}", path.display()))
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| wrong(&error))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        for (name, cell) in head.iter().zip(&record) {
            if let Some(why) = impossible(name, cell) {
                return Err(wrong(&format!("line {line}: `{name}` is `{cell}`: {why}")));
            }
        }
        rows.push(read(&record, &head).map_err(|error| wrong(&error))?);
    }
    Ok(rows)
}

/// The same, of rows that are read by their columns' names alone.
///
/// # Errors
/// As [`rows`].
pub fn plain_rows<T: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<T>> {
    rows(text, path, |row, head| row.deserialize(Some(head)))
}

/// Why a cell of a column can't be of a run.
fn impossible(name: &str, cell: &str) -> Option<String> {
    // Times that lie beyond the timeout stand behind a `>` in files of old.
    let number: f64 = cell.trim_start_matches('>').parse().ok()?;
    match name {
        _ if WORDS.contains(&name) => None,
        "second" if !(FIRST_SECOND..=LAST_SECOND).contains(&number) => {
            Some(format!("no run has a second beyond {FIRST_SECOND} and {LAST_SECOND}"))
        }
        _ if !is_possible(number) => Some(format!("no number of a run is beyond {MOST}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
