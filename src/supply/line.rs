//! A minting thread: its share of the batches of every worker.

use std::{
    mem,
    sync::{Arc, Weak, atomic::Ordering},
};

use crossbeam_channel::{Receiver, Sender};

use super::{BATCH, Batch, Book, Shared, Signal};
use crate::{
    base::error::Result,
    plan::{Plan, schedule::Schedule},
    token::{Bearer, Minter},
};

/// A minting thread's way to one worker.
pub(super) struct Lane {
    tokens: Sender<Batch>,
    empties: Receiver<Batch>,
    signal: Arc<Signal>,
    /// There while the worker takes tokens. It may end with some of its share untaken: those of
    /// attempts that did not wait for them long enough.
    taker: Weak<()>,
    batch: Batch,
}

/// A minting thread.
pub(super) struct Line {
    shared: Arc<Shared>,
    number: u64,
    minters: u64,
    lanes: Vec<Lane>,
    book: Book,
    /// More may be minted.
    woken: Receiver<()>,
}

impl Line {
    /// Thread `number` of `minters`.
    pub(super) fn new(
        shared: &Arc<Shared>,
        (number, minters): (usize, usize),
        lanes: Vec<Lane>,
        book: Book,
    ) -> Self {
        let woken = shared.permit.waker();
        let (number, minters) = (number as u64, minters as u64);
        Self { shared: Arc::clone(shared), number, minters, lanes, book, woken }
    }

    /// Mints until all tokens are handed over, or nobody takes them any more; then whatever is ordered.
    pub(super) fn run(mut self) {
        // Clients come first: a thread that drives them must not wait for one that mints.
        let _ = rustix::process::setpriority_process(None, 10);
        let mut minter = None;
        let minted = self.mint_all(&mut minter);
        let minter = minter.filter(|_| minted.is_ok());
        self.fails_if(minted);
        self.shared.running.fetch_sub(1, Ordering::AcqRel);
        // Whoever waits for tokens of this thread hears that there are no more.
        for lane in mem::take(&mut self.lanes) {
            let signal = Arc::clone(&lane.signal);
            drop(lane);
            signal.wake_waiting();
        }
        if let Some(mut minter) = minter {
            self.fails_if(self.book.serve_to_the_end(&self.shared, &mut minter));
        }
    }

    /// Says why minting failed, if it did.
    fn fails_if(&self, minted: Result<()>) {
        if let Err(error) = minted {
            *self.shared.failure.lock() = Some(error);
        }
    }

    fn mint_all(&mut self, minter: &mut Option<Minter>) -> Result<()> {
        let plan = Arc::clone(&self.shared.plan);
        // Made here: a parsed key belongs to one thread.
        let minter = minter.insert(Minter::new(&plan.mould)?);
        match plan.schedule() {
            Some(schedule) => self.mint_scheduled(&plan, minter, schedule),
            None => self.mint_wanted(&plan, minter),
        }
    }

    /// Open model: in the order of the schedule, each token for the moment that it says. A worker
    /// takes its tokens when they are due, so waiting for room at one does not hold up another.
    fn mint_scheduled(
        &mut self,
        plan: &Plan,
        minter: &mut Minter,
        schedule: Schedule,
    ) -> Result<()> {
        let workers = self.lanes.len() as u64;
        // A token that is reused is for the first of its group, whichever thread comes to it first.
        let mut first_due = 0;
        for (own, due) in (0..plan.attempts).zip(schedule) {
            let client = plan.client(own);
            if client.is_multiple_of(plan.reuse) {
                first_due = due;
            }
            let turn = own / workers;
            if turn / BATCH % self.minters != self.number {
                continue;
            }
            let worker = (own % workers) as usize;
            if self.is_stopped() || !self.lanes.iter().any(Lane::is_taken) {
                break;
            }
            if !self.lanes[worker].is_taken() {
                continue;
            }
            let start = self.shared.start.load(Ordering::Acquire) as u64;
            // Minted after its moment, it can only be used after it too.
            let at = (start + first_due).max(self.shared.clock.now());
            self.mint(minter, (worker, client), at)?;
            let is_last = own + workers >= plan.attempts;
            if turn % BATCH == BATCH - 1 || is_last {
                self.with_room(minter, &[worker])?;
                self.lanes[worker].deliver(&self.shared);
            }
        }
        Ok(())
    }

