//! Later turns, as `summary.json` has them: clients that came back, and tokens that were renewed.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};

use super::time::microseconds;
use crate::record::measure::{Count, Measurements};

/// Tokens that were renewed, by connecting again or by AUTH.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Renewals {
    /// Renewals that got their token, and began to connect with it or sent it by AUTH, whatever the
    /// answer.
    pub count: u64,
    /// Renewals that were accepted after the old token had ended.
    pub late: u64,
    /// Those of them that were accepted more than 100 ms after its end.
    #[serde(default)]
    pub late_by_100ms: u64,
    /// Those of them that were accepted more than 1 s after its end.
    #[serde(default)]
    pub late_by_1s: u64,
    /// Renewals with a token that the broker had to accept, and did not accept.
    pub failed: u64,
    /// Renewals for which no token could be had in time. The client kept its connection, and asked
    /// again later.
    pub token_failed: u64,
    /// Tokens that came with less life than twice `session.renew_before`: they were to be renewed
    /// when half of that life was over.
    #[serde(default)]
    pub at_half_life: u64,
}

impl Renewals {
    /// What was measured of them.
    pub fn of(all: &Measurements) -> Self {
        Self {
            count: all[Count::RenewalsSent],
            late: all[Count::RenewalsLate],
            late_by_100ms: all[Count::RenewalsLateBy100Ms],
            late_by_1s: all[Count::RenewalsLateBy1S],
            failed: all[Count::RenewalsFailed],
            token_failed: all[Count::RenewalsWithoutToken],
            at_half_life: all[Count::RenewalsAtHalf],
        }
    }
}

/// Clients whose connection ended, and which may come back.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Returns {
    /// Connections that ended before their clients wanted, and renewals by CONNECT that were not
    /// accepted, since the client had left its connection for them. At the end of a run the sum of
    /// `back`, `gave_up` and `still_away`.
    pub drops: u64,
    /// Attempts to come back, with those without a token and those that were given up.
    pub attempts: u64,
    /// Drops after which the client was accepted again.
    pub back: u64,
    /// Drops after which `session.tries` attempts in a row failed.
    pub gave_up: u64,
    /// Drops after which the client was still away when its `hold` ended, or when the run was ended
    /// early.
    pub still_away: u64,
    /// Microseconds from the start of the slot of 100 ms with the most drops until half of the
    /// drops from there on were back. Null if that never happened, if nobody was dropped, if more
    /// than 1 000 000 clients came back, and in a series.
    pub until_half_back_us: Option<f64>,
    /// The same until 99 % of them were back.
    pub until_99_back_us: Option<f64>,
    /// CPU time of the workers after their first turns were over, in microseconds, for each attempt
    /// that ended after that, renewals included. Null if there were none, and in a series.
    pub cpu_us_per_attempt: Option<f64>,
    /// How many came back, by how many attempts that took them; `10` stands for more as well.
    #[serde(default)]
    pub back_after_attempts: BTreeMap<u8, u64>,
}

/// Those of another run of the same series. How long most were away is said of each run alone.
impl AddAssign for Returns {
    fn add_assign(&mut self, other: Self) {
        let mut back_after_attempts = std::mem::take(&mut self.back_after_attempts);
        for (tries, count) in other.back_after_attempts {
            *back_after_attempts.entry(tries).or_default() += count;
        }
        *self = Self {
            drops: self.drops + other.drops,
            attempts: self.attempts + other.attempts,
            back: self.back + other.back,
            gave_up: self.gave_up + other.gave_up,
            still_away: self.still_away + other.still_away,
            until_half_back_us: None,
            until_99_back_us: None,
            cpu_us_per_attempt: None,
            back_after_attempts,
        };
    }
}

impl Returns {
    /// What was measured of them, in a storm that started at this instant.
    pub fn of(all: &Measurements, storm: u64) -> Self {
        let until = all.until_back(storm);
        let us = |time: Option<u64>| time.map(|time| microseconds(time as f64));
        let ended = all[Count::EndedAfter];
        Self {
            drops: all[Count::Drops],
            attempts: all[Count::ReturnsBegun] + all[Count::RenewalsConverted],
            back: all[Count::Back],
            gave_up: all[Count::GaveUp],
            still_away: all[Count::StillAway],
            until_half_back_us: us(until.half),
            until_99_back_us: us(until.most),
            cpu_us_per_attempt: (ended > 0)
                .then(|| microseconds(all[Count::CpuAfterNs] as f64 / ended as f64)),
            back_after_attempts: all.tries().into_iter().collect(),
        }
    }

    /// Whether each drop is accounted for, as it is when a run is over.
    pub fn adds_up(&self) -> bool {
        self.drops == self.back + self.gave_up + self.still_away
    }
}
