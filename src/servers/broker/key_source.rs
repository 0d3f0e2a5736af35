//! Where the hook has its keys from: a key set on the web, cached, and fetched again by rule.

use std::time::Instant;

use parking_lot::Mutex;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{JwksSource, KeySetRead};
use crate::{
    base::{
        error::{Error, Result},
        tls::{self, Trust},
        web::{self, Reach, Way},
    },
    scenario::{Algorithm, WhenAway},
    token::{
        key::{VerifyingKey, public::pem_of_jwk},
        policy::Policy,
    },
};

/// How the broker names itself to the server.
const AGENT: &str = concat!("tokenstorm-broker/", env!("CARGO_PKG_VERSION"));

/// Keys of a set that are looked at, as many as the run's own watch tells apart: a token without `kid` is tried by all.
const MOST_KEYS: usize = 1024;

pub(super) struct KeySource {
    settings: JwksSource,
    client: reqwest::Client,
    state: Mutex<State>,
    fetching: tokio::sync::Mutex<()>,
    /// Hears what comes of each fetch from a server that is not the run's own.
    told: fn(&KeySetRead),
}

#[derive(Default)]
struct State {
    kids: Vec<String>,
    /// When the set was last fetched.
    fetched: Option<Instant>,
    /// When that was last tried.
    tried: Option<Instant>,
    /// Whether the last try failed.
    is_away: bool,
}

/// Whether the keys can be used for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keys {
    /// They can.
    Usable,
    /// They can't be had, and nobody is let in.
    Closed,
    /// The token's can't be had, and so it is let in.
    Open,
}

/// A key as a verifier takes it.
pub(super) type Parsed = (Algorithm, Option<String>, VerifyingKey);

impl KeySource {
    pub(super) fn new(settings: JwksSource, told: fn(&KeySetRead)) -> Result<Self> {
        let trust = match &settings.authority {
            Some(pem) => Trust::in_made(pem)?,
            None => Trust::default(),
        };
        let trust = Trust { verify: settings.verify, ..trust };
        let way = if settings.is_own { Way::Direct } else { Way::AsEnvironmentSays };
        let reach = Reach::of(settings.authorized || settings.is_own);
        let client = reach
            .keep(web::client(tls::client_of(&trust)?, way))
            .user_agent(AGENT)
            .timeout(settings.timeout)
            .build()
            .map_err(|error| Error::not_measured(format!("no client for key sets: {error}")))?;
        Ok(Self {
            settings,
            client,
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            told,
        })
    }

    /// Whether the set is that of the run's own issuer.
    pub(super) fn is_own(&self) -> bool {
        self.settings.is_own
    }

    /// Sees to it that the keys are as the rules want them for this token; `replace` takes those that were fetched.
    pub(super) async fn prepare(&self, token: &[u8], replace: impl FnOnce(Vec<Value>)) -> Keys {
        let kid = kid_of(token);
        let (is_wanted, is_urgent) = self.wants(kid.as_deref());
        // One fetches. Who can't go on without waits for what that brings, the others use what there is.
        let turn = match is_urgent {
            true => Some(self.fetching.lock().await),
            false if is_wanted => self.fetching.try_lock().ok(),
            false => None,
        };
        let tried = || self.state.lock().tried;
        let may_try = || tried().is_none_or(|at| at.elapsed() >= self.settings.min_interval);
        if turn.is_some() && self.wants(kid.as_deref()).0 && may_try() {
            let fetched = self.fetch().await;
            if !self.is_own() {
                (self.told)(&match &fetched {
                    Ok(keys) => KeySetRead::Keys(keys.len()),
                    Err(why) => KeySetRead::Failed(why.clone()),
                });
            }
            let mut state = self.state.lock();
            state.tried = Some(Instant::now());
            state.is_away = fetched.is_err();
            if let Ok(keys) = fetched {
                let kid = |key: &Value| key["kid"].as_str().map(str::to_owned);
                state.kids = keys.iter().filter_map(kid).collect();
                state.fetched = state.tried;
                // Before the state is let go: who finds a `kid` in it must find its key.
                replace(keys);
            }
        }
        let state = self.state.lock();
        let is_known = state.fetched.is_some() && kid.is_none_or(|kid| state.kids.contains(&kid));
        let is_current = state.fetched.is_some_and(|at| at.elapsed() <= self.settings.cache);
        match self.settings.when_away {
            WhenAway::Closed if state.is_away && !is_current => Keys::Closed,
            WhenAway::Open if state.is_away && !is_known => Keys::Open,
            _ => Keys::Usable,
        }
    }

    /// Whether the set should be fetched for this `kid`, and whether nothing can be said before.
    fn wants(&self, kid: Option<&str>) -> (bool, bool) {
        let state = self.state.lock();
        let is_unknown = kid.is_some_and(|kid| !state.kids.iter().any(|known| known == kid));
        let is_urgent = state.fetched.is_none() || self.settings.refetch && is_unknown;
        let is_old = state.fetched.is_none_or(|at| at.elapsed() > self.settings.cache);
        (is_urgent || is_old, is_urgent)
    }

    /// The keys of the set; where it is not to be had, is no key set, or is empty, the word for that.
    async fn fetch(&self) -> std::result::Result<Vec<Value>, String> {
        let keys = web::key_set(self.client.get(&self.settings.url)).await?;
        if keys.is_empty() { Err("no_keys".into()) } else { Ok(keys) }
    }
}

/// The `kid` of a token, as far as it can be told.
fn kid_of(token: &[u8]) -> Option<String> {
    let header = token.split(|byte| *byte == b'.').next()?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    header["kid"].as_str().map(str::to_owned)
}

/// Keys that can be used, each for the algorithms that it says or that its kind and the policy allow; others are passed
/// over (RFC 7517, 5).
pub(super) fn usable(keys: &[Value], policy: &Policy) -> Vec<Parsed> {
    let mut all = Vec::new();
    let may_sign = |key: &&Value| key["use"].as_str().is_none_or(|purpose| purpose == "sig");
    for key in keys.iter().take(MOST_KEYS).filter(may_sign) {
        let Some(pem) = pem_of_jwk(key) else { continue };
        let family = match (key["kty"].as_str(), key["crv"].as_str()) {
            (Some("EC"), Some("P-256")) => vec![Algorithm::ES256],
            (Some("EC"), _) => vec![Algorithm::ES384],
            (Some("OKP"), _) => vec![Algorithm::EdDSA],
            _ => Algorithm::ALL.into_iter().filter(|named| named.family() == "RSA").collect(),
        };
        let named = key["alg"].as_str().map(Algorithm::named);
        let kid = key["kid"].as_str().map(str::to_owned);
        for algorithm in family {
            let is_said = named.is_none_or(|named| named == Some(algorithm));
            if is_said && policy.algorithms.contains(&algorithm) {
                all.push((algorithm, kid.clone(), VerifyingKey::PublicPem(pem.clone())));
            }
        }
    }
    all
}
