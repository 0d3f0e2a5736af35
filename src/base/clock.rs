//! The only place that reads a clock: one monotonic origin per run, tied once to the wall clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// A step of the wall clock that can turn a verdict, in nanoseconds.
pub const WALL_STEP: i64 = 100_000_000;

/// How often whoever waits looks whether it is to end.
pub const GLANCE: Duration = Duration::from_millis(50);
/// The same of what happens at an instant of the run, or of a process that ends.
pub const SHORT_GLANCE: Duration = Duration::from_millis(20);

/// A clock whose instants are nanoseconds since its origin.
///
/// Cheap to copy; every thread of a run has the same one, so that their instants compare. Wall time
/// is derived from the monotonic clock, so a step of the wall clock can't bend a measurement:
/// [`Clock::wall_step`] tells by how much it moved meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Nanoseconds from 1970-01-01T00:00:00Z to the origin.
    wall_at_origin: i128,
    /// How far this host's wall clock is ahead of the one that is followed, in nanoseconds.
    ahead: i64,
}

impl Clock {
    /// Starts a clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: Instant::now(), wall_at_origin: wall_now(), ahead: 0 }
    }

    /// The same clock with the wall time of another host, which this one's is so many nanoseconds ahead of.
    #[must_use]
    pub fn following(self, ahead: i64) -> Self {
        Self { wall_at_origin: self.wall_at_origin - i128::from(ahead), ahead, ..self }
    }

    /// Nanoseconds since the origin.
    pub fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z at an instant of this clock.
    pub fn wall(&self, at: u64) -> i64 {
        saturated(self.wall_at_origin.saturating_add(i128::from(at)))
    }

    /// The instant of this clock at a wall time; negative before the origin. What is beyond the range is at its end: a
    /// token that is good since the year 1 is good since ever.
    pub fn at_wall(&self, wall: i64) -> i64 {
        saturated(i128::from(wall).saturating_sub(self.wall_at_origin))
    }

    /// An instant of this clock as RFC 3339, in UTC.
    pub fn rfc3339(&self, at: u64) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.wall(at)))
            .map_or_else(|_| String::new(), |time| format!("{time:.3}"))
    }

    /// An instant of this clock as `yyyymmddThhmmssZ`, as in the names of run folders.
    pub fn compact(&self, at: u64) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.wall(at)))
            .map_or_else(|_| String::new(), |time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// By how many nanoseconds the wall clock has been stepped (or slewed) since the origin.
    pub fn wall_step(&self) -> i64 {
        saturated(wall_now() - i128::from(self.ahead) - i128::from(self.wall(self.now())))
    }
}

/// An instant, or a distance between two, that may lie before or after what it is compared with; what is beyond the range
/// is at its end.
pub fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// Whole seconds in nanoseconds; what is beyond the range is at its end.
pub fn of_seconds(seconds: i64) -> i64 {
    seconds.saturating_mul(SECOND as i64)
}

/// Seconds since 1970, as a claim has them, in nanoseconds; what is beyond the range is at its end.
pub fn of_date(seconds: f64) -> i64 {
    // A conversion of a float saturates.
    (seconds * SECOND as f64) as i64
}

fn saturated(nanoseconds: i128) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

/// Whole nanoseconds of a duration; durations of a scenario are far below the 584 years that fit.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 by the wall clock, for a verifier that has no run of its own.
pub fn wall_seconds() -> f64 {
    wall_now() as f64 / SECOND as f64
}

fn wall_now() -> i128 {
    #[expect(clippy::disallowed_methods, reason = "this is the place that all others ask")]
    let now = SystemTime::now();
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_and_instants_convert_into_each_other() {
        let clock = Clock::start();
        for at in [0, 1, 77 * SECOND] {
            assert_eq!(clock.at_wall(clock.wall(at)), at as i64);
        }
        let following = clock.following(-5);
        assert_eq!(following.wall(0) - clock.wall(0), 5, "this host's is behind the other's");
        assert!(following.wall_step().abs_diff(clock.wall_step()) < SECOND);
        assert_eq!(
            (clock.at_wall(i64::MIN), clock.at_wall(-8_000_000_000_000_000_000)),
            (i64::MIN, i64::MIN)
        );
        assert_eq!(
            (clock.wall(u64::MAX), clock.following(i64::MIN).wall(u64::MAX)),
            (i64::MAX, i64::MAX)
        );
        assert!(clock.wall(0) > 1_700_000_000 * SECOND as i64, "the wall clock is after 2023");
    }
}
