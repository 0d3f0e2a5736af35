//! `tokenstorm baseline`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{compare::history_of, say};
use crate::{
    base::{
        clock::Clock,
        error::{Error, Exit, Result},
    },
    cli,
    record::results::{Summary, baselines::Baselines, trend::median, writing::replace_in},
    report::{
        compare::{
            metric,
            record::Side,
            thresholds::{ENOUGH, Thresholds},
        },
        otava,
        style::{number, table},
    },
};

/// Does what is asked of baselines.
pub(super) fn baseline(arguments: &cli::Baseline) -> Result<Exit> {
    match arguments {
        cli::Baseline::Save { name, run, baselines } => save(name, run, &Baselines::new(baselines)),
        cli::Baseline::List { baselines } => list(&Baselines::new(baselines)),
        cli::Baseline::Show { name, baselines } => show(name, &Baselines::new(baselines)),
        cli::Baseline::Export { name, out, baselines } => {
            export(name, out, &Baselines::new(baselines))
        }
    }
}

fn save(name: &str, run: &Path, baselines: &Baselines) -> Result<Exit> {
    // What could not be compared is no baseline.
    let side = Side::read(run)?;
    let folders: Vec<PathBuf> = side.runs.iter().map(|run| run.folder.clone()).collect();
    let result = baselines.save(name, &folders, Clock::start())?;
    say(&format!("{}\n", result.display()))
}

fn list(baselines: &Baselines) -> Result<Exit> {
    let mut rows = Vec::new();
    for name in baselines.names() {
        // One that can't be read is no reason to hide the others.
        rows.push(match baselines.results(&name).and_then(|results| described(&results)) {
            Ok((count, newest)) => vec![name, count, newest.started_at, newest.scenario],
            Err(error) => vec![name, "-".into(), error.to_string(), String::new()],
        });
    }
    say(&table(&["baseline", "results", "newest", "scenario"], &rows))
}

/// How many results there are, and the newest run.
fn described(results: &[PathBuf]) -> Result<(String, Summary)> {
    let newest = results.last().map_or(Path::new(""), PathBuf::as_path);
    let side = Side::read(newest)?;
    Ok((results.len().to_string(), side.runs[0].summary.clone()))
}

/// Writes the history of a baseline for Otava.
fn export(name: &str, out: &Path, baselines: &Baselines) -> Result<Exit> {
    let (history, left_out) = history_of(name, baselines)?;
    let export = otava::export(name, &history.concat())?;
    let table = format!("{name}.csv");
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        Error::not_measured(format!("can't write to `{}`: {error}", path.display()))
    };
    fs::create_dir_all(out).map_err(|error| failed(out, &error))?;
    for (file, text) in [(table.as_str(), &export.csv), (otava::CONFIG, &export.yaml)] {
        replace_in(out, file, text.as_bytes())?;
    }
    let mut lines = vec![format!(
        "{} and {} have {} runs: otava analyze {name} --config-file {}",
        out.join(&table).display(),
        otava::CONFIG,
        export.runs,
        otava::CONFIG
    )];
    if left_out > 0 {
        lines.push(format!("{left_out} more results did not do the same as the newest one"));
    }
    if !export.left_out.is_empty() {
        lines.push(format!("left out, as some runs lack them: {}", export.left_out.join(", ")));
    }
    say(&(lines.join("\n") + "\n"))
}

fn show(name: &str, baselines: &Baselines) -> Result<Exit> {
    let (history, left_out) = history_of(name, baselines)?;
    let newest = history.last().and_then(|runs| runs.first());
    let gate = newest.map(|run| metric::gate(run, &[])).transpose()?.unwrap_or_default();
    let mut head = vec!["result", "started", "runs"];
    head.extend(gate.iter().map(String::as_str));
    let mut rows = Vec::new();
    for (place, runs) in (1..).zip(&history) {
        let mut row = vec![
            place.to_string(),
            runs.first().map(|run| run.started_at.clone()).unwrap_or_default(),
            runs.len().to_string(),
        ];
        for name in &gate {
            let of_run = |run: &Summary| {
                metric::of(run).into_iter().find(|it| it.metric == *name).map(|it| it.value)
            };
            let mut values: Vec<f64> = runs.iter().filter_map(of_run).collect();
            row.push(if values.is_empty() { "-".into() } else { number(median(&mut values)) });
        }
        rows.push(row);
    }
    let mut lines = vec![table(&head, &rows)];
    if left_out > 0 {
        lines.push(format!("{left_out} more did not do the same as the newest one"));
    }
    let thresholds = Thresholds::default().with_history(&history);
    if thresholds.history.is_empty() {
        let count = history.len();
        lines.push(format!(
            "{count} of the {ENOUGH} results that it takes to say how much they spread"
        ));
    }
    for name in gate.iter().filter(|name| thresholds.history.contains_key(*name)) {
        let percent = thresholds.history[name] * 100.0;
        lines.push(format!("threshold of {name}: {percent:.1} %, from {} results", history.len()));
    }
    say(&(lines.join("\n").trim_end().to_owned() + "\n"))
}
