//! What a series found: figures and tables of a search, a comparison with runs without tokens, a sweep.

use std::{collections::BTreeMap, path::Path};

use maud::{Markup, html};

use super::{
    axis::Axis,
    figure::{Figure, Line, Mark, NOTHING},
    files::timed_rows,
    page,
    palette::COLOURS_COUNT,
    plate,
};
use crate::{
    base::error::Result,
    record::results::{
        Percentile, Summary,
        series::{Capacity, Control, Step, SweepRun},
        trend::median,
    },
    report::{
        series::{control_table, costs, milliseconds, sentence, sweep_table},
        style::percentile,
    },
};

/// What a series of runs found; nothing of a single run.
///
/// # Errors
/// When a file can't be read, or a figure not be drawn.
pub(super) fn section(folder: &Path, summary: &Summary) -> Result<Markup> {
    let found = summary.capacity.as_ref().map(|capacity| search(folder, capacity)).transpose()?;
    let runs = &summary.sweep[..];
    Ok(html! {
        (page::section("Capacity", found))
        (page::section("What verifying costs", summary.control.as_ref().map(comparison)))
        (page::section("Sweep", (!runs.is_empty()).then(|| sweep(runs)).transpose()?))
    })
}

/// The answer of a search, and its steps by rate.
fn search(folder: &Path, capacity: &Capacity) -> Result<Markup> {
    let mut steps: Vec<Step> = timed_rows(folder, "capacity.csv")?;
    steps.sort_by(|one, other| one.offered_per_s.total_cmp(&other.offered_per_s));
    let knee = capacity.per_s.map(|at| Mark { at, label: "capacity".to_owned() });
    let marks: Vec<Mark> = knee.into_iter().collect();
    let line = |name: &str, colour, value: &dyn Fn(&Step) -> Option<Percentile>| {
        let mut line = Line::new(name, colour, Vec::new());
        // A rate is run again to confirm it.
        for same in steps.chunk_by(same_rate) {
            middle(&mut line, same[0].offered_per_s, &same.iter().map(value).collect::<Vec<_>>());
        }
        line
    };
    let exactly = |value: f64| Some(Percentile::Number(value));
    let x = || Axis::linear("arrivals a second", "/s");
    let times = vec![
        line("connack p50", 0, &|step| in_ms(step.connack_p50_us.as_ref())),
        line("connack p99", 1, &|step| in_ms(step.connack_p99_us.as_ref())),
    ];
    let rates = vec![
        line("verdicts", 2, &|step| exactly(step.achieved_per_s)),
        Line { dashed: true, ..line("arrivals", 7, &|step| exactly(step.offered_per_s)) },
    ];
    let source = "capacity.csv";
    let figures = [
        Figure::new("Time to the verdict by rate", x(), Axis::log("ms", " ms"), times, source),
        Figure::new("Verdicts by rate", x(), Axis::linear("a second", "/s"), rates, source),
    ]
    .map(|figure| {
        figure.marked(&marks).noted("A rate that was run several times has the median of its runs.")
    });
    let grid = plate::grid(&figures)?;
    Ok(html! {
        p { b { (sentence(capacity)) } "; " (capacity.steps) " steps, confirmed " (capacity.confirmed) " times." }
        @if let Some(ended) = &capacity.ended { p.warn { "The search ended before it was done: " (ended) } }
        @if !capacity.reasons.is_empty() { ul { @for reason in &capacity.reasons { li { (reason.to_string()) } } } }
        @if let Some(grid) = &grid { (grid) }
    })
}

/// Runs with tokens against runs without.
fn comparison(control: &Control) -> Markup {
    let (head, rows) = control_table(control);
    html! {
        (page::table(&head, &rows))
        @for (names, words) in costs(control) { p { b { (names) } ": " (words) } }
    }
}

fn same_rate(one: &Step, next: &Step) -> bool {
    one.offered_per_s.to_bits() == next.offered_per_s.to_bits()
}

/// A time in milliseconds.
fn in_ms(value: Option<&Percentile>) -> Option<Percentile> {
    let value = value?;
    Some(milliseconds(Some(value)).map_or_else(|| *value, Percentile::Number))
}

/// Adds what several runs have at one place: their median, where what lies beyond the timeout is longer than any. It is a
/// gap where that is none, or one of them has no value: the median of the others would flatter.
fn middle(line: &mut Line, at: f64, values: &[Option<Percentile>]) {
    let beyond = values.iter().flatten().find(|value| value.number().is_none());
    let places: Option<Vec<f64>> = values
        .iter()
        .map(|value| value.as_ref().map(|value| value.number().unwrap_or(f64::INFINITY)))
        .collect();
    match (places.map(|mut places| median(&mut places)), beyond) {
        (Some(middle), _) if middle.is_finite() => line.points.push((at, middle)),
        (Some(_), Some(beyond)) => line.missing.push((at, percentile(beyond))),
        _ => line.missing.push((at, NOTHING.to_owned())),
    }
}

