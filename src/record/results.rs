//! The run folder: what is written of a run, and how it is read again.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::base::error::{Error, Result};

pub mod absence;
pub mod agents;
pub mod asked;
pub mod authority;
pub mod baselines;
pub mod brokers;
pub mod calibration;
pub mod canary;
pub mod cells;
pub mod decided;
pub mod diagnosis;
pub mod divergent;
pub mod edges;
pub mod environment;
pub mod fetches;
pub mod findings;
#[cfg(test)]
pub(crate) mod fixture;
pub mod folder;
pub mod full;
pub mod gaps;
pub mod gone;
pub mod happened;
pub mod judged;
pub mod keys;
pub mod matrix;
pub mod moment;
pub mod monitor;
pub mod operations;
pub mod outages;
pub mod reading;
pub mod reason;
pub mod ruling;
pub mod series;
pub mod sheets;
pub mod summary;
pub mod tables;
pub mod threshold;
pub mod time;
pub mod timeline;
pub mod token_file;
pub mod trend;
pub mod turns;
pub mod whole;
pub mod writing;

pub use edges::Edges;
pub use environment::Environment;
pub use folder::{Folder, Place};
pub use keys::Jwks;
pub use matrix::Matrix;
pub use reason::Reason;
pub use ruling::Ruling;
pub use summary::Summary;
pub use time::{Percentile, PhaseStats};

/// Reads a file of a run folder that says which format it has.
///
/// # Errors
/// When it is not there, damaged, of a newer format than this program reads, or holds a number that no run can have.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let wrong = |why: String| Error::usage(format!("`{}`: {why}", path.display()));
    let value = reading::json(path).map_err(wrong)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format <= u64::from(summary::FORMAT) => {}
        Some(format) => {
            return Err(wrong(format!(
                "format {format} is newer than this program, which reads up to {}",
                summary::FORMAT
            ))
            .hint("use a newer tokenstorm"));
        }
        None => return Err(wrong("there is no `format` in it".into())),
    }
    serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
}
