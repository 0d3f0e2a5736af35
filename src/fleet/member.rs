//! An agent as its coordinator knows it.

use std::collections::BTreeMap;

use super::{
    capacity::Capacity,
    message::{Ready, Told},
    outbox::Inbox,
};
use crate::{
    clock::SECOND,
    engine::segment::Used,
    measure::{LATE, Times, empty_times},
    results::{
        agents::Agent,
        environment::AgentHost,
        summary::{Percentile, microseconds},
    },
};

/// Share of its CPUs above which an agent was the limit.
const BUSY: f64 = 0.9;
/// A step of a wall clock that can turn a verdict, in nanoseconds.
const WALL_STEP: i64 = 100_000_000;

/// One agent.
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
    /// Intervals that came before one that is missing.
    pub(super) early: BTreeMap<u64, Told>,
    /// The number of the interval that comes next.
    pub(super) next: u64,
    pub(super) inbox: Inbox,
    /// The last second that it told of.
    pub(super) second: u64,
    /// Attempts that it has started, that have an outcome, that were given up.
    pub(super) started: u64,
    pub(super) attempts: u64,
    pub(super) abandoned: u64,
    delays: Box<Times>,
    pub(super) used: Used,
    busiest: Option<f64>,
    /// It has told all.
    pub(super) is_done: bool,
    /// When it was heard of last, and what became of it, where it was lost.
    pub(super) lost: Option<(u64, String)>,
}

impl Member {
    pub(super) fn new(capacity: Capacity, now: u64) -> Self {
        Self {
            capacity,
            weight: 1,
            ports: (0, 0),
            ahead: 0,
            uncertainty: u64::MAX,
            ready: None,
            heard: now,
            told: now,
            early: BTreeMap::new(),
            next: 0,
            inbox: Inbox::default(),
            second: 0,
            started: 0,
            attempts: 0,
            abandoned: 0,
            delays: Box::new(empty_times(3)),
            used: Used::default(),
            busiest: None,
            is_done: false,
            lost: None,
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.capacity.agent
    }

    /// Its name and its host, for a person.
    pub(super) fn shown(&self) -> String {
        format!("`{}` on {}", self.capacity.agent, self.capacity.host)
    }

    /// A round trip that began and ended then, by the coordinator's clock, showed this on the agent's.
    pub(super) fn clock(&mut self, began: i64, ended: i64, wall: i64) {
        let half = (ended - began).max(0) as u64 / 2;
        if half < self.uncertainty {
            self.uncertainty = half;
            self.ahead = wall - (began + half as i64);
        }
    }

    /// Its lateness, for what one agent of many hides in the whole.
    pub(super) fn delays(&mut self) -> &mut Times {
        &mut self.delays
    }

    /// As `agents.csv` has it; `start` is that of the storm.
    pub(super) fn row(&self, segment: usize, start: u64) -> Agent {
        let late = (!self.delays.is_empty()).then(|| self.delays.value_at_quantile(0.99));
        let us = |ns: f64| microseconds(ns);
        Agent {
            agent: self.capacity.agent.clone(),
            host: self.capacity.host.clone(),
            segment,
            weight: self.weight,
            attempts: self.attempts,
            start_delay_p99_us: late.map(|late| Percentile::Number(us(late as f64))),
            cpu_s: self.used.cpu_ns as f64 / 1e9,
            clock_offset_us: us(self.ahead as f64),
            clock_uncertainty_us: us(self.uncertainty as f64),
            lost_at_s: self.lost.as_ref().map(|(at, _)| {
                (at.saturating_sub(start) as f64 / SECOND as f64 * 1e3).round() / 1e3
            }),
            limits: self.limits(late),
            harm: self.harm().into_iter().collect(),
        }
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
                "arrivals of agent {} started late: p99 of start_delay is {:.1} ms",
                self.shown(),
                late as f64 / 1e6
            )
        });
        busy.into_iter().chain(late).collect()
    }

    /// What happened to its host that a run on one host would say of its own.
    fn harm(&self) -> Option<String> {
        let step = self.used.wall_step;
        (step.abs() > WALL_STEP).then(|| {
            format!(
                "the wall clock of agent {} moved by {:.0} ms during the run: verdicts that hang on time may be wrong",
                self.shown(),
                step as f64 / 1e6
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
            agent: of.agent.clone(),
            host: of.host.clone(),
            kernel: of.kernel.clone(),
            cpu: of.cpu.clone(),
            cpus: of.cpus,
            memory_bytes: of.memory_bytes,
            descriptors: of.descriptors,
            ports: self.ports,
            source_addresses: of.source_addresses.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_round_trip_tells_the_clock() {
        let mut member = Member::new(Capacity::here("a", None, &[], true), 0);
        // An agent that is 500 ahead: slow on the way there, slow on the way back, quick.
        member.clock(1000, 1400, 1390 + 500);
        member.clock(2000, 2400, 2010 + 500);
        member.clock(3000, 3020, 3008 + 500);
        assert_eq!((member.ahead, member.uncertainty), (498, 10));
    }
}
