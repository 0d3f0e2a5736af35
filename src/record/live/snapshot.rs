//! Where a run has come to: counts and cumulated times of each kind of token at each broker.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use crate::{
    base::{
        clock::SECOND,
        words::{Counts, Operation, OperationOutcome, OutcomeKind, Phase, Verdict},
    },
    plan::{Plan, broker::Broker},
    record::{
        measure::{Count, Measurements, Times},
        results::{monitor::Side, turns::Renewals},
    },
    scenario::ReceiveTime,
};

/// Upper bounds of the buckets of times, in nanoseconds: 10 us, below which no phase of a network lies, to 10 s, which is the
/// usual deadline of an attempt, each power of ten in three steps.
pub(super) const BOUNDS: [u64; 19] = {
    const STEPS_US: [u64; 3] = [10, 25, 50];
    let (mut bounds, mut at) = ([0; 19], 0);
    while at < bounds.len() {
        bounds[at] = STEPS_US[at % 3] * 10_u64.pow(at as u32 / 3) * (SECOND / 1_000_000);
        at += 1;
    }
    bounds
};

/// The last snapshot, with the counts of all runs; `None` before the first storm.
pub(super) type Latest = Arc<Mutex<Option<Arc<Snapshot>>>>;

/// What is told beside the measurements.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The name of the run's folder.
    pub run: String,
    /// That folder, once there is one.
    pub folder: Option<PathBuf>,
    /// What tells it from other runs of this program, whose folders may have the same name.
    pub number: u64,
    /// Since the start of the storm.
    pub storm_s: f64,
    /// When that was, in seconds since 1970.
    pub storm_start_s: f64,
    /// Connections that are open.
    pub open: u64,
    /// CPU time that this program has used for the run.
    pub cpu_s: f64,
    /// What `[monitor]` has read last.
    pub usage: Vec<Usage>,
}

/// What one side has used, as far as somebody knows.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Of whom.
    pub side: Side,
    /// CPU time since its processes began.
    pub cpu_s: Option<f64>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
}

/// Where a run has come to.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) scenario: String,
    /// What its user calls the run by.
    pub(super) tags: Vec<(String, String)>,
    /// What is told beside the measurements.
    pub now: Now,
    /// Attempts that the plan has, where somebody knows.
    pub planned: Option<u64>,
    /// Seconds that the storm lasts by its schedule, where it has one.
    pub planned_s: Option<f64>,
    /// Attempts that have started.
    pub started: u64,
    pub(super) abandoned: u64,
    pub(super) held: u64,
    pub(super) dropped: u64,
    pub(super) parts: Vec<Part>,
    pub(super) operations: Vec<Operated>,
    /// What became of later turns, by name.
    pub(super) returns: [(&'static str, u64); 5],
    pub(super) renewals: [(&'static str, u64); 4],
}

/// Operations of one kind that came to the same.
#[derive(Clone, Debug)]
pub(super) struct Operated {
    pub(super) operation: Operation,
    pub(super) token: String,
    pub(super) broker: String,
    pub(super) outcome: OperationOutcome,
    pub(super) verdict: Verdict,
    pub(super) count: u64,
}

impl Operated {
    /// Whether it is of the same kind, and came to the same.
    fn is_like(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.token == other.token
            && self.broker == other.broker
            && (self.outcome, self.verdict) == (other.outcome, other.verdict)
    }

    /// Adds it to others, where one is like it.
    fn join(self, others: &mut Vec<Self>) {
        match others.iter_mut().find(|other| other.is_like(&self)) {
            Some(other) => other.count += self.count,
            None => others.push(self),
        }
    }
}

/// Attempts with one kind of token at one broker.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) token: String,
    pub(super) broker: String,
    pub(super) outcomes: Counts<OutcomeKind>,
    pub(super) verdicts: Counts<Verdict>,
    /// Of phases that somebody entered, or can enter.
    pub(super) phases: Vec<(Phase, Cumulated)>,
}

/// The times of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Cumulated {
    /// Counts between the bounds, and above the last.
    pub(super) counts: [u64; BOUNDS.len() + 1],
    pub(super) sum_ns: u64,
    pub(super) unfinished: u64,
}

impl Snapshot {
    /// What is told of a plan of which this was measured so far.
    pub fn of(plan: &Plan, all: &Measurements, now: Now) -> Self {
        let mut parts = Vec::with_capacity(plan.mould.kinds.len() * plan.brokers.len());
        for (kind, of_kind) in plan.mould.kinds.iter().enumerate() {
            for (broker, of_broker) in plan.brokers.iter().enumerate() {
                let phases = Phase::ALL.into_iter().filter_map(|phase| {
                    let times = Cumulated::of(all, phase, kind, broker);
                    let is_known = can_enter(plan, of_broker, phase);
                    (is_known || times.count() + times.unfinished > 0).then_some((phase, times))
                });
                parts.push(Part {
                    token: of_kind.label.clone(),
                    broker: of_broker.label.clone(),
                    // From the beginning: of a series that appears with its first count, a rate misses that.
                    outcomes: Counts::default(),
                    verdicts: Counts::default(),
                    phases: phases.collect(),
                });
            }
        }
        for (tally, count) in all.settled_tallies() {
            let part = &mut parts[tally.kind * plan.brokers.len() + tally.broker];
            part.outcomes[tally.outcome.kind()] += count;
            part.verdicts[tally.verdict] += count;
        }
        // Cells of a matrix come as fast as they may.
        let length = plan.planned_length().filter(|_| plan.cells.is_none());
        let planned = if plan.cells.is_some() { plan.attempts } else { plan.known_attempts() };
        Self {
            scenario: plan.scenario.name.clone(),
            tags: plan.scenario.tags.clone().into_iter().collect(),
            now,
            planned: Some(planned).filter(|planned| *planned > 0),
            planned_s: length.map(|length| length.as_secs_f64()),
            started: all[Count::Started] - all[Count::RenewalsForsaken],
            abandoned: all.abandoned(),
            held: all[Count::Held],
            dropped: all.dropped().sum(),
            parts,
            operations: operated(plan, all),
            returns: returns(all),
            renewals: renewals(all),
        }
    }

    /// Whether this one is of the same run.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.now.run == other.now.run && self.now.number == other.now.number
    }

    /// Adds the counts of a run that is over, by their labels.
    pub(super) fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.abandoned += other.abandoned;
        self.held += other.held;
        self.dropped += other.dropped;
        self.now.cpu_s += other.now.cpu_s;
        let counts = self.returns.iter_mut().zip(other.returns);
        counts.for_each(|((_, own), (_, more))| *own += more);
        let counts = self.renewals.iter_mut().zip(other.renewals);
        counts.for_each(|((_, own), (_, more))| *own += more);
        for operated in other.operations.iter().cloned() {
            operated.join(&mut self.operations);
        }
        for part in &other.parts {
            let is_same = |own: &&mut Part| own.token == part.token && own.broker == part.broker;
            match self.parts.iter_mut().find(is_same) {
                Some(own) => own.add(part),
                None => self.parts.push(part.clone()),
            }
        }
    }
}

