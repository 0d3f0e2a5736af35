//! A minting thread: its share of the batches of every worker.

use std::{
    collections::hash_map::Entry,
    mem,
    sync::{Arc, Weak, atomic::Ordering},
};

use crossbeam_channel::{Receiver, Select, Sender};

use super::{BATCH, Batch, Ready, Reused, Shared, Signal};
use crate::{
    base::error::Result,
    plan::{Plan, schedule::Schedule},
    token::{Minter, Password, Times},
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
}

impl Line {
    /// Thread `number` of `minters`.
    pub(super) fn new(
        shared: &Arc<Shared>,
        (number, minters): (usize, usize),
        lanes: Vec<Lane>,
    ) -> Self {
        Self { shared: Arc::clone(shared), number: number as u64, minters: minters as u64, lanes }
    }

    /// Mints until all tokens are handed over, or nobody takes them any more.
    pub(super) fn run(mut self) {
        // Clients come first: a thread that drives them must not wait for one that mints.
        let _ = rustix::process::setpriority_process(None, 10);
        if let Err(error) = self.mint_all() {
            *self.shared.failure.lock() = Some(error);
        }
        self.shared.running.fetch_sub(1, Ordering::AcqRel);
        for lane in &self.lanes {
            lane.signal.wake_waiting();
        }
    }

    fn mint_all(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.shared.plan);
        // Made here: a parsed key belongs to one thread.
        let mut minter = Minter::new(&plan.mould)?;
        match plan.schedule() {
            Some(schedule) => self.mint_scheduled(&plan, &mut minter, schedule),
            None => self.mint_wanted(&plan, &mut minter),
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
            self.mint(plan, minter, (worker, client), at)?;
            let is_last = own + workers >= plan.attempts;
            if turn % BATCH == BATCH - 1 || is_last {
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
                self.shared.permit.wait_beyond(permitted);
                continue;
            }
            for worker in self.with_room(&left) {
                let first = batches[worker] * BATCH;
                batches[worker] += self.minters;
                for own in (first..first + BATCH).map(|turn| own(worker, turn)) {
                    if own < plan.attempts {
                        let client = plan.client(own);
                        self.mint(plan, minter, (worker, client), self.shared.clock.now())?;
                    }
                }
                self.lanes[worker].deliver(&self.shared);
            }
        }
    }

    /// Those of these workers that have room for a batch; waits until one has.
    fn with_room(&self, workers: &[usize]) -> Vec<usize> {
        let mut select = Select::new();
        for worker in workers {
            select.send(&self.lanes[*worker].tokens);
        }
        // Ready as well when the worker is gone.
        select.ready();
        // Nobody else sends on these channels: where there is room now, there will be.
        workers.iter().copied().filter(|worker| !self.lanes[*worker].tokens.is_full()).collect()
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Mints the token of a client, which that worker drives, for an instant of the run's clock.
    fn mint(
        &mut self,
        plan: &Plan,
        minter: &mut Minter,
        (worker, client): (usize, u64),
        at: u64,
    ) -> Result<()> {
        let before = self.shared.clock.now();
        let offset = at as i64 - self.shared.start.load(Ordering::Acquire);
        let at = self.shared.clock.wall(at);
        let batch = &mut self.lanes[worker].batch;
        let kind = plan.kind_of(client);
        let start = batch.bytes.len();
        let turn = plan.turn(kind, offset);
        let key = plan.mould.kinds[kind].key_at(turn).map(|key| key as u16);
        let (password, key, times, minted_for) = if plan.reuse == 1 {
            let (password, times) =
                minter.mint_in_turn((kind, turn), client, at, &mut batch.bytes)?;
            (password, key, times, at)
        } else {
            let wanted = Wanted { kind, turn, key, client, at };
            reuse(&self.shared, minter, plan, wanted, &mut batch.bytes)?
        };
        let end = batch.bytes.len();
        plan.examine((kind, client), minted_for, (password, &batch.bytes[start..]))?;
        batch.tokens.push(Ready { client, kind, password, key, times, minted_for, start, end });
        self.shared.busy_ns.fetch_add(self.shared.clock.now() - before, Ordering::Relaxed);
        Ok(())
    }
}

/// A token that a client wants.
#[derive(Clone, Copy)]
struct Wanted {
    kind: usize,
    turn: usize,
    key: Option<u16>,
    client: u64,
    at: i64,
}

/// The token of the client's group: minted for its first, kept until the last has it.
fn reuse(
    shared: &Shared,
    minter: &mut Minter,
    plan: &Plan,
    Wanted { kind, turn, key, client, at }: Wanted,
    out: &mut Vec<u8>,
) -> Result<(Password, Option<u16>, Times, i64)> {
    let group = client / plan.reuse;
    let mut reused = shared.reused.lock();
    if let Entry::Vacant(e) = reused.entry(group) {
        let mut bytes = Vec::new();
        let (password, times) =
            minter.mint_in_turn((kind, turn), plan.minted_as(client), at, &mut bytes)?;
        let left = plan.reuse.min(plan.clients - group * plan.reuse);
        e.insert(Reused { bytes, password, key, times, minted_for: at, left });
    }
    let Some(token) = reused.get_mut(&group) else {
        return Ok((Password::Absent, None, Times::default(), at));
    };
    token.left -= 1;
    out.extend_from_slice(&token.bytes);
    let given = (token.password, token.key, token.times, token.minted_for);
    if token.left == 0 {
        reused.remove(&group);
    }
    Ok(given)
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
