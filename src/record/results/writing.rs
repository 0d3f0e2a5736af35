//! How files of a run folder are written: replaced as a whole, or growing by whole pieces.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::sheets::Sheet;
use crate::base::error::{Error, Result};

/// Writes a file of a folder in the place of the one before, so that a reader sees one or the other.
///
/// # Errors
/// When it can't be written.
pub fn replace_in(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file =
            tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(folder)?;
        file.write_all(bytes)?;
        fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(folder.join(name))?;
        Ok(())
    };
    write().map_err(|error| unwritable(&folder.join(name), &error))
}

/// Writes a file of CSV in the place of the one before.
pub(super) fn replace_table<R: Serialize>(
    folder: &Path,
    sheet: &Sheet,
    rows: impl IntoIterator<Item = R>,
) -> Result<()> {
    replace_in(folder, sheet.name, &table(folder, sheet, rows)?)
}

/// The bytes of a file of CSV: the names of its columns, and its rows, whose cells stand in their order.
pub(super) fn table<R: Serialize>(
    folder: &Path,
    sheet: &Sheet,
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<u8>> {
    let mut table = sheet.first_line().into_bytes();
    table.extend(cells(rows).map_err(|error| unwritable(folder, &error))?);
    Ok(table)
}

fn cells<R: Serialize>(rows: impl IntoIterator<Item = R>) -> io::Result<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in rows {
        csv.serialize(row)?;
    }
    csv.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// What is said of a file, or a folder, that can't be written.
pub(crate) fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::not_measured(format!("can't write the results to `{}`: {error}", path.display()))
        .hint("`--out DIR` puts them elsewhere")
}

/// A file that grows while a run goes on. Where a piece can't be written the file ends before it, for good: what follows
/// would be read as if nothing were missing. The run goes on without it.
#[derive(Debug)]
pub struct Growing {
    path: PathBuf,
    /// What there is of it, or why it grows no more.
    grown: io::Result<Grown>,
    /// Whether somebody was told that it grows no more.
    is_told: bool,
}

/// What there is of a file that grows.
#[derive(Debug)]
struct Grown {
    file: File,
    /// Bytes of whole pieces.
    length: u64,
}

/// A file that ended before its run.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Where it is.
    pub path: PathBuf,
    /// Why it could not be written.
    pub why: String,
}

impl Growing {
    /// Begins the file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn create(folder: &Path, name: &str, head: &[u8]) -> Result<Self> {
        let begun = Self::begin(folder, name, head);
        match &begun.grown {
            Err(error) => Err(unwritable(&begun.path, error)),
            Ok(_) => Ok(begun),
        }
    }

    /// Begins the file in the midst of a run: one that can't be written is cut at once.
    pub fn begin(folder: &Path, name: &str, head: &[u8]) -> Self {
        let path = folder.join(name);
        let grown = File::create(&path).map(|file| Grown { file, length: 0 });
        let mut begun = Self { path, grown, is_told: false };
        begun.append(head);
        begun
    }

    /// Appends a piece, all of it or nothing, and says whether it is there.
    pub fn append(&mut self, piece: &[u8]) -> bool {
        let Ok(grown) = &mut self.grown else { return false };
        let written = grown.file.write_all(piece);
        match written {
            Ok(()) => grown.length += piece.len() as u64,
            Err(error) => {
                // To make a file shorter takes no room; a disk that is broken does not do that either.
                let _ = grown.file.set_len(grown.length);
                self.grown = Err(error);
            }
        }
        self.grown.is_ok()
    }

    /// Appends what a function makes, as [`Self::append`]. It is not called where that can't be written anyway.
    pub fn append_with(&mut self, make: impl FnOnce() -> io::Result<Vec<u8>>) -> bool {
        if self.grown.is_err() {
            return false;
        }
        match make() {
            Ok(piece) => self.append(&piece),
            Err(error) => {
                self.grown = Err(error);
                false
            }
        }
    }

    /// Appends rows of CSV, as [`Self::append`].
    pub fn append_rows<R: Serialize>(&mut self, rows: impl IntoIterator<Item = R>) -> bool {
        self.append_with(|| cells(rows))
    }

    /// That the file grows no more; said once. What was taken away meanwhile is nowhere any more, whatever is written to it.
    pub fn cut(&mut self) -> Option<Cut> {
        if self.grown.as_ref().is_ok_and(|grown| !is_at(&grown.file, &self.path)) {
            self.grown = Err(io::Error::new(io::ErrorKind::NotFound, "it was taken away"));
        }
        let error = self.grown.as_ref().err().filter(|_| !self.is_told)?;
        self.is_told = true;
        Some(Cut { path: self.path.clone(), why: error.to_string() })
    }
}

/// Whether an open file is still the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    let of = |file: fs::Metadata| (file.dev(), file.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(found)) => of(open) == of(found),
        // Where that can't be told, writing will tell.
        (Err(_), _) => true,
        (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether it says nothing, so that a file can do without it.
pub(super) fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[cfg(test)]
mod tests;
