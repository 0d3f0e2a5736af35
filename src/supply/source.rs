//! Where a worker's tokens come from, as the worker sees it: it orders the token of a client's turn, and has it at once or
//! hears of it by its bell.
//!
//! The token of a first turn was minted ahead, mostly. What has lain there for too long is minted again, by the minting
//! threads and to order, like the token of any later turn. Where an authorization server issues tokens, they are fetched.
//! A worker signs nothing itself: while it did, nobody would serve its other clients.

use std::{collections::VecDeque, sync::Arc};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    Outlet, Ready, Stock,
    oauth::{Brought, Failure, Fetched, Fetcher},
    order::{Made, MintOrder, Taker},
    shelf::{Shelf, Taken},
    signal::Signal,
};
use crate::{
    base::clock::{Clock, nanoseconds},
    client::verdict::foreign::Said,
    plan::Plan,
    token::{Bearer, Minter, Occasion, Password, oracle::shape::Shape, recipe::Form},
};

/// Orders that are sent together at most: whoever mints begins meanwhile.
const ORDERS_AT_ONCE: usize = 64;
/// Nanoseconds for which an order that may wait does so for others: to wake a thread for each costs more than to mint.
const GATHERING: u64 = 2_000_000;

/// Buffers that are kept for the next orders.
const BUFFERS: usize = 256;
/// Bytes that most tokens take at most.
const ROOM: usize = 512;

/// Why a client has no token whose rows are all taken.
pub const NO_MORE_ROWS: &str = "no_more_rows";

/// An order for the token of a client's turn.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Who brings it.
    pub bearer: Bearer,
    /// Index of its kind.
    pub kind: usize,
    /// When it is to be used, in nanoseconds of the run's clock.
    pub at: u64,
    /// When nobody waits for it any more.
    pub deadline: u64,
    /// What the answer is known by.
    pub ticket: u64,
    /// Whether it may be sent a little later, with others: its client has a connection meanwhile.
    pub may_wait: bool,
}

/// What came of an order.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The token.
    Token(Handed<'a>),
    /// The authorization server gave none.
    Failed(Failure),
    /// What has no signature could not be made.
    NotMade,
    /// None will come: minting failed, and the engine says why.
    Never,
}

/// A token in the hands of its client.
#[derive(Clone, Copy)]
pub struct Handed<'a> {
    /// What is known of it.
    pub ready: Ready,
    /// As CONNECT carries it.
    pub bytes: &'a [u8],
    /// What the policy says of it, where others made it.
    pub said: Option<Said>,
    /// Whether it is a JWT, of which it is known when it ends.
    pub is_jwt: bool,
    /// Whether it has to be accepted because its user says so.
    pub is_word: bool,
}

impl std::fmt::Debug for Handed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl<'a> Handed<'a> {
    /// A token that was fetched for a client whose attempt began at this wall time.
    pub fn fetched(brought: &'a Brought, (bearer, kind): (Bearer, usize), at: i64) -> Self {
        let Brought { token, said } = brought;
        let ready = Ready {
            bearer,
            kind,
            password: Password::Given,
            key: token.key,
            times: token.times,
            minted_for: at,
        };
        let is_jwt = matches!(token.shape, Shape::Jwt(_));
        Self { ready, bytes: &token.bytes, said: Some(*said), is_jwt, is_word: false }
    }
}

/// A token that comes by the bell.
#[derive(Debug)]
enum Arrival {
    Made(u64, Made),
    Never(u64),
    Fetched(Order, Fetched),
}

