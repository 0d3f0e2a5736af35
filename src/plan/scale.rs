//! What each of several agents takes of a run, and how many agents it takes at least on hosts like this one.
//!
//! Arithmetic only. Agents are taken for alike, so each takes the same share, rounded up.

use super::{Model, Plan, broker::Broker};
use crate::base::{host::Limits, words::Phase};

/// Bytes of this program for a connection that is held, measured (`results/README.md`) and rounded up.
pub const TCP_BYTES: u64 = 1_000;
/// What TLS adds.
pub const TLS_BYTES: u64 = 11_000;
/// What a token adds that its client keeps, to send it again.
pub const KEPT_BYTES: u64 = 1_000;
/// What a WebSocket adds.
pub const WS_BYTES: u64 = 4_000;
/// Bytes of the kernel for a TCP socket with empty buffers, its file included: the sizes of `TCP`, `sock_inode_cache`,
/// `filp` and `dentry` in `/proc/slabinfo`, rounded up.
pub const KERNEL_BYTES: u64 = 4_500;
/// Bytes of one histogram (three digits, up to an hour).
pub const HISTOGRAM_BYTES: u64 = 180_000;

/// CPU of an attempt over plain TCP, in microseconds: `scripts/bench-generator`, paced at 1 000/s, where it costs most
/// (`results/README.md`, 2026-11-24: 96.5).
const TCP_CPU_US: f64 = 100.0;
/// What a full TLS handshake adds, and what a WebSocket does (`docs/scale.md`, 2026-11-26: 296 and 45).
const TLS_CPU_US: f64 = 300.0;
const WS_CPU_US: f64 = 50.0;
/// CPU of a ping and its answer, in microseconds (`docs/scale.md`, 2026-11-26: 25).
const PING_CPU_US: f64 = 25.0;
/// The middle of the part of the keep alive after which a client that is silent pings.
const PING_AFTER: f64 = 0.7;
/// Share of a worker's CPU that may be planned for: arrivals that find it busy wait, on average for
/// `u / (2 (1 - u))` of an attempt's own time (queue M/D/1), 1.2 of it here and 4.5 at 0.9.
const BUSY: f64 = 0.7;

/// What can run out on an agent's host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// Descriptors of the process.
    Descriptors,
    /// Local ports, over source addresses and brokers.
    Ports,
    /// Memory that is left, kernel memory of sockets included.
    Memory,
    /// CPU of the workers that drive clients.
    Cores,
    /// Signatures of tokens.
    Signing,
}

impl Resource {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Ports => "local ports",
            Self::Memory => "memory",
            Self::Cores => "cores for clients",
            Self::Signing => "tokens to sign",
        }
    }

    /// Whether a run can't be made without it. The others are estimates, and what they come to is seen in the run:
    /// arrivals that begin late, tokens that are waited for.
    pub fn is_hard(self) -> bool {
        matches!(self, Self::Descriptors | Self::Ports | Self::Memory)
    }
}

/// What a whole run needs, whoever shares it.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Attempts; 0 where a time ends the run.
    pub attempts: u64,
    /// Sockets open at one time.
    pub sockets: u64,
    /// Attempts a second at the peak, where a schedule sets them.
    pub peak_per_s: Option<f64>,
    /// Pings a second while all hold.
    pub pings_per_s: f64,
    /// CPU of an attempt, in microseconds; signing its token is not in it.
    pub attempt_cpu_us: f64,
    /// Attempts that one token serves.
    pub reuse: u64,
    /// Memory of a connection that is open, in bytes: this program's and the kernel's.
    pub connection_bytes: u64,
}

/// What the host of an agent has.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Descriptors of a process.
    pub descriptors: u64,
    /// Those that an agent needs for itself.
    pub own_descriptors: u64,
    /// Connections that ports, source addresses and brokers allow.
    pub ports: u64,
    /// Memory that is left, in bytes, where this is known.
    pub memory: Option<u64>,
    /// Memory that an agent takes whatever its share, in bytes.
    pub own_memory: u64,
    /// Threads that drive clients, each on a CPU.
    pub workers: u64,
    /// Tokens that it signs a second, where the run signs.
    pub signs_per_s: Option<f64>,
    /// Agents that it takes so that no attempt waits for a signature, where the run signs.
    pub signing_agents: Option<u64>,
}

/// One resource: what an agent takes of it, what its host has, how many agents it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Which.
    pub resource: Resource,
    /// What one agent takes.
    pub takes: f64,
    /// What its host has; `None` where nobody knows.
    pub has: Option<f64>,
    /// Agents that it takes at least; `None` where no number of them is enough.
    pub agents: Option<u64>,
}

