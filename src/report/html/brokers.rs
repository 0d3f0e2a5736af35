//! Several brokers on the page: their curves, where they differ, and what it cost to lose one.

use std::{collections::BTreeMap, path::Path};

use maud::{Markup, html};
use serde::Deserialize;

use super::{
    axis::Axis,
    figure::{Figure, Line, Mark, NOTHING},
    files::timed_rows,
    page,
    palette::COLOURS_COUNT,
    percentiles::{by_second, named},
};
use crate::{
    base::{
        error::Result,
        words::{OutcomeKind, Phase, Verdict},
    },
    record::results::{
        Percentile, Summary, brokers::FILE, cells::Timed, divergent::Divergent, outages::Outage,
    },
    report::{
        cluster::{answered, must, p99},
        style::{count, percentile, time},
    },
};

#[derive(Deserialize)]
struct BrokerSecond {
    second: f64,
    broker: String,
    accepted: f64,
    refused: f64,
    failed: f64,
    connack_p50_us: Option<Percentile>,
    connack_p99_us: Option<Percentile>,
}

impl Timed for BrokerSecond {
    fn times(&mut self) -> Vec<(&'static str, &mut Option<Percentile>)> {
        vec![("connack_p50", &mut self.connack_p50_us), ("connack_p99", &mut self.connack_p99_us)]
    }
}

/// Brokers and their seconds, in the order of the file.
type Seconds = Vec<(String, Vec<BrokerSecond>)>;

/// The figures by broker; none where there is only one.
///
/// # Errors
/// When the file can't be read.
pub(super) fn figures(folder: &Path, marks: &[Mark]) -> Result<Vec<Figure>> {
    let (mut brokers, mut places) = (Seconds::new(), BTreeMap::new());
    for row in timed_rows::<BrokerSecond>(folder, FILE)? {
        let at = *places.entry(row.broker.clone()).or_insert_with(|| {
            brokers.push((row.broker.clone(), Vec::new()));
            brokers.len() - 1
        });
        brokers[at].1.push(row);
    }
    if brokers.len() < 2 {
        return Ok(Vec::new());
    }
    let others: Vec<&str> =
        brokers.iter().skip(COLOURS_COUNT).map(|(label, _)| label.as_str()).collect();
    let note =
        (!others.is_empty()).then(|| format!("Not drawn: {}; {FILE} has them.", named(&others)));
    let figure = |title, y, lines| {
        let mut figure = Figure::new(title, Axis::seconds(), y, lines, FILE).marked(marks);
        figure.note.clone_from(&note);
        figure
    };
    let drawn = &brokers[..brokers.len().min(COLOURS_COUNT)];
    let ms = || Axis::log("connack, ms", " ms");
    Ok(vec![
        figure("Verdicts a second by broker", Axis::linear("a second", "/s"), verdicts(drawn)),
        figure("Median time to the verdict by broker", ms(), times(drawn, |it| it.connack_p50_us)),
        figure(
            "p99 of the time to the verdict by broker",
            ms(),
            times(drawn, |it| it.connack_p99_us),
        ),
    ])
}

/// Answers of each broker, and dashed what came to none, where that happened.
fn verdicts(brokers: &[(String, Vec<BrokerSecond>)]) -> Vec<Line> {
    let points = |seconds: &[BrokerSecond], value: fn(&BrokerSecond) -> f64| -> Vec<(f64, f64)> {
        seconds.iter().map(|it| (it.second, value(it))).collect()
    };
    let mut lines = Vec::new();
    for (colour, (label, seconds)) in brokers.iter().enumerate() {
        lines.push(Line::new(label, colour, points(seconds, |it| it.accepted + it.refused)));
        if seconds.iter().any(|it| it.failed > 0.0) {
            let failed =
                Line::new(format!("{label} failed"), colour, points(seconds, |it| it.failed));
            lines.push(Line { dashed: true, ..failed });
        }
    }
    lines
}

fn times(
    brokers: &[(String, Vec<BrokerSecond>)],
    time: fn(&BrokerSecond) -> Option<Percentile>,
) -> Vec<Line> {
    let of = |(colour, (label, seconds)): (usize, &(String, Vec<BrokerSecond>))| {
        by_second(label, colour, seconds.iter().map(|it| (it.second, time(it))))
    };
    brokers.iter().enumerate().map(of).collect()
}

