//! A comparison for each of its readers: pure functions from what was compared to text.

pub mod cells;
mod ci;
mod csv;
mod junit;
mod markdown;
pub mod table;
mod terminal;

use std::path::Path;

use clap::ValueEnum;

use crate::{
    base::error::{Error, Result, plain::json},
    record::results::writing::replace_in,
    report::compare::Comparison,
};

/// How a comparison is rendered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    #[default]
    Terminal,
    /// For a pull request: what decides first, all metrics folded.
    Markdown,
    /// A test case for every metric and every cell of a matrix, as CI servers read them.
    Junit,
    /// For a spreadsheet.
    Csv,
    /// Everything, as `comparison.json`.
    Json,
    /// One page that needs nothing else.
    Html,
    /// For github-action-benchmark, tool `customSmallerIsBetter`.
    Benchmark,
    /// For Bencher: its metric format.
    Bencher,
}

impl Format {
    /// The file that it has in a folder; `None` of what is for a terminal.
    pub fn file(self) -> Option<&'static str> {
        match self {
            Self::Terminal => None,
            Self::Markdown => Some("comparison.md"),
            Self::Junit => Some("comparison.xml"),
            Self::Csv => Some("comparison.csv"),
            Self::Json => Some(crate::report::compare::FILE),
            Self::Html => Some("report.html"),
            Self::Benchmark => Some("benchmark.json"),
            Self::Bencher => Some("bencher.json"),
        }
    }
}

/// Renders a comparison whose files stand nowhere.
///
/// # Errors
/// When it can't be written in that format, which would be a bug.
pub fn render(comparison: &Comparison, format: Format) -> Result<String> {
    render_in(comparison, format, None)
}

/// Renders a comparison for a folder, from which the page leads to its trials.
///
/// # Errors
/// When it can't be written in that format, which would be a bug.
pub fn render_in(comparison: &Comparison, format: Format, folder: Option<&Path>) -> Result<String> {
    let made = match format {
        Format::Terminal => return Ok(terminal::render(comparison)),
        Format::Markdown => return Ok(markdown::render(comparison)),
        Format::Junit => return junit::render(comparison),
        Format::Csv => return csv::render(comparison),
        Format::Html => return super::html::comparison::render(comparison, folder),
        Format::Json => serde_json::to_string_pretty(comparison),
        Format::Benchmark => serde_json::to_string_pretty(&ci::benchmark(comparison)),
        Format::Bencher => serde_json::to_string_pretty(&ci::bencher(comparison)),
    };
    made.map(|text| json(&text) + "\n")
        .map_err(|error| Error::usage(format!("no JSON can be made: {error}")))
}

/// Writes a comparison in all its formats: first the one from which `tokenstorm report` makes the others, of which those
/// that can't be written are said.
///
/// # Errors
/// When `comparison.json` can't be written.
pub fn write_all(comparison: &Comparison, folder: &Path) -> Result<()> {
    let write = |format: Format| match format.file() {
        Some(name) => {
            replace_in(folder, name, render_in(comparison, format, Some(folder))?.as_bytes())
        }
        None => Ok(()),
    };
    write(Format::Json)?;
    for format in Format::value_variants().iter().filter(|format| **format != Format::Json) {
        if let Err(error) = write(*format) {
            crate::tell!("warning: {error}");
        }
    }
    Ok(())
}
