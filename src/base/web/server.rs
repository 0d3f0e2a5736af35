//! A small web server for pages of the program's own, asked by anybody: headers, connections and times are bounded, bodies
//! of requests are never read, and whoever asks and does not read holds up nobody.

mod overheard;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use self::overheard::Overheard;

/// Longest head of a request that is read, in bytes: browsers and scrapers send a tenth of it.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long a head may take, and how long a connection that is kept alive may say nothing: longer than the time between
/// two scrapes, which is 15 s as a rule.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a connection is served: whoever wants more connects again.
const LIFE: Duration = Duration::from_mins(2);
/// Requests of one connection: what was asked ahead waits in memory until it is taken.
const MOST_REQUESTS: u32 = 100;
/// How long is waited, at the end, for what was sent before it: longer than a packet takes within a data centre.
const LAST_CALL: Duration = Duration::from_millis(20);
/// How long answers that are under way at the end may take.
const GRACE: Duration = Duration::from_secs(1);
/// How long it is until connections are taken again where there are no descriptors.
const AGAIN: Duration = Duration::from_millis(50);
/// How far the priority of a server's thread is lowered that must not take the CPU from those that drive clients.
const LOWERED: i32 = 10;

/// What is served.
pub trait Site: Send + Sync + 'static {
    /// Hears the first line of each request, as it came: before anything is waited for, and also where the rest of the
    /// request is wrong or never comes.
    fn hears(&self, _line: &[u8], _from: SocketAddr) {}

    /// Answers a request. It must not block.
    fn answer(&self, request: &Parts) -> Answer;
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// An answer without a body.
    pub fn status(status: StatusCode) -> Self {
        Self { status, ..Self::default() }
    }

    /// A page of a type (RFC 9110, 8.3).
    pub fn page(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { body: body.into(), headers: vec![kind], ..Self::default() }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; one whose value can't stand in a header is left out.
    #[must_use]
    pub fn with(mut self, name: header::HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

/// How a server runs.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// What its thread is called.
    pub name: &'static str,
    /// Connections at one time; the oldest is ended to let a new one in.
    pub most: usize,
    /// Whether its thread gives way to those that drive clients.
    pub gives_way: bool,
}

/// A server on a thread of its own. It ends when this is dropped; who asked before that is answered.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a site to whoever connects.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn start(listener: TcpListener, manner: Manner, site: impl Site) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name(manner.name.into())
            .spawn(move || run(&runtime, listener, manner, Arc::new(site), stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        // It ends within `LAST_CALL` and `GRACE`.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    runtime: &Runtime,
    listener: TcpListener,
    manner: Manner,
    site: Arc<impl Site>,
    stopped: watch::Receiver<bool>,
) {
    if manner.gives_way {
        let _ = rustix::process::setpriority_process(None, LOWERED);
    }
    runtime.block_on(async {
        // Fails without descriptors for it, of which the runtime has its own already.
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            receive(&listener, manner.most, site, stopped).await;
        }
    });
}

async fn receive(
    listener: &tokio::net::TcpListener,
    most: usize,
    site: Arc<impl Site>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut open = Open { tasks: JoinSet::new(), order: VecDeque::new(), most };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => open.take(converse(stream, from, Arc::clone(&site), stopped.clone())),
                // Out of descriptors, perhaps: those who wait may be luckier.
                Err(_) => sleep(AGAIN).await,
            },
            () = until(&mut stopped) => break,
        }
        // So that connections are heard before newer ones end them.
        tokio::task::yield_now().await;
    }
    // Who connected before the end is served, as many as there may be.
    for _ in 0..most {
        let Ok(Ok((stream, from))) = timeout(LAST_CALL, listener.accept()).await else { break };
        open.take(converse(stream, from, Arc::clone(&site), stopped.clone()));
    }
    let _ = timeout(GRACE, async { while open.tasks.join_next().await.is_some() {} }).await;
}

/// The connections that are open, oldest first.
struct Open {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
    most: usize,
}

impl Open {
    fn take(&mut self, conversation: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        if self.order.len() >= self.most {
            self.order.retain(|task| !task.is_finished());
        }
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(conversation));
    }
}

/// Resolves when the server is to end.
async fn until(stopped: &mut watch::Receiver<bool>) {
    // It fails where the server is gone, which is an end too.
    let _ = stopped.wait_for(|is_over| *is_over).await;
}

async fn converse(
    stream: tokio::net::TcpStream,
    from: SocketAddr,
    site: Arc<impl Site>,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = Overheard::new(stream, from, Arc::clone(&site));
    let asked = AtomicU32::new(0);
    let service = service_fn(|request| {
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        std::future::ready(respond(&*site, request, number))
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LONGEST_HEAD)
        // Who has asked and says no more may still read.
        .half_close(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut conversation = pin!(conversation);
    let is_over = tokio::select! {
        _ = conversation.as_mut() => true,
        () = sleep(LIFE) => false,
        () = async { until(&mut stopped).await; sleep(LAST_CALL).await; } => false,
    };
    if !is_over {
        conversation.as_mut().graceful_shutdown();
        let _ = timeout(GRACE, conversation).await;
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a service of the library gives")]
fn respond(
    site: &impl Site,
    request: hyper::Request<hyper::body::Incoming>,
    number: u32,
) -> Result<Response<Body>, Infallible> {
    let (request, _) = request.into_parts();
    // A body is not read, and nothing that comes where one may be is taken for a request.
    let has_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .any(|name| request.headers.contains_key(name));
    let answer = site.answer(&request);
    let length = answer.body.len();
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(answer.headers.into_iter().map(|(name, value)| (Some(name), value)));
    // Known also of a page that is only asked about: some read no chunks.
    headers.insert(header::CONTENT_LENGTH, length.into());
    if has_body || number >= MOST_REQUESTS {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
