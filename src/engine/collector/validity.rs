//! Was the harness itself the limit? CPU of the process and of the host over 5 s windows, and the
//! lateness of starts.

use std::collections::{BTreeMap, VecDeque};

use super::{
    super::{Hands, nodes::embedded::Lost},
    files::CutAt,
    lanes::HeldUp,
};
use crate::{
    base::{
        clock::{SECOND, WALL_STEP},
        host::{HostCpu, TcpTrouble, process_cpu},
        words::{Phase, Validity, Verdict},
    },
    client::attempt::Outcome,
    plan::Plan,
    record::{
        measure::{Count, LATE, Measurements, Tally, latency::Quantile},
        results::{Environment, Reason, summary::Trust},
    },
};

/// Length of a window.
const WINDOW: u64 = 5 * SECOND;
/// Share of the CPUs that this process may use, above which it was the limit.
const BUSY: f64 = 0.9;
/// Share of the host's CPU that must be idle for a broker on it to be unaffected.
const IDLE: f64 = 0.05;
/// Brokers at most that a reason names.
const MOST_PLACES: usize = 3;

/// Watches the CPU during the storm.
#[derive(Debug)]
pub(in crate::engine) struct Watch {
    cpus: usize,
    shares_host: bool,
    tcp: TcpTrouble,
    looks: VecDeque<Look>,
    busy: Option<f64>,
    busiest: Option<f64>,
    least_idle: Option<f64>,
    /// Embedded brokers that ended by themselves.
    pub(super) lost: Vec<Lost>,
    /// Agents that were lost, in words.
    pub(super) left: Vec<String>,
    /// Why agents were the limit, in words.
    pub(super) limited: Vec<String>,
    /// What else happened to agents, in words.
    pub(super) harmed: Vec<String>,
    /// Connections that did not stand when their wave was released.
    pub(super) late: u64,
    /// Workers that were late, or never came.
    pub(super) held_up: Vec<HeldUp>,
    /// Files that end before the run does.
    pub(super) cut: Vec<CutAt>,
    /// By index of the broker: the first second with an attempt that could not be judged.
    mute_since: BTreeMap<usize, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: u64,
    cpu: u64,
    host: HostCpu,
}

impl Watch {
    pub(in crate::engine) fn new(cpus: usize, shares_host: bool) -> Self {
        Self {
            cpus,
            shares_host,
            tcp: TcpTrouble::read(),
            looks: VecDeque::new(),
            busy: None,
            busiest: None,
            least_idle: None,
            lost: Vec::new(),
            left: Vec::new(),
            limited: Vec::new(),
            harmed: Vec::new(),
            late: 0,
            held_up: Vec::new(),
            cut: Vec::new(),
            mute_since: BTreeMap::new(),
        }
    }

    /// Looks at the clocks; windows that reach out of the storm do not count.
    pub(in crate::engine) fn look(&mut self, now: u64, is_storm: bool) {
        if !is_storm {
            self.looks.clear();
            return;
        }
        let look = Look { at: now, cpu: process_cpu(), host: HostCpu::read() };
        self.looks.push_back(look);
        while self.looks.len() > 1 && now - self.looks[1].at >= WINDOW {
            self.looks.pop_front();
        }
        let first = self.looks[0];
        let elapsed = now - first.at;
        if elapsed < WINDOW {
            return;
        }
        let busy = (look.cpu - first.cpu) as f64 / elapsed as f64 / self.cpus as f64;
        self.busy = Some(busy);
        self.busiest = Some(self.busiest.map_or(busy, |most| most.max(busy)));
        if let Some(idle) = look.host.idle_since(&first.host) {
            self.least_idle = Some(self.least_idle.map_or(idle, |least| least.min(idle)));
        }
    }

    /// The share of the CPUs that this process used over the last 5 s.
    pub(in crate::engine) fn busy(&self) -> Option<f64> {
        self.busy
    }

    /// All agents of a host together used that share of its CPUs.
    pub(super) fn works_at(&mut self, share: Option<f64>) {
        self.busiest = [self.busiest, share].into_iter().flatten().reduce(f64::max);
    }

    pub(super) fn least_idle(&self) -> Option<f64> {
        self.least_idle
    }

    /// Takes what was seen in a second.
    pub(super) fn sees(&mut self, second: u64, plan: &Plan, seen: &Measurements) {
        for broker in mute(plan, seen).into_keys() {
            let since = self.mute_since.entry(broker).or_insert(second);
            *since = second.min(*since);
        }
    }

    /// At which brokers so many attempts could not be judged, and since when.
    fn places(&self, plan: &Plan, all: &Measurements, count: u64) -> String {
        let mute = mute(plan, all);
        // Of those that an event of the run explains the places would be wrong.
        if mute.values().sum::<u64>() != count {
            return String::new();
        }
        let mut places: Vec<(usize, u64)> = mute.into_iter().collect();
        places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let more = places.len().saturating_sub(MOST_PLACES);
        let place = |(broker, count): &(usize, u64)| {
            let since = self.mute_since.get(broker).copied().unwrap_or_default();
            format!("{count} at `{}`, from second {since} on", plan.brokers[*broker].label)
        };
        let mut told: Vec<String> = places.iter().take(MOST_PLACES).map(place).collect();
        told.extend((more > 0).then(|| format!("and some at {more} more")));
        format!(" ({})", told.join("; "))
    }

    /// Adds what the run changed on this host to the environment.
    pub(super) fn conclude(
        &self,
        environment: &mut Environment,
        hands: &dyn Hands,
        wall_step: i64,
        idle: Option<f64>,
    ) {
        environment.conclude(hands.trouble(self.trouble()), wall_step, idle);
    }

