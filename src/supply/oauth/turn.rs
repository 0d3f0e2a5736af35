//! How a client gets the token of a turn: by its refresh token where it has one, else by logging in; and how often that is
//! tried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};

use super::{Failure, Got, Inner};
use crate::{
    scenario::Grant,
    token::{Bearer, fraction},
};

impl Inner {
    /// Fetches the token of a client's turn.
    pub(super) async fn token_for(&self, Bearer { client: n, turn }: Bearer) -> Got {
        let got = self.refreshed_or_logged_in(n, turn).await;
        self.stats.lock().count(&got);
        got
    }

    async fn refreshed_or_logged_in(&self, n: u64, turn: u32) -> Got {
        let fetching = self.fetching()?;
        // Without a first refresh token there is nothing to refresh.
        if let Some(failure) = self.not_logged_in.lock().get(&n).cloned() {
            return Err(failure);
        }
        let starts_so = fetching.settings.grant == Grant::RefreshToken;
        let all = fetching.refresh_token.is_some();
        let refreshes = if turn == 0 { starts_so } else { self.refresh.has(n, all) };
        let failed = if refreshes {
            match self.with_retries(n, Grant::RefreshToken).await {
                Err(failure) if failure.is_used_up => failure,
                other => return other,
            }
        } else if self.refresh.is_used_up(n) {
            Failure::word("refresh_token_used_up")
        } else {
            Failure::word("no_refresh_token")
        };
        let Some(grant) = fetching.login() else { return Err(failed) };
        if self.refresh.is_used_up(n) {
            self.refresh.logs_in_anew();
        }
        self.with_retries(n, grant).await
    }

    /// Fetches by a grant, and tries again as often as the scenario allows.
    pub(super) async fn with_retries(&self, n: u64, grant: Grant) -> Got {
        let settings = &self.fetching()?.settings;
        let longest = settings.max_backoff;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(settings.backoff)
            .with_max_delay(longest)
            .with_factor(2.0)
            .with_max_times(settings.retries as usize);
        let tries = AtomicU64::new(0);
        let stretched = |delay: Duration| {
            let turn = tries.fetch_add(1, Ordering::Relaxed);
            let part = fraction(self.plan.mould.seed ^ turn, n);
            if settings.jitter { delay.mul_f64(1.0 + part) } else { delay }
        };
        let sent = AtomicU64::new(0);
        let fetched = (|| {
            // Counted when it is tried again, not when it waits to be.
            self.stats.lock().retries += u64::from(sent.fetch_add(1, Ordering::Relaxed) > 0);
            self.fetch(n, grant)
        })
        .retry(backoff)
        .when(Failure::is_passing)
        .adjust(|failure: &Failure, delay| {
            let asked_for = failure.retry_after.unwrap_or_default();
            Some(stretched(delay?.max(asked_for).min(longest)))
        })
        .await;
        fetched.map(Arc::new)
    }
}
