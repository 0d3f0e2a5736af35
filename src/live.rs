//! What is told of a run while it goes: counters and histograms for Prometheus, over HTTP.
//!
//! Once a second the collector hands over a [`Snapshot`] of what it has merged; whoever asks is given the last one. No
//! worker knows of it.

mod metrics;
mod snapshot;
mod text;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use prometheus_client::{encoding::text::encode, registry::Registry};
use tiny_http::{Header, Method, Request, Response, Server};

use self::metrics::Told;
use crate::error::{Error, Result};

pub use self::snapshot::{Now, Snapshot, Usage};

/// Where the metrics are.
const PATH: &str = "/metrics";
/// What `OpenMetrics` 1.0 calls its text.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What is sent to those who do not ask for it.
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Threads that answer: one who asks and does not read holds up one of them.
const ANSWERING: usize = 4;

/// Serves what is told of runs. It ends when this is dropped.
pub struct Exporter {
    server: Arc<Server>,
    address: SocketAddr,
    latest: Latest,
    runs: Mutex<Runs>,
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
        let failed = |why: &dyn fmt::Display| {
            Error::not_measured(format!("can't serve metrics at `{address}`: {why}"))
                .hint("`--prometheus 127.0.0.1:0` takes a free port, and says which")
        };
        let server = Arc::new(Server::http(address).map_err(|error| failed(&error))?);
        let own = server.server_addr().to_ip().ok_or_else(|| failed(&"it has no address"))?;
        let latest = Latest::default();
        let mut registry = Registry::with_prefix("tokenstorm");
        registry.register_collector(Box::new(Told(Arc::clone(&latest))));
        let exporter = Self { server, address: own, latest, runs: Mutex::default() };
        let registry = Arc::new(registry);
        for _ in 0..ANSWERING {
            let (serving, registry) = (Arc::clone(&exporter.server), Arc::clone(&registry));
            thread::Builder::new()
                .name("metrics".into())
                .spawn(move || serve(&serving, &registry))
                .map_err(|error| failed(&error))?;
        }
        Ok(exporter)
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
        let snapshot = self.runs.lock().unwrap_or_else(PoisonError::into_inner).take(snapshot);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Each call ends one thread.
        for _ in 0..ANSWERING {
            self.server.unblock();
        }
    }
}

fn serve(server: &Server, registry: &Registry) {
    // What drives clients comes first.
    let _ = rustix::process::setpriority_process(None, 10);
    for request in server.incoming_requests() {
        answer(request, registry);
    }
    // Who asked before the end is answered: the library tells those that it drops of an error of the server.
    while let Ok(Some(request)) = server.try_recv() {
        answer(request, registry);
    }
}

fn answer(request: Request, registry: &Registry) {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, header, body) = if path != PATH {
        (404, ("Content-Type", "text/plain"), format!("the metrics are at {PATH}\n"))
    } else if !matches!(request.method(), Method::Get | Method::Head) {
        (405, ("Allow", "GET, HEAD"), String::new())
    } else {
        let mut text = String::new();
        // Writing to a `String` can't fail.
        let _ = encode(&mut text, registry);
        if accepts_open_metrics(&request) {
            (200, ("Content-Type", OPEN_METRICS_TYPE), text)
        } else {
            (200, ("Content-Type", PLAIN_TYPE), text::plain(&text))
        }
    };
    // Its length is known: some read no chunks.
    let response = Response::from_string(body).with_chunked_threshold(usize::MAX);
    let mut response = response.with_status_code(status);
    if let Ok(header) = Header::from_bytes(header.0, header.1) {
        response.add_header(header);
    }
    // Whoever asked and left does not want it any more.
    let _ = request.respond(response);
}

fn accepts_open_metrics(request: &Request) -> bool {
    let accept = request.headers().iter().filter(|header| header.field.equiv("Accept"));
    let types = accept.flat_map(|header| header.value.as_str().split(','));
    types
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case(OPEN_METRICS))
}

#[cfg(test)]
mod tests;
