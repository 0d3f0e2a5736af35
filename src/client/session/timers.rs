//! The timers of a session: when each is due, in a table that is searched faster than any queue is kept.

/// What a session waits for. Where several are due at once, the first of these is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    /// The connection has outlived its token.
    Outlive,
    /// The answer to AUTH has to be there.
    Reauth,
    /// The client has stayed for as long as it takes part.
    Leave,
    /// The answer to a ping has to be there.
    PongDue,
    /// It has to be found out whether the broker still takes the token.
    Probe,
    /// The token has to be renewed.
    Renew,
    /// A ping has to be sent.
    Ping,
}

impl Timer {
    const ALL: [Self; 7] = [
        Self::Outlive,
        Self::Reauth,
        Self::Leave,
        Self::PongDue,
        Self::Probe,
        Self::Renew,
        Self::Ping,
    ];
}

/// A timer that is not set.
const NEVER: u64 = u64::MAX;

/// When each timer is due, in nanoseconds of the run's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers([u64; Timer::ALL.len()]);

impl Default for Timers {
    fn default() -> Self {
        Self([NEVER; Timer::ALL.len()])
    }
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: u64) {
        self.0[timer as usize] = at;
    }

    /// Stops a timer; when it would have been due, if it was set.
    pub(super) fn stop(&mut self, timer: Timer) -> Option<u64> {
        let at = std::mem::replace(&mut self.0[timer as usize], NEVER);
        (at != NEVER).then_some(at)
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer).is_some()
    }

    /// When a timer is due, if it is set.
    pub(super) fn at(&self, timer: Timer) -> Option<u64> {
        Some(self.0[timer as usize]).filter(|at| *at != NEVER)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.0.into_iter().min().filter(|at| *at != NEVER)
    }

    /// Stops the first one that is due by `now`, and says which it is and when it was due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(Timer, u64)> {
        let due = Timer::ALL.into_iter().find(|timer| self.0[*timer as usize] <= now)?;
        self.stop(due).map(|at| (due, at))
    }
}
