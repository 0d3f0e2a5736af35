//! When sessions are due. Those of the next moments stand in a heap, which stays small; the others lie in spans of time, and
//! are put into it when theirs begins. So what a hundred thousand clients wait for is paid for once, however far off it is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::Key;

/// Nanoseconds of a span.
const SPAN: u64 = 1 << 27;

/// Alarms, and for which connections they ring.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// Those of spans that have begun.
    near: BinaryHeap<Reverse<(u64, Key)>>,
    /// Those of the others, by the number of their span.
    far: BTreeMap<u64, Vec<Reverse<(u64, Key)>>>,
    /// Number of the first span that has not begun.
    next: u64,
}

impl Alarms {
    /// Has one ring at an instant.
    pub(super) fn set(&mut self, at: u64, key: Key) {
        let span = at / SPAN;
        if span < self.next {
            self.near.push(Reverse((at, key)));
        } else {
            self.far.entry(span).or_default().push(Reverse((at, key)));
        }
    }

    /// When they are to be looked at again.
    pub(super) fn due(&self) -> Option<u64> {
        // Spans that have not begun are behind all that have.
        let begins = || self.far.first_key_value().map(|(span, _)| span * SPAN);
        self.near.peek().map(|Reverse((at, _))| *at).or_else(begins)
    }

    /// Takes the first that rings by `now`.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(u64, Key)> {
        while self.next <= now / SPAN {
            let begun = self.far.first_entry().filter(|first| *first.key() <= now / SPAN);
            let Some(begun) = begun else {
                self.next = now / SPAN + 1;
                break;
            };
            self.next = begun.key() + 1;
            self.near.append(&mut begun.remove().into());
        }
        let Reverse((at, _)) = self.near.peek()?;
        if *at > now {
            return None;
        }
        self.near.pop().map(|Reverse(alarm)| alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(alarms: &mut Alarms, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| alarms.take_due(now)).map(|(at, _)| at).collect()
    }

    #[test]
    fn alarms_ring_in_their_order_and_not_before_they_are_due() {
        let mut alarms = Alarms::default();
        assert_eq!((alarms.due(), alarms.take_due(5)), (None, None));
        let mut at: Vec<u64> = (0..200).map(|n| n * n % 97 * SPAN / 7).collect();
        for at in &at {
            alarms.set(*at, Key::BELL);
        }
        at.sort_unstable();
        let now = at[120];
        let (rung, left): (Vec<u64>, Vec<u64>) = at.iter().partition(|at| **at <= now);
        assert_eq!(taken(&mut alarms, now), rung);
        assert!(alarms.due().unwrap() <= left[0], "looked at in time");
        // What is set late, or for a span that has begun, rings in its turn.
        for at in [3, now + 1] {
            alarms.set(at, Key::BELL);
        }
        assert_eq!((taken(&mut alarms, now), alarms.due()), (vec![3], Some(now + 1)));
        let mut rest = taken(&mut alarms, u64::MAX);
        assert_eq!(rest.remove(0), now + 1);
        assert_eq!((rest, alarms.due()), (left, None));
    }
}
