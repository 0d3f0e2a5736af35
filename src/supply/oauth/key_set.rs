//! The key set of a server that is not the run's own, watched: which keys come and go meanwhile, so that no broker is
//! accused of what the server did.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use reqwest::header::USER_AGENT;
use tokio::sync::Notify;
use url::Url;

use crate::{
    base::{clock::Clock, web},
    client::verdict::standing::KeyTimes,
    record::results::fetches::KeySet as Seen,
};

/// How often the set is fetched.
const INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two fetches, however many tokens come with a `kid` that was not in the set.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// Keys that are told apart. Of more, nothing is said.
const MOST_KEYS: usize = 1024;
/// The number of all keys beyond those: as if the set were yet to show them.
const OTHERS: u16 = MOST_KEYS as u16 - 1;
/// The longest `kid` that is told apart, in bytes: digests in hex have 128. Longer ones are as keys beyond those.
const LONGEST_KID: usize = 1024;
/// What is counted of a set without a key that can be told by its `kid`.
const NO_KEYS: &str = "no_keys";
/// How the run names itself here: by another name than brokers and clients.
const AGENT: &str = concat!("tokenstorm-watch/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub(super) struct KeySet {
    url: Url,
    clock: Clock,
    times: Arc<KeyTimes>,
    state: Mutex<State>,
    /// A token came whose key is not known, or was refused.
    wanted: Notify,
    looked: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The number of each `kid` that was seen, in the set or in a token.
    numbers: HashMap<String, u16>,
    /// Those that are in the set; `None` where it was never had.
    current: Option<BTreeSet<u16>>,
    /// Those that are or were in it.
    listed: BTreeSet<u16>,
    /// When it was asked for that brought it.
    asked: u64,
    seen: Seen,
}

impl KeySet {
    pub(super) fn new(url: Url, clock: Clock) -> Self {
        Self {
            url,
            clock,
            times: Arc::new(KeyTimes::watched(MOST_KEYS)),
            state: Mutex::default(),
            wanted: Notify::new(),
            looked: AtomicU64::new(0),
        }
    }

    /// Since when and until when its keys can be known.
    pub(super) fn times(&self) -> Arc<KeyTimes> {
        Arc::clone(&self.times)
    }

    pub(super) fn seen(&self) -> Seen {
        self.state.lock().seen.clone()
    }

    /// The number of the key of a token that names it; none while nothing is known of the set.
    pub(super) fn number_of(&self, kid: &str) -> Option<u16> {
        let mut state = self.state.lock();
        state.current.as_ref()?;
        let known = state.numbers.get(kid).copied();
        if known.is_some_and(|number| state.listed.contains(&number)) {
            return known;
        }
        state.seen.unlisted += 1;
        if known.is_some() {
            return known;
        }
        let number = state.number(kid).unwrap_or(OTHERS);
        // Published by nobody yet, as far as is known: servers may sign with a key the moment they show it.
        self.times.is_coming(usize::from(number));
        self.wanted.notify_one();
        Some(number)
    }

    /// Fetches the set again and again.
    pub(super) async fn watch(self: Arc<Self>, http: reqwest::Client) {
        loop {
            // An early fetch waits as well: tokens of unknown keys may come by the thousand.
            tokio::time::sleep(LEAST_INTERVAL).await;
            let rest = INTERVAL.saturating_sub(LEAST_INTERVAL);
            let _ = tokio::time::timeout(rest, self.wanted.notified()).await;
            self.look(&http).await;
        }
    }

    /// Fetches the set once. What is not to be had changes nothing.
    pub(super) async fn look(&self, http: &reqwest::Client) {
        let asked = self.clock.now();
        match self.fetch(http).await {
            Ok(kids) => self.note(&kids, asked, self.clock.now()),
            Err(why) => *self.state.lock().seen.failed.entry(why).or_default() += 1,
        }
        self.looked.store(asked, Ordering::Release);
    }

    /// When the last look at the set began that is over.
    pub(super) fn looked(&self) -> u64 {
        self.looked.load(Ordering::Acquire)
    }

    /// Has it looked at soon.
    pub(super) fn look_soon(&self) {
        self.wanted.notify_one();
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<Vec<String>, String> {
        let asked = http.get(self.url.clone()).header(USER_AGENT, AGENT);
        let keys = web::key_set(asked).await?;
        Ok(keys.iter().filter_map(|key| key["kid"].as_str().map(str::to_owned)).collect())
    }

    /// The set was asked for and had at these instants, with these keys in it.
    fn note(&self, kids: &[String], asked: u64, now: u64) {
        let mut state = self.state.lock();
        let found: BTreeSet<u16> = kids.iter().filter_map(|kid| state.number(kid)).collect();
        if found.is_empty() && state.current.as_ref().is_some_and(|before| !before.is_empty()) {
            // Brokers may go on with what they had, or not: no key left, and none is there to be seen.
            self.times.away(state.asked);
            *state.seen.failed.entry(NO_KEYS.into()).or_default() += 1;
            return;
        }
        self.times.back(now);
        match state.current.take() {
            // What was there before the run looked has been there for as long as anybody knows.
            None => found.iter().for_each(|key| self.times.was_there(usize::from(*key))),
            Some(before) => {
                for key in found.difference(&before) {
                    self.times.appeared(usize::from(*key), now);
                    state.seen.appeared += 1;
                }
                for key in before.difference(&found) {
                    self.times.withdrawn(usize::from(*key), (state.asked, now));
                    state.seen.withdrawn += 1;
                }
            }
        }
        state.seen.fetched += 1;
        state.listed.extend(&found);
        state.current = Some(found);
        state.asked = asked;
    }
}

impl State {
    /// The number of a `kid`; none where there are too many.
    fn number(&mut self, kid: &str) -> Option<u16> {
        let next = self.numbers.len();
        if let Some(known) = self.numbers.get(kid) {
            return Some(*known);
        }
        let number = u16::try_from(next).ok().filter(|number| *number < OTHERS)?;
        if kid.len() > LONGEST_KID {
            return None;
        }
        self.numbers.insert(kid.to_owned(), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests;
