//! A run as one page: the verdict, charts with their values, and what happened when. Nothing outside it is needed, and
//! no script runs in it.

mod asked;
mod axis;
mod cells;
mod chart;
mod facts;
pub(crate) mod figure;
mod files;
mod heat;
pub(crate) mod page;
pub(crate) mod percentiles;
pub(crate) mod sentence;
mod series;
mod timeline;

use std::path::Path;

use maud::{Markup, html};

use super::{matrix, terminal};
use crate::{
    error::Result,
    results::{Matrix, Summary},
};

/// Renders the run in a folder. What the folder does not hold, as of a run that was killed, is left out or said.
///
/// # Errors
/// When a file is there and can't be read, or a chart not be drawn.
pub fn render(folder: &Path, summary: &Summary) -> Result<String> {
    let matrix = match folder.join("matrix.json").is_file() {
        true => Some(Matrix::read(folder)?),
        false => None,
    };
    let matrix = matrix.as_ref();
    let verdicts = match matrix {
        Some(matrix) => Some(cells::map(matrix)),
        None => heat::map(folder, summary)?,
    };
    let body = html! {
        header {
            h1 { (summary.scenario) }
            p.soft { "Token authentication of " (asked::brokers(summary)) ", " (summary.started_at) }
        }
        (verdict(summary, matrix))
        @if matrix.is_none() { (facts::tiles(summary)) }
        main {
            (page::section("What was asked", Some(asked::section(folder, summary, matrix)?)))
            (series::section(folder, summary)?)
            (page::section("Verdicts", verdicts))
            (page::section("Latency by percentile", page::grid(percentiles::figures(summary)?)))
            (page::section("Over time", page::grid(timeline::figures(folder, summary)?)))
            (page::section("What happened", timeline::what_happened(folder)?))
            div.pair {
                (page::section("Throughput", facts::throughput(summary)))
                div {
                    (page::section("Thresholds", facts::thresholds(summary)))
                    (page::section("Answers by code", facts::codes(summary)))
                }
                (page::section("Validity", Some(facts::validity(summary))))
                (page::section("Environment", Some(facts::environment(folder, summary)?)))
            }
            (page::section("To repeat it", Some(asked::command(matrix))))
            (in_words(folder, summary, matrix))
        }
    };
    Ok(page::shell(&summary.scenario, &body))
}

/// The verdict in one sentence.
fn verdict(summary: &Summary, matrix: Option<&Matrix>) -> Markup {
    let sentence = sentence::of(summary, matrix);
    html! { p class={ "verdict " (sentence.tone.class()) } { (sentence.words) } }
}

/// The text for the terminal, in which nothing is left out.
fn in_words(folder: &Path, summary: &Summary, matrix: Option<&Matrix>) -> Markup {
    let said = match matrix {
        Some(matrix) => matrix::render(matrix, summary, &matrix::Place::of(folder)),
        None => terminal::render(summary, &folder.display().to_string()),
    };
    let said = anstream::adapter::strip_str(&said).to_string();
    html! {
        details {
            summary { "Everything in words, as the terminal has it" }
            pre { (said) }
        }
    }
}
