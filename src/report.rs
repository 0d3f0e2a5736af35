//! Renders a run folder again: pure functions from what was written to text.

pub mod style;
pub mod terminal;

use std::{fs, path::Path};

use crate::{
    error::{Error, Result},
    results::Summary,
};

/// How a run is rendered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// The summary that `run` prints at its end.
    #[default]
    Terminal,
    /// `summary.json` as it is.
    Json,
    /// `latency.csv` as it is.
    Csv,
}

/// Renders the run in a folder.
///
/// # Errors
/// When the folder holds no run, or one of a newer format.
pub fn render(folder: &Path, format: Format) -> Result<String> {
    let summary = Summary::read(folder)?;
    let file = |name: &str| {
        fs::read_to_string(folder.join(name)).map_err(|error| {
            Error::usage(format!("can't read `{}`: {error}", folder.join(name).display())).hint(
                "a run that was killed has no `latency.csv`: what it has is in `summary.json`",
            )
        })
    };
    match format {
        Format::Terminal => Ok(terminal::render(&summary, &folder.display().to_string())),
        Format::Json => file("summary.json"),
        Format::Csv => file("latency.csv"),
    }
}
