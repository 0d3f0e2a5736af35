//! The built-in authorization server: OAuth 2.0 and `OpenID` Connect, as far as clients of a broker and the broker itself
//! need them, with faults on demand.
//!
//! It runs in threads of this process, on listeners of its own: one for discovery, tokens, introspection and
//! revocation, one for the key set, so that the latter can be away while tokens are still issued.

mod claims;
mod door;
mod grants;
pub mod happenings;
mod identity;
mod key_set;
mod routes;
mod token_endpoint;
mod visits;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::watch;

use self::{
    claims::Press,
    door::{Door, Listening},
    grants::Grants,
    identity::Identities,
    key_set::KeySet,
    visits::Visits,
};
use crate::{
    base::{
        clock::Clock,
        error::{Error, Result},
        threads::Threads,
    },
    client::verdict::standing::KeyTimes,
    plan::{Plan, authority::Authority, timeline::Action},
    record::results::happened::Visit,
    scenario::Outage,
    token::key::SigningKey,
};

/// Threads that serve it.
const THREADS: usize = 2;

/// A running issuer. It ends when this is dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    _threads: Threads,
    door: watch::Sender<Door>,
    authority_pem: Option<String>,
}

/// What all requests share.
struct Shared {
    clock: Clock,
    url: String,
    /// Where it listens, as a URL.
    root: String,
    jwks_url: String,
    keys: RwLock<KeySet>,
    standing: Arc<KeyTimes>,
    grants: Grants,
    press: Press,
    client_secret: Option<String>,
    client_key: Option<SigningKey>,
    password: Option<String>,
    names: crate::token::names::Names,
    limiter: Option<DefaultDirectRateLimiter>,
    retry_after: Duration,
    device_approval: Duration,
    max_age: Option<Duration>,
    /// By how much every answer of the token endpoint is late, in nanoseconds.
    slow: AtomicU64,
    outage: RwLock<Option<Outage>>,
    /// The key set of an outage that serves another one.
    wrong_set: RwLock<Option<String>>,
    visits: Visits,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Starts the issuer of a plan, where it has one.
    ///
    /// # Errors
    /// When it can't listen, a key can't be made, or its certificates can't be used.
    pub fn of(plan: &Plan, clock: Clock) -> Result<Option<Self>> {
        let start = |authority| Self::start(authority, plan, clock);
        plan.issuance.authority.as_ref().map(start).transpose()
    }

    fn start(authority: &Authority, plan: &Plan, clock: Clock) -> Result<Self> {
        let settings = &authority.settings;
        let identities = authority.tls.as_ref().map(Identities::load).transpose()?;
        let (main, jwks) =
            (Listening::bind(settings.listen)?, Listening::bind(settings.jwks_listen)?);
        let scheme = if identities.is_some() { "https" } else { "http" };
        // The generated certificate has these names; for others there is `url`.
        let root = |address: SocketAddr| format!("{scheme}://{address}");
        let own_root = root(main.address());
        let url = settings.url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let url = url.unwrap_or_else(|| own_root.clone());
        let own: Vec<SigningKey> =
            plan.mould.keys.iter().map(|key| key.with_algorithm(key.algorithm)).collect();
        let standing = Arc::new(KeyTimes::new(own.len(), &authority.published, clock.now()));
        let quota = settings.limit.and_then(std::num::NonZeroU32::new).map(|limit| {
            // A tenth of a second may come at once.
            let burst = std::num::NonZeroU32::new(limit.get().div_ceil(10)).unwrap_or(limit);
            RateLimiter::direct(Quota::per_second(limit).allow_burst(burst))
        });
        let shared = Arc::new(Shared {
            clock,
            jwks_url: format!("{}/jwks", root(jwks.address())),
            keys: RwLock::new(KeySet::new(own, &authority.published, settings.extra_keys)?),
            standing,
            grants: Grants::default(),
            press: Press::new(authority, &url),
            url,
            root: own_root,
            client_secret: authority.client_secret.clone(),
            client_key: authority
                .client_key
                .map(|key| &plan.mould.keys[key])
                .map(|key| key.with_algorithm(key.algorithm)),
            password: authority.password.clone(),
            names: plan.mould.names.clone(),
            limiter: quota,
            retry_after: settings.retry_after,
            device_approval: settings.device_approval,
            max_age: settings.max_age,
            slow: AtomicU64::new(0),
            outage: RwLock::new(None),
            wrong_set: RwLock::new(None),
            visits: Visits::new(clock),
        });
        let threads = Threads::start("issuer", THREADS)
            .map_err(|error| Error::not_measured(format!("the issuer has no threads: {error}")))?;
        let (door, doors) = watch::channel(Door::Open);
        // Nobody closes the door of the token endpoint.
        let (_, always_open) = watch::channel(Door::Open);
        let authority_pem = identities.as_ref().and_then(|identities| identities.authority.clone());
        let identities = identities.map(Arc::new);
        let router = routes::main(Arc::clone(&shared));
        threads.spawn(main.serve(router, identities.clone(), always_open, Arc::clone(&shared)));
        let router = routes::key_set(Arc::clone(&shared));
        threads.spawn(jwks.serve(router, identities, doors, Arc::clone(&shared)));
        Ok(Self { shared, _threads: threads, door, authority_pem })
    }

