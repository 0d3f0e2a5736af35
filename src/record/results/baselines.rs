//! Named baselines: results that are kept under `results/baselines/<name>/`, one folder a result, one in that a run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::base::{
    clock::Clock,
    error::{Error, Result, suggestion},
};

/// Where baselines are unless told otherwise.
pub const FOLDER: &str = "results/baselines";
/// The files of a run that are kept, where it has them: what is compared and shown.
const KEPT: [&str; 14] = [
    "summary.json",
    "environment.json",
    "scenario.toml",
    "verdicts.csv",
    "latency.csv",
    "latency.hlog",
    "timeline.csv",
    "events.csv",
    "timeline_brokers.csv",
    "monitor.csv",
    "matrix.json",
    "matrix.csv",
    "capacity.csv",
    "sweep.csv",
];

/// The baselines in a folder.
#[derive(Clone, Debug)]
pub struct Baselines {
    folder: PathBuf,
}

impl Baselines {
    /// Those in a folder, whether it is there or not.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        let names = folders(&self.folder).into_iter().filter_map(|path| name_of(&path));
        names.filter(|name| check(name).is_ok()).collect()
    }

    /// The results of a baseline, from the oldest on.
    ///
    /// # Errors
    /// When there is none of that name: with those there are.
    pub fn results(&self, name: &str) -> Result<Vec<PathBuf>> {
        check(name)?;
        let results = folders(&self.folder.join(name));
        if results.is_empty() {
            let place = self.folder.display();
            let error = Error::usage(format!("there is no baseline `{name}` in `{place}`"));
            let names = self.names();
            return Err(if names.is_empty() {
                error.hint("`tokenstorm baseline save NAME RUN` makes one")
            } else {
                error.hint(suggestion(name, names.iter().map(String::as_str)))
            });
        }
        Ok(results)
    }

    /// Adds these runs as one result, and says where it is.
    ///
    /// # Errors
    /// When the name is none of a folder, or something can't be copied; nothing is left of it then.
    pub fn save(&self, name: &str, runs: &[PathBuf], clock: Clock) -> Result<PathBuf> {
        check(name)?;
        let place = self.folder.join(name);
        let saved = Self::save_in(&place, runs, clock);
        if saved.is_err() {
            // Only where it is empty: a name without a result is none.
            let _ = fs::remove_dir(&place);
        }
        saved
    }

    fn save_in(place: &Path, runs: &[PathBuf], clock: Clock) -> Result<PathBuf> {
        let failed = |path: &Path, error: &dyn std::fmt::Display| {
            Error::not_measured(format!("can't save to `{}`: {error}", path.display()))
                .hint("`--baselines DIR` puts them elsewhere")
        };
        fs::create_dir_all(place).map_err(|error| failed(place, &error))?;
        let stamp = clock.compact(clock.now());
        // Half a result must never be taken for a whole one: it gets its name when it is whole.
        let made = tempfile::Builder::new()
            .prefix(".")
            .tempdir_in(place)
            .map_err(|error| failed(place, &error))?;
        for (number, run) in (1..).zip(runs) {
            let target = made.path().join(format!("{number:03}"));
            copy(run, &target).map_err(|error| failed(&target, &error))?;
        }
        let mut result = place.join(&stamp);
        for number in 2.. {
            if !result.exists() {
                break;
            }
            result = place.join(format!("{stamp}-{number}"));
        }
        let public = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(made.path(), public)
            .and_then(|()| fs::rename(made.path(), &result))
            .map_err(|error| failed(&result, &error))?;
        // What it would remove is there under its own name now.
        let _ = made.keep();
        Ok(result)
    }
}

/// The folders in a folder, by name; hidden ones are none.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let is_shown =
        |path: &PathBuf| path.is_dir() && name_of(path).is_some_and(|name| !name.starts_with('.'));
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_shown).collect();
    all.sort();
    all
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn copy(run: &Path, target: &Path) -> std::io::Result<()> {
    fs::create_dir_all(target)?;
    for name in KEPT {
        let from = run.join(name);
        if from.is_file() {
            fs::copy(&from, target.join(name))?;
        }
    }
    Ok(())
}

/// A name is that of a folder, here and nowhere else.
fn check(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(Error::usage(format!("`{name}` is no name of a baseline"))
            .hint("letters, digits, `-`, `_` and `.`, and no dot in front"));
    }
    Ok(())
}
