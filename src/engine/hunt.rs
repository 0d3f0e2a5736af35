//! Which cell of a matrix ended the broker: what was on the way when it went away is sent once more, one at a time.

use std::{
    collections::{BTreeSet, VecDeque},
    net::TcpStream,
    thread,
    time::Duration,
};

use super::{
    collector::after::Death,
    volleys::{Volley, Volleys},
};
use crate::{
    base::{
        clock::SECOND,
        error::{Error, Result},
    },
    client::{attempt::Outcome, verdict::Verdict},
    plan::cells::{CELLS_A_SECOND, Cells, WITNESSES},
    record::measure::Measurements,
    token::Kind,
};

/// Cells that are sent alone, of those that were on the way.
const MOST_ALONE: usize = 32;
/// Deaths by one cell alone, after which the matrix ends.
const MOST_DEATHS: usize = 3;
/// How often cells are sent again together: each time without those that were on the way.
const MOST_ROUNDS: usize = 4;
/// How often only good clients are sent, to see that it is back.
const MOST_GREETINGS: usize = 16;
/// How long a broker may be away.
const AWAY: u64 = 30 * SECOND;
/// Attempts a second where one cell is sent alone, after the witnesses.
const ALONE: f64 = 20.0;
/// How often is asked whether the broker is back, and how long an answer may take.
const GLANCE: Duration = Duration::from_millis(100);

/// Looks for the cells that end the broker, where it went away.
///
/// # Errors
/// When the user ends it, or nothing can be sent any more.
pub(super) fn hunt(volleys: &mut Volleys<'_>) -> Result<()> {
    let Some(cells) = volleys.plan().cells.clone() else { return Ok(()) };
    let mut hunt = Hunt {
        volleys,
        cells,
        known: 0,
        suspects: VecDeque::new(),
        seen: BTreeSet::new(),
        has_returned: true,
    };
    hunt.settle()?;
    hunt.take(None);
    if hunt.known == 0 {
        return Ok(());
    }
    hunt.go_on()
}

struct Hunt<'h, 'a> {
    volleys: &'h mut Volleys<'a>,
    cells: Cells,
    /// Absences that are known.
    known: usize,
    /// Kinds that were on the way, the likeliest first.
    suspects: VecDeque<usize>,
    /// All that ever were.
    seen: BTreeSet<usize>,
    /// No broker has been away for too long.
    has_returned: bool,
}