    /// Closed model: a batch for every worker that has room, each token for now. One whose broker
    /// answers slowly takes few, and must not keep the others waiting.
    fn mint_wanted(&mut self, plan: &Plan, minter: &mut Minter) -> Result<()> {
        let workers = self.lanes.len();
        let own = |worker: usize, turn: u64| turn * workers as u64 + worker as u64;
        let mut batches = vec![self.number; workers];
        loop {
            let first = |worker: usize| own(worker, batches[worker] * BATCH);
            let mut left: Vec<usize> = (0..workers)
                .filter(|worker| first(*worker) < plan.attempts)
                .filter(|worker| self.lanes[*worker].is_taken())
                .collect();
            if left.is_empty() || self.is_stopped() {
                return Ok(());
            }
            let permitted = self.shared.permit.clients();
            left.retain(|worker| first(*worker) < permitted);
            if left.is_empty() {
                // The next wave begins when the one before is over.
                self.book.serve_until(&self.shared, minter, |select| {
                    select.recv(&self.woken);
                })?;
                let _ = self.woken.try_recv();
                continue;
            }
            for worker in self.with_room(minter, &left)? {
                let first = batches[worker] * BATCH;
                batches[worker] += self.minters;
                for own in (first..first + BATCH).map(|turn| own(worker, turn)) {
                    if own < plan.attempts {
                        let client = plan.client(own);
                        self.mint(minter, (worker, client), self.shared.clock.now())?;
                    }
                }
                self.lanes[worker].deliver(&self.shared);
            }
        }
    }

    /// Those of these workers that have room for a batch; waits until one has, or is gone.
    fn with_room(&self, minter: &mut Minter, workers: &[usize]) -> Result<Vec<usize>> {
        self.book.serve_until(&self.shared, minter, |select| {
            for worker in workers {
                select.send(&self.lanes[*worker].tokens);
            }
        })?;
        // Nobody else sends on these channels: where there is room now, there will be.
        let has_room = |worker: &usize| !self.lanes[*worker].tokens.is_full();
        Ok(workers.iter().copied().filter(has_room).collect())
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Mints the token of a client, which that worker drives, for an instant of the run's clock. Whoever has ordered a token
    /// waits for it, and goes first.
    fn mint(&mut self, minter: &mut Minter, (worker, client): (usize, u64), at: u64) -> Result<()> {
        self.book.serve(&self.shared, minter)?;
        // That may have taken a while, and a token can't be used before it is there.
        let at = at.max(self.shared.clock.now());
        let who = (Bearer::first(client), self.shared.plan.kind_of(client), false);
        let batch = &mut self.lanes[worker].batch;
        let ready = self.shared.mint(minter, who, at, &mut batch.bytes)?;
        batch.tokens.push((ready, batch.bytes.len()));
        Ok(())
    }
}

impl Lane {
    /// A way over these channels.
    pub(super) fn new(
        tokens: Sender<Batch>,
        empties: Receiver<Batch>,
        signal: Arc<Signal>,
        taker: Weak<()>,
    ) -> Self {
        Self { tokens, empties, signal, taker, batch: Batch::default() }
    }

    /// Whether its worker still takes tokens.
    fn is_taken(&self) -> bool {
        self.taker.strong_count() > 0
    }

    /// Hands the batch over, waiting for room.
    fn deliver(&mut self, shared: &Shared) {
        let mut next = self.empties.try_recv().unwrap_or_default();
        next.bytes.clear();
        next.tokens.clear();
        let batch = mem::replace(&mut self.batch, next);
        let count = batch.tokens.len() as u64;
        // A worker that has gone meanwhile is noticed by what it held.
        if self.tokens.send(batch).is_ok() {
            shared.minted.fetch_add(count, Ordering::AcqRel);
            self.signal.wake_waiting();
        }
    }
}
