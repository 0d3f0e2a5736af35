//! Files of one moment: whoever reads them after the program was killed finds all of them of the same second.
//!
//! A rename replaces one file at one instant, and between two of them the program may end. So while a run goes on these
//! names are links through one link, and a rename of that replaces all of them at once. In a run that has ended they are
//! files like the others.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::writing::{replace_in, unwritable};
use crate::base::error::Result;

/// The folder, within that of the run, that the files of the last two moments are in.
const HOME: &str = ".moments";
/// The link within it that leads to those of the last.
const NOW: &str = "now";

/// A file: its name and its bytes.
pub type Named<'a> = (&'a str, &'a [u8]);

/// The files of a run that are replaced together.
#[derive(Debug)]
pub struct Moment {
    /// The folder of the run.
    path: PathBuf,
    /// How many there have been.
    count: u64,
    /// Whether the file system has links.
    has_links: bool,
}

impl Moment {
    /// Of the run in a folder, which has none of these files yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), count: 0, has_links: true }
    }

    /// Replaces all files at once: always the same names.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&mut self, files: &[Named<'_>]) -> Result<()> {
        if self.count == 0 {
            self.has_links = self.link(files).is_ok();
        }
        if !self.has_links {
            return self.replace(files);
        }
        self.turn(files).map_err(|error| unwritable(&self.path, &error))?;
        self.count += 1;
        Ok(())
    }

    /// Makes files of them: nothing follows.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn end(&self, files: &[Named<'_>]) -> Result<()> {
        // The links lead to the same bytes by now, so that it does not matter which is replaced first.
        self.replace(files)?;
        // What stays would only take room. It may be there where no moment ever came about.
        let _ = fs::remove_dir_all(self.path.join(HOME));
        Ok(())
    }

    fn replace(&self, files: &[Named<'_>]) -> Result<()> {
        files.iter().try_for_each(|(name, bytes)| replace_in(&self.path, name, bytes))
    }

    /// Makes the links of all names, which lead nowhere before the first moment: nobody finds one file without the others.
    fn link(&self, files: &[Named<'_>]) -> io::Result<()> {
        fs::create_dir(self.path.join(HOME))?;
        let linked = files.iter().try_for_each(|(name, _)| {
            symlink(Path::new(HOME).join(NOW).join(name), self.path.join(name))
        });
        if linked.is_err() {
            let _ = fs::remove_dir_all(self.path.join(HOME));
        }
        linked
    }

    /// Writes the files where nobody looks, and turns all looks there.
    fn turn(&self, files: &[Named<'_>]) -> io::Result<()> {
        let home = self.path.join(HOME);
        let side = (self.count % 2).to_string();
        fs::create_dir_all(home.join(&side))?;
        for (name, bytes) in files {
            fs::write(home.join(&side).join(name), bytes)?;
        }
        let next = home.join("next");
        let _ = fs::remove_file(&next);
        symlink(&side, &next)?;
        fs::rename(&next, home.join(NOW))
    }
}

#[cfg(test)]
mod tests;
