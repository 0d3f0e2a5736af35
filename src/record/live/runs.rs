//! The runs of this program, one after another, as one that only counts on.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Snapshot;

/// The last snapshot, with the counts of all runs; `None` before the first run.
pub(super) type Latest = Arc<Mutex<Option<Arc<Snapshot>>>>;

/// The runs so far.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// The last snapshot of the one under way.
    own: Option<Arc<Snapshot>>,
    /// What those before it came to together.
    before: Option<Snapshot>,
}

impl Runs {
    /// Takes a snapshot; returns it with the counts of the runs that are over, so that counters only grow.
    pub(super) fn take(&mut self, snapshot: Arc<Snapshot>) -> Snapshot {
        if let Some(over) = self.own.take_if(|own| !own.is_of(&snapshot)) {
            match &mut self.before {
                Some(before) => before.add(&over),
                None => self.before = Some(Arc::unwrap_or_clone(over)),
            }
        }
        let mut whole = Snapshot::clone(&snapshot);
        if let Some(before) = &self.before {
            whole.add(before);
        }
        self.own = Some(snapshot);
        whole
    }
}
