//! Charts over the seconds of a run, with a line for each event, and the list of events.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use maud::{Markup, html};
use serde::Deserialize;

use super::{
    axis::Axis,
    brokers,
    figure::{Figure, Line, Mark, lines},
    files::{rows, text, timed_rows},
    page,
    palette::COLOURS_COUNT,
    percentiles,
};
use crate::{
    base::{clock::SECOND, error::Result},
    plan::schedule::{Rates, Schedule},
    record::results::{
        Percentile,
        timeline::{self, Second},
    },
    scenario::{LoadMode, Scenario},
};

/// Events whose lines are closer than this share of a chart have one mark.
const TOGETHER: f64 = 0.025;
/// Marks of a chart: within the time of a run there is no room for more.
const MOST_MARKS: usize = 100;
const MIB: f64 = 1_048_576.0;
/// Arrivals up to which the schedule is gone through again: of more it would take longer than the rest of the page.
const MOST_ARRIVALS: f64 = 5e6;

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

/// The figures of a run over its seconds.
///
/// # Errors
/// When a file can't be read, or a figure not be drawn.
pub(super) fn figures(folder: &Path) -> Result<Vec<Markup>> {
    let seconds: Vec<Second> = timed_rows(folder, timeline::FILE)?;
    let last = seconds.last().map_or(1.0, |last| last.second.max(1) as f64);
    let marks = marks(&events(folder)?, last);
    let figure = |title, y: Axis, lines, source| {
        Figure::new(title, Axis::seconds(), y, lines, source).marked(&marks)
    };
    let rate = || Axis::linear("a second", "/s");
    let times = vec![
        line(&seconds, "connack p50", 0, |second| second.connack_p50_us),
        line(&seconds, "connack p99", 1, |second| second.connack_p99_us),
    ];
    let lateness = vec![line(&seconds, "start_delay p99", 6, |second| second.start_delay_p99_us)];
    let (keys, others) = keys(folder)?;
    let mut of_keys = figure("Tokens by the key that signed them", rate(), keys, "keys.csv");
    of_keys.note = others.map(|others| format!("With fewer answers and not drawn: {others}."));
    let all = [
        figure("Attempts a second", rate(), attempts(offered(folder, seconds.len())?, &seconds), timeline::FILE)
            .noted("Offered is what the schedule wants, started what began, later turns of clients among them: where less starts than is offered, the generator was late. Verdicts are answers of the broker: accepted and refused."),
        figure("Time to the verdict", Axis::log("connack, ms", " ms"), times, timeline::FILE),
        figure("Open connections", Axis::linear("at the end of the second", ""), open(&seconds), timeline::FILE),
        figure("Connections that ended, and clients that came back", Axis::linear("a second", "/s"), turns(&seconds), timeline::FILE)
            .noted("Ended are connections that went before their client wanted. Back are clients that were accepted again after that, renewed those that connected again with another token before theirs ended."),
        figure("Lateness of the generator", Axis::log("p99 of start_delay, ms", " ms"), lateness, timeline::FILE)
            .noted("How late attempts started against the schedule. From 10 ms on the generator is the limit, and not the broker."),
        of_keys,
        figure("Requests to the issuer", rate(), visits(folder)?, "issuer.csv"),
        figure("Memory of both sides", Axis::linear("resident, MiB", " MiB"), memory(folder)?, "monitor.csv"),
    ];
    let of_brokers = brokers::figures(folder, &marks)?;
    all.iter().chain(&of_brokers).filter_map(|figure| figure.render().transpose()).collect()
}

/// What happened, in a list; nothing where nothing did.
///
/// # Errors
/// When the file can't be read.
pub(super) fn what_happened(folder: &Path) -> Result<Option<Markup>> {
    let events = events(folder)?;
    let rows: Vec<Vec<String>> = (1..)
        .zip(&events)
        .map(|(number, event): (usize, _)| {
            let second = format!("{:.3}", event.second);
            vec![number.to_string(), second, event.name.clone(), event.detail.clone()]
        })
        .collect();
    Ok((!rows.is_empty()).then(|| {
        html! {
            p.note { "The numbers are those of the marks in the charts." }
            (page::table(&["mark", "second", "event", "what"], &rows))
        }
    }))
}

