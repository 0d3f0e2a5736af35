//! A run as one page: the summary, charts over its seconds, and what happened when. Nothing outside it is needed.

pub mod comparison;
mod series;

use std::{collections::BTreeMap, fs, path::Path};

use maud::{DOCTYPE, PreEscaped, html};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    charts::{Line, Mark, draw},
    terminal,
};
use crate::{
    error::{Error, Result},
    results::Summary,
};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\
    pre{background:#f6f6f6;padding:1em;white-space:pre-wrap;font-size:12.5px}h2{margin:1.6em 0 .3em;font-size:1.1em}\
    table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:left;border-bottom:1px solid #ddd}svg{max-width:100%}";

/// Events that are closer, in seconds, have one mark.
const TOGETHER: f64 = 0.3;

#[derive(Deserialize)]
struct Second {
    #[serde(rename = "second")]
    number: f64,
    started: f64,
    accepted: f64,
    refused: f64,
    failed: f64,
    connack_p50_us: String,
    connack_p99_us: String,
}

#[derive(Deserialize)]
struct KeySecond {
    second: f64,
    key: String,
    accepted: f64,
    refused: f64,
}

#[derive(Deserialize)]
struct Reading {
    second: f64,
    side: String,
    rss_bytes: Option<f64>,
}

#[derive(Deserialize)]
struct Event {
    second: f64,
    #[serde(rename = "event")]
    name: String,
    detail: String,
}

#[derive(Deserialize)]
struct Visit {
    second: f64,
    path: String,
    status: u16,
    count: f64,
}

/// Renders the run in a folder.
///
/// # Errors
/// When a file can't be read, or a chart not be drawn.
pub fn render(folder: &Path, summary: &Summary) -> Result<String> {
    let seconds: Vec<Second> = rows(folder, "timeline.csv")?;
    let events: Vec<Event> = rows(folder, "events.csv")?;
    let marks = marks(&events);
    let mut charts = series::charts(folder, summary)?;
    charts.extend([
        ("Attempts a second", draw("a second", &attempts(&seconds), &marks)?),
        ("Time to the verdict", draw("ms", &latencies(&seconds), &marks)?),
        ("Tokens by the key that signed them", draw("a second", &keys(folder)?, &marks)?),
        ("Requests to the issuer", draw("a second", &visits(folder)?, &marks)?),
        ("Memory of both sides", draw("MiB", &memory(folder)?, &marks)?),
    ]);
    let table = series::table(summary);
    let said = terminal::render(summary, &folder.display().to_string());
    let said = anstream::adapter::strip_str(&said).to_string();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (summary.scenario) " - tokenstorm" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (summary.scenario) }
                pre { (said) }
                @for (title, chart) in &charts {
                    @if let Some(svg) = chart {
                        h2 { (title) }
                        (PreEscaped(svg))
                    }
                }
                @if let Some((head, rows)) = &table {
                    h2 { "The runs of the sweep" }
                    table {
                        tr { @for name in head { th { (name) } } }
                        @for row in rows {
                            tr { @for cell in row { td { (cell) } } }
                        }
                    }
                }
                @if !events.is_empty() {
                    h2 { "What happened" }
                    table {
                        tr { th { "mark" } th { "second" } th { "event" } th { "what" } }
                        @for (index, event) in events.iter().enumerate() {
                            tr {
                                td { (index + 1) }
                                td { (format!("{:.3}", event.second)) }
                                td { (event.name) }
                                td { (event.detail) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}

/// A mark for each moment in which something happened, with the numbers of what it was.
fn marks(events: &[Event]) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (number, event) in (1..).zip(events) {
        match marks.last_mut().filter(|last| event.second - last.second < TOGETHER) {
            Some(last) => {
                let first = last.label.split('-').next().unwrap_or_default();
                last.label = format!("{first}-{number}");
            }
            None => marks.push(Mark { second: event.second, label: number.to_string() }),
        }
    }
    marks
}

/// Rows of a CSV of the folder; none where it is not there.
fn rows<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let path = folder.join(name);
    let wrong = |why: &dyn std::fmt::Display| {
        Error::usage(format!("`{}` can't be read: {why}", path.display()))
    };
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| wrong(&error))
}

/// A name, and points: second and value.
type Named = (&'static str, Vec<(f64, f64)>);

/// Lines that are told apart by colour.
fn lines(all: Vec<Named>) -> Vec<Line> {
    let line = |(colour, (name, points)): (usize, Named)| Line {
        name: name.to_owned(),
        points,
        colour,
        dashed: false,
    };
    all.into_iter().enumerate().map(line).collect()
}

fn attempts(seconds: &[Second]) -> Vec<Line> {
    let of = |name: &'static str, value: fn(&Second) -> f64| {
        (name, seconds.iter().map(|second| (second.number, value(second))).collect())
    };
    lines(vec![
        of("started", |second| second.started),
        of("accepted", |second| second.accepted),
        of("refused", |second| second.refused),
        of("failed", |second| second.failed),
    ])
}

/// Percentiles of `connack`; where one lies beyond the timeout there is a gap.
fn latencies(seconds: &[Second]) -> Vec<Line> {
    let of = |name: &'static str, value: fn(&Second) -> &str| {
        let point = |second: &Second| {
            let us: f64 = value(second).parse().ok()?;
            Some((second.number, us / 1000.0))
        };
        (name, seconds.iter().filter_map(point).collect())
    };
    lines(vec![
        of("connack p50", |second| &second.connack_p50_us),
        of("connack p99", |second| &second.connack_p99_us),
    ])
}

/// Resident memory of both sides, where it was read.
fn memory(folder: &Path) -> Result<Vec<Line>> {
    let readings: Vec<Reading> = rows(folder, "monitor.csv")?;
    let of = |side: &str| -> Vec<(f64, f64)> {
        let own = readings.iter().filter(|reading| reading.side == side);
        own.filter_map(|it| Some((it.second, it.rss_bytes? / 1_048_576.0))).collect()
    };
    Ok(lines(vec![("broker", of("broker")), ("harness", of("harness"))]))
}

/// Tokens of each key, accepted and refused, of all brokers.
fn keys(folder: &Path) -> Result<Vec<Line>> {
    let mut lines: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for row in rows::<KeySecond>(folder, "keys.csv")? {
        for (what, count) in [("accepted", row.accepted), ("refused", row.refused)] {
            let line = lines.entry(format!("{} {what}", row.key)).or_default();
            *line.entry(row.second as u64).or_default() += count;
        }
    }
    // One colour a key: what was refused is dashed.
    let line =
        |(index, line): (usize, Line)| Line { colour: index / 2, dashed: index % 2 == 1, ..line };
    Ok(by_second(lines).into_iter().enumerate().map(line).collect())
}

/// Requests for tokens and for the key set, from the start of the storm.
fn visits(folder: &Path) -> Result<Vec<Line>> {
    let mut lines: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for row in rows::<Visit>(folder, "issuer.csv")?.into_iter().filter(|row| row.second >= 0.0) {
        let line = lines.entry(format!("{} {}", row.path, row.status)).or_default();
        *line.entry(row.second as u64).or_default() += row.count;
    }
    Ok(by_second(lines))
}

/// Lines whose missing seconds are 0.
fn by_second(lines: BTreeMap<String, BTreeMap<u64, f64>>) -> Vec<Line> {
    let last = lines.values().filter_map(|line| line.keys().next_back()).max().copied();
    let Some(last) = last else { return Vec::new() };
    lines
        .into_iter()
        .enumerate()
        .map(|(colour, (name, counts))| Line {
            name,
            colour,
            dashed: false,
            points: (0..=last)
                .map(|second| (second as f64, counts.get(&second).copied().unwrap_or_default()))
                .collect(),
        })
        .collect()
}
