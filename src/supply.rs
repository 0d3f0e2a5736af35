//! Where a client's next token comes from: minted ahead, or fetched from an authorization server. Uses `base`,
//! `scenario`, `token`, `plan`, `client`, `record`, `servers`.
//!
//! Tokens are minted on all CPUs, ahead of the schedule, in bounded batches.
//! Attempt `n` belongs to worker `n` modulo their count. A worker's tokens come in the order of its
//! attempts: batch `b` is minted by thread `b` modulo their count, and each pair of thread and
//! worker has a bounded channel of its own. So memory stays bounded at any number of clients, no
//! lock is shared, and a worker that takes a token copies nothing and allocates nothing.
//!
//! A token is minted for the moment of its use: in the open model the schedule says when that is. In
//! the closed model nobody knows, and in both it may come later than thought; a token that has lain
//! too long by then is minted again by its worker.

pub mod estimate;
mod line;
pub mod oauth;
pub mod signal;
pub mod yardstick;

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use self::{
    line::{Lane, Line},
    signal::Signal,
};
use crate::{
    base::{
        clock::Clock,
        error::{Error, Result},
    },
    plan::{BATCH, Model, Plan},
    token::{Password, Times},
};

/// A token, ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The client that brings it.
    pub client: u64,
    /// Index of its kind.
    pub kind: usize,
    /// Whether the field it goes into is there at all.
    pub password: Password,
    /// Index of the key that signed it, where one did.
    pub key: Option<u16>,
    /// Its `exp` and `nbf`.
    pub times: Times,
    /// The moment of use it was minted for, in nanoseconds since 1970.
    pub minted_for: i64,
    start: usize,
    end: usize,
}

impl Ready {
    /// A token that was not minted ahead; its bytes are elsewhere.
    pub fn elsewhere(
        client: u64,
        kind: usize,
        password: Password,
        key: Option<u16>,
        times: Times,
        at: i64,
    ) -> Self {
        Self { client, kind, password, key, times, minted_for: at, start: 0, end: 0 }
    }

    /// The same client's token, minted again for another moment; its bytes are elsewhere.
    #[must_use]
    pub fn renewed(self, key: Option<u16>, times: Times, minted_for: i64) -> Self {
        Self { key, times, minted_for, ..self }
    }
}

/// Tokens of one worker in the order of its attempts, in one buffer.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    tokens: Vec<Ready>,
}

/// What all minting threads share.
#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    clock: Clock,
    /// When the storm starts, in nanoseconds of the run's clock; may be put off while tokens are
    /// minted ahead.
    start: AtomicI64,
    minted: AtomicU64,
    busy_ns: AtomicU64,
    running: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// Clients whose tokens may be minted: a wave must not be disturbed by those of the next.
    permit: Permit,
    /// Tokens of `reuse` above 1 that are not handed out to all yet.
    reused: Mutex<HashMap<u64, Reused>>,
}

/// How far minting may go on.
#[derive(Debug)]
struct Permit {
    clients: Mutex<u64>,
    more: Condvar,
}

impl Permit {
    fn new(clients: u64) -> Self {
        Self { clients: Mutex::new(clients), more: Condvar::new() }
    }

    /// Lets it go on up to so many clients.
    fn raise(&self, to: u64) {
        let mut clients = self.clients.lock();
        *clients = to.max(*clients);
        self.more.notify_all();
    }

    fn clients(&self) -> u64 {
        *self.clients.lock()
    }

    /// Waits until it may go on beyond so many clients.
    fn wait_beyond(&self, done: u64) {
        let mut clients = self.clients.lock();
        while *clients <= done {
            self.more.wait(&mut clients);
        }
    }
}

#[derive(Debug)]
struct Reused {
    bytes: Vec<u8>,
    password: Password,
    key: Option<u16>,
    times: Times,
    minted_for: i64,
    left: u64,
}

/// The minting threads of a run.
#[derive(Debug)]
pub struct Supply {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    ahead: u64,
}

/// One worker's end of the supply.
#[derive(Debug)]
pub struct Outlet {
    tokens: Vec<Receiver<Batch>>,
    empties: Vec<Sender<Batch>>,
    /// Number of the next batch to take.
    next: usize,
    current: Option<(usize, Batch)>,
    at: usize,
    /// Tells the minting threads that somebody takes the tokens.
    taker: Arc<()>,
    shared: Arc<Shared>,
}

/// Whether the next token is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stock {
    /// It is.
    Ready,
    /// It is being minted.
    Pending,
    /// There are no more, or minting failed.
    Exhausted,
}

