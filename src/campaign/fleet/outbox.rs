//! Intervals on their way to the coordinator: kept until it has acknowledged them, sent again where it has not.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::message::{Part, Told};
use crate::base::{
    bus::Bus,
    clock::{Clock, nanoseconds},
};

/// Bytes of a part that are not its head.
const HEAD: usize = 64;
/// The largest part: several fit between two beats on a slow line.
pub(super) const LARGEST: usize = 512 * 1024;
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

    pub(super) fn send(&self, told: &Told) {
        let Ok(bytes) = postcard::to_stdvec(told) else { return };
        let mut waiting = self.waiting.lock();
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
        let mut waiting = self.waiting.lock();
        waiting.unheard.retain(|(unheard, ..)| *unheard != number);
    }

    /// Sends again what was not acknowledged for too long.
    pub(super) fn repeat(&self) {
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
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
        self.waiting.lock().unheard.is_empty()
    }
}

/// An interval in messages of so many bytes.
pub(super) fn parts(bytes: &[u8], index: usize, number: u64, size: usize) -> Vec<Vec<u8>> {
    let chunks = bytes.chunks(size);
    let parts = chunks.len();
    let message = |(part, chunk): (usize, &[u8])| {
        let head =
            postcard::to_stdvec(&Part { index, number, at: part, parts }).unwrap_or_default();
        [&head, chunk].concat()
    };
    chunks.enumerate().map(message).collect()
}
