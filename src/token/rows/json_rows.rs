//! Rows of JSON Lines: an object a line.

use serde_json::{Map, Value};

use super::{COLUMNS, Gathered, Written};
use crate::base::error::{Error, Result};

/// Reads all rows.
pub(super) fn read(file: &[u8], all: &mut Gathered) -> Result<()> {
    let lines = || (1..).zip(file.split(|byte| *byte == b'\n'));
    let is_filled = |line: &[u8]| !line.trim_ascii().is_empty();
    // Whether there are client ids is decided by the first row, as a header does it.
    let first = lines().find(|(_, line)| is_filled(line));
    if let Some((number, line)) = first {
        let object = object(number, line)?;
        let has = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
        all.has = (has("client_id"), has("username"));
    }
    for (number, line) in lines().filter(|(_, line)| is_filled(line)) {
        let object = object(number, line)?;
        for name in object.keys().filter(|name| !COLUMNS.contains(&name.as_str())) {
            all.unknown(name.as_bytes());
        }
        let text = |name: &str| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::usage(format!("line {number}: `{name}` is no text"))),
        };
        let Some(token) = text("token")? else {
            return Err(Error::usage(format!("line {number}: there is no `token`")));
        };
        let client_id = text("client_id")?;
        if client_id.is_some() && !all.has.0 {
            return Err(Error::usage(format!(
                "line {number}: there is a `client_id`, and the first line has none"
            ))
            .hint("give all rows one, or none"));
        }
        all.has.1 |= text("username")?.is_some();
        all.add(Written {
            number,
            client_id,
            username: text("username")?,
            token: token.as_bytes(),
            expected: text("expected")?,
            kind: text("kind")?,
        })?;
    }
    Ok(())
}

fn object(number: u64, line: &[u8]) -> Result<Map<String, Value>> {
    // What the parser says has a column and no text of the line.
    serde_json::from_slice(line).map_err(|error| {
        Error::usage(format!("line {number}: it is no object of JSON (column {})", error.column()))
            .hint("a line is an object such as `{\"client_id\": \"a\", \"token\": \"...\"}`")
    })
}
