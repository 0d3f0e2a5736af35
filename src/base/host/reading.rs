//! Files that others may have named or written, read within bounds.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// Longest scenario, profile, key, certificate chain or list that is read, in bytes: a hundred times what real ones take.
pub const LONGEST_TEXT: u64 = 16 * 1024 * 1024;

/// Reads a file that the user named, which may be a pipe (`<(...)`).
///
/// # Errors
/// As `open(2)` and `read(2)`; [`ErrorKind::FileTooLarge`] where it holds more than `longest` bytes.
pub fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    within(File::open(path)?, longest)
}

/// The same of a text.
///
/// # Errors
/// As [`read`]; [`ErrorKind::InvalidData`] where it is no UTF-8.
pub fn read_text(path: &Path, longest: u64) -> io::Result<String> {
    String::from_utf8(read(path, longest)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text (UTF-8)"))
}

/// Reads a file whose name came from elsewhere: a regular one, since a pipe or a device may wait or go on for ever.
///
/// # Errors
/// As [`read`]; [`ErrorKind::InvalidInput`] where it is no regular file.
pub fn read_regular(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    regular(OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?, longest)
}

/// Reads a regular file that another process has named, from a folder that is all it may have: nothing that the name leads
/// to outside of it, by `..`, by an absolute path or by a symbolic link. Links within the folder are followed.
///
/// # Errors
/// As [`read_regular`]; [`ErrorKind::CrossesDevices`] (`EXDEV`) where the name leads out of the folder.
pub fn read_below(folder: &Path, file: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let folder = File::open(folder)?;
    // The kernel looks at each step of the way, so that nobody can change it in between (Linux 5.6).
    let way = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    regular(File::from(openat2(&folder, file, flags, Mode::empty(), way)?), longest)
}

fn regular(file: File, longest: u64) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    within(file, longest)
}

fn within(file: File, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        let why = format!("it holds more than {longest} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
