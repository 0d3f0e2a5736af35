//! The page that draws a run while it goes, over HTTP: the report on what is written so far, made anew while somebody looks
//! at it. At the end it is the report. It reads what the run has left in its folder, as a report after a `kill -9` does:
//! nothing is measured for it, and no client waits for it.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use axum::http::{Method, StatusCode, header, request::Parts, uri::Authority};
use bytes::Bytes;
use parking_lot::Mutex;

use maud::html;

use super::html::{page, under_way};
use crate::{
    base::{
        clock::{Clock, SECOND, SHORT_GLANCE},
        error::{Error, Result},
        host::loopback::is_loopback,
        web::server::{Answer, Manner, Server, Site},
    },
    record::live::{Listener, Snapshot},
    token::key::material::random_id,
};

/// How it is served: its connections take descriptors from the clients', and few people look at one run.
const MANNER: Manner = Manner { name: "page", most: 32, gives_way: true };
/// The page is made anew after so many times as long as it took: it shall not take a twentieth of a CPU.
const REST: u64 = 20;
/// Whoever has not asked for so long has gone: a page asks every second.
const PATIENCE: u64 = 4 * SECOND;
/// How long the end of a run waits until somebody who looks has the report.
const LAST_LOOK: u64 = 6 * SECOND;
/// And from then on: in this time every other page asks too.
const ROUND: u64 = 2 * SECOND;
/// Tells a page that it need not ask again.
const STATE: header::HeaderName = header::HeaderName::from_static("tokenstorm-run");

/// Serves the page of the run that is under way. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    address: SocketAddr,
    view: Arc<View>,
    _server: Server,
}

/// What there is to see.
#[derive(Debug)]
struct View {
    /// Where the page is: `/`, or a path that nobody can guess.
    path: String,
    /// Whether it is for this host alone: then no name but its own may lead there.
    is_own: bool,
    clock: Clock,
    latest: Mutex<Option<Arc<Snapshot>>>,
    shown: Mutex<Shown>,
    /// When somebody asked last, on that clock; 0 for never.
    asked: AtomicU64,
}

/// The page, made once for all who ask.
#[derive(Debug, Default)]
struct Shown {
    page: Bytes,
    of: Option<Arc<Snapshot>>,
    /// It is not made anew before.
    until: u64,
    /// Once the run is over.
    over: Option<Over>,
}

/// That the run is over, and who knows.
#[derive(Clone, Copy, Debug, Default)]
struct Over {
    /// When somebody was given its report first.
    given: Option<u64>,
}

impl Watch {
    /// Listens at an address, port 0 for a free one, and answers from then on. Where others than this host can reach it, the
    /// page is under a path that nobody can guess.
    ///
    /// # Errors
    /// When it can't listen there, there is no thread for it, or no randomness for the path.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let is_own = is_loopback(address.ip());
        let path = if is_own { "/".to_owned() } else { format!("/{}/", random_id()?) };
        let listen = || -> io::Result<Self> {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            let view = Arc::new(View {
                path,
                is_own,
                clock: Clock::start(),
                latest: Mutex::default(),
                shown: Mutex::default(),
                asked: AtomicU64::new(0),
            });
            let server = Server::start(listener, MANNER, Seen(Arc::clone(&view)))?;
            Ok(Self { address, view, _server: server })
        };
        listen().map_err(|why| {
            Error::not_measured(format!("can't serve a page at `{address}`: {why}"))
                .hint("`--web` alone takes a free port of this host, and says which")
        })
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.view.path)
    }

    /// Shows the report of what is over to all who look, or that there is none, and waits until they have it, but not for
    /// long, and not once `stop` is set anew.
    pub fn ends(&self, report: Option<&Path>, stop: &AtomicBool) {
        let none = |why: String| {
            let words = format!("The run is over, and has no page: {why}.");
            page::shell("over", &html! { p { (words) } }).into_bytes()
        };
        let page = match report.map(fs::read) {
            Some(Ok(page)) => page,
            Some(Err(why)) => none(why.to_string()),
            None => none("the terminal says why".to_owned()),
        };
        let view = &self.view;
        let over = Some(Over::default());
        *view.shown.lock() = Shown { page: page.into(), over, ..Shown::default() };
        let now = view.clock.now();
        let asked = view.asked.load(Ordering::Relaxed);
        if asked == 0 || now.saturating_sub(asked) > PATIENCE {
            return;
        }
        let was_stopped = stop.load(Ordering::Relaxed);
        let end = || {
            let given = view.shown.lock().over.and_then(|over| over.given);
            given.map_or(now + LAST_LOOK, |given| given + ROUND)
        };
        let is_stopped = || !was_stopped && stop.load(Ordering::Relaxed);
        while view.clock.now() < end() && !is_stopped() {
            thread::sleep(SHORT_GLANCE);
        }
    }
}

impl Listener for Watch {
    fn hears(&self, snapshot: &Arc<Snapshot>) {
        *self.view.latest.lock() = Some(Arc::clone(snapshot));
    }
}

impl View {
    /// The page as it is now, and whether it is the last one; `is_read` where the asker gets all of it.
    fn page(&self, is_read: bool) -> (Bytes, bool) {
        let now = self.clock.now();
        if is_read {
            self.asked.store(now.max(1), Ordering::Relaxed);
        }
        let latest = self.latest.lock().clone();
        let mut shown = self.shown.lock();
        if let Some(over) = &mut shown.over {
            over.given = over.given.or(Some(now).filter(|_| is_read));
            return (shown.page.clone(), true);
        }
        let is_new =
            shown.page.is_empty() || !Snapshot::is_same(shown.of.as_ref(), latest.as_ref());
        if is_new && now >= shown.until {
            shown.page = under_way(latest.as_deref()).into();
            let ready = self.clock.now();
            shown.until = ready + (ready - now) * REST;
            shown.of = latest;
        }
        (shown.page.clone(), false)
    }

    /// Whether a request names this host as browsers do: a page of somebody else, whose name leads to the loopback, may not
    /// read this one.
    fn is_meant(&self, request: &Parts) -> bool {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let named = host.and_then(|host| host.parse::<Authority>().ok());
        let is_address = |name: &str| {
            name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        };
        !self.is_own || named.is_some_and(|named| is_address(named.host()))
    }
}

/// What is served of it.
struct Seen(Arc<View>);

impl Site for Seen {
    fn answer(&self, request: &Parts) -> Answer {
        if !self.0.is_meant(request) || request.uri.path() != self.0.path {
            return Answer::page("text/plain", "there is no such page\n")
                .with_status(StatusCode::NOT_FOUND);
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Answer::status(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, "GET, HEAD");
        }
        let (page, is_over) = self.0.page(request.method == Method::GET);
        Answer::page("text/html; charset=utf-8", page)
            .with(header::CACHE_CONTROL, "no-store")
            .with(header::REFERRER_POLICY, "no-referrer")
            .with(STATE, if is_over { "over" } else { "under way" })
    }
}

#[cfg(test)]
mod tests;
