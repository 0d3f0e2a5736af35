//! Latency by percentile: how long the slowest of ten, a hundred, a thousand waited, of several at once.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::Markup;

use super::{
    axis::Axis,
    figure::{Figure, Line, NOTHING},
    palette::COLOURS_COUNT,
    plate,
};
use crate::{
    base::{error::Result, words::Phase},
    record::results::{Percentile, PhaseStats, Summary, summary::Part},
    report::style,
};

/// Distributions as lines of one figure, each with its name: phases, kinds of token, or a baseline and a candidate.
pub(crate) fn figure(title: &str, of: &[(String, &PhaseStats)]) -> Figure {
    let lines = of.iter().enumerate().map(|(colour, (name, stats))| line(name, colour, stats));
    let y = Axis::log("ms", " ms");
    let slowest: Vec<String> = of
        .iter()
        .filter(|(_, stats)| stats.count > 0)
        .map(|(name, stats)| format!("{name} {}", style::percentile(&stats.max_us)))
        .collect();
    let figure = Figure::new(title, Axis::nines(), y, lines.collect(), "latency.csv");
    let mut note = format!("The slowest: {}.", slowest.join(", "));
    if of.iter().any(|(_, stats)| stats.count + stats.unfinished < 10_000) {
        note += " A percentile is left out where there are too few attempts for it: 99.9 % takes a thousand, 99.99 % ten thousand.";
    }
    if figure.lines.iter().any(|line| !line.missing.is_empty()) {
        note += " What lies beyond the timeout, as attempts never finished the phase, is in the table only.";
    }
    figure.noted(note)
}

/// The percentiles of a distribution that its number of attempts supports.
fn line(name: &str, colour: usize, stats: &PhaseStats) -> Line {
    let attempts = stats.count + stats.unfinished;
    let fastest = stats.min_us.map(Percentile::Number);
    let percentiles = [
        (0.0, 1, fastest.as_ref()),
        (0.5, 2, Some(&stats.p50_us)),
        (0.9, 10, Some(&stats.p90_us)),
        (0.95, 20, Some(&stats.p95_us)),
        (0.99, 100, Some(&stats.p99_us)),
        (0.999, 1_000, Some(&stats.p999_us)),
        (0.9999, 10_000, Some(&stats.p9999_us)),
    ];
    let mut line = Line { name: name.to_owned(), colour, ..Line::default() };
    for (share, least, percentile) in percentiles {
        match percentile.filter(|_| attempts >= least) {
            Some(Percentile::Number(us)) => line.points.push((share, us / 1e3)),
            Some(beyond) => line.missing.push((share, style::percentile(beyond))),
            None => {}
        }
    }
    line
}

/// A percentile of each second, in milliseconds; a gap where there is none, or it lies beyond the timeout.
pub(super) fn by_second(
    name: &str,
    colour: usize,
    times: impl Iterator<Item = (f64, Option<Percentile>)>,
) -> Line {
    let mut line = Line::new(name, colour, Vec::new());
    for (second, time) in times {
        match time {
            Some(Percentile::Number(us)) => line.points.push((second, us / 1e3)),
            Some(beyond) => line.missing.push((second, style::percentile(&beyond))),
            None => line.missing.push((second, NOTHING.to_owned())),
        }
    }
    line
}

/// The figures of a run: its phases, its kinds of token, its brokers.
///
/// # Errors
/// When one can't be drawn, which would be a bug.
pub(super) fn figures(summary: &Summary, is_matrix: bool) -> Result<Option<Markup>> {
    let mut figures = vec![phases(summary)];
    // Of a matrix there are hundreds, with an attempt or two each.
    if summary.by_token.len() > 1 && !is_matrix {
        figures.push(parts("Time to the verdict (connack) by kind of token", &summary.by_token));
    }
    if summary.by_broker.len() > 1 {
        figures.push(parts("Time to the verdict (connack) by broker", &summary.by_broker));
    }
    plate::grid(&figures)
}

fn phases(summary: &Summary) -> Figure {
    // In the order of an attempt; those of the harness come last, dashed.
    let (ours, theirs): (Vec<Phase>, Vec<Phase>) =
        Phase::ALL.into_iter().partition(|phase| phase.is_ours());
    let there = theirs.into_iter().chain(ours);
    let there: Vec<(Phase, &PhaseStats)> =
        there.filter_map(|phase| Some((phase, summary.phases.get(&phase)?))).collect();
    let named: Vec<(String, &PhaseStats)> =
        there.iter().map(|(phase, stats)| (phase.name().to_owned(), *stats)).collect();
    let mut figure = figure("Phases of an attempt", &named);
    for (line, (phase, _)) in figure.lines.iter_mut().zip(&there) {
        line.dashed = phase.is_ours();
        if line.dashed {
            line.name += " (the generator's own)";
        }
    }
    figure
}

/// `connack` of the parts of a run: of those with the most answers, as many as there are colours.
fn parts(title: &str, parts: &BTreeMap<String, Part>) -> Figure {
    let mut order: Vec<(String, &PhaseStats)> = parts
        .iter()
        .filter_map(|(name, part)| Some((name.clone(), part.phases.get(&Phase::Connack)?)))
        .collect();
    order.sort_by_key(|(_, stats)| Reverse(stats.count));
    let (shown, left_out) = order.split_at(order.len().min(COLOURS_COUNT));
    let figure = figure(title, shown);
    if left_out.is_empty() {
        return figure;
    }
    let note = figure.note.clone().unwrap_or_default();
    figure.noted(format!(
        "{note} With fewer answers and not drawn: {}.",
        named(&left_out.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())
    ))
}

/// The first of those that are left out, and how many more there are.
pub(super) fn named(left_out: &[&str]) -> String {
    /// Names that a reader takes in.
    const MOST: usize = 12;
    style::first(left_out, MOST)
}

#[cfg(test)]
mod tests;
