//! Whether a run fits this host: sockets open at one time, descriptors, local ports.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use super::{
    Model,
    schedule::{Schedule, most_within},
};
use crate::{
    error::{Error, Result},
    host::Limits,
    scenario::Scenario,
};

/// Descriptors that are not sockets of clients: standard streams, files of the run folder, brokers.
const OWN_DESCRIPTORS: u64 = 48;
/// Descriptors of each worker: its epoll set and its bell.
const WORKER_DESCRIPTORS: u64 = 2;

/// Connects a second up to which the closed model is budgeted: no broker seen answers faster
/// from one host's load.
const CLOSED_RATE: f64 = 10_000.0;

/// What a run needs of its host at most, as far as it can be known before.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Sockets open at one time.
    pub sockets: u64,
    /// Descriptors that the host allows.
    pub descriptors: u64,
    /// Those that the program itself needs.
    pub own: u64,
    /// Connections that the ports and source addresses allow at one time.
    pub ports: u64,
}

/// Refuses addresses that are not this host's: no socket could be bound to them.
fn check_sources(addresses: &[IpAddr]) -> Result<()> {
    for address in addresses {
        // A UDP socket is bound and sends nothing.
        UdpSocket::bind((*address, 0)).map_err(|error| {
            Error::usage(format!(
                "`load.source_addresses` names `{address}`, which this host can't connect from: {error}"
            ))
            .hint(format!(
                "all of 127.0.0.0/8 is there for brokers on loopback; `ip address add {address} dev ...` adds one to an interface"
            ))
        })?;
    }
    Ok(())
}

impl Budget {
    /// Counts; `held` is the share of the clients that are accepted and stay.
    ///
    /// # Errors
    /// When more sockets would be open than there are descriptors or ports.
    pub fn resolve(
        scenario: &Scenario,
        model: &Model,
        attempts: u64,
        held: f64,
        (brokers, workers): (usize, usize),
        limits: &Limits,
    ) -> Result<Self> {
        let load = &scenario.load;
        let sockets = match model {
            Model::Open { rates, arrivals } => {
                let schedule = Schedule::new(rates, *arrivals, scenario.seed, attempts);
                let holding = most_within(schedule.clone(), load.hold);
                let connecting =
                    most_within(schedule, Duration::from_millis(200).min(load.connect_timeout));
                ((holding as f64 * held) as u64).max(connecting)
            }
            Model::Closed { concurrency } => {
                let holding = (load.hold.as_secs_f64() * CLOSED_RATE).min(attempts as f64) * held;
                holding as u64 + u64::from(*concurrency).min(attempts)
            }
        };
        check_sources(&load.source_addresses)?;
        let sources = load.source_addresses.len().max(1) as u64;
        let each = u64::from(limits.ports.end() - limits.ports.start()) + 1;
        let budget = Self {
            sockets,
            descriptors: limits.descriptors,
            own: OWN_DESCRIPTORS + WORKER_DESCRIPTORS * workers as u64,
            ports: each * sources * brokers as u64,
        };
        budget.check(scenario, each)?;
        Ok(budget)
    }

    /// Sockets for which there are descriptors, those of the program itself left out.
    pub fn room(&self) -> u64 {
        self.descriptors.saturating_sub(self.own)
    }

    fn check(&self, scenario: &Scenario, each: u64) -> Result<()> {
        let needed = self.sockets + self.own;
        let hold = humantime::format_duration(scenario.load.hold);
        if needed > self.descriptors {
            return Err(Error::usage(format!(
                "about {} clients are connected at one time (`load.hold` is {hold}), which needs {needed} descriptors, but this process may have {}",
                self.sockets, self.descriptors
            ))
            .hint(format!(
                "lower `load.clients`, the rate or `load.hold`, or raise the hard limit: `ulimit -Hn {needed}` as root"
            )));
        }
        if self.sockets > self.ports {
            return Err(Error::usage(format!(
                "about {} clients are connected at one time, but there are {} local ports for them ({each} a source address and broker)",
                self.sockets, self.ports
            ))
            .hint("add addresses to `load.source_addresses`, such as \"127.0.0.2\" for a broker on loopback"));
        }
        Ok(())
    }
}
