//! The good clients that a worker holds until all workers are done.

use super::Worker;
use crate::engine::vigil::LAST;

/// How far a worker is with the clients that it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Watch {
    /// Attempts are under way, or come yet.
    Busy,
    /// This worker is done, others may not be.
    Done,
    /// All are done; they leave then.
    Until(u64),
    /// They have left.
    Over,
}

impl Worker {
    /// Lets the clients go that were held, some time after all workers are done.
    pub(super) fn end_vigil(&mut self, now: u64) {
        let Some(vigil) = &self.storm.vigil else { return };
        match self.watch {
            Watch::Busy => {
                self.watch = Watch::Done;
                vigil.done();
                self.end_vigil(now);
            }
            Watch::Done if vigil.is_over() => self.watch = Watch::Until(now + LAST),
            Watch::Until(at) if at <= now => {
                self.watch = Watch::Over;
                let held = self.connections.iter();
                let held = held.filter(|(_, connection)| connection.held().is_some());
                let places: Vec<usize> = held.map(|(place, _)| place).collect();
                for place in places {
                    self.leave(place, now);
                }
            }
            _ => {}
        }
    }

    /// When it has to look whether they are to leave.
    pub(super) fn vigil_due(&self) -> Option<u64> {
        match self.watch {
            Watch::Until(at) => Some(at),
            _ => None,
        }
    }
}
