//! Tokens that minting threads make to order, besides those that they mint ahead.

use std::sync::{Arc, atomic::Ordering};

use crossbeam_channel::{Receiver, Select, TryRecvError};

use super::{Ready, Shared};
use crate::{
    base::error::Result,
    token::{Bearer, Minter},
};

/// An order.
pub(super) struct MintOrder {
    pub(super) bearer: Bearer,
    pub(super) kind: usize,
    /// When it is to be used, in nanoseconds of the run's clock.
    pub(super) at: u64,
    /// When nobody waits for it any more.
    pub(super) deadline: u64,
    /// What the answer is known by.
    pub(super) ticket: u64,
    /// An empty buffer for it.
    pub(super) bytes: Vec<u8>,
    /// Who gets it.
    pub(super) taker: Taker,
}

/// Takes what was made for a ticket; nothing where it can't be made. One for all orders of a worker.
#[derive(Clone)]
pub(super) struct Taker(Arc<dyn Fn(u64, Option<Made>) + Send + Sync>);

impl Taker {
    pub(super) fn new(takes: impl Fn(u64, Option<Made>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }

    /// Hands over what was made for a ticket.
    pub(super) fn take(&self, ticket: u64, made: Option<Made>) {
        (self.0)(ticket, made);
    }
}

impl std::fmt::Debug for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taker").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MintOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MintOrder").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}

/// A token that was made to order.
pub(super) struct Made {
    pub(super) ready: Ready,
    pub(super) bytes: Vec<u8>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("ready", &self.ready).finish_non_exhaustive()
    }
}

/// The orders of all workers, as a minting thread takes them.
#[derive(Clone, Debug)]
pub(super) struct Book(Receiver<MintOrder>);

impl Book {
    pub(super) fn new(orders: Receiver<MintOrder>) -> Self {
        Self(orders)
    }

    /// Serves the orders that are there.
    pub(super) fn serve(&self, shared: &Shared, minter: &mut Minter) -> Result<()> {
        while let Ok(order) = self.0.try_recv() {
            serve(order, shared, minter)?;
        }
        Ok(())
    }

    /// Serves orders until nobody can order any more.
    pub(super) fn serve_to_the_end(&self, shared: &Shared, minter: &mut Minter) -> Result<()> {
        while let Ok(order) = self.0.recv() {
            serve(order, shared, minter)?;
        }
        Ok(())
    }

    /// Serves orders until something else can go on that `add` adds to the selection.
    pub(super) fn serve_until<'a>(
        &'a self,
        shared: &Shared,
        minter: &mut Minter,
        add: impl FnOnce(&mut Select<'a>),
    ) -> Result<()> {
        let mut select = Select::new();
        let orders = select.recv(&self.0);
        add(&mut select);
        while select.ready() == orders {
            match self.0.try_recv() {
                Ok(order) => serve(order, shared, minter)?,
                Err(TryRecvError::Empty) => {}
                // Nobody orders any more: the rest is left to wait for.
                Err(TryRecvError::Disconnected) => select.remove(orders),
            }
        }
        Ok(())
    }
}

fn serve(order: MintOrder, shared: &Shared, minter: &mut Minter) -> Result<()> {
    // Whoever waits must not wait for what nobody wants any more.
    let is_wanted = order.deadline > shared.clock.now() && !shared.stop.load(Ordering::Relaxed);
    if !is_wanted {
        return Ok(());
    }
    let mut bytes = order.bytes;
    let minted = shared.mint(minter, (order.bearer, order.kind, true), order.at, &mut bytes);
    let (made, failed) = match minted {
        Ok(ready) => (Some(Made { ready, bytes }), Ok(())),
        Err(error) => (None, Err(error)),
    };
    order.taker.take(order.ticket, made);
    failed
}
