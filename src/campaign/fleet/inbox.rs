//! Intervals that come from an agent: whole, in their order, and in bounded memory whatever is sent.

use std::collections::BTreeMap;

use super::{message::Part, outbox::LARGEST};

/// Parts of an interval at most: 64 MB. A second of a hundred kinds of token at ten brokers takes a tenth of that.
const MOST_PARTS: usize = 128;
/// Bytes that the inboxes of all agents hold of intervals that wait for one before them, and as much of those that come
/// next. What finds no room is sent again.
const MOST_OF_ALL: usize = 1 << 30;
/// What each of ever so many agents may have of that: more than the second of one takes.
const LEAST_OF_ONE: usize = 1 << 20;
/// Intervals that may come before one that is missing: minutes of them.
const MOST_EARLY: u64 = 1024;

/// What a part that came was.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Came {
    /// Of an interval that is there: to be acknowledged once more.
    Known,
    /// The last one of its interval.
    Whole,
    /// One of several, or nothing that has a place.
    Part,
}

/// The intervals of one agent that are not dealt with yet.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Bytes that may wait in it, and those of an interval.
    most: usize,
    /// The number of the interval that comes next.
    next: u64,
    /// By the interval's number: its parts that are there.
    begun: BTreeMap<u64, Vec<Option<Vec<u8>>>>,
    /// Intervals that are whole.
    whole: BTreeMap<u64, Vec<u8>>,
    /// Bytes of both.
    bytes: usize,
}

impl Inbox {
    /// An empty one, of so many.
    pub(super) fn of(agents: usize) -> Self {
        let most = MOST_OF_ALL / agents.max(1);
        Self {
            most: most.clamp(LEAST_OF_ONE, MOST_PARTS * LARGEST),
            next: 0,
            begun: BTreeMap::new(),
            whole: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn take(&mut self, head: Part, bytes: &[u8]) -> Came {
        let Part { number, at, parts, .. } = head;
        if number < self.next || self.whole.contains_key(&number) {
            return Came::Known;
        }
        if !(1..=MOST_PARTS).contains(&parts) || at >= parts || bytes.len() > LARGEST {
            return Came::Part;
        }
        if self.begun.get(&number).is_some_and(|begun| begun.len() != parts) {
            let before = self.begun.remove(&number).unwrap_or_default();
            self.bytes -= length(&before);
        }
        // The one that all others wait for must find room beside them, or nothing would ever be freed.
        let held = match self.begun.get(&number) {
            Some(begun) if number == self.next => length(begun),
            None if number == self.next => 0,
            _ => self.bytes,
        };
        if held + bytes.len() > self.most || number - self.next > MOST_EARLY {
            return Came::Part;
        }
        let begun = self.begun.entry(number).or_insert_with(|| vec![None; parts]);
        let before = begun[at].replace(bytes.to_vec());
        self.bytes = self.bytes + bytes.len() - before.map_or(0, |before| before.len());
        if begun.iter().any(Option::is_none) {
            return Came::Part;
        }
        let parts = self.begun.remove(&number).unwrap_or_default();
        self.whole.insert(number, parts.into_iter().flatten().flatten().collect());
        Came::Whole
    }

    /// The interval that comes next, where it is there.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let whole = self.whole.remove(&self.next)?;
        self.next += 1;
        self.bytes -= whole.len();
        Some(whole)
    }

    /// All intervals that are there, in their order, also where some before them are missing; it is empty then.
    pub(super) fn rest(&mut self) -> Vec<Vec<u8>> {
        self.begun.clear();
        self.bytes = 0;
        std::mem::take(&mut self.whole).into_values().collect()
    }
}

/// Bytes of the parts that are there.
fn length(parts: &[Option<Vec<u8>>]) -> usize {
    parts.iter().flatten().map(Vec::len).sum()
}

#[cfg(test)]
mod tests;
