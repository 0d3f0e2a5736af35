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

    /// Takes a part.
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
mod tests {
    use super::*;
    use crate::campaign::fleet::outbox::parts;

    fn part(number: u64, at: usize, parts: usize) -> Part {
        Part { index: 0, number, at, parts }
    }

    #[test]
    fn an_interval_is_whole_when_all_of_its_parts_are_there_in_whatever_order() {
        let bytes: Vec<u8> = (0..250_u8).collect();
        for order in [[0, 1, 2], [2, 0, 1], [1, 1, 1]] {
            let sent = parts(&bytes, 3, 0, 100);
            assert_eq!(sent.len(), 3);
            let (mut inbox, mut last) = (Inbox::of(1), Came::Part);
            for part in order {
                let (head, rest): (Part, &[u8]) = postcard::take_from_bytes(&sent[part]).unwrap();
                assert_eq!((head.index, head.number), (3, 0));
                last = inbox.take(head, rest);
            }
            let is_complete = order != [1, 1, 1];
            assert_eq!(last == Came::Whole, is_complete, "{order:?}");
            assert_eq!(inbox.next().as_deref(), is_complete.then_some(&bytes[..]), "{order:?}");
            assert_eq!(inbox.bytes, if is_complete { 0 } else { 100 });
        }
        assert_eq!(Inbox::of(1).take(part(0, 2, 2), &[]), Came::Part);
    }

    #[test]
    fn intervals_come_out_in_their_order_and_those_behind_a_gap_when_all_is_over() {
        let mut inbox = Inbox::of(1);
        for number in [1, 0, 3, 1] {
            inbox.take(part(number, 0, 1), &[number as u8]);
        }
        assert_eq!([inbox.next(), inbox.next()], [Some(vec![0]), Some(vec![1])]);
        assert_eq!(inbox.next(), None);
        assert_eq!(inbox.take(part(1, 0, 1), &[1]), Came::Known);
        assert_eq!((inbox.rest(), inbox.bytes), (vec![vec![3]], 0));
    }

    #[test]
    fn whatever_is_sent_takes_bounded_memory_and_leaves_room_for_the_next_interval() {
        let blob = vec![7; LARGEST];
        for agents in [1, 100, 10_000] {
            let mut inbox = Inbox::of(agents);
            let most = inbox.most;
            assert!(most >= LEAST_OF_ONE && (agents == 10_000 || most * agents <= MOST_OF_ALL));
            for number in 1..64 {
                for at in 0..8 {
                    inbox.take(part(number, at, 1024), &blob);
                    inbox.take(part(number, at, MOST_PARTS), &blob);
                }
            }
            assert!(inbox.bytes <= most && inbox.bytes > most - LARGEST - 1, "{}", inbox.bytes);
            for at in 0..MOST_PARTS - 1 {
                inbox.take(part(0, at, MOST_PARTS), &blob);
            }
            assert!(inbox.bytes <= 2 * most, "{}", inbox.bytes);
            // Parts of another length take the place of those before.
            assert_eq!(inbox.take(part(0, 0, 1), &[1]), Came::Whole);
            assert_eq!(inbox.next(), Some(vec![1]));
            assert_eq!(inbox.take(part(MOST_EARLY + 2, 0, 1), &[]), Came::Part, "too early");
        }
    }
}
