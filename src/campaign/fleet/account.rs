//! What an agent has told of a run so far, against what it can have done.

use crate::{
    base::words::Operation,
    record::measure::{Count, Measurements},
};

/// Attempts that one agent starts in a second at most: `load.stages` asks for no more of a whole fleet.
const MOST_A_SECOND: u64 = 1_000_000;

/// The counts of one agent. Each attempt is started once, and ends once or is given up.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Clients that it was dealt.
    share: u64,
    /// Attempts that it has started, that have an outcome, that were given up.
    started: u64,
    attempts: u64,
    abandoned: u64,
    /// Clients whose first turn has started, and first turns that are over.
    clients: u64,
    first_turns: u64,
    /// TLS handshakes that came to an end.
    handshakes: u64,
    /// Sessions that ended before it wanted.
    dropped: u64,
    /// Attempts to renew a token that were begun, and those of which it is known what became of the ask for it.
    renewals: u64,
    answered: u64,
    /// Clients that were left without a connection and may come back, and those of which it is known whether they did.
    drops: u64,
    returned: u64,
    /// Ends of tokens on connections.
    expired: u64,
    /// Clients that authenticate again.
    reauths: Reauths,
    /// Whether clients may have more than one turn.
    has_turns: bool,
}

/// Clients of an agent that authenticate again: asks for a token that were begun, those that had one or got none, those that
/// nobody wanted any more, those that are over, and the tokens that the broker took.
#[derive(Clone, Copy, Debug, Default)]
struct Reauths {
    begun: u64,
    sent: u64,
    without_token: u64,
    forsaken: u64,
    over: u64,
    renewed: u64,
}

impl Reauths {
    fn add(self, seen: &Measurements) -> Self {
        let begun = seen[Count::ReauthsBegun];
        // The counts of renewals are those of attempts where clients connect again.
        let is_by_auth = begun > 0 || self.begun > 0;
        let of = |count: Count| if is_by_auth { seen[count] } else { 0 };
        let over = ended(seen, Operation::Reauthenticate);
        let over = over.saturating_add(seen[Count::ReauthsAbandoned]);
        Self {
            begun: self.begun.saturating_add(begun),
            sent: self.sent.saturating_add(of(Count::RenewalsSent)),
            without_token: self.without_token.saturating_add(of(Count::RenewalsWithoutToken)),
            forsaken: self.forsaken.saturating_add(seen[Count::ReauthsForsaken]),
            over: self.over.saturating_add(over),
            renewed: self.renewed.saturating_add(of(Count::Renewed)),
        }
    }

    /// Asks of which it is known what became of them.
    fn answered(self) -> u64 {
        self.sent.saturating_add(self.without_token).saturating_add(self.forsaken)
    }

    fn adds_up(self, is_last: bool) -> bool {
        let with_end = self.sent.saturating_add(self.without_token);
        self.answered() <= self.begun
            && self.over <= with_end
            && self.renewed <= self.sent
            && !(is_last && (self.answered() < self.begun || self.over < with_end))
    }

    /// Counts what was under way as given up.
    fn close(self, seen: &mut Measurements) {
        let unanswered = self.begun - self.answered();
        seen[Count::RenewalsWithoutToken] += unanswered;
        seen[Count::ReauthsAbandoned] = self.sent + self.without_token - self.over + unanswered;
    }
}

impl Account {
    /// Of an agent that was dealt so many clients.
    pub(super) fn new(share: u64, has_turns: bool) -> Self {
        Self { share, has_turns, ..Self::default() }
    }

    /// Clients that it was dealt.
    pub(super) fn share(&self) -> u64 {
        self.share
    }

    /// Attempts that have an outcome.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Whether all that it was dealt is told of. Of later turns that is never known before it says so.
    pub(super) fn is_complete(&self) -> bool {
        self.first_turns == self.share && !self.has_turns
    }

    /// Counts what it had under way as given up, and its clients that were away as away for ever.
    pub(super) fn close(&self, seen: &mut Measurements) {
        seen[Count::Abandoned] = self.under_way();
        seen[Count::LaterAbandoned] = self.under_way() - (self.clients - self.first_turns);
        seen[Count::StillAway] = self.drops - self.returned;
        seen[Count::RenewalsWithoutToken] = self.renewals - self.answered;
        self.reauths.close(seen);
    }

