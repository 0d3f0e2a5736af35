//! A run as one page: the verdict, charts with their values, and what happened when. Nothing outside it is needed, and
//! no script runs in it.

mod asked;
mod axis;
mod brokers;
mod cells;
mod chart;
pub mod comparison;
mod facts;
pub(crate) mod figure;
mod files;
mod found;
mod heat;
mod lifetime;
mod live;
pub(crate) mod page;
mod palette;
pub(crate) mod percentiles;
mod plate;
mod series;
mod timeline;

use std::path::Path;

use maud::{Markup, html};

pub(crate) use self::live::under_way;

use super::{
    gone, matrix,
    sentence::{self, Sentence},
    terminal,
};
use crate::{
    base::{
        error::{Result, plain::unpainted},
        shell::quoted,
        window::{elsewhere, unbroken},
    },
    record::results::{Matrix, Summary, writing::replace_in},
};

/// Renders the run in a folder. What the folder does not hold, as of a run that was killed, is left out or said.
///
/// # Errors
/// When a file is there and can't be read, or a chart not be drawn.
pub fn render(folder: &Path, summary: &Summary) -> Result<String> {
    let matrix = matrix_of(folder)?;
    let matrix = matrix.as_ref();
    let sentence = sentence::of(summary, matrix);
    let body = body(folder, summary, matrix, &sentence)?;
    Ok(page::shell(&format!("{}: {}", summary.scenario, sentence.title), &body))
}

/// The cells of a run that has any.
fn matrix_of(folder: &Path) -> Result<Option<Matrix>> {
    folder.join("matrix.json").is_file().then(|| Matrix::read(folder)).transpose()
}

/// What a page shows of a run.
fn body(
    folder: &Path,
    summary: &Summary,
    matrix: Option<&Matrix>,
    sentence: &Sentence,
) -> Result<Markup> {
    let verdicts = match matrix {
        Some(matrix) => Some(cells::map(matrix)),
        None => heat::map(folder, summary)?,
    };
    Ok(html! {
        header {
            p.soft { b { (summary.scenario) } ": token authentication of " (terminal::brokers(summary)) ", " (summary.started_at) }
            h1 class={ "verdict " (sentence.tone.name()) } { (unbroken(&sentence.words)) }
        }
        (page::section("Findings", found::section(folder, summary, matrix)))
        (page::section("Brokers that went away", gone::section(summary)))
        (page::section("The answer", found::answer(summary)))
        (series::section(folder, summary)?)
        @if matrix.is_none() { (facts::tiles(summary)) }
        main {
            (page::section("What was asked", Some(asked::section(folder, summary, matrix)?)))
            (page::section("Verdicts", verdicts))
            (page::section("Brokers that differ", brokers::divergent(summary)))
            (page::section("Verdicts by broker", brokers::verdicts_by_broker(summary).filter(|_| matrix.is_none())))
            (page::section("What a lost broker cost", brokers::outages(summary)))
            (page::section("When tokens ended", lifetime::ends(summary)?))
            (page::section("Later turns", lifetime::turns(summary)?))
            (page::section("Latency by percentile", percentiles::figures(summary, matrix.is_some())?))
            (page::section("Over time", page::grid(timeline::figures(folder)?)))
            (page::section("What happened", timeline::what_happened(folder)?))
            div.pair {
                (page::section("Throughput", Some(facts::throughput(summary))))
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
    })
}

/// Writes the page of a run into its folder. Nothing depends on it: where it can't be written, that is said, and the run is
/// what it was.
pub fn leave(folder: &Path, summary: &Summary) {
    let written =
        render(folder, summary).and_then(|page| replace_in(folder, "report.html", page.as_bytes()));
    if let Err(error) = written {
        let place = quoted(&folder.display().to_string());
        let again = format!("`tokenstorm report {place} --format html` makes it");
        crate::tell!("warning: the run has no page: {error}; {again}");
    }
}

/// The text for the terminal, in which nothing is left out.
fn in_words(folder: &Path, summary: &Summary, matrix: Option<&Matrix>) -> Markup {
    let said = elsewhere(|| match matrix {
        Some(matrix) => matrix::render(matrix, summary, &matrix::Place::of(folder)),
        None => terminal::render(summary, &folder.display().to_string()),
    });
    let said = unpainted(&said);
    html! {
        details {
            summary { "Everything in words, as the terminal has it" }
            pre { (said) }
        }
    }
}

#[cfg(test)]
mod tests;
