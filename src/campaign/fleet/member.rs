//! An agent as its coordinator knows it.

use super::{
    account::Account, capacity::Capacity, inbox::Inbox, message::Ready, name::Name, tally::Lot,
};
use crate::{
    base::{clock::SECOND, numbers::nanos},
    engine::segment::Used,
    record::{
        measure::{LATE, Times, empty_times},
        results::{
            agents::Agent,
            environment::AgentHost,
            time::{Percentile, microseconds, percentile},
        },
    },
};

/// Share of its CPUs above which an agent was the limit.
const BUSY: f64 = 0.9;
/// A step of a wall clock that can turn a verdict, in nanoseconds.
const WALL_STEP: i64 = 100_000_000;

/// CPU time of a process at most, in nanoseconds: a year of 16 cores.
const MOST_CPU: u64 = 16 * 365 * 24 * 3600 * SECOND;
/// Memory of a process at most: 64 TiB, which is what a kernel of four levels of pages can give.
const MOST_MEMORY: u64 = 64 << 40;
/// Tokens that a process mints in a second at most: a thousand cores, each with the quickest algorithm.
const MOST_MINTED: f64 = 1e10;
/// Share of its CPUs that a process uses at most; above 1 where a tick of the kernel's count falls into the next interval.
const MOST_BUSY: f64 = 10.0;
/// How far the clock of an agent may be from the coordinator's, in nanoseconds: one that begins in 1970, as those of boards
/// without a battery do, is nearer.
pub(super) const MOST_AHEAD: u64 = 100 * 365 * 24 * 3600 * SECOND;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) capacity: Capacity,
    pub(super) weight: u64,
    pub(super) ports: (u16, u16),
    /// How far its clock is ahead, in nanoseconds.
    pub(super) ahead: i64,
    /// Half of the quickest round trip; `u64::MAX` before the first.
    pub(super) uncertainty: u64,
    pub(super) ready: Option<Ready>,
    /// When it was heard of last, and when it told of a second last.
    pub(super) heard: u64,
    pub(super) told: u64,
    pub(super) inbox: Inbox,
    /// The last second that it told of.
    pub(super) second: u64,
    /// What it has told of, and can have done at most.
    pub(super) account: Account,
    /// What its attempts came to.
    pub(super) lot: Lot,
    delays: Box<Times>,
    pub(super) used: Used,
    busiest: Option<f64>,
    /// It has told all.
    pub(super) is_done: bool,
    /// When it was heard of last, and what became of it, where it was lost.
    pub(super) lost: Option<(u64, String)>,
}