/// Where a worker's tokens come from.
#[derive(Debug)]
pub struct TokenSource {
    plan: Arc<Plan>,
    clock: Clock,
    signal: Arc<Signal>,
    outlet: Outlet,
    fetcher: Option<Arc<Fetcher>>,
    /// The tokens of a file, where they come from there.
    shelf: Option<Arc<Shelf>>,
    /// How many of these nobody had before, since the last look.
    rows_taken: u64,
    /// Nanoseconds that a token of each kind may lie before it is minted again; `None` where tokens are reused, and so used
    /// at another moment than their own by design.
    shelf_lives: Option<Vec<u64>>,
    /// First turns whose tokens are being minted ahead, in the order of clients.
    waiting: VecDeque<Order>,
    /// Orders that are not sent yet, and when they are to be.
    orders: Vec<Order>,
    orders_due: u64,
    /// Buffers of tokens that were made to order, for the next ones: none is freed in another thread than it was made in.
    buffers: Vec<Vec<u8>>,
    /// What minting threads hand their tokens to.
    taker: Taker,
    arrivals: (Sender<Arrival>, Receiver<Arrival>),
    /// The last that arrived, while its bytes are lent.
    arrived: Option<Arrival>,
    /// Makes what has no signature, where nothing is minted ahead; made on first use.
    unsigned: Option<(Minter, Vec<u8>)>,
}

impl TokenSource {
    /// The source of one worker, which is woken by this signal.
    pub fn new(
        plan: &Arc<Plan>,
        clock: Clock,
        signal: &Arc<Signal>,
        outlet: Outlet,
        (fetcher, shelf): (Option<Arc<Fetcher>>, Option<Arc<Shelf>>),
    ) -> Self {
        let mould = &plan.mould;
        let lives = mould.kinds.iter().map(|kind| kind.recipe.shelf_life(mould.ttl));
        let arrivals = unbounded();
        Self {
            plan: Arc::clone(plan),
            clock,
            signal: Arc::clone(signal),
            outlet,
            fetcher,
            shelf,
            rows_taken: 0,
            shelf_lives: (plan.reuse == 1).then(|| lives.map(nanoseconds).collect()),
            waiting: VecDeque::new(),
            orders: Vec::new(),
            orders_due: u64::MAX,
            buffers: Vec::new(),
            taker: taker(arrivals.0.clone(), Arc::clone(signal)),
            arrivals,
            arrived: None,
            unsigned: None,
        }
    }