    /// Attempts that were started and have not ended.
    pub(super) fn under_way(&self) -> u64 {
        self.started - self.attempts - self.abandoned
    }

    /// Adds an interval that covers this second of the storm, and is the last one or not.
    ///
    /// # Errors
    /// When it tells of more than the agent can have done: what; nothing of it is added then.
    pub(super) fn add(
        &mut self,
        seen: &Measurements,
        second: u64,
        is_last: bool,
    ) -> Result<(), &'static str> {
        let dropped: u64 = seen.dropped().sum();
        let expired = ended(seen, Operation::Expire);
        let reauths = self.reauths.add(seen);
        let handshakes: u64 = seen.handshakes(None).map(|(_, count)| count).sum();
        let next = Self {
            share: self.share,
            started: self.started.saturating_add(seen[Count::Started]),
            attempts: self.attempts.saturating_add(seen.attempts()),
            abandoned: self.abandoned.saturating_add(seen[Count::Abandoned]),
            clients: self.clients.saturating_add(seen.clients()),
            first_turns: self.first_turns.saturating_add(seen.first_turns()),
            handshakes: self.handshakes.saturating_add(handshakes),
            dropped: self.dropped.saturating_add(dropped),
            renewals: self.renewals.saturating_add(seen[Count::RenewalsBegun]),
            answered: self.answered.saturating_add(if reauths.begun > 0 {
                0
            } else {
                answered(seen)
            }),
            drops: self.drops.saturating_add(seen[Count::Drops]),
            returned: self.returned.saturating_add(seen.ends_of_returns()),
            expired: self.expired.saturating_add(expired),
            reauths,
            has_turns: self.has_turns,
        };
        let ended = next.attempts.saturating_add(next.abandoned);
        if ended > next.started || next.handshakes > next.started {
            return Err("of the end of attempts that it has not started");
        }
        if next.clients > next.share || next.first_turns > next.clients {
            return Err("of more attempts than it has clients");
        }
        if next.started > second.saturating_add(1).saturating_mul(MOST_A_SECOND) {
            return Err("of more attempts than a process starts in that time");
        }
        if is_last && ended < next.started {
            return Err("of fewer ends than it has started attempts");
        }
        // Of some workers it is of a later second than the interval.
        if next.dropped > next.attempts || seen[Count::Open] > next.share {
            return Err("of more sessions than there were");
        }
        let lives = next.attempts.saturating_add(reauths.renewed);
        if next.drops > next.dropped.saturating_add(next.renewals) || next.expired > lives {
            return Err("of more sessions than there were");
        }
        let has_later = next.drops > 0 || next.renewals > 0 || reauths.begun > 0;
        if has_later && !next.has_turns
            || next.returned > next.drops
            || next.answered > next.renewals
            || !reauths.adds_up(is_last)
            || is_last && (next.returned < next.drops || next.answered < next.renewals)
        {
            return Err(
                "of clients that came back or did not, and of renewed tokens, which do not add up",
            );
        }
        // Each that is under way is one of a first turn or of a later one.
        if next.started - ended < next.clients - next.first_turns {
            return Err("of more first turns under way than attempts");
        }
        *self = next;
        Ok(())
    }
}

/// Operations that have an end.
fn ended(seen: &Measurements, operation: Operation) -> u64 {
    let tallies = seen.operation_tallies();
    let own = tallies.iter().filter(|(tally, _)| tally.operation == operation);
    own.map(|(_, count)| *count).fold(0, u64::saturating_add)
}

/// Attempts to renew a token of which it is known what became of the ask for one.
fn answered(seen: &Measurements) -> u64 {
    use Count::{RenewalsConverted, RenewalsForsaken, RenewalsSent, RenewalsWithoutToken};
    let counts = [RenewalsConverted, RenewalsForsaken, RenewalsSent, RenewalsWithoutToken];
    counts.into_iter().map(|count| seen[count]).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
