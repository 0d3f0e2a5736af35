//! Lets the events of a scenario happen, each at its time, and keeps what happened when.

use super::Issuer;
use crate::{
    base::clock::{Clock, SECOND, nanoseconds},
    plan::timeline::{Moment, Timeline},
    record::results::happened::Happened,
};

/// The events of a run.
#[derive(Debug)]
pub struct Happenings {
    /// Those to come, the next one last.
    left: Vec<Moment>,
    done: Vec<Happened>,
    start: u64,
}

impl Happenings {
    /// Those of a timeline, for a storm that starts at `start`.
    pub fn new(timeline: &Timeline, start: u64) -> Self {
        let mut left = timeline.moments.clone();
        left.reverse();
        Self { left, done: Vec::new(), start }
    }

    /// What is at the very start has happened before the brokers start.
    pub fn before_storm(&mut self, issuer: &Issuer) {
        while self.left.last().is_some_and(|next| next.at.is_zero()) {
            self.next(issuer);
        }
    }

    /// Says when the storm starts, after all: what happened before counts from there.
    pub fn storm_starts(&mut self, start: u64) {
        self.start = start;
        for happened in &mut self.done {
            happened.second = seconds(happened.at, start);
        }
    }

    /// When the next one is due, by the run's clock.
    pub fn next_due(&self) -> Option<u64> {
        self.left.last().map(|next| self.start + nanoseconds(next.at))
    }

    /// Lets all happen that are due.
    pub fn due(&mut self, issuer: &Issuer, clock: Clock) {
        while self.next_due().is_some_and(|due| due <= clock.now()) {
            self.next(issuer);
        }
    }

    /// What happened so far.
    pub fn done(&self) -> &[Happened] {
        &self.done
    }

    fn next(&mut self, issuer: &Issuer) {
        let Some(moment) = self.left.pop() else { return };
        let at = issuer.apply(moment.action);
        let Moment { action, event, detail, .. } = moment;
        self.done.push(Happened { at, second: seconds(at, self.start), event, detail, action });
    }
}

fn seconds(at: u64, start: u64) -> f64 {
    (at as f64 - start as f64) / SECOND as f64
}
