//! The plain numbers of a recorder: counts, and instants of which the first or the last is kept.
//!
//! A number more is a line of a list here. Merging, clearing, sending and moving go over all of the list.

use std::ops::AddAssign;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::base::words::vocabulary;

vocabulary! {
    /// What a recorder counts by itself, whatever the kind of token and the broker.
    Count: "count" {
        /// Attempts started, with or without an outcome so far.
        Started = "started";
        /// Attempts that have an outcome and are left out of the latencies: those of the warm-up.
        Untimed = "untimed";
        /// Attempts given up: the run was interrupted, or nobody wanted them any more.
        Abandoned = "abandoned";
        /// Connections open when this was handed over.
        Open = "open";
        /// Turns of clients that were accepted and held their connection.
        Held = "held";
        /// Name lookups that waited too long for a thread of ours.
        LateLookups = "late_lookups";
        /// Bare connects that asked whether a broker is there.
        Checks = "checks";
        /// Connections that ended before a publish right after CONNACK was known to be taken.
        TrialEnds = "trial_ends";
        /// Sessions that outlived their token and had sent a ping after it.
        PingedAfter = "pinged_after";
        /// Those of them whose ping was answered.
        AnsweredAfter = "answered_after";
        /// Attempts that were asked once more by AUTH before they had their answer.
        AuthChallenged = "auth_challenged";
        /// Attempts that were accepted by a CONNACK without their authentication method.
        AuthMethodMissing = "auth_method_missing";
        /// Rows of a token file whose token was handed to its client.
        RowsTaken = "rows_taken";
        /// Attempts with a token that a token file says is to be accepted, and that had ended.
        RowsEnded = "rows_ended";
        /// Attempts of later turns that have an outcome.
        LaterEnded = "later_ended";
        /// Attempts of later turns that were given up.
        LaterAbandoned = "later_abandoned";
        /// Attempts that ended after all first turns were over: their CPU time is told apart.
        EndedAfter = "ended_after";
        /// Attempts that began because a connection had ended.
        ReturnsBegun = "returns_begun";
        /// Clients that were left without a connection and may come back: it ended, or its renewal failed.
        Drops = "drops";
        /// Of these clients, the ones that were accepted again.
        Back = "back";
        /// Those that gave up.
        GaveUp = "gave_up";
        /// Those that were away when they would have left, or the run ended.
        StillAway = "still_away";
        /// Attempts that began because a token was to be renewed by connecting again.
        RenewalsBegun = "renewals_begun";
        /// Those of them that went on as returns, as their old connection ended meanwhile.
        RenewalsConverted = "renewals_converted";
        /// Renewals that got their token: a client connected with it, or authenticated again.
        RenewalsSent = "renewals_sent";
        /// Attempts to renew that nobody wanted any more before they had a token: they are abandoned, and counted nowhere.
        RenewalsForsaken = "renewals_forsaken";
        /// Renewals that got no token.
        RenewalsWithoutToken = "renewals_without_token";
        /// Those with a good token that were not accepted.
        RenewalsFailed = "renewals_failed";
        /// Those that were accepted.
        Renewed = "renewed";
        /// Those that were accepted after the end of the old token.
        RenewalsLate = "renewals_late";
        /// Those of them that were more than 100 ms late.
        RenewalsLateBy100Ms = "renewals_late_by_100ms";
        /// Those of them that were more than 1 s late.
        RenewalsLateBy1S = "renewals_late_by_1s";
        /// Asks for a token to authenticate again with.
        ReauthsBegun = "reauths_begun";
        /// Those of them that nobody wanted any more before they had a token, or that went on as returns: they are counted
        /// nowhere.
        ReauthsForsaken = "reauths_forsaken";
        /// Those that were under way when the run was interrupted.
        ReauthsAbandoned = "reauths_abandoned";
        /// Renewals that were planned for half of a token's life, since it came with less than twice `session.renew_before`.
        RenewalsAtHalf = "renewals_at_half";
        /// CPU time that driving the clients took after all first turns were over, in nanoseconds.
        CpuAfterNs = "cpu_after_ns";
        /// CPU time that driving the clients took, in nanoseconds.
        CpuNs = "cpu_ns";
    }
}

/// A number for each [`Count`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sums(pub(super) [u64; Count::COUNT]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; Count::COUNT])
    }
}

/// The library writes arrays of up to 32 only.
impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Sums {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let numbers = Vec::<u64>::deserialize(from)?;
        let count = numbers.len();
        numbers
            .try_into()
            .map(Self)
            .map_err(|_| D::Error::invalid_length(count, &"each count once"))
    }
}

impl Sums {
    /// Each count with its number, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Count, u64)> {
        Count::ALL.into_iter().zip(self.0)
    }
}

impl AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, more)| *own += more);
    }
}

vocabulary! {
    /// An instant that a recorder keeps.
    Mark: "mark" {
        /// When the first attempt started.
        FirstStart = "first_start";
        /// When the last attempt that started was to start.
        LastScheduled = "last_scheduled";
        /// When the last CONNACK came, or another end that was judged.
        LastAnswer = "last_answer";
    }
}

/// An instant for each [`Mark`], in nanoseconds of the run's clock, where there was any.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Marks(pub(super) [Option<u64>; Mark::COUNT]);

impl Marks {
    /// Takes note of an instant.
    pub(super) fn note(&mut self, mark: Mark, at: u64) {
        let kept = &mut self.0[mark as usize];
        *kept = Some(kept.map_or(at, |kept| match mark {
            Mark::FirstStart => kept.min(at),
            Mark::LastScheduled | Mark::LastAnswer => kept.max(at),
        }));
    }

    /// Takes note of all that another has.
    pub(super) fn merge(&mut self, other: &Self) {
        for mark in Mark::ALL {
            if let Some(at) = other.0[mark as usize] {
                self.note(mark, at);
            }
        }
    }

    /// The instants there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().flatten()
    }

    /// The same, to be moved.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        self.0.iter_mut().flatten()
    }
}