    /// What has happened to this host's TCP since this began.
    pub(in crate::engine) fn trouble(&self) -> TcpTrouble {
        TcpTrouble::read().since(&self.tcp)
    }

    /// Whether the numbers can be trusted, in words.
    pub(super) fn validity(
        &self,
        plan: &Plan,
        all: &Measurements,
        interrupted: bool,
        wall_step: i64,
        unjudged: Unjudged,
        unlike: &[String],
    ) -> Trust {
        let limits = self.limits(plan, all);
        let is_limited = !limits.is_empty();
        let missing = self.held_up.iter().filter(|worker| worker.missing_from.is_some());
        let missing: Vec<Reason> = missing.map(|worker| worker.words().into()).collect();
        let missing_workers = missing.len() as u64;
        let lacks_a_part = !self.left.is_empty() || missing_workers > 0;
        let told = |words: &[String]| words.iter().cloned().map(Reason::Told).collect::<Vec<_>>();
        let mut reasons = told(&self.left);
        reasons.extend(missing);
        reasons.extend(limits);
        reasons.extend(self.damage(plan, all, wall_step, unjudged));
        reasons.extend(told(unlike));
        reasons.extend(told(&self.harmed));
        reasons.extend(interrupted.then(|| interruption(plan, all)));
        // A run that lacks a part is that first, whatever the rest of it is.
        let is_limited = is_limited && !lacks_a_part;
        let verdict = match (interrupted, is_limited, reasons.is_empty()) {
            (true, ..) => Validity::Interrupted,
            (false, true, _) => Validity::GeneratorLimited,
            (false, false, false) => Validity::Degraded,
            (false, false, true) => Validity::Valid,
        };
        Trust { verdict, reasons, missing_workers }
    }

    /// What says that the generator was the limit.
    fn limits(&self, plan: &Plan, all: &Measurements) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.limited.iter().cloned().map(Reason::Told).collect();
        let delay = all.latency(Phase::StartDelay, None, None, None);
        if let (true, Quantile::Time(p99)) = (plan.model.is_paced(), delay.percentile(99.0))
            && p99 > LATE
        {
            reasons.push(Reason::LateArrivals(p99));
        }
        let token = all.latency(Phase::Token, None, None, None);
        let waited = token.unfinished
            + token.times.as_ref().map_or(0, |times| times.count_between(LATE, u64::MAX));
        // A wait for an authorization server is a measurement, one for our own signatures is not.
        if waited * 100 > all.attempts() && plan.mints() {
            reasons.push(Reason::SlowSigning { waited, of: all.attempts() });
        }
        if all[Count::LateLookups] * 100 > all.attempts() {
            reasons.push(Reason::SlowLookups(all[Count::LateLookups]));
        }
        let busy = self.busiest.filter(|busy| *busy > BUSY);
        reasons.extend(busy.map(Reason::BusyGenerator));
        reasons
    }

    /// What else keeps the numbers from being taken at their face value.
    fn damage(
        &self,
        plan: &Plan,
        all: &Measurements,
        wall_step: i64,
        unjudged: Unjudged,
    ) -> Vec<Reason> {
        let count = |wanted: &dyn Fn(&Tally) -> bool| -> u64 {
            let tallies = all.tallies();
            tallies.iter().filter(|(tally, _)| wanted(tally)).map(|(_, count)| count).sum()
        };
        let late = self.held_up.iter().filter(|worker| worker.missing_from.is_none());
        let told = self.lost.iter().map(Lost::words).chain(late.map(HeldUp::words));
        let told = told.chain(self.cut.iter().map(CutAt::words));
        let mut reasons: Vec<Reason> = told.map(Reason::Told).collect();
        if self.late > 0 {
            reasons.push(Reason::LateForWave(self.late));
        }
        let local = count(&|tally| matches!(tally.outcome, Outcome::LocalError(_)));
        if local > 0 {
            reasons.push(Reason::LocalLimit(local));
        }
        let Unjudged { count, of } = unjudged;
        if count * 100 > of {
            let places = self.places(plan, all, count);
            reasons.push(Reason::NotJudged { count, of, places });
        }
        if let Some(idle) = self.least_idle.filter(|idle| self.shares_host && *idle < IDLE) {
            reasons.push(Reason::BusyHost { idle, own: self.busiest.unwrap_or_default() });
        }
        if wall_step.abs() > WALL_STEP {
            reasons.push(Reason::WallStep(wall_step));
        }
        reasons
    }
}

/// Attempts of the kinds that the run is about that could not be judged, by index of the broker.
fn mute(plan: &Plan, seen: &Measurements) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for (tally, count) in seen.tallies() {
        if tally.verdict == Verdict::NotJudged && !plan.is_aside(tally.kind) {
            *counts.entry(tally.broker).or_default() += count;
        }
    }
    counts
}

/// Attempts that could not be judged, without those that an event of the run had deprived of their broker.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Unjudged {
    count: u64,
    /// All attempts but the excused ones.
    of: u64,
}

impl Unjudged {
    /// Of everything that was seen of the kinds that the run is about, less the `excused`.
    pub(in crate::engine) fn of(plan: &Plan, all: &Measurements, excused: u64) -> Self {
        let (count, of) = all.not_judged(|kind| !plan.is_aside(kind));
        Self { count: count.saturating_sub(excused), of: of.saturating_sub(excused) }
    }
}

/// What an interruption cost.
fn interruption(plan: &Plan, all: &Measurements) -> Reason {
    let known = plan.known_attempts();
    let left = (known > 0).then(|| (known.saturating_sub(all.clients()), known));
    Reason::Interrupted { abandoned: all.abandoned(), left }
}
