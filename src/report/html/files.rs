//! Files of a run folder: what is not there, such as of a run that was killed, is empty.

use std::{io, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    base::error::{Error, Result},
    record::results::{
        cells::{Timed, read},
        reading,
    },
};

/// The text of a file; `None` where it is not there.
pub(super) fn text(folder: &Path, name: &str) -> Result<Option<String>> {
    match reading::text(&folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(folder, name, &error)),
    }
}

/// Rows of a CSV; none where it is not there.
pub(super) fn rows<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let Some(text) = text(folder, name)? else { return Ok(Vec::new()) };
    reading::plain_rows(&text, &folder.join(name))
}

/// Rows of a CSV with their times as they were measured; none where it is not there.
pub(super) fn timed_rows<T: Timed + DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let Some(text) = text(folder, name)? else { return Ok(Vec::new()) };
    reading::rows(&text, &folder.join(name), read)
}

/// What a JSON file holds; `None` where it is not there.
pub(super) fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let value = reading::json(&path).map_err(|why| unreadable(folder, name, &why))?;
    serde_json::from_value(value).map(Some).map_err(|error| unreadable(folder, name, &error))
}

fn unreadable(folder: &Path, name: &str, why: &dyn std::fmt::Display) -> Error {
    Error::usage(format!("`{}` can't be read: {why}", folder.join(name).display()))
}
