//! How other threads wake a worker that sleeps in epoll.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::event::{EventfdFlags, eventfd};

use crate::base::error::{Error, Result};

/// A worker's bell: an eventfd that stands in its epoll set.
#[derive(Debug)]
pub struct Signal {
    bell: OwnedFd,
    /// It rings, and the worker has not heard it yet: to ring again would tell nothing more.
    rings: AtomicBool,
    /// The worker waits for a token.
    waiting: AtomicBool,
    /// The run is over, or interrupted.
    stop: AtomicBool,
    /// No more attempts are wanted.
    enough: AtomicBool,
}

impl Signal {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new() -> Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::not_measured(format!("can't make an eventfd: {error}")))?;
        let no = || AtomicBool::new(false);
        Ok(Self { bell, rings: no(), waiting: no(), stop: no(), enough: no() })
    }

    /// Says that the worker waits for a token; it must look again after this before it sleeps.
    pub fn wait(&self) {
        self.waiting.store(true, Ordering::SeqCst);
    }

    /// Wakes the worker if it waits for a token.
    pub fn wake_waiting(&self) {
        if self.waiting.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Tells the worker to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Whether the worker is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells the worker to start no more attempts: those under way are finished.
    pub fn enough(&self) {
        self.enough.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Whether no more attempts are wanted.
    pub fn has_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    /// What the worker watches.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Takes the ringing back, after the worker heard it; it must look at all that may have come after this.
    pub fn hush(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        // After the read, or that could take a ring that nobody makes again.
        self.rings.swap(false, Ordering::SeqCst);
    }

    /// Wakes the worker, by one system call however many ring before it hears that.
    pub fn ring(&self) {
        if !self.rings.swap(true, Ordering::SeqCst) {
            // Fails only where it rings already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }
}
