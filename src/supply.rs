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
//! too long by then is minted again, to order. [`source::TokenSource`] is what a worker sees of all this.

pub mod estimate;
mod line;
pub mod oauth;
mod order;
pub mod shelf;
pub mod signal;
pub mod source;
pub mod yardstick;

use std::{
    collections::{HashMap, hash_map::Entry},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use parking_lot::Mutex;

use self::{
    line::{Lane, Line},
    order::{Book, MintOrder},
    signal::Signal,
};
use crate::{
    base::{
        clock::{Clock, of_seconds},
        error::{Error, Result},
    },
    plan::{BATCH, Model, Plan},
    token::{Bearer, Minter, Occasion, Password, Times, recipe::Exp},
};

/// What is known of a token that is ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Who brings it.
    pub bearer: Bearer,
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
}

/// Tokens of one worker in the order of its attempts, in one buffer.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Each with the end of its bytes, which begin where those of the one before end.
    tokens: Vec<(Ready, usize)>,
}

/// What all minting threads share.
#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    clock: Clock,
    /// When the storm starts, in nanoseconds of the run's clock; may be put off while tokens are
    /// minted ahead.
    start: AtomicI64,
    /// Tokens that were handed over ahead of their use.
    minted: AtomicU64,
    /// Tokens made, those to order among them, and the time spent on it.
    made: AtomicU64,
    busy_ns: AtomicU64,
    running: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// Clients whose tokens may be minted: a wave must not be disturbed by those of the next.
    permit: Permit,
    /// Tokens of `reuse` above 1 that are not handed out to all yet, by the first of their group.
    reused: Mutex<HashMap<Bearer, Reused>>,
}

/// How far minting may go on.
#[derive(Debug)]
struct Permit {
    clients: AtomicU64,
    /// One a minting thread, which may wait for more.
    wake: Mutex<Vec<Sender<()>>>,
}

impl Permit {
    fn new(clients: u64) -> Self {
        Self { clients: AtomicU64::new(clients), wake: Mutex::default() }
    }

    /// Lets it go on up to so many clients.
    fn raise(&self, to: u64) {
        self.clients.fetch_max(to, Ordering::AcqRel);
        for wake in &*self.wake.lock() {
            // One that is full wakes as well.
            let _ = wake.try_send(());
        }
    }

    fn clients(&self) -> u64 {
        self.clients.load(Ordering::Acquire)
    }

    /// What tells a minting thread that it may go on further.
    fn waker(&self) -> Receiver<()> {
        let (wake, woken) = bounded(1);
        self.wake.lock().push(wake);
        woken
    }
}

