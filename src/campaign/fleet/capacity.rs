//! What an agent has, and how a run is split by it.

use std::{collections::BTreeMap, fs, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::name::{Name, Short};
use crate::{
    base::host::{self, Limits, settings::memory_available},
    record::results::environment::tool,
};

/// Descriptors of a process that are no sockets of clients.
const OWN: u64 = 64;
/// What an agent that is like all others weighs.
const SCALE: f64 = 1000.0;

/// The part of an even share below which an agent is all but left out.
const SLIGHT: f64 = 0.1;
/// CPUs of a host at most: what Linux can be built for.
const MOST_CPUS: usize = 8192;
/// Addresses that an agent connects from at most: a million connections of one broker take 36.
const MOST_ADDRESSES: usize = 4096;

/// What an agent says of itself and its host.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are what their names say; docs/scale.md explains them")]
pub struct Capacity {
    pub agent: Name,
    pub host: Short,
    /// Its place among the agents of a job, where its launcher has given one.
    pub index: Option<u32>,
    /// Alike for all processes of one kernel.
    pub boot: Short,
    /// Alike for all that share local ports.
    pub network: Short,
    pub version: Short,
    pub commit: Short,
    pub kernel: Short,
    pub cpu: Short,
    pub cpus: usize,
    pub memory_bytes: u64,
    pub descriptors: u64,
    pub ports: (u16, u16),
    /// Addresses to connect from in place of the scenario's; none for those.
    pub source_addresses: Vec<IpAddr>,
    /// Whether keys may come over its connection to the bus.
    pub is_private: bool,
}

impl Capacity {
    /// That of this process.
    pub fn here(
        agent: &Name,
        index: Option<u32>,
        source_addresses: &[IpAddr],
        is_private: bool,
    ) -> Self {
        let limits = Limits::read();
        let tool = tool();
        let (boot, network) = place();
        Self {
            agent: agent.clone(),
            host: host::name().into(),
            index,
            boot,
            network,
            version: tool.version.into(),
            commit: tool.commit.into(),
            kernel: host::kernel().into(),
            cpu: host::cpu_model().into(),
            cpus: limits.cpus,
            memory_bytes: memory_available().unwrap_or_default(),
            descriptors: limits.descriptors,
            ports: (*limits.ports.start(), *limits.ports.end()),
            source_addresses: source_addresses.to_vec(),
            is_private,
        }
    }

    /// Whether a host can have that: what can't be is told by no agent of ours.
    pub(super) fn is_plausible(&self) -> bool {
        (1..=MOST_CPUS).contains(&self.cpus)
            && (1..=self.ports.1).contains(&self.ports.0)
            && self.source_addresses.len() <= MOST_ADDRESSES
    }

    /// Local ports that it shares with others where this is alike.
    fn place(&self) -> (&str, &str, (u16, u16)) {
        (&self.boot, &self.network, self.ports)
    }
}

/// What is alike for all processes of this kernel, and for all that share local ports.
pub(super) fn place() -> (Short, Short) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let network = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    (boot.trim().into(), (*network.to_string_lossy()).into())
}

/// The share of each agent: no more than its part of the cores, nor of the sockets, that all have together.
///
/// Agents of one host share its cores and its ports. `addresses` is how many the scenario connects from, and `brokers` how
/// many it connects to.
pub fn weights(agents: &[Capacity], addresses: usize, brokers: usize) -> Vec<u64> {
    let on_host = |agent: &Capacity| agents.iter().filter(|other| other.boot == agent.boot).count();
    let cores: Vec<f64> =
        agents.iter().map(|agent| agent.cpus as f64 / on_host(agent) as f64).collect();
    let ports = ports(agents);
    let sockets = agents.iter().zip(&ports).map(|(agent, (first, last))| {
        let addresses = match agent.source_addresses.len() {
            0 => addresses.max(1),
            own => own,
        };
        let ports = (u64::from(last - first) + 1) * addresses as u64 * brokers as u64;
        agent.descriptors.saturating_sub(OWN).min(ports) as f64
    });
    let sockets: Vec<f64> = sockets.collect();
    let part = |of: &[f64], index: usize| of[index] / of.iter().sum::<f64>().max(1e-9);
    (0..agents.len())
        .map(|index| part(&cores, index).min(part(&sockets, index)))
        .map(|share| (share * SCALE * agents.len() as f64).round().max(1.0) as u64)
        .collect()
}

/// Local ports for each: those that share them get ranges of their own.
pub fn ports(agents: &[Capacity]) -> Vec<(u16, u16)> {
    let mut sharing: BTreeMap<_, u32> = BTreeMap::new();
    for agent in agents {
        *sharing.entry(agent.place()).or_default() += 1;
    }
    let mut given: BTreeMap<_, u32> = BTreeMap::new();
    let mut all = Vec::with_capacity(agents.len());
    for agent in agents {
        let turn = given.entry(agent.place()).or_default();
        let (first, last) = agent.ports;
        let share = (u32::from(last.saturating_sub(first)) + 1) / sharing[&agent.place()];
        let start = u32::from(first) + share * *turn;
        *turn += 1;
        all.push((start as u16, (start + share.max(1) - 1) as u16));
    }
    all
}

/// Agents that are all but left out, by their places, and by what: of so few clients nothing is seen of their hosts.
pub(super) fn slights(
    agents: &[Capacity],
    weights: &[u64],
    addresses: usize,
) -> Vec<(usize, String)> {
    let all: u64 = weights.iter().sum();
    let even = all as f64 / weights.len().max(1) as f64;
    let ports = ports(agents);
    let best = agents.iter().map(|agent| agent.cpus).max().unwrap_or(1);
    let lacks = |place: usize| {
        let (agent, (first, last)) = (&agents[place], ports[place]);
        let addresses = agent.source_addresses.len().max(addresses).max(1) as u64;
        let ports = (u64::from(last - first) + 1) * addresses;
        if (agent.cpus as f64) < SLIGHT * best as f64 {
            format!("{} cores", agent.cpus)
        } else if agent.descriptors.saturating_sub(OWN) <= ports {
            format!("{} descriptors", agent.descriptors)
        } else {
            format!("{ports} local ports")
        }
    };
    let told = |place: usize| {
        let told = format!(
            "agent `{}` on {} drives {:.1} % of the clients: it has {}",
            agents[place].agent,
            agents[place].host,
            weights[place] as f64 * 100.0 / all.max(1) as f64,
            lacks(place)
        );
        (place, told)
    };
    (0..agents.len()).filter(|place| (weights[*place] as f64) < SLIGHT * even).map(told).collect()
}

#[cfg(test)]
mod tests;