fn events(folder: &Path) -> Result<Vec<Event>> {
    rows(folder, "events.csv")
}

/// A mark for each moment in which something happened, with the numbers of what it was.
fn marks(events: &[Event], seconds: f64) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (number, event) in (1..).zip(events) {
        let is_full = marks.len() >= MOST_MARKS;
        let near = |last: &&mut Mark| is_full || event.second - last.at < TOGETHER * seconds;
        match marks.last_mut().filter(near) {
            Some(last) => {
                let first = last.label.split('-').next().unwrap_or_default();
                last.label = format!("{first}-{number}");
            }
            None => marks.push(Mark { at: event.second, label: number.to_string() }),
        }
    }
    marks
}

/// How many arrivals the schedule of a run in the open model has in each of so many seconds; nothing of other runs, as
/// those of a series and of a matrix, whose schedules are not in their scenario.
fn offered(folder: &Path, seconds: usize) -> Result<Vec<(f64, f64)>> {
    let Some(text) = text(folder, "scenario.toml")? else { return Ok(Vec::new()) };
    let is_matrix = folder.join("matrix.json").is_file();
    let Some(scenario) = toml::from_str::<Scenario>(&text).ok().filter(|_| !is_matrix) else {
        return Ok(Vec::new());
    };
    let load = &scenario.load;
    let is_series =
        scenario.capacity.is_some() || scenario.control.is_some() || scenario.sweep.is_some();
    let rates = Rates::resolve(&load.stages).ok().filter(|rates| rates.expected() <= MOST_ARRIVALS);
    let Some(rates) = rates.filter(|_| load.model() == LoadMode::Open && !is_series) else {
        return Ok(Vec::new());
    };
    let mut counts = vec![0.0; seconds];
    let clients = load.clients.unwrap_or(u64::MAX);
    for due in Schedule::new(&rates, load.arrivals, scenario.seed, clients) {
        match counts.get_mut((due / SECOND) as usize) {
            Some(count) => *count += 1.0,
            // The run ended before its schedule did.
            None => break,
        }
    }
    Ok((0..).zip(counts).map(|(second, count)| (f64::from(second), count)).collect())
}

fn attempts(offered: Vec<(f64, f64)>, seconds: &[Second]) -> Vec<Line> {
    let of = |value: fn(&Second) -> u64| -> Vec<(f64, f64)> {
        seconds.iter().map(|it| (it.second as f64, value(it) as f64)).collect()
    };
    let offered = Line { dashed: true, ..Line::new("offered", 7, offered) };
    let mut lines = lines(vec![
        ("started", of(|second| second.started)),
        ("verdicts", of(|second| second.accepted + second.refused)),
        ("accepted", of(|second| second.accepted)),
        ("refused", of(|second| second.refused)),
        ("failed", of(|second| second.failed)),
    ]);
    for (line, colour) in lines.iter_mut().zip([6, 0, 2, 5, 1]) {
        line.colour = colour;
    }
    if !offered.points.is_empty() {
        lines.insert(0, offered);
    }
    lines
}

fn line(
    seconds: &[Second],
    name: &str,
    colour: usize,
    time: fn(&Second) -> Option<Percentile>,
) -> Line {
    let times = seconds.iter().map(|it| (it.second as f64, time(it)));
    percentiles::by_second(name, colour, times)
}

fn open(seconds: &[Second]) -> Vec<Line> {
    let points: Vec<(f64, f64)> =
        seconds.iter().map(|it| (it.second as f64, it.open as f64)).collect();
    if points.iter().all(|(_, open)| *open == 0.0) {
        return Vec::new();
    }
    vec![Line::new("open connections", 2, points)]
}

