//! How a run stands, beside what its clients did: its thresholds, whether its numbers can be trusted, and who and what takes
//! part in it. The collector knows all of it already.

use super::labelled::Labelled;
use crate::{
    base::words::{BoundState, Cause, Validity},
    plan::{Plan, threshold::Threshold},
    record::results::{
        Percentile, Reason, Summary, agents::Agent, fetches::OAuth, happened::Visit, judged::Judged,
    },
};

/// Who fetches a key set, where that is this program, to see it change.
const OURSELVES: &str = "tokenstorm";
/// The label of fetches that brought something.
const FETCHED: &str = "fetched";
/// The path at which an issuer of the run serves its key set.
const KEY_SET: &str = "/jwks";

/// How thresholds and validity stand.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    pub(super) thresholds: Vec<Bound>,
    /// Nothing before the first summary.
    pub(super) validity: Option<(Validity, Vec<Cause>)>,
}

/// A threshold, and how it stands. Times are in seconds.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) metric: String,
    pub(super) condition: String,
    pub(super) limit: f64,
    /// `None` where nothing was observed; infinite where it lies beyond the timeout.
    pub(super) value: Option<f64>,
    pub(super) state: BoundState,
}

impl Bound {
    /// The labels that tell it from others.
    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        [("metric", &self.metric), ("condition", &self.condition)]
    }

    fn of(threshold: &Threshold, judged: Option<&Judged>) -> Self {
        let unit = if threshold.is_of_time() { 1e-6 } else { 1.0 };
        let value = judged.and_then(|judged| judged.observed).map(|observed| match observed {
            Percentile::Number(number) => number * unit,
            Percentile::Beyond(_) | Percentile::Unanswered(_) => f64::INFINITY,
        });
        Self {
            metric: threshold.metric.clone(),
            condition: threshold.condition.clone(),
            limit: threshold.bound * unit,
            value,
            state: judged.map_or(BoundState::Undecided, Judged::state),
        }
    }
}

impl Judgement {
    /// Before anything was measured.
    pub fn none(plan: &Plan) -> Self {
        let thresholds = plan.thresholds.iter().map(|it| Bound::of(it, None)).collect();
        Self { thresholds, validity: None }
    }

    /// By a summary of the plan, partial or not.
    pub fn of(plan: &Plan, summary: &Summary) -> Self {
        let judged = summary.thresholds.iter().map(Some).chain(std::iter::repeat(None));
        let thresholds = plan.thresholds.iter().zip(judged);
        let reasons = summary.validity.reasons.iter().map(Reason::cause);
        Self {
            thresholds: thresholds
                .map(|(threshold, judged)| Bound::of(threshold, judged))
                .collect(),
            validity: Some((summary.validity.verdict, reasons.collect())),
        }
    }
}

/// An agent of the run.
#[derive(Clone, Debug)]
pub(super) struct Crewman {
    pub(super) agent: String,
    pub(super) host: String,
    pub(super) is_lost: bool,
}

/// Who and what takes part in a run beside clients and brokers.
#[derive(Clone, Debug, Default)]
pub struct Others {
    pub(super) agents: Vec<Crewman>,
    /// Attempts by agent.
    pub(super) agent_attempts: Labelled<1>,
    /// Requests for tokens by result.
    pub(super) token_requests: Labelled<1>,
    /// Fetches of key sets, by who fetched and by result.
    pub(super) key_set_fetches: Labelled<2>,
    /// Steps of events by kind: how many there are, and how many were done.
    pub(super) events: Vec<(&'static str, Steps)>,
}

/// How many steps events of a kind have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    pub(super) planned: u64,
    pub(super) done: u64,
}

impl Others {
    /// Takes what is known of agents.
    pub fn see_agents(&mut self, agents: &[Agent]) {
        for agent in agents {
            self.agent_attempts.add([&agent.agent], agent.attempts);
        }
        let crewman = |agent: &Agent| Crewman {
            agent: agent.agent.clone(),
            host: agent.host.clone(),
            is_lost: agent.lost_at_s.is_some(),
        };
        self.agents.extend(agents.iter().map(crewman));
    }

    /// Takes what came of requests to an authorization server.
    pub fn see_requests(&mut self, oauth: &OAuth) {
        for (status, count) in &oauth.statuses {
            self.token_requests.add([status], *count);
        }
        if let Some(set) = &oauth.key_set {
            self.see_key_set(OURSELVES, set.fetched, &set.failed);
        }
    }

    /// Takes what came of somebody's fetches of a key set.
    pub fn see_key_set<'a>(
        &mut self,
        who: &str,
        fetched: u64,
        failed: impl IntoIterator<Item = (&'a String, &'a u64)>,
    ) {
        self.key_set_fetches.add([who, FETCHED], fetched);
        for (why, count) in failed {
            self.key_set_fetches.add([who, why], *count);
        }
    }

    /// Takes who asked an issuer of the run for its key set.
    pub fn see_visits(&mut self, visits: &[Visit]) {
        for visit in visits.iter().filter(|visit| visit.path == KEY_SET) {
            let status = visit.status.to_string();
            let result = if visit.status == 200 { FETCHED } else { &status };
            self.key_set_fetches.add([&visit.caller, result], visit.count);
        }
    }

    /// Takes steps of events: all that are planned, and those of them that were done.
    pub fn see_events(&mut self, planned: &[&'static str], done: &[&'static str]) {
        let count = |names: &[&str], name: &str| names.iter().filter(|it| **it == name).count();
        for name in planned {
            if self.events.iter().all(|(known, _)| known != name) {
                let (planned, done) = (count(planned, name) as u64, count(done, name) as u64);
                self.events.push((name, Steps { planned, done: done.min(planned) }));
            }
        }
    }

    /// Adds the counts of a run that is over.
    pub(super) fn add(&mut self, other: &Self) {
        self.agent_attempts.merge(&other.agent_attempts);
        self.token_requests.merge(&other.token_requests);
        self.key_set_fetches.merge(&other.key_set_fetches);
    }
}
