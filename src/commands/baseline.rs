//! `tokenstorm baseline`.

use std::path::{Path, PathBuf};

use super::say;
use crate::{
    cli,
    clock::Clock,
    compare::{
        metric,
        record::Side,
        thresholds::{ENOUGH, Thresholds},
    },
    error::{Exit, Result},
    report::style::{number, table},
    results::{Summary, baselines::Baselines, trend::median},
};

/// Does what is asked of baselines.
pub(super) fn baseline(arguments: &cli::Baseline) -> Result<Exit> {
    match arguments {
        cli::Baseline::Save { name, run, baselines } => save(name, run, &Baselines::new(baselines)),
        cli::Baseline::List { baselines } => list(&Baselines::new(baselines)),
        cli::Baseline::Show { name, baselines } => show(name, &Baselines::new(baselines)),
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
        let history = baselines.history(&name)?;
        let newest = history.last().and_then(|runs| runs.first());
        rows.push(vec![
            name,
            history.len().to_string(),
            newest.map(|run| run.started_at.clone()).unwrap_or_default(),
            newest.map(|run| run.scenario.clone()).unwrap_or_default(),
        ]);
    }
    say(&table(&["baseline", "results", "newest", "scenario"], &rows))
}

fn show(name: &str, baselines: &Baselines) -> Result<Exit> {
    let history = baselines.history(name)?;
    let newest: Vec<&Summary> = history.last().into_iter().flatten().collect();
    let gate = metric::gate(&newest, &[])?;
    let mut head = vec!["result", "started", "runs"];
    head.extend(gate.iter().map(String::as_str));
    let mut rows = Vec::new();
    for (result, runs) in baselines.results(name)?.iter().zip(&history) {
        let mut row = vec![
            result.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
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