/// Connections that ended and clients that came back; nothing where there were none.
fn turns(seconds: &[Second]) -> Vec<Line> {
    let of = |value: fn(&Second) -> u64| -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> =
            seconds.iter().map(|it| (it.second as f64, value(it) as f64)).collect();
        if points.iter().all(|(_, count)| *count == 0.0) { Vec::new() } else { points }
    };
    lines(vec![
        ("ended", of(|second| second.dropped)),
        ("back", of(|second| second.back)),
        ("renewed", of(|second| second.renewed)),
    ])
}

/// Resident memory of both sides, where it was read.
fn memory(folder: &Path) -> Result<Vec<Line>> {
    let readings: Vec<Reading> = rows(folder, "monitor.csv")?;
    let of = |side: &str| -> Vec<(f64, f64)> {
        let own = readings.iter().filter(|reading| reading.side == side);
        own.filter_map(|it| Some((it.second, it.rss_bytes? / MIB))).collect()
    };
    Ok(lines(vec![("broker", of("broker")), ("harness", of("harness"))]))
}

/// Tokens of each key, accepted and refused, of all brokers: of the keys with the most answers, as many as there are
/// colours; and the names of the others.
fn keys(folder: &Path) -> Result<(Vec<Line>, Option<String>)> {
    let rows = rows::<KeySecond>(folder, "keys.csv")?;
    let mut answers: BTreeMap<&str, f64> = BTreeMap::new();
    for row in &rows {
        *answers.entry(&row.key).or_default() += row.accepted + row.refused;
    }
    let mut order: Vec<(&str, f64)> = answers.into_iter().collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1));
    let others: Vec<&str> = order.iter().skip(COLOURS_COUNT).map(|(name, _)| *name).collect();
    let drawn = rows.iter().filter(|row| !others.contains(&row.key.as_str()));
    let counts = drawn.flat_map(|row| {
        let of = |what, count| (format!("{} {what}", row.key), row.second, count);
        [of("accepted", row.accepted), of("refused", row.refused)]
    });
    // One colour a key: what was refused is dashed.
    let line =
        |(index, line): (usize, Line)| Line { colour: index / 2, dashed: index % 2 == 1, ..line };
    let drawn = by_second(counts).into_iter().enumerate().map(line).collect();
    Ok((drawn, (!others.is_empty()).then(|| percentiles::named(&others))))
}

/// Requests for tokens and for the key set, from the start of the storm.
fn visits(folder: &Path) -> Result<Vec<Line>> {
    let rows: Vec<Visit> = rows(folder, "issuer.csv")?;
    let rows = rows.into_iter().filter(|row| row.second >= 0.0);
    Ok(by_second(rows.map(|row| (format!("{} {}", row.path, row.status), row.second, row.count))))
}

/// Counts of names and seconds as lines, whose missing seconds are 0: those beside a second that is there are points, and what lies between is drawn
/// through, so that a line is as long as its file, whatever seconds that names.
fn by_second(counts: impl Iterator<Item = (String, f64, f64)>) -> Vec<Line> {
    let mut lines: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for (name, second, count) in counts {
        *lines.entry(name).or_default().entry(second as u64).or_default() += count;
    }
    let last = lines.values().filter_map(|line| line.keys().next_back()).max().copied();
    let Some(last) = last else { return Vec::new() };
    lines
        .into_iter()
        .enumerate()
        .map(|(colour, (name, counts))| {
            let beside = |at: &u64| [at.saturating_sub(1), *at, at.saturating_add(1).min(last)];
            let seconds: BTreeSet<u64> = counts.keys().flat_map(beside).chain([0, last]).collect();
            let count = |second| counts.get(&second).copied().unwrap_or_default();
            let points = seconds.into_iter().map(|second| (second as f64, count(second)));
            Line::new(name, colour % COLOURS_COUNT, points.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests;
