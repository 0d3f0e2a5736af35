//! The runs of one side, as their folders have them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    base::error::{Error, Result},
    record::results::{Environment, Matrix, Summary, reading::text},
};

/// A run as its folder has it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is.
    pub folder: PathBuf,
    /// Its result.
    pub summary: Summary,
    /// On what it was made; `None` of a folder that does not say.
    pub environment: Option<Environment>,
    /// The resolved scenario, without what is redacted.
    pub scenario: toml::Table,
    /// Of a matrix, its cells.
    pub matrix: Option<Matrix>,
    /// Its broker was known to have died when it was over.
    pub has_died: bool,
}

/// One side of a comparison: a run, or the same run again and again.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its runs, in the order of their folders' names; at least one.
    pub runs: Vec<Record>,
    /// How many more began whose broker died before anything was measured.
    pub lost: usize,
}

/// A run of a comparison, as readers find it again.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Trial {
    /// `baseline` or `candidate`.
    pub side: String,
    /// Its folder, from the root of the file system on.
    pub folder: String,
    /// When it started, in UTC (RFC 3339).
    pub started_at: String,
    /// Its host: name, CPUs and kernel; `None` of a folder that does not say.
    pub host: Option<String>,
}

impl Trial {
    /// The runs of both sides: those of the baseline first.
    pub(super) fn of_both(baseline: &Side, candidate: &Side) -> Vec<Self> {
        let of = |name: &'static str, side: &Side| {
            side.runs.iter().map(|run| Self::of(name, run)).collect::<Vec<_>>()
        };
        [of("baseline", baseline), of("candidate", candidate)].concat()
    }

    fn of(side: &str, run: &Record) -> Self {
        let folder = std::path::absolute(&run.folder).unwrap_or_else(|_| run.folder.clone());
        let host =
            |it: &Environment| format!("{}, {} CPUs ({}), {}", it.host, it.cpus, it.cpu, it.kernel);
        Self {
            side: side.to_owned(),
            folder: folder.display().to_string(),
            started_at: run.summary.started_at.clone(),
            host: run.environment.as_ref().map(host),
        }
    }
}

impl Record {
    /// Reads the run in a folder, whole or not.
    ///
    /// # Errors
    /// When there is none, one of its files is damaged, or of a newer format.
    pub fn read(folder: &Path) -> Result<Self> {
        let summary = Summary::read(folder)?;
        let matrix = folder.join("matrix.json");
        Ok(Self {
            environment: Environment::of(folder)?,
            scenario: scenario(folder)?,
            matrix: matrix.is_file().then(|| Matrix::read(folder)).transpose()?,
            folder: folder.to_owned(),
            has_died: false,
            summary,
        })
    }

    /// How often a broker went away by itself.
    pub fn deaths(&self) -> usize {
        self.summary.broker_gone.len().max(usize::from(self.has_died))
    }

    /// Why its numbers are not those of the whole scenario; `None` where they are.
    fn unfinished(&self) -> Option<&'static str> {
        if self.summary.partial {
            return Some("is half written: the run is still going on, or was killed");
        }
        if self.summary.aborted.is_some() {
            return Some("was ended early by one of its thresholds: its load is not the whole one");
        }
        self.summary.interrupted.then_some("was interrupted: its load is not the whole one")
    }
}

impl Side {
    /// Reads a run folder, or a folder of run folders.
    ///
    /// # Errors
    /// When there is no run, or one of them is not whole: it is named.
    pub fn read(path: &Path) -> Result<Self> {
        let folders = runs_in(path)?;
        let runs = folders.iter().map(|folder| Record::read(folder)).collect::<Result<Vec<_>>>()?;
        for run in &runs {
            if let Some(why) = run.unfinished() {
                return Err(Error::usage(format!("`{}` {why}", run.folder.display()))
                    .hint("run it again, or take it out of the folder"));
            }
        }
        Ok(Self { name: path.display().to_string(), runs, lost: 0 })
    }
}

/// The folder itself where it is a run, else the runs in it by their names.
///
/// # Errors
/// When there is none.
pub fn runs_in(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join("summary.json").is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| {
        Error::usage(format!("`{}` can't be read: {error}", path.display()))
            .hint("name a run folder, a folder of run folders, or a baseline of `tokenstorm baseline list`")
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        // A run that never came to its first summary is half written, and not to be passed over.
        if folder.join("summary.json").is_file() || folder.join("scenario.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    if folders.is_empty() && path.join("trials.csv").is_file() {
        let place = path.display();
        return Err(Error::usage(format!(
            "`{place}` is a folder of `tokenstorm ab`: it has two sides"
        ))
        .hint(format!("name one: `{place}/baseline` or `{place}/candidate`")));
    }
    if folders.is_empty() {
        return Err(Error::usage(format!(
            "`{}` is no run folder, and there is none in it",
            path.display()
        ))
        .hint("a run folder has a `summary.json`; `tokenstorm run` prints where it put its own"));
    }
    Ok(folders)
}

fn scenario(folder: &Path) -> Result<toml::Table> {
    let path = folder.join("scenario.toml");
    if !path.is_file() {
        return Ok(toml::Table::new());
    }
    let wrong = |why: String| Error::usage(format!("`{}` can't be read: {why}", path.display()));
    let text = text(&path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))
}