/// What became of clients whose connection ended.
fn returns(all: &Measurements) -> [(&'static str, u64); 5] {
    [
        ("drops", all[Count::Drops]),
        ("attempts", all[Count::ReturnsBegun] + all[Count::RenewalsConverted]),
        ("back", all[Count::Back]),
        ("gave_up", all[Count::GaveUp]),
        ("still_away", all[Count::StillAway]),
    ]
}

/// What became of tokens that were to be renewed.
fn renewals(all: &Measurements) -> [(&'static str, u64); 4] {
    let Renewals { count, late, failed, token_failed, .. } = Renewals::of(all);
    [("count", count), ("late", late), ("failed", failed), ("token_failed", token_failed)]
}

/// What connected clients did or met, as far as it is settled.
fn operated(plan: &Plan, all: &Measurements) -> Vec<Operated> {
    let mut operations = Vec::new();
    for (tally, count) in all.settled_operations() {
        let operated = Operated {
            operation: tally.operation,
            token: plan.mould.kinds[tally.kind].label.clone(),
            broker: plan.brokers[tally.broker].label.clone(),
            outcome: tally.outcome,
            verdict: tally.verdict,
            count,
        };
        operated.join(&mut operations);
    }
    operations
}

/// Whether attempts of a plan enter a phase at a broker.
fn can_enter(plan: &Plan, broker: &Broker, phase: Phase) -> bool {
    match phase {
        Phase::Token => plan.issuance.fetching.is_some(),
        Phase::Dns => broker.address().is_none(),
        Phase::TlsHandshake => broker.tls,
        Phase::WsUpgrade => broker.ws.is_some(),
        Phase::ReceiveDelay => plan.load().receive_time == ReceiveTime::Kernel,
        phase => phase.is_of_all(),
    }
}

impl Part {
    fn add(&mut self, other: &Self) {
        self.outcomes += &other.outcomes;
        self.verdicts += &other.verdicts;
        for (phase, times) in &other.phases {
            match self.phases.iter_mut().find(|(own, _)| own == phase) {
                Some((_, own)) => {
                    own.counts.iter_mut().zip(times.counts).for_each(|(own, more)| *own += more);
                    own.sum_ns += times.sum_ns;
                    own.unfinished += times.unfinished;
                }
                None => self.phases.push((*phase, times.clone())),
            }
        }
    }
}

impl Cumulated {
    fn of(all: &Measurements, phase: Phase, kind: usize, broker: usize) -> Self {
        let (answers, unfinished) = all.parts(phase, kind, broker);
        let mut own = Self { unfinished, ..Self::default() };
        answers.for_each(|times| own.add(times));
        own
    }

    /// Adds a histogram: what it can't tell from a bound is below it.
    fn add(&mut self, times: &Times) {
        for slot in times.iter_recorded() {
            let (value, count) = (slot.value_iterated_to(), slot.count_since_last_iteration());
            let least = times.lowest_equivalent(value);
            self.counts[BOUNDS.partition_point(|bound| *bound < least)] += count;
            self.sum_ns += times.median_equivalent(value) * count;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
