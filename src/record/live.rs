//! What is told of a run while it goes: counters and histograms for Prometheus, over HTTP.
//!
//! Once a second the collector hands over a [`Snapshot`] of what it has merged; whoever asks is given the last one. No
//! worker knows of it.

mod metrics;
mod snapshot;
mod text;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;

use axum::http::{Method, StatusCode, header, request::Parts};
use bytes::Bytes;
use prometheus_client::{encoding::text::encode, registry::Registry};

use self::metrics::Told;
use crate::base::{
    error::{Error, Result},
    web::server::{Answer, Manner, Server, Site},
};

pub use self::snapshot::{Now, Snapshot, Usage};

/// Where the metrics are.
const PATH: &str = "/metrics";
/// What `OpenMetrics` 1.0 calls its text.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What is sent to those who do not ask for it.
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How it is served: its connections take descriptors from the clients', and nobody scrapes by more than a few.
const MANNER: Manner = Manner { name: "metrics", most: 64, gives_way: true };

/// Serves what is told of runs. It ends when this is dropped.
pub struct Exporter {
    address: SocketAddr,
    latest: Latest,
    runs: Mutex<Runs>,
    _server: Server,
}

/// The last snapshot, with the counts of all runs; `None` before the first storm.
type Latest = Arc<Mutex<Option<Arc<Snapshot>>>>;

/// The runs of this program, one after another.
#[derive(Debug, Default)]
struct Runs {
    /// The last snapshot of the one under way.
    own: Option<Snapshot>,
    /// What those before it came to together.
    before: Option<Snapshot>,
}

impl Runs {
    /// Takes a snapshot; returns it with the counts of the runs that are over, so that counters only grow.
    fn take(&mut self, snapshot: Snapshot) -> Snapshot {
        if let Some(over) = self.own.take_if(|own| !own.is_of(&snapshot)) {
            match &mut self.before {
                Some(before) => before.add(&over),
                None => self.before = Some(over),
            }
        }
        let mut whole = snapshot.clone();
        if let Some(before) = &self.before {
            whole.add(before);
        }
        self.own = Some(snapshot);
        whole
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Listens at an address, port 0 for a free one, and answers from then on.
    ///
    /// # Errors
    /// When it can't listen there, or there is no thread for it.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let listen = || -> io::Result<Self> {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            let latest = Latest::default();
            let server = Server::start(listener, MANNER, Metrics::new(&latest))?;
            Ok(Self { address, latest, runs: Mutex::default(), _server: server })
        };
        listen().map_err(|why| {
            Error::not_measured(format!("can't serve metrics at `{address}`: {why}"))
                .hint("`--prometheus 127.0.0.1:0` takes a free port, and says which")
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the metrics are.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Takes what is told from now on.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = self.runs.lock().take(snapshot);
        *self.latest.lock() = Some(Arc::new(snapshot));
    }
}

/// The page with the metrics.
struct Metrics {
    registry: Registry,
    latest: Latest,
    made: Mutex<Option<Made>>,
}

/// The page in both formats: made once of a snapshot for all who ask, so that those who read slowly share it.
#[derive(Clone)]
struct Made {
    of: Option<Arc<Snapshot>>,
    open: Bytes,
    plain: Bytes,
}

impl Metrics {
    fn new(latest: &Latest) -> Self {
        let mut registry = Registry::with_prefix("tokenstorm");
        registry.register_collector(Box::new(Told(Arc::clone(latest))));
        Self { registry, latest: Arc::clone(latest), made: Mutex::default() }
    }

    fn made(&self) -> Made {
        let latest = self.latest.lock().clone();
        let mut made = self.made.lock();
        let pointer = |snapshot: &Option<Arc<Snapshot>>| snapshot.as_ref().map(Arc::as_ptr);
        if let Some(made) = made.as_ref().filter(|made| pointer(&made.of) == pointer(&latest)) {
            return made.clone();
        }
        let mut text = String::new();
        // Writing to a `String` can't fail.
        let _ = encode(&mut text, &self.registry);
        let plain = text::plain(&text).into();
        made.insert(Made { of: latest, open: text.into(), plain }).clone()
    }
}

impl Site for Metrics {
    fn answer(&self, request: &Parts) -> Answer {
        if request.uri.path() != PATH {
            return Answer::page("text/plain", format!("the metrics are at {PATH}\n"))
                .with_status(StatusCode::NOT_FOUND);
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Answer::status(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, "GET, HEAD");
        }
        let made = self.made();
        if accepts_open_metrics(request) {
            Answer::page(OPEN_METRICS_TYPE, made.open)
        } else {
            Answer::page(PLAIN_TYPE, made.plain)
        }
    }
}

fn accepts_open_metrics(request: &Parts) -> bool {
    let accept = request.headers.get_all(header::ACCEPT).iter();
    let types = accept.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    types
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case(OPEN_METRICS))
}

#[cfg(test)]
mod tests;
