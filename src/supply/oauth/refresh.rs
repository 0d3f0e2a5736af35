//! Refresh tokens in the hands of their clients, and what is left of one once it was sent.
//!
//! A server may take a refresh token once only, and end the session on a second use (RFC 9700, 4.14.2). So one that was
//! sent is not sent again unless an answer shows that it was not used: whoever gets none logs in anew.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use super::held::Place;
use crate::record::results::fetches::Refreshes;

/// The OAuth error for a refresh token that is of no use any more, or never was (RFC 6749, 5.2).
pub(super) const INVALID_GRANT: &str = "invalid_grant";

/// A refresh token, and what it takes of the room for tokens.
pub(super) type Secret = (String, Option<Place>);

/// The refresh tokens of all clients, by their number.
#[derive(Default)]
pub(super) struct RefreshTokens {
    /// `None` where a client had one that is used up.
    known: Mutex<HashMap<u64, Option<Secret>>>,
    counts: Mutex<Refreshes>,
}

impl RefreshTokens {
    /// Whether a client can refresh its token; `all` start from one that the scenario names.
    pub(super) fn has(&self, n: u64, all: bool) -> bool {
        self.known.lock().get(&n).map_or(all, Option::is_some)
    }

    /// Whether a client had one that is used up.
    pub(super) fn is_used_up(&self, n: u64) -> bool {
        self.known.lock().get(&n).is_some_and(Option::is_none)
    }

    /// Keeps the refresh token of a client, in place of what it had.
    pub(super) fn keep(&self, n: u64, secret: Secret) {
        self.known.lock().insert(n, Some(secret));
    }

    /// Forgets what a client had, as nothing is to follow.
    pub(super) fn forget(&self, n: u64) {
        self.known.lock().remove(&n);
    }

    /// Lends the refresh token that a client sends; `all` start from this one.
    pub(super) fn lend(&self, n: u64, all: Option<&String>) -> Option<Lent<'_>> {
        let known = self.known.lock().insert(n, None);
        let is_of_all = known.is_none();
        let secret = known.unwrap_or_else(|| all.map(|all| (all.clone(), None)))?;
        let (secret, end) = (Some(secret), End::default());
        Some(Lent { from: self, n, secret, is_of_all, is_replaced: false, end })
    }

    /// A client logs in since its refresh token is used up.
    pub(super) fn logs_in_anew(&self) {
        self.counts.lock().logins += 1;
    }

    /// What came of refreshing.
    pub(super) fn counts(&self) -> Refreshes {
        self.counts.lock().clone()
    }
}

/// What is known of a refresh token that was lent.
#[derive(Debug, Default)]
pub(super) struct End {
    /// It was sent, and no answer says that it was not used.
    is_sent: AtomicBool,
    /// The server refused it.
    is_refused: AtomicBool,
}

impl End {
    /// The request that carries it is being written.
    pub(super) fn sent(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// The server did not use it.
    pub(super) fn was_not_used(&self) {
        self.is_sent.store(false, Ordering::Relaxed);
    }

    /// The server refused it.
    pub(super) fn was_refused(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether it is of no use any more.
    pub(super) fn is_used_up(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed) || self.is_refused.load(Ordering::Relaxed)
    }
}

/// A refresh token that is being sent. Where it was not used, it goes back to its client, however the request ends: also
/// where nobody waits for it any more.
pub(super) struct Lent<'a> {
    from: &'a RefreshTokens,
    n: u64,
    secret: Option<Secret>,
    /// It is the one that all start from: nothing is kept of it for this client.
    is_of_all: bool,
    /// Another takes its place.
    is_replaced: bool,
    /// What becomes of it.
    pub(super) end: End,
}

impl Lent<'_> {
    /// Its text.
    pub(super) fn secret(&self) -> String {
        self.secret.as_ref().map(|(text, _)| text.clone()).unwrap_or_default()
    }

    /// It brought an access token: it stays good (RFC 6749, 6), where no other came with that.
    pub(super) fn brought(mut self, is_replaced: bool) {
        self.from.counts.lock().brought += 1;
        self.is_replaced = is_replaced;
        if !is_replaced {
            self.end.was_not_used();
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if self.is_replaced {
            // Used up, and neither lost nor refused.
            return;
        }
        if !self.end.is_used_up() {
            let mut known = self.from.known.lock();
            if self.is_of_all {
                known.remove(&self.n);
            } else {
                known.insert(self.n, self.secret.take());
            }
            return;
        }
        let is_refused = self.end.is_refused.load(Ordering::Relaxed);
        let mut counts = self.from.counts.lock();
        *if is_refused { &mut counts.refused } else { &mut counts.lost } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one() -> RefreshTokens {
        let tokens = RefreshTokens::default();
        tokens.keep(1, ("a".into(), None));
        tokens
    }

    #[test]
    fn a_refresh_token_goes_back_to_its_client_unless_it_may_have_been_used() {
        let tokens = with_one();
        drop(tokens.lend(1, None));
        assert!(tokens.has(1, false));
        let busy = tokens.lend(1, None).unwrap();
        busy.end.sent();
        busy.end.was_not_used();
        drop(busy);
        assert_eq!(tokens.lend(1, None).unwrap().secret(), "a");
        let lost = tokens.lend(1, None).unwrap();
        lost.end.sent();
        drop(lost);
        assert!(!tokens.has(1, true) && tokens.is_used_up(1));
        assert!(tokens.lend(1, Some(&"b".into())).is_none());
        assert_eq!(tokens.counts(), Refreshes { lost: 1, ..Refreshes::default() });
    }

    #[test]
    fn a_refresh_token_is_refused_or_stays_good_by_what_the_server_says() {
        let tokens = with_one();
        let refused = tokens.lend(1, None).unwrap();
        refused.end.sent();
        refused.end.was_refused();
        drop(refused);
        assert!(tokens.is_used_up(1));
        let shared = tokens.lend(2, Some(&"b".into())).unwrap();
        shared.end.sent();
        shared.brought(false);
        assert!(tokens.has(2, true) && !tokens.has(2, false), "nothing is kept of that of all");
        assert_eq!(tokens.counts(), Refreshes { brought: 1, refused: 1, ..Refreshes::default() });
        // One in whose place another came is used up, whether that is kept or not.
        tokens.keep(3, ("c".into(), None));
        let replaced = tokens.lend(3, None).unwrap();
        replaced.end.sent();
        replaced.brought(true);
        assert!(tokens.is_used_up(3));
        assert_eq!(tokens.counts(), Refreshes { brought: 2, refused: 1, ..Refreshes::default() });
        tokens.forget(3);
        assert!(!tokens.has(3, false) && !tokens.is_used_up(3));
    }
}
