//! Charts of a search and of a sweep.

use std::{collections::BTreeMap, path::Path};

use super::{
    super::{
        charts::{Axes, Line, Mark, draw_on},
        series::{milliseconds, sentence, sweep_table},
    },
    rows,
};
use crate::{
    error::Result,
    results::{
        Summary,
        series::{Step, SweepRun},
        trend::median,
    },
};

/// A chart under its title.
pub(super) type Chart = (&'static str, Option<String>);

/// Charts of what a series found; none of a single run.
pub(super) fn charts(folder: &Path, summary: &Summary) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    if let Some(capacity) = &summary.capacity {
        let mut steps: Vec<Step> = rows(folder, "capacity.csv")?;
        steps.sort_by(|one, other| one.offered_per_s.total_cmp(&other.offered_per_s));
        let knee = capacity.per_s.map(|per_s| Mark { second: per_s, label: sentence(capacity) });
        let marks: Vec<Mark> = knee.into_iter().collect();
        let line = |name: &str, colour, dashed, value: &dyn Fn(&Step) -> Option<f64>| Line {
            name: name.to_owned(),
            points: steps
                .iter()
                .filter_map(|step| Some((step.offered_per_s, value(step)?)))
                .collect(),
            colour,
            dashed,
        };
        let axes = Axes { x: "arrivals a second", unit: "ms", log: true, names: &[] };
        charts.push((
            "Time to the verdict by rate (logarithmic)",
            draw_on(
                axes,
                &[
                    line("connack p50", 0, false, &|step| {
                        milliseconds(step.connack_p50_us.as_ref())
                    }),
                    line("connack p99", 1, false, &|step| {
                        milliseconds(step.connack_p99_us.as_ref())
                    }),
                ],
                &marks,
            )?,
        ));
        let axes = Axes { unit: "a second", log: false, ..axes };
        charts.push((
            "Verdicts by rate",
            draw_on(
                axes,
                &[
                    line("verdicts", 2, false, &|step| Some(step.achieved_per_s)),
                    line("arrivals", 4, true, &|step| Some(step.offered_per_s)),
                ],
                &marks,
            )?,
        ));
    }
    if !summary.sweep.is_empty() {
        charts.extend(sweep(&summary.sweep)?);
    }
    Ok(charts)
}

/// The table of a sweep: its head and its rows.
pub(super) fn table(summary: &Summary) -> Option<(Vec<&'static str>, Vec<Vec<String>>)> {
    (!summary.sweep.is_empty()).then(|| sweep_table(&summary.sweep))
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

fn sweep(runs: &[SweepRun]) -> Result<Vec<Chart>> {
    let (x, places, names) = placed(runs);
    let has_capacity = runs.iter().any(|run| run.capacity_per_s.is_some());
    let lines = |values: &[(&str, Value)]| -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, (what, value)) in values.iter().enumerate() {
            // Repeats of one combination are one point: their median.
            let mut points: BTreeMap<(String, u64), Vec<Option<f64>>> = BTreeMap::new();
            for (run, (at, line)) in runs.iter().zip(&places) {
                points.entry((line.clone(), at.to_bits())).or_default().push(value(run));
            }
            let mut by_line: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
            for ((line, at), values) in points {
                // Where one of them has none, such as a timeout, the median of the others would flatter.
                let Some(mut values) = values.into_iter().collect::<Option<Vec<f64>>>() else {
                    continue;
                };
                by_line.entry(line).or_default().push((f64::from_bits(at), median(&mut values)));
            }
            for (colour, (line, points)) in by_line.into_iter().enumerate() {
                let name = format!("{what} {line}").trim().to_owned();
                lines.push(Line { name, points, colour, dashed: index > 0 });
            }
        }
        lines
    };
    let rate: Value =
        if has_capacity { |run| run.capacity_per_s } else { |run| Some(run.verdicts_per_s) };
    let title =
        if has_capacity { "Capacity of the sweep" } else { "Verdicts a second of the sweep" };
    let axes = Axes { x, unit: "a second", log: false, names: &names };
    let rates = draw_on(axes, &lines(&[("", rate)]), &[])?;
    let times = lines(&[
        ("p50", |run| milliseconds(run.good_connack_p50_us.as_ref())),
        ("p99", |run| milliseconds(run.good_connack_p99_us.as_ref())),
    ]);
    let times = draw_on(Axes { unit: "ms", log: true, ..axes }, &times, &[])?;
    Ok(vec![(title, rates), ("Time to the verdict of good tokens (logarithmic)", times)])
}
