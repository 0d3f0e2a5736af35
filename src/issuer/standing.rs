//! Since when and until when the keys of an issuer can be known, and when its key set was away.

use std::sync::atomic::{AtomicI64, Ordering};

/// Never, or not yet.
const NEVER: i64 = i64::MAX;
/// From the start.
const ALWAYS: i64 = i64::MIN;

/// The times of all keys, in nanoseconds of the run's clock. Written by events, read by every verdict, without a lock.
#[derive(Debug)]
pub struct KeyTimes {
    keys: Vec<Times>,
    /// Since when the key set is there to be read.
    opened: i64,
    away_since: AtomicI64,
    away_until: AtomicI64,
    /// When all tokens issued so far were revoked.
    revoked: AtomicI64,
}

#[derive(Debug)]
struct Times {
    published: AtomicI64,
    removed: AtomicI64,
}

/// Who reads a key set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reader {
    /// A broker that the run started: its clients wait until it has read the set for the first time.
    Embedded,
    /// Any other broker. It was there before the set was, and reads it when it likes.
    External,
}

/// What can be known of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// When it entered the key set; `i64::MAX` for not yet, `i64::MIN` where it was in it from the start.
    pub published: i64,
    /// Since when the set can have been read by this broker at all; `i64::MIN` where the broker is known to have read it.
    pub readable: i64,
    /// When it left; `i64::MAX` for not yet.
    pub removed: i64,
    /// When the key set was last away, and until when; nothing where it never was.
    pub away: Option<(i64, i64)>,
    /// When all tokens issued so far were revoked, which a broker that asks the issuer knows; `i64::MAX` for never.
    pub revoked: i64,
}

impl KeyTimes {
    /// So many keys, of which these are published from the start, in a set that is there to be read since `opened`.
    pub fn new(keys: usize, published: &[usize], opened: u64) -> Self {
        let times = |key| Times {
            published: AtomicI64::new(if published.contains(&key) { ALWAYS } else { NEVER }),
            removed: AtomicI64::new(NEVER),
        };
        Self {
            keys: (0..keys).map(times).collect(),
            opened: opened as i64,
            away_since: AtomicI64::new(NEVER),
            away_until: AtomicI64::new(NEVER),
            revoked: AtomicI64::new(NEVER),
        }
    }

    /// A key enters the key set.
    pub fn published(&self, key: usize, at: u64) {
        let times = &self.keys[key];
        let was_removed = times.removed.swap(NEVER, Ordering::AcqRel) != NEVER;
        if was_removed || times.published.load(Ordering::Acquire) == NEVER {
            times.published.store(at as i64, Ordering::Release);
        }
    }

    /// A key leaves the key set.
    pub fn removed(&self, key: usize, at: u64) {
        self.keys[key].removed.store(at as i64, Ordering::Release);
    }

    /// All tokens issued so far are revoked.
    pub fn revoked(&self, at: u64) {
        self.revoked.store(at as i64, Ordering::Release);
    }

    /// The key set is away.
    pub fn away(&self, at: u64) {
        self.away_until.store(NEVER, Ordering::Release);
        self.away_since.store(at as i64, Ordering::Release);
    }

    /// It is back.
    pub fn back(&self, at: u64) {
        if self.away_since.load(Ordering::Acquire) != NEVER
            && self.away_until.load(Ordering::Acquire) == NEVER
        {
            self.away_until.store(at as i64, Ordering::Release);
        }
    }

    /// What a broker can know of a key now.
    pub fn of(&self, key: usize, reader: Reader) -> Standing {
        let readable = match reader {
            Reader::Embedded => ALWAYS,
            Reader::External => self.opened,
        };
        let since = self.away_since.load(Ordering::Acquire);
        let away = (since != NEVER).then(|| (since, self.away_until.load(Ordering::Acquire)));
        let Some(times) = self.keys.get(key) else {
            return Standing { published: NEVER, readable, removed: NEVER, away, revoked: NEVER };
        };
        Standing {
            published: times.published.load(Ordering::Acquire),
            readable,
            removed: times.removed.load(Ordering::Acquire),
            away,
            revoked: self.revoked.load(Ordering::Acquire),
        }
    }
}
