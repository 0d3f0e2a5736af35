//! Whether a run fits this host: sockets open at one time, descriptors, local ports.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use super::{
    Model,
    broker::Broker,
    schedule::{Schedule, most_within},
    spread::Spread,
};
use crate::{
    base::{
        error::{Error, Result},
        host::Limits,
    },
    scenario::{Load, Scenario, TokenSource},
    token::policy::Policy,
};

/// Descriptors that are not sockets of clients: standard streams, files of the run folder, brokers.
const OWN_DESCRIPTORS: u64 = 48;
/// Descriptors of each worker: its epoll set and its bell.
const WORKER_DESCRIPTORS: u64 = 2;

/// Connects a second up to which the closed model is budgeted: no broker seen answers faster
/// from one host's load.
const CLOSED_RATE: f64 = 10_000.0;

/// Standard deviations by which a broker may get more of a segment's clients than its share: one case in 30 000.
const DEVIATIONS: f64 = 4.0;

/// How long an attempt is budgeted to take, the delay of a refusal left out.
const ATTEMPT_TIME: Duration = Duration::from_millis(200);

/// What a run needs of its host at most, as far as it can be known before.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Sockets open at one time, where the broker keeps its promise.
    pub sockets: u64,
    /// Sockets open at one time, where it lets everybody in.
    pub most_sockets: u64,
    /// Connects that may come within 100 ms.
    pub burst: u64,
    /// Descriptors that the host allows.
    pub descriptors: u64,
    /// Those that the program itself needs.
    pub own: u64,
    /// Local ports for one source address and one broker.
    pub each: u64,
    /// Source addresses for each broker: those of the broker that has the fewest.
    pub sources: u64,
    /// Brokers; one that is a name counts as one address.
    pub brokers: u64,
    /// The largest share of the clients that a broker's ports have to be enough for.
    pub share: f64,
}

/// Descriptors that fetching takes: connections to the server, and, where that runs here too, their other ends.
fn of_fetching(scenario: &Scenario) -> u64 {
    if scenario.token.source != TokenSource::OAuth {
        return 0;
    }
    let connections = scenario.oauth.as_ref().map_or(64, |oauth| u64::from(oauth.connections));
    if scenario.issuer.is_some() { connections * 2 } else { connections }
}

/// Refuses addresses that are not this host's: no socket could be bound to them.
///
/// # Errors
/// For the first of them.
pub fn check_sources(load: &Load) -> Result<()> {
    for address in &load.source_addresses {
        // A UDP socket is bound and sends nothing.
        UdpSocket::bind((*address, 0)).map_err(|error| {
            Error::usage(format!(
                "`{}` names `{address}`, which this host can't connect from: {error}",
                load.sources_key()
            ))
            .hint(format!(
                "all of 127.0.0.0/8 is there for brokers on loopback; `ip address add {address} dev ...` adds one to an interface"
            ))
        })?;
    }
    Ok(())
}

/// Source addresses that can reach a broker.
fn sources_of(broker: &Broker, sources: &[IpAddr]) -> u64 {
    // A name is taken for one of the family that the sources, and the lookup, prefer.
    let is_ipv4 = broker.address().map_or_else(
        || sources.is_empty() || sources.iter().any(IpAddr::is_ipv4),
        |address| address.is_ipv4(),
    );
    match sources {
        [] => 1,
        _ => sources.iter().filter(|source| source.is_ipv4() == is_ipv4).count() as u64,
    }
}

