//! `tokenstorm matrix --all-keys`: the cells once for each key that a broker knows.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use super::{Run, Sent, keys};
use crate::{
    base::{
        clock::Clock,
        error::{
            Error, Exit, Result,
            plain::{self, Paint},
        },
        words::Verdict,
    },
    cli::commands::say,
    record::results::Matrix,
    report::style::table,
    scenario::Loaded,
};

/// Characters of the longest name of a folder.
const LONGEST_NAME: usize = 60;

/// Sends the cells signed by one key after the other, each into a folder of its own, and ends as the worst of them.
pub(super) fn each(run: &Run<'_>, loaded: &Loaded) -> Result<Exit> {
    let names: Vec<String> = keys(&loaded.scenario).cloned().collect();
    if names.is_empty() {
        return Err(Error::usage("`--all-keys` is given, and there is no key under `[keys]`"));
    }
    let folder = folder(run, loaded);
    let mut rows = Vec::new();
    let mut worst = Exit::Fine;
    let mut trouble = None;
    for (at, name) in names.into_iter().enumerate() {
        if run.stop.load(Ordering::Relaxed) {
            break;
        }
        let mut own = loaded.clone();
        let algorithm = own.scenario.keys[&name].algorithm.to_string();
        own.scenario.token.key = Some(name.clone());
        own.overrides.extend(["--set".to_owned(), assignment(&name)]);
        crate::tell!("{}", plain::line(&format!("key `{name}`, {algorithm}")).bold());
        let out = folder.join(folder_name(at, &name));
        let sent = run.sent(&own, Some(out.clone()), Some(&name));
        let Sent { exit, of } = sent.unwrap_or_else(|error| {
            // The other keys are asked all the same.
            crate::tell!("{error}");
            let exit = error.exit();
            trouble.get_or_insert(error);
            Sent { exit, of: None }
        });
        let is_grave = of.as_ref().is_some_and(|(matrix, ..)| is_grave(matrix));
        rows.push(row(&name, algorithm, of.as_ref().map(|(matrix, ..)| matrix), &out));
        worst = worse(worst, exit, is_grave);
    }
    let last = rows.iter().rfind(|row| row[CELLS] != NOTHING).map(|row| Path::new(&row[RESULTS]));
    run.served.end(last, &run.stop);
    if let (Some(error), true) = (trouble, rows.iter().all(|row| row[CELLS] == NOTHING)) {
        return Err(error);
    }
    say(&format!(
        "\n{}",
        table(&["key", "algorithm", "cells", "false accepts", "other wrong", "results"], &rows)
    ))?;
    Ok(worst)
}

/// The column of a row that says how many cells there were, and what it says where there were none.
const CELLS: usize = 2;
/// That of its folder.
const RESULTS: usize = 5;
const NOTHING: &str = "-";

/// The value of `--set` by which a key signs.
pub(super) fn assignment(key: &str) -> String {
    format!("token.key={}", toml::Value::from(key))
}

/// The folder of a key: its name, where that can be one.
fn folder_name(at: usize, key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let kept: String =
        key.chars().map(|c| if is_plain(c) { c } else { '-' }).take(LONGEST_NAME).collect();
    let is_name = kept == key && !key.starts_with('.');
    if is_name { kept } else { format!("{:02}-{}", at + 1, kept.trim_start_matches('.')) }
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
        let none = || NOTHING.to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_folder_of_its_own_below_that_of_all_whatever_it_is_called() {
        assert_eq!(folder_name(0, "main-2.rsa"), "main-2.rsa");
        assert_eq!(folder_name(1, "../up"), "02--up");
        assert_eq!(folder_name(2, ".."), "03-");
        assert_eq!(folder_name(3, "a/b c"), "04-a-b-c");
        assert_eq!(folder_name(4, &"k".repeat(300)).len(), LONGEST_NAME + 3);
        assert_eq!(assignment("two words"), "token.key=\"two words\"");
    }
}
