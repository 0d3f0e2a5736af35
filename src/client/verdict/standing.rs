//! Since when and until when the keys of an issuer can be known, and when its key set was away.

use std::sync::atomic::{AtomicI64, Ordering};

/// Never, or not yet.
const NEVER: i64 = i64::MAX;
/// From the start.
const ALWAYS: i64 = i64::MIN;
/// At some time that nobody knows, before it was first seen.
const UNKNOWN: i64 = i64::MIN + 1;

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
    /// Since when it can have been read, where that is later than the set itself.
    readable: AtomicI64,
    /// From when on it may have left; when that is known exactly, when it left.
    fading: AtomicI64,
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
    /// From when on it may have left the set; `i64::MAX` for not yet. That is when it left, but in a set that is watched from
    /// outside.
    pub fading: i64,
    /// When it was gone; `i64::MAX` for not yet.
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
            readable: AtomicI64::new(ALWAYS),
            fading: AtomicI64::new(NEVER),
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

    /// So many keys at most of a set that others keep, and that was there before.
    pub fn watched(keys: usize) -> Self {
        Self { opened: ALWAYS, ..Self::new(keys, &[], 0) }
    }

    /// A key of a watched set was in it when that was first seen.
    pub fn was_there(&self, key: usize) {
        self.keys[key].published.store(ALWAYS, Ordering::Release);
    }

    /// A key of a watched set has signed, and was not seen in the set yet.
    pub fn is_coming(&self, key: usize) {
        // In this order: whoever finds it published finds when.
        self.keys[key].readable.store(NEVER, Ordering::Release);
        self.keys[key].published.store(UNKNOWN, Ordering::Release);
    }

    /// A key of a watched set was first seen in it, or is back. When it entered is not known, but that it was there then.
    pub fn appeared(&self, key: usize, at: u64) {
        self.keys[key].readable.store(at as i64, Ordering::Release);
        self.keys[key].published.store(UNKNOWN, Ordering::Release);
        self.keys[key].fading.store(NEVER, Ordering::Release);
        self.keys[key].removed.store(NEVER, Ordering::Release);
    }

    /// A key of a watched set was seen in it last at the first of these instants, and missed at the second.
    pub fn withdrawn(&self, key: usize, (seen, missed): (u64, u64)) {
        self.keys[key].fading.store(seen as i64, Ordering::Release);
        self.keys[key].removed.store(missed as i64, Ordering::Release);
    }

    /// A key enters the key set.
    pub fn published(&self, key: usize, at: u64) {
        let times = &self.keys[key];
        let was_removed = times.removed.swap(NEVER, Ordering::AcqRel) != NEVER;
        times.fading.store(NEVER, Ordering::Release);
        if was_removed || times.published.load(Ordering::Acquire) == NEVER {
            times.published.store(at as i64, Ordering::Release);
        }
    }

    /// A key leaves the key set.
    pub fn removed(&self, key: usize, at: u64) {
        self.keys[key].fading.store(at as i64, Ordering::Release);
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
            return Standing {
                published: NEVER,
                readable,
                fading: NEVER,
                removed: NEVER,
                away,
                revoked: NEVER,
            };
        };
        Standing {
            published: times.published.load(Ordering::Acquire),
            readable: readable.max(times.readable.load(Ordering::Acquire)),
            fading: times.fading.load(Ordering::Acquire),
            removed: times.removed.load(Ordering::Acquire),
            away,
            revoked: self.revoked.load(Ordering::Acquire),
        }
    }
}
