//! From run folders to what people read: pure functions from what was written to text. Uses `base`, `scenario`, `token`,
//! `plan`, `client`, `record`.

mod benchmark;
pub mod calibration;
mod cluster;
pub mod codes;
pub mod compare;
pub mod comparison;
mod died;
mod edges;
mod facts;
mod fetches;
mod findings;
mod gone;
pub mod html;
pub mod junit;
mod keys;
pub mod known;
mod lifetime;
mod markdown;
pub mod matrix;
pub mod otava;
mod sentence;
mod series;
pub mod style;
pub mod suggest;
pub mod terminal;
pub mod watch;

use std::path::Path;

use crate::{
    base::error::{
        Error, Result,
        plain::{json, plain},
    },
    record::results::{Matrix, Summary, reading::text},
    report::compare::Comparison,
};

/// How a run is rendered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// The summary that `run` prints at its end.
    #[default]
    Terminal,
    /// `summary.json` as it is.
    Json,
    /// `latency.csv` as it is, of a matrix `matrix.csv`.
    Csv,
    /// One page with the summary and charts over its seconds, events marked in each; needs nothing else.
    Html,
    /// A test case for every cell of a matrix, or every metric of a comparison, as CI servers read them.
    Junit,
    /// Of a comparison or a run, for a pull request.
    Markdown,
    /// For github-action-benchmark, tool `customSmallerIsBetter`.
    Benchmark,
}

impl From<Format> for comparison::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Terminal => Self::Terminal,
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Html => Self::Html,
            Format::Junit => Self::Junit,
            Format::Markdown => Self::Markdown,
            Format::Benchmark => Self::Benchmark,
        }
    }
}

/// Renders the run, or the comparison, in a folder.
///
/// # Errors
/// When the folder holds no run, or one of a newer format.
pub fn render(folder: &Path, format: Format) -> Result<String> {
    if folder.join(compare::FILE).is_file() {
        return comparison::render_in(&Comparison::read(folder)?, format.into(), Some(folder));
    }
    let summary = Summary::read(folder)?;
    let file = |name: &str| {
        text(&folder.join(name)).map_err(|error| {
            Error::usage(format!("can't read `{}`: {error}", folder.join(name).display())).hint(
                "a run that was killed has no `latency.csv`: what it has is in `summary.json`",
            )
        })
    };
    let is_matrix = folder.join("matrix.json").is_file();
    match format {
        Format::Html => html::render(folder, &summary),
        Format::Junit if is_matrix => junit::render(&Matrix::read(folder)?, &summary),
        Format::Junit => junit::of_run(&summary),
        Format::Markdown if is_matrix => {
            Ok(markdown::render(&summary, Some(&Matrix::read(folder)?)))
        }
        Format::Markdown => Ok(markdown::render(&summary, None)),
        Format::Benchmark => serde_json::to_string_pretty(&benchmark::entries(&summary))
            .map(|text| json(&text) + "\n")
            .map_err(|error| Error::usage(format!("no JSON can be made: {error}"))),
        Format::Terminal if is_matrix => {
            Ok(matrix::render(&Matrix::read(folder)?, &summary, &matrix::Place::of(folder)))
        }
        Format::Json if is_matrix => file("matrix.json").map(|text| json(&text)),
        Format::Csv if is_matrix => file("matrix.csv").map(|text| plain(&text)),
        Format::Terminal => Ok(terminal::render(&summary, &folder.display().to_string())),
        Format::Json => file("summary.json").map(|text| json(&text)),
        Format::Csv => file("latency.csv").map(|text| plain(&text)),
    }
}
