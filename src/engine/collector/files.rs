//! Files of the run folder that could not be written to the end of the run.

use super::Collector;
use crate::record::results::writing::Cut;

/// A file that grew no more from a second on.
#[derive(Clone, Debug)]
pub(super) struct CutAt {
    cut: Cut,
    /// The first second that it may lack.
    second: u64,
}

impl CutAt {
    /// What is said of it.
    pub(super) fn words(&self) -> String {
        let Self { cut, second } = self;
        format!(
            "`{}` ends before second {second}: it could not be written any more ({})",
            cut.path.display(),
            cut.why
        )
    }
}

impl Collector {
    /// Looks whether files could not be written, once more of the run was: `from` is the first second that was new then.
    pub(super) fn look_at_files(&mut self, from: u64) -> Vec<CutAt> {
        let of_folder =
            self.folder.as_mut().map(crate::record::results::Folder::cuts).unwrap_or_default();
        let of_monitor = self.rows.as_mut().and_then(crate::record::results::monitor::Rows::cut);
        let cuts = of_folder.into_iter().chain(of_monitor);
        let fresh: Vec<CutAt> = cuts.map(|cut| CutAt { cut, second: from }).collect();
        self.watch.cut.extend(fresh.iter().cloned());
        fresh
    }
}
