//! What stands in for `--otlp` in a program that was built without it.

use std::{sync::Arc, sync::atomic::AtomicBool};

use super::{Listener, Receiver, Snapshot};
use crate::base::error::{Error, Result};

/// Pushes live metrics: there is none in this program.
#[derive(Debug)]
pub enum Pusher {}

impl Pusher {
    /// Says how to get it.
    ///
    /// # Errors
    /// Always.
    pub fn start(_: &Receiver) -> Result<Self> {
        Err(Error::usage("this tokenstorm was built without `--otlp`").hint(
            "build it with `cargo install --path . --features otlp`, or let Prometheus scrape it: `--prometheus`",
        ))
    }

    /// Never called, as there is none.
    pub fn end(&self, _: &AtomicBool) {
        match *self {}
    }
}

impl Listener for Pusher {
    fn hears(&self, _: &Arc<Snapshot>) {
        match *self {}
    }
}
