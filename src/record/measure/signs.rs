//! Signs that a broker is there, or is not: what it takes to decide whether it has gone away, condensed to slots of 10 ms.
//!
//! Instants count from the start of the storm. Of each slot the first and the last instant of each sign are kept, so that
//! merging is exact, and what two recorders have seen can be told apart to 10 ms.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize, Serializer};

use crate::base::clock::SECOND;

/// Length of a slot, in nanoseconds.
pub const LENGTH: u64 = SECOND / 100;
/// Slots that a recorder has room for from the beginning: those of a second.
const ROOM: usize = 128;

/// An address of a broker.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Site {
    /// Index of the broker.
    pub broker: u16,
    /// One of its addresses.
    pub address: SocketAddr,
}

/// From the first to the last of some instants.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Span {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Span {
    fn at(at: u64) -> Self {
        Self { first: at, last: at }
    }

    fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// What was seen of an address in a slot.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Slot {
    /// Its number; 0 begins with the storm.
    pub number: u64,
    /// Connects that were taken, and packets that came.
    pub life: Option<Span>,
    /// Connects that were refused.
    pub refused: Option<Span>,
    /// Of the connects that a CONNACK answered in it, the one that began last: when that was, and when the CONNACK came.
    pub answered: Option<(u64, u64)>,
    /// Ends of witnesses that were not ours.
    pub ends: Option<Span>,
    /// How many.
    pub ended: u32,
    /// The last DISCONNECT by which the broker said that it shuts down.
    pub shut: Option<u64>,
    /// The last connection that the broker ended by FIN or RST, of an attempt or a session.
    pub cut: Option<u64>,
    /// When the last worker had no attempt and no session left.
    pub over: Option<u64>,
    /// Of the witnesses that left in it because their time was up: when the one that had been open for longest was accepted.
    pub left: Option<u64>,
}

impl Slot {
    /// Adds what another recorder has seen in it.
    pub fn join(&mut self, other: &Self) {
        let spans = [
            (&mut self.life, other.life),
            (&mut self.refused, other.refused),
            (&mut self.ends, other.ends),
        ];
        for (mine, theirs) in spans {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.join(theirs),
                (None, theirs) => *mine = theirs,
                _ => {}
            }
        }
        self.answered = self.answered.max(other.answered);
        // Whoever sends it may claim any number.
        self.ended = self.ended.saturating_add(other.ended);
        self.shut = self.shut.max(other.shut);
        self.cut = self.cut.max(other.cut);
        self.over = self.over.max(other.over);
        self.left = self.left.into_iter().chain(other.left).min();
    }
}

/// The witnesses of a recorder, when they were looked at.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Held {
    /// When.
    pub at: u64,
    /// When the one that has been open for longest was accepted.
    pub oldest: u64,
}

/// What was seen of an address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Signs {
    /// Which.
    pub site: Site,
    /// In their order.
    slots: Vec<Slot>,
    /// Of recorders that had witnesses.
    held: Vec<Held>,
}

impl Signs {
    /// Nothing so far.
    pub fn new(site: Site) -> Self {
        Self { site, slots: Vec::with_capacity(ROOM), held: Vec::new() }
    }