/// A number of a run of a sweep, where it has one.
type Value = fn(&SweepRun) -> Option<f64>;

/// What a run of a sweep is on the axis, and what tells its line from others.
fn placed(runs: &[SweepRun]) -> (&'static str, Vec<(f64, String)>, Vec<String>) {
    let varies = |value: &dyn Fn(&SweepRun) -> Option<f64>| {
        let mut values: Vec<f64> = runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        let is_whole = values.len() == runs.len();
        values.dedup();
        is_whole && values.len() > 1
    };
    let numeric: [(&'static str, Value); 3] = [
        ("percent of bad tokens", |run| run.bad_share),
        ("bytes of a token", |run| run.token_bytes.map(f64::from)),
        ("bits of the RSA key", |run| run.rsa_bits.map(f64::from)),
    ];
    let axis = numeric.into_iter().find(|(_, value)| varies(value));
    let words = |run: &SweepRun, without: &str| {
        let version = if run.protocol == 5 { "v5" } else { "v4" };
        let several = runs.iter().any(|other| other.protocol != run.protocol);
        let parts = [
            Some(run.algorithm.clone()),
            run.rsa_bits.filter(|_| !without.starts_with("bits")).map(|bits| bits.to_string()),
            several.then(|| version.to_owned()),
            run.token_bytes
                .filter(|_| !without.starts_with("bytes"))
                .map(|bytes| format!("{bytes} B")),
            run.bad_share
                .filter(|_| !without.starts_with("percent"))
                .map(|share| format!("{share} % bad")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    if let Some((name, value)) = axis {
        let of = |run: &SweepRun| (value(run).unwrap_or_default(), words(run, name));
        return (name, runs.iter().map(of).collect(), Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for run in runs {
        let own = words(run, "");
        let at = names.iter().position(|name| *name == own).unwrap_or_else(|| {
            names.push(own);
            names.len() - 1
        });
        places.push((at as f64, String::new()));
    }
    ("combination", places, names)
}

/// A number of a run of a sweep, which may lie beyond the timeout.
type Measured = fn(&SweepRun) -> Option<Percentile>;

/// Lines of a sweep: of each number one a combination, later numbers dashed.
fn lines(runs: &[SweepRun], places: &[(f64, String)], values: &[(&str, Measured)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, (what, value)) in values.iter().enumerate() {
        // Repeats of one combination are one point: their median.
        let mut points: BTreeMap<(String, u64), Vec<Option<Percentile>>> = BTreeMap::new();
        for (run, (at, line)) in runs.iter().zip(places) {
            points.entry((line.clone(), at.to_bits())).or_default().push(value(run));
        }
        let mut by_line: BTreeMap<String, Line> = BTreeMap::new();
        for ((line, at), values) in points {
            middle(by_line.entry(line).or_default(), f64::from_bits(at), &values);
        }
        let is_alone = by_line.len() == 1;
        for (colour, (name, line)) in by_line.into_iter().enumerate() {
            // One colour a combination; where there is but one, one a number.
            let colour = if is_alone { index } else { colour } % COLOURS_COUNT;
            let name = format!("{what} {name}").trim().to_owned();
            lines.push(Line { name, colour, dashed: index > 0, ..line });
        }
    }
    lines
}

/// The runs of a sweep: two figures and a table.
fn sweep(runs: &[SweepRun]) -> Result<Markup> {
    let (title, places, names) = placed(runs);
    let x = match &names[..] {
        [] => Axis::linear(title, ""),
        names => Axis::named(title, names),
    };
    let has_capacity = runs.iter().any(|run| run.capacity_per_s.is_some());
    let rate: Measured = if has_capacity {
        |run| run.capacity_per_s.map(Percentile::Number)
    } else {
        |run| Some(Percentile::Number(run.verdicts_per_s))
    };
    let title =
        if has_capacity { "Capacity of the sweep" } else { "Verdicts a second of the sweep" };
    let rates = lines(runs, &places, &[(if has_capacity { "capacity" } else { "verdicts" }, rate)]);
    let times: [(&str, Measured); 2] = [
        ("p50", |run| in_ms(run.good_connack_p50_us.as_ref())),
        ("p99", |run| in_ms(run.good_connack_p99_us.as_ref())),
    ];
    let times = lines(runs, &places, &times);
    let source = "sweep.csv";
    let figures = [
        Figure::new(title, x.clone(), Axis::linear("a second", "/s"), rates, source),
        Figure::new("Time to the verdict of good tokens", x, Axis::log("ms", " ms"), times, source),
    ];
    let grid = plate::grid(&figures)?;
    let (head, rows) = sweep_table(runs);
    Ok(html! {
        @if let Some(grid) = &grid { (grid) }
        h3 { "The runs of the sweep" }
        (page::table(&head, &rows))
    })
}

#[cfg(test)]
mod tests;