/// Brokers that differ, in a table; nothing where none do.
pub(super) fn divergent(summary: &Summary) -> Option<Markup> {
    let row = |one: &Divergent| {
        let each: Vec<String> = one
            .brokers
            .iter()
            .map(|(label, answers)| format!("{label}: {}", answered(answers, summary.protocol)))
            .collect();
        let odd =
            if one.minority.is_empty() { NOTHING.to_owned() } else { one.minority.join(", ") };
        vec![
            odd,
            one.token.clone(),
            one.what.clone(),
            must(&one.expected).to_owned(),
            format!("{} to {}", one.first_second, one.last_second),
            each.join("; "),
        ]
    };
    let rows: Vec<Vec<String>> = summary.divergent.iter().map(row).collect();
    (!rows.is_empty()).then(|| {
        html! {
            p.note {
                "The same kind of token, at the same time, answered otherwise by one broker than by another: a key set or "
                "a configuration that is not the others', or a clock that is off."
            }
            (page::table(&["the odd one", "token", "differs in", "must", "seconds", "answers"], &rows))
        }
    })
}

/// What it cost to lose brokers; nothing where none was stopped.
pub(super) fn outages(summary: &Summary) -> Option<Markup> {
    let shown = |lost: &Outage| {
        let others = &lost.others;
        let about = if lost.time_until_back_exact == Some(false) { "within " } else { "" };
        let part = |of: u64, all: u64| format!("{} of {}", count(of), count(all));
        vec![
            lost.broker.clone(),
            format!("{:.2}", lost.stopped_s),
            or_nothing(lost.started_s, |at| format!("{at:.2}")),
            or_nothing(lost.time_until_back_us, |us| format!("{about}{}", time(us))),
            or_nothing(lost.all_back_s, |second| second.to_string()),
            count(lost.refused),
            count(lost.hanging),
            count(lost.failed),
            part(others.during.not_as_promised, others.during.attempts),
            [&others.before, &others.during, &others.after].map(p99).join(" / "),
        ]
    };
    let rows: Vec<Vec<String>> = summary.outages.iter().map(shown).collect();
    let head = [
        "broker",
        "stopped, s",
        "started, s",
        "first answer after",
        "all answered from second",
        "found nobody",
        "waited in vain",
        "failed otherwise",
        "others: not as promised meanwhile",
        "others: p99 before / meanwhile / after",
    ];
    (!rows.is_empty()).then(|| page::table(&head, &rows))
}

fn or_nothing<T>(value: Option<T>, words: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), words)
}

/// Verdicts by broker, where there are several.
pub(super) fn verdicts_by_broker(summary: &Summary) -> Option<Markup> {
    if summary.by_broker.len() < 2 {
        return None;
    }
    // What fell on a boundary of time says nothing of a broker.
    let shown = || Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Indeterminate);
    let row = |(label, part): (&String, &crate::record::results::summary::Part)| {
        let connack = part.phases.get(&Phase::Connack);
        let mut row = vec![label.clone(), count(part.attempts)];
        row.push(count(part.outcomes[OutcomeKind::Accepted]));
        row.push(count(part.outcomes[OutcomeKind::Refused]));
        row.extend(shown().map(|verdict| count(part.verdicts[verdict])));
        row.push(or_nothing(connack, |stats| percentile(&stats.p50_us)));
        row.push(or_nothing(connack, |stats| percentile(&stats.p99_us)));
        row
    };
    let rows: Vec<Vec<String>> = summary.by_broker.iter().map(row).collect();
    let verdicts: Vec<String> = shown().map(Verdict::words).collect();
    let mut head = vec!["broker", "attempts", "accepted", "refused"];
    head.extend(verdicts.iter().map(String::as_str));
    head.extend(["connack p50", "p99"]);
    Some(page::table(&head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broker_has_its_line_and_what_failed_at_it_is_dashed() {
        let folder = tempfile::TempDir::new().unwrap();
        let text = "second,broker,accepted,refused,failed,connack_p50_us,connack_p99_us\n\
                    0,a,5,1,0,100,200\n0,b,4,0,2,150,>5000000\n1,a,5,1,0,100,200\n1,b,0,0,6,,\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let figures = figures(folder.path(), &[]).unwrap();
        let names: Vec<&str> = figures[0].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "b failed"]);
        assert!(figures[0].lines[2].dashed);
        assert_eq!(figures[0].lines[1].points, [(0.0, 4.0), (1.0, 0.0)]);
        assert_eq!(figures[1].lines[1].points, [(0.0, 0.15)]);
        assert_eq!(figures[2].lines[1].missing.len(), 2, "beyond the timeout, and nothing");
    }

    #[test]
    fn a_run_at_one_broker_has_no_figures_by_broker() {
        let folder = tempfile::TempDir::new().unwrap();
        assert!(figures(folder.path(), &[]).unwrap().is_empty());
    }
}
