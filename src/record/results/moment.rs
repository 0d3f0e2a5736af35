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
mod tests {
    use super::*;

    #[test]
    fn all_files_are_of_one_moment_and_in_the_end_files_like_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut moment = Moment::new(folder.path());
        let read = |name: &str| fs::read_to_string(folder.path().join(name));
        for turn in 0..5 {
            let bytes = format!("{turn}");
            moment.write(&[("a", bytes.as_bytes()), ("b", bytes.as_bytes())]).unwrap();
            assert_eq!((read("a").unwrap(), read("b").unwrap()), (bytes.clone(), bytes));
        }
        moment.write(&[("a", b"5"), ("b", b"5")]).unwrap();
        moment.end(&[("a", b"5"), ("b", b"5")]).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
        names.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().all(|entry| entry.file_type().unwrap().is_file()));
        assert_eq!(read("b").unwrap(), "5");
    }

    #[test]
    fn a_moment_that_did_not_come_about_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut moment = Moment::new(folder.path());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        moment.link(&[("a", b""), ("b", b"")]).unwrap();
        assert_eq!((read("a"), read("b")), (None, None), "killed before the first");
        moment.count = 1;
        moment.turn(&[("a", b"1"), ("b", b"1")]).unwrap();
        // Killed after one file of the next was written.
        moment.count = 2;
        fs::create_dir_all(folder.path().join(".moments/0")).unwrap();
        fs::write(folder.path().join(".moments/0/a"), "2").unwrap();
        assert_eq!((read("a").as_deref(), read("b").as_deref()), (Some("1"), Some("1")));
    }
}