/// A token that a group of clients brings.
#[derive(Debug)]
struct Reused {
    bytes: Vec<u8>,
    ready: Ready,
    /// Clients of the group that have not got it yet.
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
    /// Tokens of it that were taken, and where the bytes of the next begin.
    at: usize,
    from: usize,
    /// Tells the minting threads that somebody takes the tokens.
    taker: Arc<()>,
    orders: Sender<MintOrder>,
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
        let (orders, book) = unbounded();
        let outlet = |_| Outlet::new(&shared, orders.clone());
        let mut outlets: Vec<Outlet> = (0..workers).map(outlet).collect();
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
            let line = Line::new(&shared, (number, minters), lanes, Book::new(book.clone()));
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
        let (orders, _) = unbounded();
        let outlets = (0..workers).map(|_| Outlet::new(&shared, orders.clone())).collect();
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
        let made = self.shared.made.load(Ordering::Relaxed) as f64;
        if busy > 0.0 { made / busy * self.threads.len() as f64 } else { 0.0 }
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
            made: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            running: AtomicU64::new(minters as u64),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            permit: Permit::new(permitted),
            reused: Mutex::new(HashMap::new()),
        }
    }

    /// Mints the token of a client's turn, for an instant of the run's clock; `is_ordered`: it is made for this one alone, also
    /// where several share those that are made ahead.
    fn mint(
        &self,
        minter: &mut Minter,
        (bearer, kind, is_ordered): (Bearer, usize, bool),
        at: u64,
        out: &mut Vec<u8>,
    ) -> Result<Ready> {
        let before = self.clock.now();
        let plan = &self.plan;
        let rotation = plan.rotation(kind, at as i64 - self.start.load(Ordering::Acquire));
        let key = plan.mould.kinds[kind].key_at(rotation).map(|key| key as u16);
        let from = out.len();
        let minted_for = self.clock.wall(at);
        let mut ready = Ready {
            bearer,
            kind,
            password: Password::Absent,
            key,
            times: Times::default(),
            minted_for,
        };
        if plan.reuse == 1 || is_ordered {
            let bearer = Bearer { client: plan.minted_as(bearer.client), ..bearer };
            let occasion = self.occasion(bearer.turn, minted_for);
            let made = minter.mint_for((kind, rotation), bearer, occasion, out)?;
            (ready.password, ready.times) = made;
            minter.countersign(ready.password, from, out)?;
        } else {
            ready = self.reuse(minter, ready, rotation, out)?;
        }
        let shown = plan.mould.shown(&out[from..]);
        plan.examine((kind, bearer.client), ready.minted_for, (ready.password, shown))?;
        self.made.fetch_add(1, Ordering::Relaxed);
        self.busy_ns.fetch_add(self.clock.now() - before, Ordering::Relaxed);
        Ok(ready)
    }

    /// What the token of a turn is minted for that is used at a wall time.
    fn occasion(&self, turn: u32, at: i64) -> Occasion {
        let start = self.start.load(Ordering::Acquire).max(0) as u64;
        self.plan.occasion(turn, at, self.clock.wall(start))
    }

    /// The token of the client's group: minted for its first, kept until the last has it.
    fn reuse(
        &self,
        minter: &mut Minter,
        wanted: Ready,
        rotation: usize,
        out: &mut Vec<u8>,
    ) -> Result<Ready> {
        let plan = &self.plan;
        let Bearer { client, turn } = wanted.bearer;
        let owner = Bearer { client: plan.minted_as(client), turn };
        let mut reused = self.reused.lock();
        if let Entry::Vacant(place) = reused.entry(owner) {
            let mut bytes = Vec::new();
            let kind = (wanted.kind, rotation);
            let occasion = self.occasion(turn, wanted.minted_for);
            let (password, times) = minter.mint_for(kind, owner, occasion, &mut bytes)?;
            minter.countersign(password, 0, &mut bytes)?;
            let left = plan.reuse.min(plan.clients - owner.client);
            place.insert(Reused { bytes, ready: Ready { password, times, ..wanted }, left });
        }
        let Some(token) = reused.get_mut(&owner) else { return Ok(wanted) };
        token.left -= 1;
        out.extend_from_slice(&token.bytes);
        let ready = Ready { bearer: wanted.bearer, ..token.ready };
        if token.left == 0 {
            reused.remove(&owner);
        }
        Ok(ready)
    }
}

impl Outlet {
    fn new(shared: &Arc<Shared>, orders: Sender<MintOrder>) -> Self {
        Self {
            tokens: Vec::new(),
            empties: Vec::new(),
            next: 0,
            current: None,
            at: 0,
            from: 0,
            orders,
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
            let Some(lane) = self.next.checked_rem(self.tokens.len()) else {
                return Stock::Exhausted;
            };
            match self.tokens[lane].try_recv() {
                Ok(batch) => {
                    self.current = Some((lane, batch));
                    (self.at, self.from) = (0, 0);
                    self.next += 1;
                }
                Err(TryRecvError::Empty) => return Stock::Pending,
                Err(TryRecvError::Disconnected) => return Stock::Exhausted,
            }
        }
    }

    /// What is known of the next token, after [`Stock::Ready`].
    pub fn next_ready(&self) -> Option<Ready> {
        let (_, batch) = self.current.as_ref()?;
        Some(batch.tokens.get(self.at)?.0)
    }

    /// Whether the next token does not end when those of its turn do, since the start of the storm was put off.
    pub fn is_of_another_start(&self) -> bool {
        let exp = |ready: Ready| Some(of_seconds(self.shared.occasion(0, ready.minted_for).exp?));
        let lasts = |ready: &Ready| self.shared.plan.mould.kinds[ready.kind].recipe.exp == Exp::Ttl;
        let next = self.next_ready().filter(lasts);
        next.is_some_and(|ready| exp(ready).is_some_and(|exp| ready.times.exp != Some(exp)))
    }

    /// The next token and its bytes, after [`Stock::Ready`].
    pub fn take(&mut self) -> Option<(Ready, &[u8])> {
        let (_, batch) = self.current.as_ref()?;
        let (ready, end) = *batch.tokens.get(self.at)?;
        let from = std::mem::replace(&mut self.from, end);
        self.at += 1;
        Some((ready, &batch.bytes[from..end]))
    }

    /// Has a token minted that is not minted ahead; `false` where no thread mints any more.
    fn order(&self, order: MintOrder) -> bool {
        self.orders.send(order).is_ok()
    }
}

#[cfg(test)]
mod tests;
