//! Intervals on their way to the coordinator: kept until it has acknowledged them, sent again where it has not.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::message::{Part, Told};
use crate::{
    bus::Bus,
    clock::{Clock, nanoseconds},
};

/// Bytes of a part that are not its head.
const HEAD: usize = 64;
/// The largest part: several fit between two beats on a slow line.
const LARGEST: usize = 512 * 1024;
/// How long an acknowledgement may take before the interval is sent again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The intervals of one run.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    bus: Arc<Bus>,
    subject: Arc<str>,
    index: usize,
    clock: Clock,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the next one.
    next: u64,
    /// Those that are not acknowledged: number, when sent, parts.
    unheard: VecDeque<(u64, u64, Vec<Vec<u8>>)>,
}

impl Outbox {
    pub(super) fn new(bus: &Arc<Bus>, subject: &str, index: usize, clock: Clock) -> Self {
        Self {
            bus: Arc::clone(bus),
            subject: subject.into(),
            index,
            clock,
            waiting: Arc::default(),
        }
    }

    /// Sends an interval.
    pub(super) fn send(&self, told: &Told) {
        let Ok(bytes) = postcard::to_stdvec(told) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        let size = self.bus.most_bytes().saturating_sub(HEAD).clamp(1024, LARGEST);
        let parts: Vec<Vec<u8>> = parts(&bytes, self.index, number, size);
        for part in &parts {
            let _ = self.bus.publish(&self.subject, part.clone());
        }
        waiting.unheard.push_back((number, self.clock.now(), parts));
    }

    /// The coordinator has an interval.
    pub(super) fn heard(&self, number: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.unheard.retain(|(unheard, ..)| *unheard != number);
    }

    /// Sends again what was not acknowledged for too long.
    pub(super) fn repeat(&self) {
        let now = self.clock.now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, sent, parts) in &mut waiting.unheard {
            if now.saturating_sub(*sent) > nanoseconds(PATIENCE) {
                *sent = now;
                for part in parts.iter() {
                    let _ = self.bus.publish(&self.subject, part.clone());
                }
            }
        }
    }

    /// Whether all that was sent is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).unheard.is_empty()
    }
}

/// An interval in messages of so many bytes.
fn parts(bytes: &[u8], index: usize, number: u64, size: usize) -> Vec<Vec<u8>> {
    let chunks = bytes.chunks(size);
    let parts = chunks.len();
    let message = |(part, chunk): (usize, &[u8])| {
        let head =
            postcard::to_stdvec(&Part { index, number, at: part, parts }).unwrap_or_default();
        [&head, chunk].concat()
    };
    chunks.enumerate().map(message).collect()
}

/// Parts that came, until they are whole.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// By the interval's number: its parts that are there.
    begun: std::collections::BTreeMap<u64, Vec<Option<Vec<u8>>>>,
}

impl Inbox {
    /// Parts of an interval at most: 512 MB.
    const MOST: usize = 1024;
    /// Intervals of which a part is there at most.
    const BEGUN: usize = 64;

    /// Takes a part; returns the interval when it is whole.
    pub(super) fn take(&mut self, head: Part, bytes: &[u8]) -> Option<Vec<u8>> {
        let is_bounded = (1..=Self::MOST).contains(&head.parts) && bytes.len() <= LARGEST;
        let has_room = self.begun.contains_key(&head.number) || self.begun.len() < Self::BEGUN;
        if !is_bounded || !has_room || head.at >= head.parts {
            return None;
        }
        let parts = self.begun.entry(head.number).or_insert_with(|| vec![None; head.parts]);
        *parts.get_mut(head.at)? = Some(bytes.to_vec());
        if parts.iter().any(Option::is_none) {
            return None;
        }
        let parts = self.begun.remove(&head.number)?;
        Some(parts.into_iter().flatten().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_whole_when_all_of_its_parts_are_there_in_whatever_order() {
        let bytes: Vec<u8> = (0..250_u8).collect();
        let sent = parts(&bytes, 3, 7, 100);
        assert_eq!(sent.len(), 3);
        let mut inbox = Inbox::default();
        for order in [[0, 1, 2], [2, 0, 1], [1, 1, 1]] {
            let mut whole = None;
            for part in order {
                let (head, rest): (Part, &[u8]) = postcard::take_from_bytes(&sent[part]).unwrap();
                assert_eq!((head.index, head.number), (3, 7));
                whole = inbox.take(head, rest);
            }
            let is_complete = order != [1, 1, 1];
            assert_eq!(whole.as_deref(), is_complete.then_some(&bytes[..]), "{order:?}");
        }
        let wrong = Part { index: 0, number: 0, at: 2, parts: 2 };
        assert_eq!(inbox.take(wrong, &[]), None);
    }
}
