//! `tokenstorm results`, and which run is meant where none is named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::say;
use crate::{
    base::error::{Error, Exit, Result},
    record::results::{Matrix, Summary, ruling::decide::told},
    report::style::{count, table},
};

/// Where runs are, unless they were told to be elsewhere.
const FOLDER: &str = "results";

/// Lists the runs of a folder, the newest first.
pub(super) fn results(folder: &Path) -> Result<Exit> {
    let runs = runs(folder)?;
    if runs.is_empty() {
        return say(&format!("no runs in `{}`\n", folder.display()));
    }
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let damaged = damaged(folder);
    let more = match damaged {
        0 => String::new(),
        1 => "\n1 folder has a summary.json that can't be read\n".to_owned(),
        more => format!("\n{more} folders have a summary.json that can't be read\n"),
    };
    say(&format!("{}{more}", table(&["run", "started", "verdict", "attempts", "size"], &rows)))
}

/// A run folder, and when its run started.
#[derive(Debug)]
struct Found {
    folder: PathBuf,
    summary: Summary,
}

/// The runs of a folder, the newest first. What is no run is left alone.
fn runs(folder: &Path) -> Result<Vec<Found>> {
    let listed = fs::read_dir(folder).map_err(|error| {
        Error::usage(format!("can't list `{}`: {error}", folder.display()))
            .hint("runs are put into `results/` of the folder where they are started")
    })?;
    let found = listed.filter_map(|entry| {
        let folder = entry.ok()?.path();
        let summary = Summary::read(&folder).ok()?;
        Some(Found { folder, summary })
    });
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| b.summary.started_at.cmp(&a.summary.started_at));
    Ok(found)
}

/// How many folders look like runs, and can't be read as one.
fn damaged(folder: &Path) -> usize {
    let folders = fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    let folders = folders.map(|entry| entry.path());
    folders
        .filter(|folder| folder.join("summary.json").exists() && Summary::read(folder).is_err())
        .count()
}

fn row(Found { folder, summary }: &Found) -> Vec<String> {
    let matrix = is_matrix(folder).then(|| Matrix::read(folder).ok()).flatten();
    let ruling = told(summary, matrix.as_ref());
    vec![
        folder.display().to_string(),
        summary.started_at.split('.').next().unwrap_or_default().replace('T', " "),
        ruling.conclusion.label().to_owned(),
        count(summary.attempts),
        format!("{:.1} MiB", size(folder) as f64 / 1_048_576.0),
    ]
}

/// Bytes of a folder and of those in it.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |meta| meta.len()),
        _ => 0,
    };
    entries.filter_map(std::result::Result::ok).map(of).sum()
}

/// The run that is named, or else the newest one below `results/`.
///
/// # Errors
/// When none is named, and there is none.
pub(super) fn newest(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    newest_of(|_| true).ok_or_else(|| {
        Error::usage(format!("there is no run in `{FOLDER}/`"))
            .hint("name a run folder, or make one: `tokenstorm run quickstart`")
    })
}

/// The newest matrix below `results/`.
///
/// # Errors
/// When there is none.
pub(super) fn newest_matrix() -> Result<PathBuf> {
    newest_of(is_matrix).ok_or_else(|| {
        Error::usage(format!("there is no matrix in `{FOLDER}/`"))
            .hint("name its run folder, or make one: `tokenstorm matrix my-broker.toml`")
    })
}

fn newest_of(is_wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let runs = runs(Path::new(FOLDER)).ok()?;
    runs.into_iter().map(|found| found.folder).find(|folder| is_wanted(folder))
}

fn is_matrix(folder: &Path) -> bool {
    folder.join("matrix.json").is_file()
}
