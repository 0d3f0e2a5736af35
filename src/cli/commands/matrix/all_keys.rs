//! `tokenstorm matrix --all-keys`: the cells once for each key that a broker knows.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use super::{Run, Sent, keys};
use crate::{
    base::{
        clock::Clock,
        error::{Error, Exit, Result, plain::Paint},
        words::Verdict,
    },
    cli::commands::say,
    record::results::Matrix,
    report::style::table,
    scenario::Loaded,
};

/// Sends the cells signed by one key after the other, each into a folder of its own, and ends as the worst of them.
pub(super) fn each(run: &Run<'_>, loaded: &Loaded) -> Result<Exit> {
    let names: Vec<String> = keys(&loaded.scenario).cloned().collect();
    if names.is_empty() {
        return Err(Error::usage("`--all-keys` is given, and there is no key under `[keys]`"));
    }
    let folder = folder(run, loaded);
    let mut rows = Vec::new();
    let mut worst = Exit::Fine;
    for name in names {
        if run.stop.load(Ordering::Relaxed) {
            break;
        }
        let mut own = loaded.clone();
        let algorithm = own.scenario.keys[&name].algorithm.to_string();
        own.scenario.token.key = Some(name.clone());
        crate::tell!("{}", format!("key `{name}`, {algorithm}").bold());
        let out = folder.join(&name);
        let Sent { exit, of } = run.sent(&own, Some(out.clone()), Some(&name))?;
        let is_grave = of.as_ref().is_some_and(|(matrix, ..)| is_grave(matrix));
        rows.push(row(&name, algorithm, of.as_ref().map(|(matrix, ..)| matrix), &out));
        worst = worse(worst, exit, is_grave);
    }
    say(&format!(
        "\n{}",
        table(&["key", "algorithm", "cells", "false accepts", "other wrong", "results"], &rows)
    ))?;
    Ok(worst)
}

/// Where the folders of all keys are.
fn folder(run: &Run<'_>, loaded: &Loaded) -> PathBuf {
    let clock = Clock::start();
    let named = || format!("{}-keys-{}", loaded.scenario.name, clock.compact(clock.now()));
    run.arguments.output.out.clone().unwrap_or_else(|| Path::new("results").join(named()))
}

/// Whether a broker let somebody in, or went away: before that, nothing else counts.
fn is_grave(matrix: &Matrix) -> bool {
    matrix.false_accepts > 0 || !matrix.died_at.is_empty()
}

/// The one of two exit codes that goes first: an interruption, what is grave, what could not be measured, what failed.
fn worse(one: Exit, other: Exit, is_grave: bool) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Interrupted => 5,
        Exit::Failed if is_grave => 4,
        Exit::NotMeasured => 3,
        Exit::Failed => 2,
        Exit::Fine => 0,
        _ => 1,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn row(name: &str, algorithm: String, matrix: Option<&Matrix>, out: &Path) -> Vec<String> {
    let out = out.display().to_string();
    let Some(matrix) = matrix else {
        let none = || "-".to_owned();
        return vec![name.to_owned(), algorithm, none(), none(), none(), out];
    };
    let wrong = |is_wanted: &dyn Fn(Verdict) -> bool| {
        matrix.cells.iter().filter(|cell| cell.is_wrong() && is_wanted(cell.verdict)).count()
    };
    let let_in = wrong(&|verdict| verdict == Verdict::FalseAccept);
    let others = wrong(&|verdict| verdict != Verdict::FalseAccept);
    let cells = matrix.cells.len();
    vec![name.to_owned(), algorithm, cells.to_string(), let_in.to_string(), others.to_string(), out]
}