    /// Its identifier.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Where it listens, as a URL.
    pub fn root(&self) -> &str {
        &self.shared.root
    }

    /// Where its key set is.
    pub fn jwks_url(&self) -> &str {
        &self.shared.jwks_url
    }

    /// What those who ask it in this run trust it by, as PEM: the authority of the certificates that were made for it, or
    /// its own certificate where one was given.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// When its keys were published and removed, and its key set away.
    pub fn standing(&self) -> Arc<KeyTimes> {
        Arc::clone(&self.shared.standing)
    }

    /// The `kid` of each key of the plan, as its tokens have it.
    pub fn kids(&self) -> Vec<Option<String>> {
        self.shared.keys.read().kids()
    }

    /// Says when the storm starts: requests are counted by its seconds from then on.
    pub fn storm_starts(&self, at: u64) {
        self.shared.visits.storm_starts(at);
    }

    /// All requests so far, by second, path, status and caller.
    pub fn visits(&self) -> Vec<Visit> {
        self.shared.visits.all()
    }

    /// Does to it what an event says, and says when that was done, by the run's clock.
    pub fn apply(&self, action: Action) -> u64 {
        let shared = &self.shared;
        let before = shared.clock.now();
        match action {
            Action::Publish(key) => {
                // Known from the moment before: a broker may see it at once.
                shared.standing.published(key, before);
                self.keys_mut(|keys| keys.publish(key));
            }
            Action::SignWith(key) => self.keys_mut(|keys| keys.sign_with(key)),
            Action::Remove(key) => {
                // Told first: a broker may see at once that it is gone.
                shared.standing.removed(key, before);
                self.keys_mut(|keys| keys.remove(key));
            }
            Action::Away(how) => {
                shared.standing.away(before);
                let keys = shared.keys.read().published();
                // Made once: wrong keys take their time.
                let wrong = key_set::wrong_set(&keys, how).ok().flatten();
                *shared.wrong_set.write() = wrong;
                *shared.outage.write() = Some(how);
                self.door.send_replace(match how {
                    Outage::Refuse => Door::Closed,
                    Outage::ExpiredCertificate => Door::Expired,
                    // Connections that were open before are cut off, so that none goes on as before.
                    _ => Door::Open,
                });
            }
            Action::Back => {
                *shared.outage.write() = None;
                self.door.send_replace(Door::Open);
                shared.standing.back(shared.clock.now());
            }
            Action::Slow(by) => {
                shared.slow.store(crate::base::clock::nanoseconds(by), Ordering::Relaxed);
            }
            Action::Revoke(Some(key)) => {
                shared.standing.removed(key, before);
                self.keys_mut(|keys| keys.revoke(key));
            }
            Action::Revoke(None) => {
                shared.standing.revoked(before);
                shared.grants.revoke_all();
            }
        }
        shared.clock.now()
    }

    fn keys_mut(&self, change: impl FnOnce(&mut KeySet)) {
        change(&mut self.shared.keys.write());
    }
}

#[cfg(test)]
mod tests;
