//! Where a run has come to: counts and cumulated times of each kind of token at each broker.

use std::{path::PathBuf, sync::Arc};

use super::{
    cumulated::Cumulated,
    labelled::Labelled,
    standing::{Judgement, Others},
};
use crate::{
    base::words::{Counts, Operation, OperationOutcome, OutcomeKind, Phase, RunState, Verdict},
    client::{attempt::Code, codes},
    plan::{Plan, broker::Broker},
    record::{
        measure::{Count, Measurements, Session},
        results::{monitor::Side, turns::Renewals},
    },
    scenario::ReceiveTime,
};

/// What is told beside the measurements.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The name of the run's folder.
    pub run: String,
    /// That folder, once there is one.
    pub folder: Option<PathBuf>,
    /// What alone tells it from other runs of this program: their folders may have the same name, and its own may get another
    /// one while it goes.
    pub number: u64,
    /// Where the run has got to.
    pub state: RunState,
    /// Attempts that were due by now, where the run has a schedule.
    pub due: Option<u64>,
    /// How its thresholds and its validity stand.
    pub judgement: Judgement,
    /// Agents, servers and events.
    pub others: Others,
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
    /// Connections by broker: those that began to hold, and those that ended before their client wanted.
    pub(super) sessions: Vec<(String, [u64; 2])>,
    pub(super) parts: Vec<Part>,
    /// Attempts by the labels of their part, by outcome, by code, and by what the standard calls that code.
    pub(super) codes: Labelled<6>,
    pub(super) operations: Vec<Operated>,
    /// What became of later turns, by name.
    pub(super) returns: [(&'static str, u64); 5],
    pub(super) renewals: [(&'static str, u64); 4],
}

/// Operations of one kind that came to the same.
#[derive(Clone, Debug)]
pub(super) struct Operated {
    pub(super) operation: Operation,
    pub(super) place: Place,
    pub(super) outcome: OperationOutcome,
    pub(super) verdict: Verdict,
    pub(super) count: u64,
}

impl Operated {
    /// Whether it is of the same kind, and came to the same.
    fn is_like(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.place == other.place
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

/// A kind of token and a broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// Of a matrix the entry of the catalogue, without the version of MQTT.
    pub(super) token: String,
    /// The version of MQTT.
    pub(super) protocol: &'static str,
    pub(super) broker: String,
}

impl Place {
    fn of(plan: &Plan, kind: usize, broker: usize) -> Self {
        let of_kind = &plan.mould.kinds[kind];
        let is_cell = plan.cells.as_ref().is_some_and(|cells| cells.is_cell(kind));
        Self {
            token: if is_cell { of_kind.defect.name.to_owned() } else { of_kind.label.clone() },
            protocol: of_kind.protocol.version(),
            broker: plan.brokers[broker].label.clone(),
        }
    }

    /// Its labels.
    pub(super) fn labels(&self) -> [(&'static str, &str); 3] {
        [("token", &self.token), ("protocol", self.protocol), ("broker", &self.broker)]
    }
}

/// Attempts with one kind of token at one broker.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) outcomes: Counts<OutcomeKind>,
    pub(super) verdicts: Counts<Verdict>,
    /// Of phases that somebody entered, or can enter.
    pub(super) phases: Vec<(Phase, Cumulated)>,
}

impl Snapshot {
    /// Whether two are the very same one; so are two that are not there.
    pub(crate) fn is_same(one: Option<&Arc<Self>>, other: Option<&Arc<Self>>) -> bool {
        one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
    }

    /// What is told of a plan of which this was measured so far.
    pub fn of(plan: &Plan, all: &Measurements, now: Now) -> Self {
        let mut parts = Vec::with_capacity(plan.mould.kinds.len() * plan.brokers.len());
        for kind in 0..plan.mould.kinds.len() {
            for (broker, of_broker) in plan.brokers.iter().enumerate() {
                let phases = Phase::ALL.into_iter().filter_map(|phase| {
                    let times = Cumulated::of(all, phase, kind, broker);
                    let is_known = can_enter(plan, of_broker, phase);
                    (is_known || times.count() + times.unfinished > 0).then_some((phase, times))
                });
                parts.push(Part {
                    place: Place::of(plan, kind, broker),
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
            sessions: sessions(plan, all),
            codes: coded(plan, all, &parts),
            parts,
            operations: operated(plan, all),
            returns: returns(all),
            renewals: renewals(all),
        }
    }

    /// Whether this one is of the same run.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.now.number == other.now.number
    }

    /// Adds the counts of a run that is over, by their labels.
    pub(super) fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.abandoned += other.abandoned;
        self.now.cpu_s += other.now.cpu_s;
        self.now.due = match (self.now.due, other.now.due) {
            (Some(own), Some(more)) => Some(own + more),
            (own, more) => own.or(more),
        };
        self.now.others.add(&other.now.others);
        self.codes.merge(&other.codes);
        for (broker, more) in &other.sessions {
            match self.sessions.iter_mut().find(|(own, _)| own == broker) {
                Some((_, own)) => own.iter_mut().zip(more).for_each(|(own, more)| *own += more),
                None => self.sessions.push((broker.clone(), *more)),
            }
        }
        let counts = self.returns.iter_mut().zip(other.returns);
        counts.for_each(|((_, own), (_, more))| *own += more);
        let counts = self.renewals.iter_mut().zip(other.renewals);
        counts.for_each(|((_, own), (_, more))| *own += more);
        for operated in other.operations.iter().cloned() {
            operated.join(&mut self.operations);
        }
        for part in &other.parts {
            let is_same = |own: &&mut Part| own.place == part.place;
            match self.parts.iter_mut().find(is_same) {
                Some(own) => own.add(part),
                None => self.parts.push(part.clone()),
            }
        }
    }
}

/// Connections by broker.
fn sessions(plan: &Plan, all: &Measurements) -> Vec<(String, [u64; 2])> {
    let of_broker = |(broker, of): (usize, &Broker)| {
        let counts = [Session::Held, Session::Dropped].map(|what| all.sessions_of(broker, what));
        (of.label.clone(), counts)
    };
    plan.brokers.iter().enumerate().map(of_broker).collect()
}

/// Attempts by the codes of their outcomes.
fn coded(plan: &Plan, all: &Measurements, parts: &[Part]) -> Labelled<6> {
    let mut coded = Labelled::default();
    for (tally, count) in all.settled_tallies() {
        let Place { token, protocol, broker } =
            &parts[tally.kind * plan.brokers.len() + tally.broker].place;
        let code = tally.outcome.code();
        let name = match code {
            Code::Byte(byte) => codes::name(byte, plan.mould.kinds[tally.kind].protocol.into()),
            Code::Status(_) | Code::Word(_) => None,
        };
        let (outcome, code) = (tally.outcome.kind().name(), code.to_string());
        let labels = [token, *protocol, broker, outcome, &code, name.unwrap_or_default()];
        coded.add(labels, count);
    }
    coded
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
            place: Place::of(plan, tally.kind, tally.broker),
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
                Some((_, own)) => own.merge(times),
                None => self.phases.push((*phase, times.clone())),
            }
        }
    }
}
