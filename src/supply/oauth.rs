//! The clients' way to an authorization server: discovery, one token a client or a group, retries, limits.
//!
//! Fetches run in threads of their own and never hold up a worker: it asks, goes on, and hears of the token by its bell.

mod answer;
mod discovery;
mod held;
mod http;
mod key_set;
mod refresh;
mod request;
mod stats;
mod token;
mod turn;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OnceCell, Semaphore};

use url::Url;

pub(crate) use answer::answer_in;
pub(crate) use discovery::endpoints_in;
pub use stats::Stats;
pub use token::Token;

use self::{discovery::Endpoints, held::Room, http::Http, key_set::KeySet, refresh::RefreshTokens};
use crate::{
    base::{
        clock::Clock,
        error::{Error, Result},
        threads::Threads,
        tls::Trust,
        web::{self, Reach, Way},
    },
    client::{
        attempt::Code,
        verdict::foreign::{ForeignJudge, Said},
        verdict::standing::KeyTimes,
    },
    plan::{
        Plan,
        fetching::{Fetching, Server},
    },
    servers::issuer::Issuer,
    token::Bearer,
};

/// What a server is called that may not be asked.
const SERVER: &str = "the authorization server";
/// Threads that fetch.
const THREADS: usize = 2;
/// How clients name themselves to the server.
const AGENT: &str = concat!("tokenstorm/", env!("CARGO_PKG_VERSION"));

/// Why a client has no token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The HTTP status, or a word for what happened.
    pub code: Code,
    /// The OAuth error (RFC 6749, 5.2), where the server named one.
    pub error: Option<String>,
    /// What the server said of when to come back.
    retry_after: Option<Duration>,
    /// What is known of an answer without an OAuth error.
    strange: Option<Strange>,
    /// Whether the refresh token that was sent is of no use any more, or may be.
    is_used_up: bool,
}

/// What an answer without an OAuth error is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Strange {
    /// A page for people.
    Page,
    /// That of a port which wants TLS.
    TlsPort,
}

impl Strange {
    /// Its name in results.
    fn name(self) -> &'static str {
        match self {
            Self::Page => "html",
            Self::TlsPort => "https_port",
        }
    }
}

impl Failure {
    /// A failure that is no answer.
    pub(super) const fn word(word: &'static str) -> Self {
        Self {
            code: Code::Word(word),
            error: None,
            retry_after: None,
            strange: None,
            is_used_up: false,
        }
    }

    /// Whether the same request may succeed later: other refusals are final.
    fn is_passing(&self) -> bool {
        match self.code {
            _ if self.is_used_up => false,
            Code::Status(status) => status == 429 || status >= 500,
            Code::Word(word) => matches!(word, "connect" | "timeout" | "broken"),
            Code::Byte(_) => false,
        }
    }
}

/// A token for a client.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The token, which others may bring as well.
    pub token: Arc<Token>,
    /// What must happen to it in the hands of this client, time apart.
    pub said: Said,
}

/// What came of a client's asking.
pub type Fetched = std::result::Result<Brought, Failure>;
/// What came of a fetch.
type Got = std::result::Result<Arc<Token>, Failure>;

/// Fetches tokens. It ends when this is dropped.
pub struct Fetcher {
    inner: Arc<Inner>,
    threads: Threads,
}

struct Inner {
    plan: Arc<Plan>,
    clock: Clock,
    http: Http,
    endpoints: Endpoints,
    /// What the policy says of tokens.
    judge: ForeignJudge,
    /// `kid` of each key of the run's own issuer.
    kids: Vec<Option<String>>,
    /// The key set of a server that is not the run's own, where discovery told where that is.
    key_set: Option<Arc<KeySet>>,
    /// Whether the port of plain HTTP turned out to speak TLS, once that was asked.
    is_tls_port: OnceCell<bool>,
    limiter: Option<DefaultDirectRateLimiter>,
    /// Connections that are free.
    connections: Semaphore,
    /// Tokens that several clients share, or that were fetched before the storm, by their first client.
    shared: Mutex<HashMap<u64, Share>>,
    /// Why clients have no refresh token, by their number.
    not_logged_in: Mutex<HashMap<u64, Failure>>,
    /// Refresh tokens of clients that are to use them.
    refresh: RefreshTokens,
    /// The room for tokens.
    room: Arc<Room>,
    stats: Mutex<Stats>,
}