    /// What was seen, slot by slot.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The witnesses that were open.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.held.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.held.clear();
    }

    /// The slot with a number; it is the last one, or a new one after it, nearly always.
    fn slot(&mut self, number: u64) -> &mut Slot {
        let empty = Slot { number, ..Slot::default() };
        let place = match self.slots.last().map(|last| last.number) {
            Some(last) if last == number => self.slots.len() - 1,
            Some(last) if last > number => {
                match self.slots.binary_search_by_key(&number, |slot| slot.number) {
                    Ok(place) => place,
                    Err(place) => {
                        self.slots.insert(place, empty);
                        place
                    }
                }
            }
            _ => {
                self.slots.push(empty);
                self.slots.len() - 1
            }
        };
        &mut self.slots[place]
    }

    /// Notes a connect that was taken, or a packet that came.
    pub fn alive(&mut self, at: u64) {
        let life = &mut self.slot(at / LENGTH).life;
        match life {
            Some(span) => span.join(Span::at(at)),
            none => *none = Some(Span::at(at)),
        }
    }

    /// Notes a connect that was refused.
    pub fn refused(&mut self, at: u64) {
        let refused = &mut self.slot(at / LENGTH).refused;
        match refused {
            Some(span) => span.join(Span::at(at)),
            none => *none = Some(Span::at(at)),
        }
    }

    /// Notes a CONNACK on a connect that began at `begun`.
    pub fn answered(&mut self, begun: u64, at: u64) {
        let answered = &mut self.slot(at / LENGTH).answered;
        *answered = (*answered).max(Some((begun, at)));
    }

    /// Notes that the broker ended a witness.
    pub fn ended(&mut self, at: u64) {
        let slot = self.slot(at / LENGTH);
        slot.ended += 1;
        match &mut slot.ends {
            Some(span) => span.join(Span::at(at)),
            none => *none = Some(Span::at(at)),
        }
    }

    /// Notes that the broker said that it shuts down.
    pub fn shuts_down(&mut self, at: u64) {
        let shut = &mut self.slot(at / LENGTH).shut;
        *shut = (*shut).max(Some(at));
    }

    /// Notes that the broker ended a connection by FIN or RST.
    pub fn cut(&mut self, at: u64) {
        let cut = &mut self.slot(at / LENGTH).cut;
        *cut = (*cut).max(Some(at));
    }

    /// Notes that a worker has no attempt and no session left.
    pub fn over(&mut self, at: u64) {
        let over = &mut self.slot(at / LENGTH).over;
        *over = (*over).max(Some(at));
    }

    /// Notes that a witness that was accepted at `accepted` has left, as it was to.
    pub fn left(&mut self, at: u64, accepted: u64) {
        let left = &mut self.slot(at / LENGTH).left;
        *left = left.iter().copied().chain([accepted]).min();
    }

    /// Notes when the witness that has been open for longest was accepted.
    pub fn holds(&mut self, at: u64, oldest: u64) {
        self.held.push(Held { at, oldest });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for slot in &other.slots {
            self.slot(slot.number).join(slot);
        }
        self.held.extend_from_slice(&other.held);
        self.held.sort_unstable_by_key(|held| (held.at, held.oldest));
    }

    /// Whether its instants lie no later than this, in the order in which they have to be.
    pub(super) fn is_sound(&self, brokers: usize) -> bool {
        let is_in_order = self.slots.windows(2).all(|pair| pair[0].number < pair[1].number);
        usize::from(self.site.broker) < brokers
            && is_in_order
            && self.slots.iter().all(|slot| {
                let lies = |at: u64| at / LENGTH == slot.number;
                let spans = [slot.life, slot.refused, slot.ends];
                spans
                    .into_iter()
                    .flatten()
                    .all(|span| span.first <= span.last && lies(span.first) && lies(span.last))
                    && slot.answered.is_none_or(|(begun, at)| begun <= at && lies(at))
                    && [slot.shut, slot.cut, slot.over].into_iter().flatten().all(lies)
                    && slot.left.is_none_or(|accepted| accepted / LENGTH <= slot.number)
            })
            && self.held.iter().all(|held| held.oldest <= held.at)
    }

    /// Whether nothing of it is later than this.
    pub(super) fn ends_by(&self, to: u64) -> bool {
        self.slots.last().is_none_or(|slot| slot.number <= to / LENGTH)
            && self.held.iter().all(|held| held.at <= to)
    }
}

/// Writes those in which something was seen.
pub(super) fn only_seen<S: Serializer>(all: &[Signs], to: S) -> Result<S::Ok, S::Error> {
    let seen: Vec<&Signs> = all.iter().filter(|signs| !signs.is_empty()).collect();
    seen.serialize(to)
}

#[cfg(test)]
mod tests;
