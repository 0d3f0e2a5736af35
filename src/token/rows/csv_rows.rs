//! Rows of CSV (RFC 4180), whose first line names the columns.

use csv::{ByteRecord, ReaderBuilder};

use super::{COLUMNS, Gathered, Written};
use crate::base::error::{Error, Result};

/// Reads all rows.
pub(super) fn read(file: &[u8], all: &mut Gathered) -> Result<()> {
    let mut reader = ReaderBuilder::new().flexible(false).from_reader(file);
    let head = reader.byte_headers().map_err(|error| broken(&error))?.clone();
    let mut places = [None; COLUMNS.len()];
    for (at, name) in head.iter().enumerate() {
        let name = name.trim_ascii();
        match COLUMNS.iter().position(|known| known.as_bytes() == name) {
            Some(known) if places[known].is_some() => {
                return Err(Error::usage(format!("it has the column `{}` twice", COLUMNS[known])));
            }
            Some(known) => places[known] = Some(at),
            None => all.unknown(name),
        }
    }
    let [client_id, username, token, expected, kind] = places;
    let Some(token) = token else {
        return Err(Error::usage("it has no column `token`")
            .hint("its first line names the columns: `client_id,username,token,expected,kind`, of which `token` must be there"));
    };
    all.has = (client_id.is_some(), username.is_some());
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| broken(&error))? {
        let number = record.position().map_or(0, csv::Position::line);
        let text = |at: Option<usize>, name: &str| -> Result<Option<&str>> {
            let Some(bytes) = at.and_then(|at| record.get(at)) else { return Ok(None) };
            let wrong = |_| Error::usage(format!("line {number}: `{name}` is no UTF-8"));
            str::from_utf8(bytes).map(Some).map_err(wrong)
        };
        let token = record.get(token).unwrap_or_default();
        if token.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(Error::usage(format!("line {number}: `token` goes on over several lines"))
                .hint("a quotation mark is open: one that is meant as one is written twice, between quotation marks"));
        }
        all.add(Written {
            number,
            client_id: text(client_id, "client_id")?,
            username: text(username, "username")?,
            token,
            expected: text(expected, "expected")?,
            kind: text(kind, "kind")?,
        })?;
    }
    Ok(())
}

fn broken(error: &csv::Error) -> Error {
    let line = error.position().map_or_else(String::new, |at| format!("line {}: ", at.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Error::usage(format!(
            "{line}it has {len} fields, but the first line names {expected_len}"
        ))
        .hint("a field with a comma or a quotation mark in it stands between quotation marks"),
        _ => Error::usage(format!("{line}it is no CSV")),
    }
}
