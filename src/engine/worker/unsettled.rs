//! Refusals of good tokens whose key another server may have withdrawn a moment ago: they are judged when its key set has
//! been looked at once more.

use super::{Terms, Worker};
use crate::client::{attempt::Attempt, verdict::Verdict};

/// How often it is looked whether the key set has been looked at, in nanoseconds: some two thousandths of what that takes.
pub(super) const SETTLES_EVERY: u64 = 20_000_000;

impl Worker {
    /// Whether an attempt is judged later; then it is put aside, and its slot is free.
    pub(super) fn put_off(
        &mut self,
        attempt: &Attempt,
        terms: Terms,
        way: u16,
        verdict: Verdict,
    ) -> bool {
        let Some(fetcher) = &self.storm.fetcher else { return false };
        let is_open =
            verdict == Verdict::FalseReject && attempt.key.is_some() && self.wave.is_none();
        if !is_open || fetcher.looked().is_none_or(|looked| looked > attempt.ended) {
            return false;
        }
        fetcher.look_soon();
        if !terms.has_no_slot {
            self.pace.outcome(attempt.ended);
        }
        self.unsettled.push_back((*attempt, Terms { has_no_slot: true, ..terms }, way));
        true
    }

    /// Judges what was put off, as far as the key set has been looked at since; all of it where `anyway`.
    pub(super) fn settle(&mut self, anyway: bool) {
        while let Some((attempt, ..)) = self.unsettled.front() {
            let looked = self.storm.fetcher.as_ref().and_then(|fetcher| fetcher.looked());
            if !anyway && looked.is_some_and(|looked| looked <= attempt.ended) {
                return;
            }
            let Some((attempt, terms, way)) = self.unsettled.pop_front() else { return };
            let judged = self.judged(&attempt, terms);
            self.count(&attempt, terms, way, judged);
        }
    }
}