impl Hunt<'_, '_> {
    fn go_on(&mut self) -> Result<()> {
        let (mut greetings, mut rounds, mut alone, mut deaths) = (0, 0, 0, 0);
        while deaths < MOST_DEATHS && self.has_returned {
            // Until it has answered somebody it is not known to be back, and can't be seen to go again.
            let gone = self.volleys.collector().gone();
            if greetings < MOST_GREETINGS && gone.iter().any(|gone| gone.back.is_none()) {
                greetings += 1;
                self.send(&[], ALONE)?;
                self.take(None);
                continue;
            }
            let left = self.unanswered();
            if !left.is_empty() && rounds < MOST_ROUNDS {
                rounds += 1;
                self.send(&left, CELLS_A_SECOND)?;
                self.take(None);
            } else if alone < MOST_ALONE
                && let Some(kind) = self.suspects.pop_front()
            {
                alone += 1;
                self.send(&[kind], ALONE)?;
                deaths += usize::from(self.take(Some(kind)));
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Takes note of brokers that have gone since; `alone` is the kind that was sent alone.
    fn take(&mut self, alone: Option<usize>) -> bool {
        let gone = self.volleys.collector().gone();
        let new: Vec<Vec<usize>> = gone[self.known..]
            .iter()
            .map(|gone| gone.on_the_way.iter().map(|attempt| attempt.kind).collect())
            .collect();
        for (number, on_the_way) in new.iter().enumerate() {
            // Of several that went at once, the first is what it died of.
            let kind = alone.filter(|kind| number == 0 && may_have_ended(*kind, on_the_way));
            self.volleys.notes(Death { absence: self.known + number, kind });
            for kind in on_the_way {
                if self.cells.is_cell(*kind) && alone.is_none() && self.seen.insert(*kind) {
                    self.suspects.push_back(*kind);
                }
            }
        }
        self.known += new.len();
        !new.is_empty()
    }

    /// Cells that nothing has answered, without those that were on the way.
    fn unanswered(&self) -> Vec<usize> {
        let all = self.volleys.collector().all();
        let mut kinds: Vec<usize> = Vec::new();
        for kind in &self.cells.round {
            if !self.seen.contains(kind) && !kinds.contains(kind) && is_unanswered(all, *kind) {
                kinds.push(*kind);
            }
        }
        kinds
    }

    /// Waits until it is known what became of the broker; where it is away, first until it is back, since that is when it is
    /// back.
    fn settle(&mut self) -> Result<()> {
        if !self.volleys.is_quiet() {
            let was_away = self.wait_until_back()?;
            if was_away && self.has_returned {
                self.fire(&[], ALONE)?;
            }
        }
        self.volleys.settle()
    }

    /// Waits until all brokers take connects again, for a time; whether one of them did not.
    fn wait_until_back(&mut self) -> Result<bool> {
        let clock = self.volleys.collector().clock();
        let begun = clock.now();
        let mut was_away = false;
        for address in self.volleys.addresses() {
            self.volleys.asked();
            while TcpStream::connect_timeout(&address, GLANCE).is_err() {
                was_away = true;
                if clock.now() >= begun + AWAY {
                    self.has_returned = false;
                    return Ok(was_away);
                }
                if self.volleys.is_stopped() {
                    return Err(Error::interrupted("interrupted after the storm"));
                }
                thread::sleep(GLANCE);
                self.volleys.asked();
            }
        }
        Ok(was_away)
    }

    /// Sends these cells, once each, with witnesses of their own, and waits until it is known what became of the broker.
    fn send(&mut self, kinds: &[usize], rate: f64) -> Result<()> {
        self.fire(kinds, rate)?;
        self.settle()
    }

    fn fire(&mut self, kinds: &[usize], rate: f64) -> Result<()> {
        let all = &self.volleys.plan().mould.kinds;
        let numbers: Vec<usize> =
            self.cells.witness.into_iter().chain(kinds.iter().copied()).collect();
        let sent: Vec<Kind> = numbers.iter().map(|kind| all[*kind].clone()).collect();
        let has_witness = self.cells.witness.is_some();
        let first = usize::from(has_witness);
        let mut round = if has_witness { vec![0; WITNESSES as usize] } else { Vec::new() };
        round.extend(first..sent.len());
        let volley = Volley {
            kinds: sent,
            counted_as: numbers,
            round,
            rate,
            shares_token: false,
            is_asking: false,
            witness: has_witness.then_some(0),
        };
        if volley.round.is_empty() {
            return Ok(());
        }
        self.volleys.fire(volley, |_| false).map(drop)
    }
}

/// Whether a broker may have gone of the cell that was sent alone: not where something else was on the way and it was not, such
/// as a good client that came before it.
fn may_have_ended(alone: usize, on_the_way: &[usize]) -> bool {
    on_the_way.is_empty() || on_the_way.contains(&alone)
}

/// Whether no attempt of a kind was answered, or closed by a broker that was there.
fn is_unanswered(all: &Measurements, kind: usize) -> bool {
    let tallies = all.tallies();
    let mut own = tallies.iter().filter(|(tally, _)| tally.kind == kind);
    own.all(|(tally, _)| {
        let is_lost = matches!(
            tally.outcome,
            Outcome::Closed(_) | Outcome::TcpFailed(_) | Outcome::Timeout(_)
        );
        is_lost && tally.verdict == Verdict::NotJudged
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_not_named_where_the_broker_went_away_at_a_good_client_before_it() {
        let (witness, cell, other) = (0, 7, 9);
        assert!(may_have_ended(cell, &[cell]));
        assert!(may_have_ended(cell, &[witness, cell]));
        assert!(may_have_ended(cell, &[]), "it answered, and went away a moment later");
        assert!(!may_have_ended(cell, &[witness]));
        assert!(!may_have_ended(cell, &[other]));
    }
}