/// A token that several clients bring.
#[derive(Clone)]
struct Share {
    cell: Arc<OnceCell<Got>>,
    /// Clients that have not asked for it yet.
    left: u64,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Finds out whom to ask, where tokens are fetched; `issuer` is the run's own.
    ///
    /// # Errors
    /// When the server is not to be found, or says that it is another one.
    pub fn of(plan: &Arc<Plan>, clock: Clock, issuer: Option<&Issuer>) -> Result<Option<Self>> {
        let start = |fetching| Self::start(fetching, plan, clock, issuer);
        plan.issuance.fetching.as_ref().map(start).transpose()
    }

    fn start(
        fetching: &Fetching,
        plan: &Arc<Plan>,
        clock: Clock,
        issuer: Option<&Issuer>,
    ) -> Result<Self> {
        let settings = &fetching.settings;
        // Only the run's own server shows a certificate that was made for the run.
        let own = issuer.filter(|_| fetching.server == Server::Own);
        let made = own.and_then(Issuer::authority_pem).map(Trust::in_made).transpose()?;
        let trust = match made {
            Some(made) if fetching.trust.authorities.is_none() => made,
            _ => fetching.trust.clone(),
        };
        let way = match fetching.server {
            Server::Own => Way::Direct,
            _ => Way::AsEnvironmentSays,
        };
        let reach = Reach::of(plan.scenario.target.authorized || fetching.server == Server::Own);
        let requests = Http::new(plan, fetching, &trust, (reach, way))?;
        let http = requests.shared.clone();
        let threads = Threads::start("fetch", THREADS)
            .map_err(|error| Error::not_measured(format!("no threads to fetch with: {error}")))?;
        if let Server::Discovered(url) | Server::Endpoint(url) = &fetching.server {
            reach.check(SERVER, url)?;
        }
        let endpoints = threads
            .block_on(discovery::endpoints(&http, fetching, issuer))
            .map_err(|error| by_proxy(error, &fetching.server))?;
        // What is not on this host is asked only by leave, as the server itself.
        for url in [Some(&endpoints.token), endpoints.device.as_ref()].into_iter().flatten() {
            reach.check(SERVER, url)?;
        }
        let watched = endpoints.jwks.clone().filter(|url| reach.check(SERVER, url).is_ok());
        let key_set = watched.map(|url| Arc::new(KeySet::new(url, clock)));
        if let Some(key_set) = &key_set {
            threads.block_on(key_set.look(&http));
            threads.spawn(Arc::clone(key_set).watch(http.clone()));
        }
        let limiter = settings.rate.map(|rate| {
            let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate));
            RateLimiter::direct(quota.unwrap_or(Quota::per_second(std::num::NonZeroU32::MIN)))
        });
        let inner = Inner {
            plan: Arc::clone(plan),
            clock,
            http: requests,
            endpoints,
            judge: ForeignJudge::of(plan)?,
            kids: own.map(Issuer::kids).unwrap_or_default(),
            key_set,
            is_tls_port: OnceCell::new(),
            limiter,
            connections: Semaphore::new(settings.connections as usize),
            shared: Mutex::default(),
            not_logged_in: Mutex::default(),
            refresh: RefreshTokens::default(),
            room: Room::of(plan.token_room()),
            stats: Mutex::new(Stats::new()),
        };
        Ok(Self { inner: Arc::new(inner), threads })
    }

    /// Has the token of client `n` fetched, and hands over what came of it; nobody waits for it after `deadline`.
    pub fn ask(
        &self,
        bearer: Bearer,
        deadline: u64,
        hand_over: impl FnOnce(Fetched) + Send + 'static,
    ) {
        let n = bearer.client;
        let inner = Arc::clone(&self.inner);
        self.threads.spawn(async move {
            let left = Duration::from_nanos(deadline.saturating_sub(inner.clock.now()));
            // Whoever gave up must not go on asking: the server would melt under clients that are gone.
            match tokio::time::timeout(left, inner.token_of(bearer)).await {
                Ok(got) => hand_over(inner.judged(n, got)),
                Err(_) => inner.stats.lock().failed += 1,
            }
        });
    }

    /// Where the key set of a server is that is not the run's own, where its discovery document says it.
    pub fn jwks_url(&self) -> Option<&Url> {
        self.inner.endpoints.jwks.as_ref()
    }

    /// Which keys of a server that is not the run's own brokers can know, where its key set is watched.
    pub fn standing(&self) -> Option<Arc<KeyTimes>> {
        self.inner.key_set.as_ref().map(|set| set.times())
    }

    /// When the last look at that key set began that is over.
    pub fn looked(&self) -> Option<u64> {
        self.inner.key_set.as_ref().map(|set| set.looked())
    }

    /// Has that key set looked at soon.
    pub fn look_soon(&self) {
        if let Some(set) = &self.inner.key_set {
            set.look_soon();
        }
    }

    /// What was seen of that key set.
    pub fn watched(&self) -> Option<crate::record::results::fetches::KeySet> {
        self.inner.key_set.as_ref().map(|set| set.seen())
    }

    /// What the user should know of the way to the server before the storm.
    pub fn warnings(&self) -> Vec<String> {
        let url = &self.inner.endpoints.token;
        let host = url.host_str().unwrap_or_default();
        let mut warnings = Vec::new();
        if url.scheme() == "http" && !web::is_here(url) {
            warnings.push(format!(
                "`{host}` is asked for tokens over plain HTTP: secrets and tokens can be read on the way"
            ));
        }
        let fetching = self.inner.fetching();
        if url.scheme() == "https" && fetching.as_ref().is_ok_and(|fetching| !fetching.trust.verify)
        {
            warnings.push(
                "`oauth.verify` is off: whoever is on the way to the authorization server can read secrets and tokens"
                    .into(),
            );
        }
        if self.inner.plan.mould.names.x5t_s256.is_some()
            && fetching.as_ref().is_ok_and(|it| !it.shows_own && it.settings.tls.is_none())
        {
            warnings.push(
                "clients show their certificates to brokers alone: the authorization server is not asked over HTTPS, or is the run's own"
                    .into(),
            );
        }
        if fetching.is_ok_and(|fetching| fetching.server != Server::Own) {
            warnings.extend(web::proxy_note(url));
        }
        if let (Some(jwks), None) = (&self.inner.endpoints.jwks, &self.inner.key_set) {
            warnings.push(format!(
                "the key set of the authorization server is at `{}`, which is not on this host, so that its keys are not watched: `--authorized` allows it",
                jwks.host_str().unwrap_or_default()
            ));
        }
        warnings
    }

    /// What came of the fetch of client `n`, where that was made before the storm.
    pub fn at_hand(&self, n: u64) -> Option<Fetched> {
        if !self.inner.is_ahead(n) {
            return None;
        }
        let first = self.inner.plan.subject_of(n);
        let fetched = self.inner.share(first).cell.get().cloned()?;
        self.inner.gave(first);
        Some(self.inner.judged(n, fetched))
    }

    /// Fetches what is wanted before the storm: all tokens, those that refreshing starts from, or those that have to end
    /// first. `progress` hears how
    /// many are there; `false` when `stop` was set meanwhile.
    pub fn prelude(&self, stop: &AtomicBool, mut progress: impl FnMut(u64)) -> bool {
        let plan = &self.inner.plan;
        let Some(fetching) = &plan.issuance.fetching else { return true };
        if !plan.has_prelude() {
            return true;
        }
        let is_for_all = fetching.settings.prefetch || fetching.starts_from().is_some();
        let firsts: BTreeMap<u64, bool> = (0..plan.attempts)
            .filter(|n| plan.minted_as(*n) == *n && plan.is_fetched(plan.kind_of(*n)))
            .map(|n| (plan.subject_of(n), self.inner.is_ahead(n)))
            .filter(|(_, is_ahead)| is_for_all || *is_ahead)
            // Of two that bring the same token, the one that wants it ahead decides.
            .fold(BTreeMap::new(), |mut all, (n, is_ahead)| {
                *all.entry(n).or_default() |= is_ahead;
                all
            });
        let done = Arc::new(AtomicU64::new(0));
        for (n, is_ahead) in &firsts {
            let (inner, done) = (Arc::clone(&self.inner), Arc::clone(&done));
            let (n, is_ahead) = (*n, *is_ahead);
            self.threads.spawn(async move {
                // Counted however it ends: who waits for all must not wait for one that is gone.
                let _counted = Counted(done);
                inner.before_storm(n, is_ahead).await;
            });
        }
        loop {
            let count = done.load(Ordering::Relaxed);
            progress(count);
            if count == firsts.len() as u64 {
                return true;
            }
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many fetches there were, and what came of them.
    pub fn stats(&self) -> Stats {
        Stats { refreshes: self.inner.refresh.counts(), ..self.inner.stats.lock().clone() }
    }
}

/// Counts one more when it is dropped.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The error of a discovery; where a proxy stood between, it is said, since it may be what answered.
fn by_proxy(error: Error, server: &Server) -> Error {
    let Server::Discovered(url) = server else { return error };
    let Some(note) = web::proxy_note(url) else { return error };
    let hint = error.way_out().map_or_else(|| note.clone(), |hint| format!("{hint}; {note}"));
    error.hint(hint)
}

impl Inner {
    fn fetching(&self) -> std::result::Result<&Fetching, Failure> {
        self.plan.issuance.fetching.as_ref().ok_or(Failure::word("nobody_to_ask"))
    }

    /// Whether the token of client `n` is fetched before the storm.
    fn is_ahead(&self, n: u64) -> bool {
        let is_for_all = self.fetching().is_ok_and(|fetching| fetching.settings.prefetch);
        is_for_all || self.plan.ended_for(self.plan.kind_of(n)).is_some()
    }

    /// What a client does before the storm.
    async fn before_storm(&self, n: u64, is_ahead: bool) {
        let Ok(fetching) = self.fetching() else { return };
        if let Some(first) = fetching.starts_from() {
            // A client that could not log in has nothing to refresh, for that reason.
            let logged_in = self.with_retries(n, first).await;
            self.stats.lock().count(&logged_in);
            if let Err(failure) = logged_in {
                self.not_logged_in.lock().insert(n, failure);
            }
        }
        if is_ahead {
            let cell = self.share(n).cell;
            cell.get_or_init(|| self.token_for(Bearer { client: n, turn: 0 })).await;
        }
    }

    /// The token of a client: its own, or the one that its group shares.
    async fn token_of(&self, bearer: Bearer) -> Got {
        let fetching = self.fetching()?;
        // What is shared, or was fetched ahead, is for first turns.
        if bearer.turn > 0 || !self.plan.shares_fetched() && !fetching.settings.prefetch {
            return self.token_for(bearer).await;
        }
        let first = self.plan.subject_of(bearer.client);
        let cell = self.share(first).cell;
        let owner = Bearer { client: first, ..bearer };
        let fetched = cell.get_or_init(|| self.token_for(owner)).await.clone();
        self.gave(first);
        fetched
    }

    /// A token in the hands of client `n`.
    fn judged(&self, n: u64, got: Got) -> Fetched {
        let token = got?;
        let (said, why) = self.judge.said(&token.foreign, &self.plan, n);
        if let Some(reason) = why {
            self.stats.lock().not_good(said, reason, &token.foreign);
        }
        Ok(Brought { token, said })
    }

    fn share(&self, first: u64) -> Share {
        let clients = self.plan.bearers_of(first);
        let fresh = || Share { cell: Arc::default(), left: clients };
        self.shared.lock().entry(first).or_insert_with(fresh).clone()
    }

    /// One more client has it: the last one takes it out.
    fn gave(&self, first: u64) {
        let mut shared = self.shared.lock();
        if let Some(share) = shared.get_mut(&first) {
            share.left = share.left.saturating_sub(1);
            if share.left == 0 {
                shared.remove(&first);
            }
        }
    }
}