impl Budget {
    /// Counts, of so many attempts that are due then; `held` is the share of the clients that are accepted and stay.
    ///
    /// # Errors
    /// When no source address can reach a broker.
    pub fn resolve(
        scenario: &Scenario,
        model: &Model,
        policy: &Policy,
        (attempts, schedule): (u64, Option<Schedule>),
        held: f64,
        (brokers, spread, workers): (&[Broker], &Spread, usize),
        limits: &Limits,
    ) -> Result<Self> {
        let load = &scenario.load;
        let (sockets, most_sockets, burst) = match (model, schedule) {
            (Model::Open { .. }, schedule) => {
                let schedule = schedule.into_iter().flatten();
                let within = |time: Duration| most_within(schedule.clone(), time) as f64;
                let all_holding = within(load.hold());
                let connecting = within(ATTEMPT_TIME.min(load.connect_timeout));
                let refused = match policy.refusal_delay {
                    Duration::ZERO => 0.0,
                    delay => within(delay) * (1.0 - held),
                };
                let burst = within(Duration::from_millis(100));
                let busy = connecting + refused;
                ((all_holding * held + busy) as u64, (all_holding + busy) as u64, burst as u64)
            }
            (Model::Preconnect(waves), _) => {
                // All that a wave lets in may hold until the last has come.
                let held_by =
                    |share: f64| if load.hold().is_zero() { 0.0 } else { attempts as f64 * share };
                let sockets = |holding: f64| (holding as u64 + waves.size).min(attempts);
                (sockets(held_by(held)), sockets(held_by(1.0)), u64::from(waves.opening))
            }
            (Model::Closed { concurrency, .. }, _) => {
                let holding = (load.hold().as_secs_f64() * CLOSED_RATE).min(attempts as f64);
                let concurrency = u64::from(*concurrency).min(attempts);
                let sockets = |holding: f64| (holding as u64 + concurrency).min(attempts);
                (sockets(holding * held), sockets(holding), concurrency)
            }
        };
        let each_has = |broker: &Broker| sources_of(broker, &load.source_addresses);
        if let Some(broker) = brokers.iter().find(|broker| each_has(broker) == 0) {
            return Err(Error::usage(format!(
                "no address of `{}` can reach `{}`",
                load.sources_key(),
                broker.label
            ))
            .hint(
                "IPv4 sources reach IPv4 brokers, IPv6 sources IPv6 brokers: add one of its family",
            ));
        }
        Ok(Self {
            sockets: sockets.min(attempts),
            most_sockets: most_sockets.min(attempts),
            burst,
            descriptors: limits.descriptors,
            own: OWN_DESCRIPTORS + WORKER_DESCRIPTORS * workers as u64 + of_fetching(scenario),
            each: u64::from(limits.ports.end() - limits.ports.start()) + 1,
            sources: brokers.iter().map(each_has).min().unwrap_or(1),
            brokers: brokers.len() as u64,
            share: spread.largest(workers),
        })
    }

    /// The same in a segment: its clients meet workers in turn, and brokers at random.
    #[must_use]
    pub fn at_random(self, spread: &Spread, workers: usize) -> Self {
        let each = self.sockets.max(1) as f64 / workers.max(1) as f64;
        let most = |share: f64| share + DEVIATIONS * (share * (1.0 - share) / each).sqrt();
        let share = (0..self.brokers as usize).map(|at| most(spread.share(at)));
        Self { share: share.fold(0.0, f64::max).min(1.0), ..self }
    }

    /// Sockets for which there are descriptors, those of the program itself left out.
    pub fn room(&self) -> u64 {
        self.descriptors.saturating_sub(self.own)
    }

    /// Connections that the ports and source addresses allow at one time.
    pub fn ports(&self) -> u64 {
        ((self.each * self.sources) as f64 / self.share).round() as u64
    }

    /// What the brokers make of the ports of one: so many times as many, or fewer where one has more clients than the others.
    pub fn by_brokers(&self) -> String {
        if (self.share * self.brokers as f64 - 1.0).abs() < 1e-9 {
            return format!("x {} broker", self.brokers);
        }
        format!("/ {:.3} of the clients at most by weight", self.share)
    }

    /// Source addresses that each broker's share of the clients needs.
    pub fn sources_needed(&self) -> u64 {
        ((self.sockets as f64 * self.share).ceil() as u64).div_ceil(self.each)
    }

    /// Refuses a run that does not fit this host.
    ///
    /// # Errors
    /// When a source address is not this host's, or more sockets would be open than there are descriptors
    /// or ports.
    pub fn check(&self, load: &Load) -> Result<()> {
        check_sources(load)?;
        let needed = self.sockets + self.own;
        let hold = humantime::format_duration(load.hold());
        if needed > self.descriptors {
            return Err(Error::usage(format!(
                "about {} clients are connected at one time (`load.hold` is {hold}), which needs {needed} descriptors, but this process may have {}",
                self.sockets, self.descriptors
            ))
            .hint(format!(
                "lower `load.clients`, the rate or `load.hold`, or raise the hard limit: `ulimit -Hn {needed}` as root; `tokenstorm doctor` shows all limits"
            )));
        }
        if self.sockets > self.ports() {
            return Err(Error::usage(format!(
                "about {} clients are connected at one time, but there are {} local ports for them ({} a source address and broker)",
                self.sockets,
                self.ports(),
                self.each
            ))
            .hint(format!(
                "give {} addresses as `load.source_addresses`, such as \"127.0.0.2\" and \"127.0.0.3\" for a broker on loopback",
                self.sources_needed()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
