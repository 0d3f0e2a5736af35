//! A threshold that ends the run before its time.

use super::{Collector, Options, lanes::Lane, validity::Unjudged};
use crate::record::measure::Count;
use crate::record::results::{Reason, Summary, summary::Trust, threshold};

impl Collector {
    /// Looks whether a threshold ends the run, by what is known of it at the end of the last closed second; a run whose
    /// attempts and clients are all over ends by itself.
    pub(super) fn judge_early(&mut self, summary: &Summary, options: &Options) {
        let all = &self.all;
        let away = all[Count::Drops].saturating_sub(all.ends_of_returns());
        let is_over = !self.workers.iter().any(Lane::is_waited_for)
            || !is_left(self.storm.plan.attempts, all.first_turns(), self.open + away);
        if is_over || self.aborted.is_some() || self.is_stopping {
            return;
        }
        let second = self.next_second.saturating_sub(1);
        let thresholds = &self.storm.plan.thresholds;
        self.aborted = threshold::ends_run(thresholds, &summary.thresholds, second);
        if let Some(aborted) = &self.aborted {
            options.screen.ends_early(&aborted.words());
        }
    }

    /// Whether the numbers can be trusted; that a threshold ended the run takes nothing from them, and is said with it.
    pub(super) fn validity(&self, interrupted: bool) -> Trust {
        let storm = &self.storm;
        let wall_step = storm.clock.wall_step();
        let unjudged = Unjudged::of(&self.storm.plan, &self.all, self.excused());
        let mut validity = self.watch.validity(
            &storm.plan,
            &self.all,
            interrupted,
            wall_step,
            unjudged,
            &self.unlike(),
        );
        validity
            .reasons
            .extend(self.aborted.clone().map(|aborted| Reason::Ended(Box::new(aborted))));
        validity
    }
}

/// Whether there is something that could be ended, `open` being clients that are there or may come back: workers that have nothing left to do may go on for a moment.
fn is_left(planned: u64, done: u64, open: u64) -> bool {
    done < planned || open > 0
}

#[cfg(test)]
mod tests {
    use super::is_left;

    #[test]
    fn a_run_of_which_nothing_is_left_is_not_ended_early() {
        assert!(is_left(50, 49, 0), "an attempt");
        assert!(is_left(50, 50, 1), "a client that holds");
        assert!(!is_left(50, 50, 0));
    }
}
