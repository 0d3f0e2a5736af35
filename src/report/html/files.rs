//! Files of a run folder: what is not there, such as of a run that was killed, is empty.

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    results::series::{Timed, read},
};

/// The text of a file; `None` where it is not there.
pub(super) fn text(folder: &Path, name: &str) -> Result<Option<String>> {
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(folder, name, &error)),
    }
}

/// Rows of a CSV; none where it is not there.
pub(super) fn rows<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let Some(text) = text(folder, name)? else { return Ok(Vec::new()) };
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| unreadable(folder, name, &error))
}

/// Rows of a CSV of a series, with their times as they were measured; none where it is not there.
pub(super) fn timed_rows<T: Timed + DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let Some(text) = text(folder, name)? else { return Ok(Vec::new()) };
    let failed = |error: csv::Error| unreadable(folder, name, &error);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(failed)?.clone();
    let rows = reader.records().map(|row| row.and_then(|row| read(&row, &head)));
    rows.collect::<csv::Result<_>>().map_err(failed)
}

/// What a JSON file holds; `None` where it is not there.
pub(super) fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let Some(text) = text(folder, name)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| unreadable(folder, name, &error))
}

fn unreadable(folder: &Path, name: &str, why: &dyn std::fmt::Display) -> Error {
    Error::usage(format!("`{}` can't be read: {why}", folder.join(name).display()))
}
