//! Which local address and port a socket is bound to.
//!
//! The kernel's own search for a free port costs several connects once many ports are in `TIME_WAIT`,
//! and would land in what is called TCP connect latency. So the ports are walked here, in order: the
//! next one is the one that was used longest ago.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

/// Walks the local ports of each source address in turn.
///
/// Workers walk ranges of their own, so that no two try the same port; each starts at a place that
/// is random per process, so that a run does not begin with the ports the one before left behind.
#[derive(Clone, Debug)]
pub struct PortWalk {
    sources: Vec<IpAddr>,
    first: u16,
    count: u32,
    /// Sockets handed out; source and port follow from it.
    steps: u64,
    offset: u32,
}

impl PortWalk {
    /// Ports of worker `worker` of `workers` to the broker at `target`, one of `brokers`, from those of the
    /// sources that are of its family; `random` chooses where it starts.
    ///
    /// Client `n` belongs to worker `n` modulo `workers` and goes to broker `n` modulo `brokers`, so
    /// workers whose numbers differ modulo the greatest common divisor of both never meet at a broker:
    /// they may share a range, and all ports of each broker are used.
    pub fn new(
        sources: &[IpAddr],
        target: SocketAddr,
        ports: &RangeInclusive<u16>,
        (worker, workers): (usize, usize),
        brokers: usize,
        random: u32,
    ) -> Self {
        let all = u32::from(ports.end() - ports.start()) + 1;
        let apart = greatest_common_divisor(workers, brokers).max(1);
        let (worker, workers) = ((worker / apart) as u32, (workers / apart) as u32);
        let share = (all / workers.max(1)).max(1);
        let first = u32::from(*ports.start()) + (share * worker).min(all - share);
        Self {
            sources: sources
                .iter()
                .filter(|source| source.is_ipv4() == target.is_ipv4())
                .copied()
                .collect(),
            first: first as u16,
            count: share,
            steps: 0,
            offset: random % share,
        }
    }

    /// How many ports there are to try for one address.
    pub fn ports(&self) -> u32 {
        self.count
    }

    /// The next address and port for a connection to `target`.
    ///
    /// The target's own port is left out: a socket that connects from it to itself succeeds.
    pub fn next(&mut self, target: SocketAddr) -> SocketAddr {
        loop {
            let sources = self.sources.len().max(1) as u64;
            let (turn, source) = (self.steps / sources, (self.steps % sources) as usize);
            self.steps += 1;
            let at = (turn + u64::from(self.offset)) % u64::from(self.count);
            let port = self.first + at as u16;
            let from = self.sources.get(source).copied().unwrap_or_else(|| any_towards(target));
            if port != target.port() {
                return SocketAddr::new(from, port);
            }
            if self.count == 1 {
                // Nothing else is left to this worker; the kernel chooses.
                return SocketAddr::new(from, 0);
            }
        }
    }
}

/// The address that leaves the choice to the kernel, of the target's family.
pub(super) fn any_towards(target: SocketAddr) -> IpAddr {
    match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Euclid's algorithm.
fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
