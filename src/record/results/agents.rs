//! `agents.csv`: who drove the clients of a run, with which share, and how well.

mod unlike;

pub use unlike::reasons as unlike_the_others;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Percentile, cells::Beyond, sheets, writing::replace_table};
use crate::base::error::{
    Result,
    plain::{cell, line},
};

/// One agent of a run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Agent {
    pub agent: String,
    pub host: String,
    /// Its share: with the seed and the weights of all it follows which clients are its own.
    pub segment: usize,
    pub weight: u64,
    /// Attempts with an outcome that it has told of.
    pub attempts: u64,
    /// `None` where it has started none.
    pub start_delay_p99_us: Option<Percentile>,
    /// CPU time of its process since it has planned its segment.
    pub cpu_s: f64,
    /// How far its clock was ahead of the coordinator's.
    pub clock_offset_us: f64,
    /// Half of the quickest round trip by which that was measured.
    pub clock_uncertainty_us: f64,
    /// Since the start of the storm, where it was lost.
    pub lost_at_s: Option<f64>,
    /// Of its attempts: those that were let in, those that were refused by CONNACK, and the rest.
    #[serde(skip)]
    pub accepted: u64,
    #[serde(skip)]
    pub refused: u64,
    #[serde(skip)]
    pub failed: u64,
    /// `None` where no attempt of its came as far as CONNECT.
    #[serde(skip)]
    pub connack_p50_us: Option<Percentile>,
    #[serde(skip)]
    pub connack_p99_us: Option<Percentile>,
    /// Why it was lost.
    #[serde(skip)]
    pub lost_why: Option<String>,
    /// It was lost, and not all of its attempts are known.
    #[serde(skip)]
    pub is_missing: bool,
    /// Attempts that it was dealt.
    #[serde(skip)]
    pub share: u64,
    /// Its attempts, broker by broker, and how many of them failed.
    #[serde(skip)]
    pub failures: Vec<Failures>,
    /// Why its numbers may be its own doing, in words.
    #[serde(skip)]
    pub limits: Vec<String>,
    /// What happened to its host, in words.
    #[serde(skip)]
    pub harm: Vec<String>,
}

/// Attempts of one agent at one broker that ended without an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failures {
    /// The broker's label.
    pub broker: String,
    /// How many attempts there were.
    pub tried: u64,
    /// How many of them ended so.
    pub count: u64,
    /// The second of the first of them.
    pub since: u64,
}

/// The agents of a run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Crew {
    /// Agents that took part.
    pub count: usize,
    /// The names of the agents that were lost while not all of their attempts were known.
    pub lost: Vec<String>,
    /// The largest uncertainty of an agent's clock, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_uncertainty_us: Option<f64>,
}

impl Crew {
    /// Of these agents.
    pub fn of(agents: &[Agent]) -> Self {
        let lost = agents.iter().filter(|agent| agent.is_missing);
        let uncertain = agents.iter().map(|agent| agent.clock_uncertainty_us);
        Self {
            count: agents.len(),
            lost: lost.map(|agent| agent.agent.clone()).collect(),
            clock_uncertainty_us: uncertain.reduce(f64::max),
        }
    }

    /// In words: how many there were, who was lost, and how well their clocks were known.
    pub fn words(&self) -> String {
        let lost = match &self.lost[..] {
            [] => "none lost".to_owned(),
            lost => format!("{} lost: {}", lost.len(), line(&lost.join(", "))),
        };
        let clocks = self.clock_uncertainty_us;
        let clocks = clocks.map(|us| format!(", clocks known to {:.1} ms", us / 1e3));
        format!("{}, {lost}{}", self.count, clocks.unwrap_or_default())
    }
}

impl Agent {
    /// That it was lost, when, why, and what share of the clients was its own; `None` of one that was not.
    pub fn loss(&self, all: &[Self]) -> Option<String> {
        let at = self.lost_at_s.filter(|_| self.is_missing)?;
        let why = self.lost_why.as_ref().map(|why| format!(" ({})", line(why)));
        let weights: u64 = all.iter().map(|agent| agent.weight).sum();
        Some(format!(
            "agent `{}` on {} was lost {at:.1} s after the start{}, with segment {} of {}: {:.1} % of the clients were its own, and {} of its {} attempts are known",
            line(&self.agent),
            line(&self.host),
            why.unwrap_or_default(),
            self.segment,
            all.len(),
            self.weight as f64 * 100.0 / weights.max(1) as f64,
            self.attempts,
            self.share
        ))
    }
}

/// Writes the file.
///
/// # Errors
/// When it can't be written.
pub fn write(folder: &Path, agents: &[Agent]) -> Result<()> {
    let rows = agents.iter().map(|agent| {
        let mut beyond = Beyond::default();
        let start_delay = beyond.number("start_delay_p99", agent.start_delay_p99_us);
        let p50 = beyond.number("connack_p50", agent.connack_p50_us);
        let p99 = beyond.number("connack_p99", agent.connack_p99_us);
        // Whoever runs an agent names it.
        let (name, host) = (cell(&agent.agent), cell(&agent.host));
        let start_delay_p99_us = start_delay.map(Percentile::Number);
        let row = Agent { agent: name, host, start_delay_p99_us, ..agent.clone() };
        let counts = (agent.accepted, agent.refused, agent.failed);
        let why = agent.lost_why.as_deref().map(|why| cell(&line(why)));
        (row, beyond.text(), counts, p50, p99, why)
    });
    replace_table(folder, &sheets::AGENTS, rows)
}