impl Whole {
    /// What a plan needs.
    pub fn of(plan: &Plan) -> Self {
        let load = plan.load();
        let peak_per_s = match &plan.model {
            Model::Open { rates, .. } => Some(rates.peak()),
            Model::Preconnect(waves) => waves.rate,
            Model::Closed { .. } => None,
        };
        let keep_alive = load.keep_alive.as_secs_f64() * PING_AFTER;
        let pings = keep_alive > 0.0 && load.hold().as_secs_f64() > keep_alive;
        let has = |layer: fn(&Broker) -> bool, us| {
            if plan.brokers.iter().any(layer) { us } else { 0.0 }
        };
        Self {
            attempts: plan.known_attempts(),
            sockets: plan.budget.sockets,
            peak_per_s,
            pings_per_s: if pings { plan.budget.sockets as f64 / keep_alive } else { 0.0 },
            attempt_cpu_us: TCP_CPU_US
                + has(|broker| broker.tls, TLS_CPU_US)
                + has(|broker| broker.ws.is_some(), WS_CPU_US),
            reuse: plan.reuse,
            connection_bytes: connection_bytes(plan) + KERNEL_BYTES,
        }
    }

    /// Attempts of the largest share.
    pub fn attempts_of_one(&self, agents: u64) -> u64 {
        self.attempts.div_ceil(agents)
    }

    /// Sockets that the largest share has open at one time.
    pub fn sockets_of_one(&self, agents: u64) -> u64 {
        self.sockets.div_ceil(agents)
    }

    /// Tokens a second that one of so many agents signs at the peak.
    pub fn tokens_of_one(&self, agents: u64) -> Option<f64> {
        self.peak_per_s.map(|peak| peak / self.reuse as f64 / agents as f64)
    }

    /// CPU seconds a second, while attempts peak and all that hold ping.
    fn cores(&self) -> Option<f64> {
        let attempts = self.peak_per_s? * self.attempt_cpu_us;
        Some((attempts + self.pings_per_s * PING_CPU_US) / 1e6)
    }

    /// What each of so many agents takes of each resource.
    pub fn shares(&self, host: &Host, agents: u64) -> Vec<Share> {
        let sockets = self.sockets_of_one(agents);
        let least = |room: u64| (room > 0).then(|| self.sockets.div_ceil(room).max(1));
        let whole = |number: u64| number as f64;
        let mut shares = vec![
            Share {
                resource: Resource::Descriptors,
                takes: whole(sockets + host.own_descriptors),
                has: Some(whole(host.descriptors)),
                agents: least(host.descriptors.saturating_sub(host.own_descriptors)),
            },
            Share {
                resource: Resource::Ports,
                takes: whole(sockets),
                has: Some(whole(host.ports)),
                agents: least(host.ports),
            },
            Share {
                resource: Resource::Memory,
                takes: whole(sockets * self.connection_bytes + host.own_memory),
                has: host.memory.map(whole),
                agents: match host.memory {
                    Some(has) => least(has.saturating_sub(host.own_memory) / self.connection_bytes),
                    None => Some(1),
                },
            },
        ];
        if let Some(cores) = self.cores() {
            let room = whole(host.workers) * BUSY;
            shares.push(Share {
                resource: Resource::Cores,
                takes: cores / whole(agents),
                has: Some(room),
                agents: Some((cores / room).ceil().max(1.0) as u64),
            });
        }
        if let (Some(takes), Some(signing)) = (self.tokens_of_one(agents), host.signing_agents) {
            shares.push(Share {
                resource: Resource::Signing,
                takes,
                has: host.signs_per_s,
                agents: Some(signing),
            });
        }
        shares
    }
}

/// Of these, the one that asks for the most agents; of several the first.
pub fn decides(shares: &[Share]) -> Option<&Share> {
    // `None` is more than any number.
    let asked = |share: &Share| share.agents.unwrap_or(u64::MAX);
    let most = shares.iter().map(asked).max()?;
    shares.iter().find(|share| asked(share) == most)
}

impl Host {
    /// A host like this one, for a plan.
    pub fn like_this(plan: &Plan, limits: &Limits, memory: Option<u64>) -> Self {
        Self {
            descriptors: limits.descriptors,
            own_descriptors: plan.budget.own,
            ports: plan.budget.ports(),
            memory,
            own_memory: own_bytes(plan),
            workers: plan.workers as u64,
            signs_per_s: None,
            signing_agents: None,
        }
    }
}

/// Bytes of this program for each connection of a plan that is open.
pub fn connection_bytes(plan: &Plan) -> u64 {
    let has = |layer: fn(&Broker) -> bool, bytes| {
        if plan.brokers.iter().any(layer) { bytes } else { 0 }
    };
    let keeps = plan.turns.as_ref().is_some_and(|turns| turns.keeps_tokens);
    TCP_BYTES
        + has(|broker| broker.tls, TLS_BYTES)
        + has(|broker| broker.ws.is_some(), WS_BYTES)
        + if keeps { KEPT_BYTES } else { 0 }
}

/// Bytes that a run takes whatever the number of clients: its phases, accepted and refused, of each kind and broker, of
/// which hardly a run has more than all but two; each worker's, its spare one, and the sum.
pub fn own_bytes(plan: &Plan) -> u64 {
    let cells = (plan.mould.kinds.len() * plan.brokers.len()) as u64;
    let histograms = 2 * (Phase::COUNT as u64 - 2);
    cells * histograms * HISTOGRAM_BYTES * (2 * plan.workers as u64 + 1)
}

#[cfg(test)]
mod tests;
