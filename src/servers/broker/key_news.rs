//! What a broker tells of its key set, so that a run knows what its refusals say.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use serde::{Deserialize, Serialize};

use crate::record::results::fetches::KeySetCounts;

/// What came of a fetch of the key set.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum KeySetRead {
    /// It holds so many keys.
    Keys(usize),
    /// It was not to be had: the HTTP status, or a word for what happened instead.
    Failed(String),
}

/// What one broker has told so far; at first it has no keys.
#[derive(Debug, Default)]
pub struct KeyNews {
    has_keys: AtomicBool,
    counts: Mutex<KeySetCounts>,
}

impl KeyNews {
    /// Whether the broker has had keys since it was started.
    pub fn has_keys(&self) -> bool {
        self.has_keys.load(Ordering::Acquire)
    }

    /// It was started again, and knows nothing any more.
    pub fn started_again(&self) {
        self.has_keys.store(false, Ordering::Release);
    }

    /// What it has told.
    pub fn counts(&self) -> KeySetCounts {
        self.counts.lock().clone()
    }

    /// It tells of a fetch.
    pub fn hear(&self, read: KeySetRead) {
        let mut counts = self.counts.lock();
        match read {
            KeySetRead::Keys(_) => {
                counts.fetched += 1;
                self.has_keys.store(true, Ordering::Release);
            }
            KeySetRead::Failed(why) => *counts.failed.entry(why).or_default() += 1,
        }
    }
}
