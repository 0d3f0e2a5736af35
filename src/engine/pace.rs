//! When a worker's next attempt is due.

use std::{collections::VecDeque, iter::Skip, iter::StepBy};

use crate::{
    base::clock::nanoseconds,
    plan::{Model, Plan, schedule::Schedule},
};

/// A worker's share of the load.
#[derive(Debug)]
pub(super) enum Pace {
    /// Due times that do not wait for answers.
    Open {
        /// Its share of the schedule.
        schedule: Box<StepBy<Skip<Schedule>>>,
        /// When the storm starts.
        storm: u64,
        /// The next due time.
        next: Option<u64>,
    },
    /// Slots of attempts under way.
    Closed {
        /// When each slot that is free became so.
        free: VecDeque<u64>,
        /// Attempts that have not started.
        left: u64,
        /// When no more are started.
        until: Option<u64>,
    },
    /// Waves, whose connections are opened before their attempts are due.
    Waves {
        /// Whether the last one is over.
        over: bool,
    },
}

impl Pace {
    /// The share of worker `worker` of `workers` in a storm that starts at `storm`.
    pub(super) fn new(plan: &Plan, worker: usize, workers: usize, storm: u64) -> Self {
        match (&plan.model, plan.schedule()) {
            (Model::Open { .. }, Some(schedule)) => {
                let mut schedule = Box::new(schedule.skip(worker).step_by(workers));
                let next = schedule.next().map(|due| storm + due);
                Self::Open { schedule, storm, next }
            }
            (Model::Preconnect(_), _) => Self::Waves { over: false },
            (Model::Closed { concurrency, length }, _) => {
                let share = |all: u64| {
                    all / workers as u64 + u64::from((worker as u64) < all % workers as u64)
                };
                let slots = share(u64::from(*concurrency)) as usize;
                Self::Closed {
                    free: std::iter::repeat_n(storm, slots).collect(),
                    left: share(plan.attempts),
                    until: length.map(|length| storm + nanoseconds(length)),
                }
            }
            (Model::Open { .. }, None) => Self::Waves { over: true },
        }
    }

    /// When the next attempt is due; `None` when that depends on an answer, or there is none left.
    pub(super) fn due(&self) -> Option<u64> {
        match self {
            Self::Open { next, .. } => *next,
            Self::Closed { free, left, .. } => free.front().copied().filter(|_| *left > 0),
            Self::Waves { .. } => None,
        }
    }

    /// Takes the attempt that is due at or before `now`, and says when it was due.
    pub(super) fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.due().filter(|due| *due <= now)?;
        match self {
            Self::Open { schedule, storm, next } => *next = schedule.next().map(|due| *storm + due),
            Self::Closed { free, until: Some(until), .. } if now >= *until => {
                free.clear();
                return None;
            }
            Self::Closed { free, left, .. } => {
                free.pop_front();
                *left -= 1;
            }
            Self::Waves { .. } => {}
        }
        Some(due)
    }

    /// An attempt has its outcome: its slot is free.
    pub(super) fn outcome(&mut self, at: u64) {
        if let Self::Closed { free, until, .. } = self
            && until.is_none_or(|until| at < until)
        {
            free.push_back(at);
        }
    }

    /// The last wave is over.
    pub(super) fn end(&mut self) {
        *self = Self::Waves { over: true };
    }

    /// Whether no attempt is left to start.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Open { next, .. } => next.is_none(),
            Self::Closed { left, until, free } => *left == 0 || until.is_some() && free.is_empty(),
            Self::Waves { over } => *over,
        }
    }
}
