//! Metrics for Prometheus, over HTTP: whoever asks is given the last snapshot.

use std::{
    fmt,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use axum::http::{Method, StatusCode, header, request::Parts};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use prometheus_client::{encoding::text::encode, registry::Registry};

use super::{
    Listener, Snapshot, created,
    metrics::Told,
    runs::{Latest, Runs},
    text,
};
use crate::base::{
    clock::{Clock, SECOND, SHORT_GLANCE, nanoseconds},
    error::{Error, Result},
    web::server::{Answer, Manner, Server, Site},
};

/// What stands at the root, for a person.
const ROOT: &str = "<!DOCTYPE html><title>tokenstorm</title><p>The metrics of the run are at <a href=\"/metrics\">/metrics</a>.\n";
/// A coding of answers (RFC 9110, 8.4.1.3).
const GZIP: &str = "gzip";
/// Where the metrics are.
const PATH: &str = "/metrics";
/// What `OpenMetrics` 1.0 calls its text.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What is sent to those who do not ask for it.
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How it is served: its connections take descriptors from the clients', and nobody scrapes by more than a few.
pub(super) const MANNER: Manner = Manner { name: "metrics", most: 64, gives_way: true };

/// Serves what is told of runs. It ends when this is dropped.
pub struct Exporter {
    address: SocketAddr,
    latest: Latest,
    /// The last that somebody was given.
    given: Latest,
    runs: Mutex<Runs>,
    _server: Server,
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
            let (latest, given) = (Latest::default(), Latest::default());
            let server = Server::start(listener, MANNER, Metrics::new(&latest, &given))?;
            Ok(Self { address, latest, given, runs: Mutex::default(), _server: server })
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

    /// Goes on until somebody was given the last that there is to tell, or for so long, or until `stop` is set.
    pub fn linger(&self, most: Duration, stop: &AtomicBool) {
        let clock = Clock::start();
        let end = nanoseconds(most);
        let is_given = || {
            let latest = self.latest.lock();
            latest.is_none() || Snapshot::is_same(latest.as_ref(), self.given.lock().as_ref())
        };
        while !is_given() && clock.now() < end && !stop.load(Ordering::Relaxed) {
            thread::sleep(SHORT_GLANCE);
        }
    }
}

impl Listener for Exporter {
    fn hears(&self, snapshot: &Arc<Snapshot>) {
        let whole = self.runs.lock().take(Arc::clone(snapshot));
        *self.latest.lock() = Some(Arc::new(whole));
    }
}

/// The page with the metrics.
struct Metrics {
    registry: Registry,
    latest: Latest,
    given: Latest,
    /// When counting began, in seconds since 1970.
    created: f64,
    made: Mutex<Option<Made>>,
}

/// The page in both formats: made once of a snapshot for all who ask, so that those who read slowly share it.
#[derive(Clone)]
struct Made {
    of: Option<Arc<Snapshot>>,
    open: Bytes,
    plain: Bytes,
    /// Both compressed, where somebody has asked for that.
    packed: [Option<Bytes>; 2],
}

impl Metrics {
    fn new(latest: &Latest, given: &Latest) -> Self {
        let mut registry = Registry::with_prefix("tokenstorm");
        registry.register_collector(Box::new(Told(Arc::clone(latest))));
        let created = Clock::start().wall(0) as f64 / SECOND as f64;
        let (latest, given) = (Arc::clone(latest), Arc::clone(given));
        Self { registry, latest, given, created, made: Mutex::default() }
    }

    /// The page in one of its formats, compressed where that is wanted.
    fn page(&self, is_open: bool, is_packed: bool) -> Bytes {
        let made = self.made();
        let text = if is_open { &made.open } else { &made.plain };
        self.given.lock().clone_from(&made.of);
        if !is_packed {
            return text.clone();
        }
        if let Some(packed) = &made.packed[usize::from(is_open)] {
            return packed.clone();
        }
        let packed = packed(text);
        if let Some(kept) = self.made.lock().as_mut().filter(|kept| kept.open == made.open) {
            kept.packed[usize::from(is_open)] = Some(packed.clone());
        }
        packed
    }

    fn made(&self) -> Made {
        let latest = self.latest.lock().clone();
        let mut made = self.made.lock();
        let is_of_it = |made: &&Made| Snapshot::is_same(made.of.as_ref(), latest.as_ref());
        if let Some(made) = made.as_ref().filter(is_of_it) {
            return made.clone();
        }
        let mut text = String::new();
        // Writing to a `String` can't fail.
        let _ = encode(&mut text, &self.registry);
        let plain = text::plain(&text).into();
        let open = created::with_created(&text, self.created).into();
        made.insert(Made { of: latest, open, plain, packed: [None, None] }).clone()
    }
}

impl Site for Metrics {
    fn answer(&self, request: &Parts) -> Answer {
        if request.uri.path() == "/" {
            return Answer::page("text/html; charset=utf-8", ROOT);
        }
        if request.uri.path() != PATH {
            return Answer::page("text/plain", format!("the metrics are at {PATH}\n"))
                .with_status(StatusCode::NOT_FOUND);
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Answer::status(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, "GET, HEAD");
        }
        let is_open = accepts(request, &header::ACCEPT, OPEN_METRICS);
        let is_packed = accepts(request, &header::ACCEPT_ENCODING, GZIP);
        let kind = if is_open { OPEN_METRICS_TYPE } else { PLAIN_TYPE };
        let answer = Answer::page(kind, self.page(is_open, is_packed))
            .with(header::VARY, "Accept, Accept-Encoding");
        if is_packed { answer.with(header::CONTENT_ENCODING, GZIP) } else { answer }
    }
}

/// Whether a header names what is asked for, and does not give it the weight 0 (RFC 9110, 12.4.2).
fn accepts(request: &Parts, header: &header::HeaderName, wanted: &str) -> bool {
    let values = request.headers.get_all(header).iter();
    let named = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    named.map(|named| named.split(';').map(str::trim).collect::<Vec<_>>()).any(|parts| {
        let weight = parts.iter().find_map(|part| part.strip_prefix("q="));
        let is_none = weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0));
        parts[0].eq_ignore_ascii_case(wanted) && !is_none
    })
}

/// A text as gzip has it, quickly rather than small.
fn packed(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory can't fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}
