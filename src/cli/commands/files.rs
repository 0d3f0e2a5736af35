//! What a run leaves beside its folder: the files that the command line asks for, and the page in a browser.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::{
    base::error::{Error, Result},
    cli::Files,
    record::results::Summary,
    report::{self, Format, compare::Comparison, comparison, html},
};

/// Writes the page of a run, and the files that were asked for; opens the page where that was.
///
/// # Errors
/// When a file that was asked for can't be written.
pub(super) fn leave(files: &Files, folder: &Path, summary: &Summary) -> Result<()> {
    html::leave(folder, summary);
    for (file, format) in [
        (&files.junit, Format::Junit),
        (&files.markdown, Format::Markdown),
        (&files.benchmark, Format::Benchmark),
    ] {
        if let Some(file) = file {
            write(file, &report::render(folder, format)?)?;
        }
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
    for (option, file) in [
        ("--junit", &files.junit),
        ("--markdown", &files.markdown),
        ("--benchmark", &files.benchmark),
    ] {
        let Some(file) = file else { continue };
        let wrong =
            |error| Error::usage(format!("`{option}`: can't write `{}`: {error}", file.display()));
        let was_there = fs::symlink_metadata(file).is_ok();
        make_folder(file).map_err(wrong)?;
        // What is in it stays until there is something to write.
        OpenOptions::new().append(true).create(true).open(file).map_err(wrong)?;
        if !was_there {
            fs::remove_file(file).map_err(wrong)?;
        }
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
    for (file, format) in [
        (&files.junit, comparison::Format::Junit),
        (&files.markdown, comparison::Format::Markdown),
        (&files.benchmark, comparison::Format::Benchmark),
    ] {
        if let Some(file) = file {
            write(file, &comparison::render(of, format)?)?;
        }
    }
    if files.open {
        open(&folder.join("report.html"));
    }
    Ok(())
}

fn write(file: &PathBuf, text: &str) -> Result<()> {
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