    /// Orders a token. `None` where it has to be waited for: the answer comes by [`TokenSource::next_answer`]. First turns are ordered
    /// in the order of the worker's clients.
    pub fn ask(&mut self, order: Order) -> Option<Answer<'_>> {
        if self.fetcher.is_some() {
            return self.ask_elsewhere(order);
        }
        if self.shelf.is_some() {
            return Some(self.take_row(order));
        }
        if order.bearer.turn > 0 {
            self.mint(order);
            return None;
        }
        if !self.waiting.is_empty() {
            self.waiting.push_back(order);
            return None;
        }
        match self.stock() {
            Stock::Ready if self.mint_if_stale(order) => None,
            Stock::Ready => {
                let (ready, bytes) = self.outlet.take()?;
                Some(handed(&self.plan, ready, bytes))
            }
            Stock::Pending => {
                self.waiting.push_back(order);
                None
            }
            Stock::Exhausted => Some(Answer::Never),
        }
    }

    /// The next answer to an order that had to wait, with its ticket; `None` where none is there. To be called again until
    /// then, whenever the bell rang.
    pub fn next_answer(&mut self) -> Option<(u64, Answer<'_>)> {
        self.send_orders();
        // One at a time, as a token that has lain for too long is ordered anew, and answered later.
        while let Some(order) = self.waiting.front().copied() {
            match self.stock() {
                Stock::Pending => break,
                Stock::Exhausted => {
                    self.waiting.pop_front();
                    return Some((order.ticket, Answer::Never));
                }
                Stock::Ready => {
                    self.waiting.pop_front();
                    let now = self.clock.now();
                    if order.deadline <= now {
                        // Nobody waits for it any more.
                        self.outlet.take();
                        continue;
                    }
                    if self.mint_if_stale(Order { at: now, ..order }) {
                        continue;
                    }
                    let (ready, bytes) = self.outlet.take()?;
                    return Some((order.ticket, handed(&self.plan, ready, bytes)));
                }
            }
        }
        let arrived = self.arrivals.1.try_recv().ok()?;
        if let Some(Arrival::Made(_, Made { mut bytes, .. })) = self.arrived.replace(arrived)
            && self.buffers.len() < BUFFERS
        {
            bytes.clear();
            self.buffers.push(bytes);
        }
        Some(match self.arrived.as_ref()? {
            Arrival::Made(ticket, made) => (*ticket, handed(&self.plan, made.ready, &made.bytes)),
            Arrival::Never(ticket) => (*ticket, Answer::Never),
            Arrival::Fetched(order, fetched) => (order.ticket, brought(self.clock, order, fetched)),
        })
    }

    /// Whether [`TokenSource::next_answer`] has one.
    pub fn has_answer(&mut self) -> bool {
        !self.arrivals.1.is_empty()
            || !self.waiting.is_empty() && self.outlet.stock() != Stock::Pending
    }

    /// How many rows of a file nobody had before that were taken since the last look.
    pub fn rows_taken(&mut self) -> u64 {
        std::mem::take(&mut self.rows_taken)
    }

    /// Whether a client can have another token than those that it had.
    pub fn has_more(&self, client: u64) -> bool {
        self.shelf.as_ref().is_none_or(|shelf| shelf.has_more(client))
    }

    /// Index of the kind of the next token of a client, where a file says it.
    pub fn next_kind(&self, client: u64) -> Option<usize> {
        self.shelf.as_ref()?.next_kind(client)
    }

    /// Whether the token of the next first turn is there.
    pub fn has_next(&mut self) -> bool {
        self.fetcher.is_some()
            || self.shelf.is_some()
            || self.waiting.is_empty() && self.outlet.stock() == Stock::Ready
    }

    /// Whether the tokens of all clients below this one are minted, or never will be. Where they are not, the bell rings
    /// when more are.
    pub fn has_all_below(&mut self, client: u64) -> bool {
        if self.fetcher.is_some() || self.shelf.is_some() {
            return true;
        }
        // Said first, looked after: a batch that comes in between is not missed.
        self.signal.wait();
        self.outlet.is_minted(client)
    }

    /// Lets tokens be minted for all clients below this one.
    pub fn permit(&self, clients: u64) {
        self.outlet.permit(clients);
    }

    /// The token of a client that was fetched before the storm, where it was.
    pub fn at_hand(&self, client: u64) -> Option<Fetched> {
        self.fetcher.as_ref()?.at_hand(client)
    }

    /// Whether the next token is there; makes sure that its coming is heard.
    fn stock(&mut self) -> Stock {
        match self.outlet.stock() {
            Stock::Pending => {
                // Said first, looked again after: a token that comes in between is not missed.
                self.signal.wait();
                self.outlet.stock()
            }
            stock => stock,
        }
    }

    /// Where the token that was minted ahead for a first turn has lain for too long, has another minted.
    fn mint_if_stale(&mut self, order: Order) -> bool {
        let use_at = self.clock.wall(order.at);
        let is_stale = self.outlet.is_of_another_start()
            || self.outlet.next_ready().is_some_and(|ready| {
                debug_assert_eq!(ready.bearer, order.bearer, "tokens come in the order of clients");
                let lives = self.shelf_lives.as_ref();
                lives.is_some_and(|lives| ready.minted_for.abs_diff(use_at) > lives[ready.kind])
            });
        if is_stale {
            self.outlet.take();
            self.mint(order);
        }
        is_stale
    }

    /// Has the minting threads mint a token: that of a later turn, or of an earlier one once more. They hear of it by
    /// [`TokenSource::send_orders`].
    pub fn mint(&mut self, order: Order) {
        let due = if order.may_wait { self.clock.now().saturating_add(GATHERING) } else { 0 };
        self.orders_due = self.orders_due.min(due);
        self.orders.push(order);
        if self.orders.len() >= ORDERS_AT_ONCE {
            self.orders_due = 0;
            self.send_orders();
        }
    }

    /// When orders that have come together are to be sent, where there are any. Whoever orders must not sleep for longer.
    pub fn orders_due(&self) -> Option<u64> {
        (!self.orders.is_empty()).then_some(self.orders_due)
    }

    /// Sends the orders that have come together, if that is due, so that minting threads that sleep are woken once for many.
    pub fn send_orders(&mut self) {
        if self.orders.is_empty() || self.orders_due > 0 && self.orders_due > self.clock.now() {
            return;
        }
        self.orders_due = u64::MAX;
        for Order { bearer, kind, at, deadline, ticket, .. } in self.orders.drain(..) {
            let bytes = self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(ROOM));
            let taker = self.taker.clone();
            let order = MintOrder { bearer, kind, at, deadline, ticket, bytes, taker };
            if !self.outlet.order(order) {
                self.taker.take(ticket, None);
            }
        }
    }

    /// Orders a token that nobody mints ahead.
    fn ask_elsewhere(&mut self, order: Order) -> Option<Answer<'_>> {
        if !self.plan.is_fetched(order.kind) {
            return Some(self.make(order));
        }
        let fetcher = self.fetcher.as_ref()?;
        // What was fetched ahead is for first turns.
        let is_first = order.bearer.turn == 0;
        if let Some(fetched) = is_first.then(|| fetcher.at_hand(order.bearer.client)).flatten() {
            let Arrival::Fetched(order, fetched) =
                self.arrived.insert(Arrival::Fetched(order, fetched))
            else {
                return None;
            };
            return Some(brought(self.clock, order, fetched));
        }
        let (arrivals, signal) = (self.arrivals.0.clone(), Arc::clone(&self.signal));
        fetcher.ask(order.bearer, order.deadline, move |fetched| {
            if arrivals.send(Arrival::Fetched(order, fetched)).is_ok() {
                signal.ring();
            }
        });
        None
    }

    /// The next token of a client's rows.
    fn take_row(&mut self, order: Order) -> Answer<'_> {
        let at = self.clock.wall(order.at);
        match self.shelf.as_ref().and_then(|shelf| shelf.take(order.bearer, at)) {
            Some(Taken { ready, bytes, said, is_jwt, is_word, is_new }) => {
                self.rows_taken += u64::from(is_new);
                Answer::Token(Handed { ready, bytes, said: Some(said), is_jwt, is_word })
            }
            None => Answer::Failed(Failure::word(NO_MORE_ROWS)),
        }
    }

    /// Makes a token that has no signature.
    fn make(&mut self, order: Order) -> Answer<'_> {
        let made = match &mut self.unsigned {
            Some(made) => made,
            none => match Minter::new(&self.plan.mould) {
                Ok(minter) => none.insert((minter, Vec::new())),
                Err(_) => return Answer::NotMade,
            },
        };
        let (minter, bytes) = made;
        bytes.clear();
        let Order { bearer, kind, at, .. } = order;
        let owner = self.plan.life(bearer.client).owner(bearer.turn);
        let minted_for = self.clock.wall(at);
        match minter.mint_for((kind, 0), owner, Occasion::of(minted_for), bytes) {
            Ok((password, times)) => {
                let ready = Ready { bearer, kind, password, key: None, times, minted_for };
                handed(&self.plan, ready, bytes)
            }
            Err(_) => Answer::NotMade,
        }
    }
}

/// Hands what was minted over to a worker, and wakes it.
fn taker(arrivals: Sender<Arrival>, signal: Arc<Signal>) -> Taker {
    Taker::new(move |ticket, made| {
        let arrival = match made {
            Some(made) => Arrival::Made(ticket, made),
            None => Arrival::Never(ticket),
        };
        // Nobody waits any more when the run is over.
        if arrivals.send(arrival).is_ok() {
            signal.ring();
        }
    })
}

/// A token that was minted here.
fn handed<'a>(plan: &Plan, ready: Ready, bytes: &'a [u8]) -> Answer<'a> {
    let is_jwt = plan.mould.kinds[ready.kind].recipe.form == Form::Jwt;
    Answer::Token(Handed { ready, bytes, said: None, is_jwt, is_word: false })
}

/// What came of a fetch.
fn brought<'a>(clock: Clock, order: &Order, fetched: &'a Fetched) -> Answer<'a> {
    match fetched {
        Ok(brought) => {
            let who = (order.bearer, order.kind);
            Answer::Token(Handed::fetched(brought, who, clock.wall(order.at)))
        }
        Err(failure) => Answer::Failed(failure.clone()),
    }
}

#[cfg(test)]
mod tests;