impl Member {
    /// One of so many agents, which was heard of now.
    pub(super) fn new(capacity: Capacity, agents: usize, now: u64) -> Self {
        Self {
            capacity,
            weight: 1,
            ports: (0, 0),
            ahead: 0,
            uncertainty: u64::MAX,
            ready: None,
            heard: now,
            told: now,
            inbox: Inbox::of(agents),
            second: 0,
            account: Account::default(),
            lot: Lot::default(),
            delays: Box::new(empty_times(3)),
            used: Used::default(),
            busiest: None,
            is_done: false,
            lost: None,
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.capacity.agent
    }

    /// Its name and its host, for a person.
    pub(super) fn shown(&self) -> String {
        format!("`{}` on {}", self.capacity.agent, self.capacity.host)
    }

    /// A round trip that began and ended then, by the coordinator's clock, showed this on the agent's.
    pub(super) fn clock(&mut self, began: i64, ended: i64, wall: i64) {
        let half = ended.saturating_sub(began).max(0) as u64 / 2;
        let ahead = wall.saturating_sub(began + half as i64);
        if half < self.uncertainty && ahead.unsigned_abs() <= MOST_AHEAD {
            self.uncertainty = half;
            self.ahead = ahead;
        }
    }

    /// Its lateness, for what one agent of many hides in the whole.
    pub(super) fn delays(&mut self) -> &mut Times {
        &mut self.delays
    }

    /// As `agents.csv` has it; `start` is that of the storm, `timeout` that of an attempt, in nanoseconds.
    pub(super) fn row(&self, segment: usize, start: u64, timeout: u64) -> Agent {
        let late = (!self.delays.is_empty()).then(|| self.delays.value_at_quantile(0.99));
        let us = |ns: f64| microseconds(ns);
        let connack = |percent| {
            let latency = &self.lot.connack;
            let is_known = latency.count() + latency.unfinished > 0;
            is_known.then(|| percentile(latency, percent, timeout))
        };
        let brokers = self.ready.as_ref().map(|ready| &ready.brokers[..]).unwrap_or_default();
        Agent {
            agent: self.capacity.agent.to_string(),
            host: self.capacity.host.to_string(),
            segment,
            weight: self.weight,
            attempts: self.account.attempts(),
            start_delay_p99_us: late.map(|late| Percentile::Number(us(late as f64))),
            cpu_s: self.used.cpu_ns as f64 / 1e9,
            clock_offset_us: us(self.ahead as f64),
            clock_uncertainty_us: us(self.uncertainty as f64),
            lost_at_s: self.lost.as_ref().map(|(at, _)| {
                (at.saturating_sub(start) as f64 / SECOND as f64 * 1e3).round() / 1e3
            }),
            accepted: self.lot.accepted,
            refused: self.lot.refused,
            failed: self.lot.failed(),
            connack_p50_us: connack(50.0),
            connack_p99_us: connack(99.0),
            lost_why: self.lost.as_ref().map(|(_, why)| why.clone()),
            is_missing: self.is_missing(),
            share: self.account.share(),
            failures: self.lot.failures(brokers),
            limits: self.limits(late),
            harm: self.harm().into_iter().collect(),
        }
    }

    /// Whether it was lost with attempts of which nothing is known.
    pub(super) fn is_missing(&self) -> bool {
        self.lost.is_some() && !self.account.is_complete()
    }

    /// Why its numbers may be its own doing.
    fn limits(&self, late: Option<u64>) -> Vec<String> {
        let busy = self.busiest.filter(|busy| *busy > BUSY).map(|busy| {
            format!(
                "agent {} used {:.0} % of the CPU it may use over 5 s: the latencies may be its own",
                self.shown(),
                busy * 100.0
            )
        });
        let late = late.filter(|late| *late > LATE).map(|late| {
            format!(
                "arrivals of agent {} started late: p99 of start_delay is {}",
                self.shown(),
                nanos(late as f64)
            )
        });
        // It may have started that much too early or too late, and nobody would know.
        let uncertain = Some(self.uncertainty).filter(|uncertain| *uncertain > LATE).map(|by| {
            format!(
                "the clock of agent {} is known to {} only: its clients may have come that much too early or too late",
                self.shown(),
                nanos(by as f64)
            )
        });
        busy.into_iter().chain(late).chain(uncertain).collect()
    }

    /// What happened to its host that a run on one host would say of its own.
    fn harm(&self) -> Option<String> {
        let step = self.used.wall_step;
        (step.abs() > WALL_STEP).then(|| {
            format!(
                "the wall clock of agent {} moved by {} during the run: verdicts that hang on time may be wrong",
                self.shown(),
                nanos(step.unsigned_abs() as f64)
            )
        })
    }

    /// What it has used, as it says with an interval.
    pub(super) fn uses(&mut self, used: Used) {
        self.busiest = [self.busiest, used.busy].into_iter().flatten().reduce(f64::max);
        self.used = used;
    }

    /// As `environment.json` has it.
    pub(super) fn host(&self) -> AgentHost {
        let of = &self.capacity;
        AgentHost {
            agent: of.agent.to_string(),
            host: of.host.to_string(),
            kernel: of.kernel.to_string(),
            cpu: of.cpu.to_string(),
            cpus: of.cpus,
            memory_bytes: of.memory_bytes,
            descriptors: of.descriptors,
            ports: self.ports,
            source_addresses: of.source_addresses.len(),
        }
    }
}

/// Whether a process can have used that much: numbers that can be added up over ten thousand of them.
pub(super) fn is_plausible(used: &Used) -> bool {
    let is_number = |number: f64, most: f64| (0.0..=most).contains(&number);
    used.cpu_ns <= MOST_CPU
        && used.resident <= MOST_MEMORY
        && is_number(used.minted_per_s, MOST_MINTED)
        && used.busy.is_none_or(|busy| is_number(busy, MOST_BUSY))
        && used.wall_step.unsigned_abs() <= MOST_AHEAD
}

#[cfg(test)]
mod tests;