impl Supply {
    /// Starts minting for a storm that begins at `start`; `ahead` tokens are kept ready.
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn start(
        plan: &Arc<Plan>,
        clock: Clock,
        start: u64,
        ahead: u64,
        signals: &[Arc<Signal>],
    ) -> Result<(Self, Vec<Outlet>)> {
        let minters = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = signals.len();
        let shared = Arc::new(Shared::new(plan, clock, start, minters));
        // One batch more a channel than asked: the one that is being taken from.
        let depth = (ahead.div_ceil(BATCH * (minters * workers) as u64) + 1) as usize;
        let mut outlets: Vec<Outlet> = (0..workers).map(|_| Outlet::new(&shared)).collect();
        let mut threads = Vec::with_capacity(minters);
        for number in 0..minters {
            let mut lanes = Vec::with_capacity(workers);
            for (outlet, signal) in outlets.iter_mut().zip(signals) {
                let (tokens, to_worker) = bounded(depth);
                let (empties, from_worker) = bounded(depth + 2);
                outlet.tokens.push(to_worker);
                outlet.empties.push(empties);
                let taker = Arc::downgrade(&outlet.taker);
                lanes.push(Lane::new(tokens, from_worker, Arc::clone(signal), taker));
            }
            let line = Line::new(&shared, (number, minters), lanes);
            let thread = thread::Builder::new()
                .name(format!("mint-{number}"))
                .spawn(move || line.run())
                .map_err(|error| {
                    Error::not_measured(format!("can't start a minting thread: {error}"))
                })?;
            threads.push(thread);
        }
        Ok((Self { shared, threads, ahead: ahead.min(plan.attempts) }, outlets))
    }

    /// No supply at all: tokens come from elsewhere.
    pub fn none(plan: &Arc<Plan>, clock: Clock, workers: usize) -> (Self, Vec<Outlet>) {
        let shared = Arc::new(Shared::new(plan, clock, 0, 0));
        let outlets = (0..workers).map(|_| Outlet::new(&shared)).collect();
        (Self { shared, threads: Vec::new(), ahead: 0 }, outlets)
    }

    /// Tokens minted so far.
    pub fn minted(&self) -> u64 {
        self.shared.minted.load(Ordering::Relaxed)
    }

    /// Tokens that are to be ready before the storm starts.
    pub fn ahead(&self) -> u64 {
        self.ahead
    }

    /// Whether they are ready, or never will be.
    pub fn is_ready(&self) -> bool {
        self.minted() >= self.ahead || self.shared.running.load(Ordering::Acquire) == 0
    }

    /// Puts the start of the storm off: tokens minted from here on are for the new one.
    pub fn put_off(&self, start: u64) {
        self.shared.start.store(start as i64, Ordering::Release);
    }

    /// Tokens a second that all threads together could mint, from the time they spent on it.
    pub fn rate(&self) -> f64 {
        let busy = self.shared.busy_ns.load(Ordering::Relaxed) as f64 / 1e9;
        if busy > 0.0 { self.minted() as f64 / busy * self.threads.len() as f64 } else { 0.0 }
    }

    /// Why minting failed, if it did.
    pub fn failure(&self) -> Option<Error> {
        self.shared.failure.lock().take()
    }

    /// Tells all threads to end.
    pub fn end(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.permit.raise(u64::MAX);
    }

    /// Ends minting; the outlets must be gone, or threads that wait for room would wait for ever.
    pub fn stop(self) {
        self.end();
        for thread in self.threads {
            // A thread that panicked has nothing to give any more.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn new(plan: &Arc<Plan>, clock: Clock, start: u64, minters: usize) -> Self {
        let permitted = match &plan.model {
            Model::Preconnect(waves) => waves.size,
            _ => u64::MAX,
        };
        Self {
            plan: Arc::clone(plan),
            clock,
            start: AtomicI64::new(start as i64),
            minted: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            running: AtomicU64::new(minters as u64),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            permit: Permit::new(permitted),
            reused: Mutex::new(HashMap::new()),
        }
    }
}

impl Outlet {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            tokens: Vec::new(),
            empties: Vec::new(),
            next: 0,
            current: None,
            at: 0,
            taker: Arc::new(()),
            shared: Arc::clone(shared),
        }
    }

    /// Lets the supply mint for all clients below this one.
    pub fn permit(&self, clients: u64) {
        self.shared.permit.raise(clients);
    }

    /// Whether the tokens of all clients below this one are minted, or never will be.
    pub fn is_minted(&self, clients: u64) -> bool {
        self.shared.minted.load(Ordering::Acquire) >= clients
            || self.shared.running.load(Ordering::Acquire) == 0
    }

    /// Whether the next token is there; if it is, [`Outlet::take`] gives it.
    pub fn stock(&mut self) -> Stock {
        loop {
            match &self.current {
                Some((_, batch)) if self.at < batch.tokens.len() => return Stock::Ready,
                _ => {}
            }
            if let Some((lane, batch)) = self.current.take() {
                // Room is never lacking; if it were, the buffer would be freed.
                drop(self.empties[lane].try_send(batch));
            }
            let lane = self.next % self.tokens.len();
            match self.tokens[lane].try_recv() {
                Ok(batch) => {
                    self.current = Some((lane, batch));
                    self.at = 0;
                    self.next += 1;
                }
                Err(TryRecvError::Empty) => return Stock::Pending,
                Err(TryRecvError::Disconnected) => return Stock::Exhausted,
            }
        }
    }

    /// The next token and its bytes, after [`Stock::Ready`].
    pub fn take(&mut self) -> Option<(Ready, &[u8])> {
        let (_, batch) = self.current.as_ref()?;
        let ready = *batch.tokens.get(self.at)?;
        self.at += 1;
        Some((ready, &batch.bytes[ready.start..ready.end]))
    }
}

#[cfg(test)]
mod tests;
