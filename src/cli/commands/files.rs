//! What a run leaves beside its folder: the files that the command line asks for, and the page in a browser.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use crate::{
    base::error::{Error, Result},
    cli::Files,
    record::results::Summary,
    report::{self, Format, compare::Comparison, comparison, html},
};

/// A file that was asked for.
struct Wanted<'a> {
    option: &'static str,
    file: &'a Path,
    of_run: Format,
    of_comparison: comparison::Format,
}

/// All that were.
fn wanted(files: &Files) -> impl Iterator<Item = Wanted<'_>> {
    [
        ("--junit", &files.junit, Format::Junit, comparison::Format::Junit),
        ("--markdown", &files.markdown, Format::Markdown, comparison::Format::Markdown),
        ("--benchmark", &files.benchmark, Format::Benchmark, comparison::Format::Benchmark),
    ]
    .into_iter()
    .filter_map(|(option, file, of_run, of_comparison)| {
        Some(Wanted { option, file: file.as_deref()?, of_run, of_comparison })
    })
}

/// Writes the page of a run, and the files that were asked for; opens the page where that was.
///
/// # Errors
/// When a file that was asked for can't be written.
pub(super) fn leave(files: &Files, folder: &Path, summary: &Summary) -> Result<()> {
    html::leave(folder, summary);
    for Wanted { file, of_run, .. } in wanted(files) {
        write(file, &report::render(folder, of_run)?)?;
    }
    if files.open {
        open(&folder.join("report.html"));
    }
    Ok(())
}

/// Whether the files that were asked for can be written: whoever finds out after a run of an hour finds out too late.
///
/// # Errors
/// When one can't.
pub(super) fn check(files: &Files) -> Result<()> {
    wanted(files).try_for_each(|wanted| check_one(wanted.option, wanted.file))
}

/// The same of one file.
pub(super) fn check_one(option: &str, file: &Path) -> Result<()> {
    let wrong =
        |error| Error::usage(format!("`{option}`: can't write `{}`: {error}", file.display()));
    let was_there = fs::symlink_metadata(file).is_ok();
    make_folder(file).map_err(wrong)?;
    // What is in it stays until there is something to write.
    OpenOptions::new().append(true).create(true).open(file).map_err(wrong)?;
    if !was_there {
        fs::remove_file(file).map_err(wrong)?;
    }
    Ok(())
}

/// Makes the folder that a file is to be in.
fn make_folder(file: &Path) -> io::Result<()> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// The same of a comparison.
///
/// # Errors
/// As [`leave`].
pub(super) fn leave_comparison(files: &Files, folder: &Path, of: &Comparison) -> Result<()> {
    for Wanted { file, of_comparison, .. } in wanted(files) {
        write(file, &comparison::render(of, of_comparison)?)?;
    }
    if files.open {
        open(&folder.join("report.html"));
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    let wrong = |error| Error::not_measured(format!("can't write `{}`: {error}", file.display()));
    make_folder(file).map_err(wrong)?;
    fs::write(file, text).map_err(wrong)
}

/// Opens a page in whatever this host opens pages with. Nothing depends on it.
pub(super) fn open(page: &Path) {
    if let Err(error) = open::that_detached(page) {
        crate::tell!(
            "warning: no browser could be started ({error}): open this file: {}",
            page.display()
        );
    }
}
