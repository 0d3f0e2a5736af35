//! Who drives the clients of a run, as its collector sees them: threads of this process, or agents.

use std::sync::Arc;

use crate::{
    base::{
        error::Error,
        host::{TcpTrouble, process_cpu, resident},
    },
    record::results::agents::Agent,
    supply::{Supply, signal::Signal},
};

/// Who drives the clients.
pub trait Hands {
    /// Why nothing can come of the run any more, if so.
    fn failure(&self) -> Option<Error>;

    /// Tells all to end: attempts under way are given up.
    fn stop(&self);

    /// Tokens a second that all together could mint.
    fn minted_per_s(&self) -> f64;

    /// CPU time that the run has taken so far, in nanoseconds.
    fn cpu_ns(&self) -> u64;

    /// Resident memory of all processes, in bytes.
    fn resident(&self) -> u64;

    /// What is known of each agent; `None` where there are none.
    fn agents(&self) -> Option<Vec<Agent>>;

    /// The largest share of a host's CPUs that agents on it used together over the last 5 s, as a fraction of 1.
    fn busiest(&self) -> Option<f64> {
        None
    }

    /// What happened to TCP on the hosts that connect, where that is known of all; `own` is that of this host.
    fn trouble(&self, own: TcpTrouble) -> Option<TcpTrouble> {
        Some(own)
    }

    /// What the user should know that was not told yet.
    fn news(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The threads of this process.
pub(super) struct Here<'a> {
    pub(super) supply: &'a Supply,
    pub(super) signals: &'a [Arc<Signal>],
    /// CPU time that the process had used when the run began.
    pub(super) cpu_before: u64,
}

impl Hands for Here<'_> {
    fn failure(&self) -> Option<Error> {
        self.supply.failure()
    }

    fn stop(&self) {
        for signal in self.signals {
            signal.stop();
        }
    }

    fn minted_per_s(&self) -> f64 {
        self.supply.rate()
    }

    fn cpu_ns(&self) -> u64 {
        process_cpu() - self.cpu_before
    }

    fn resident(&self) -> u64 {
        resident()
    }

    fn agents(&self) -> Option<Vec<Agent>> {
        None
    }
}
