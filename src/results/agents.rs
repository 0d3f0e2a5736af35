//! `agents.csv`: who drove the clients of a run, with which share, and how well.

use serde::{Deserialize, Serialize};

use super::{Folder, Percentile, cells::Beyond};
use crate::error::{
    Error, Result,
    plain::{cell, line},
};

/// The columns of `agents.csv`: the fields of an [`Agent`].
const COLUMNS: &str = "agent,host,segment,weight,attempts,start_delay_p99_us,cpu_s,clock_offset_us,clock_uncertainty_us,lost_at_s,beyond";

/// One agent of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the file, described in docs/results.md"
)]
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
    /// Why its numbers may be its own doing, in words.
    #[serde(skip)]
    pub limits: Vec<String>,
    /// What happened to its host, in words.
    #[serde(skip)]
    pub harm: Vec<String>,
}

/// What the summary says of the agents.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Crew {
    /// How many took part.
    pub count: usize,
    /// Those that were lost, by name.
    pub lost: Vec<String>,
}

impl Crew {
    /// Of these agents.
    pub fn of(agents: &[Agent]) -> Self {
        let lost = agents.iter().filter(|agent| agent.lost_at_s.is_some());
        Self { count: agents.len(), lost: lost.map(|agent| agent.agent.clone()).collect() }
    }
}

impl Crew {
    /// In words: how many there were, and who was lost.
    pub fn words(&self) -> String {
        let lost = match &self.lost[..] {
            [] => "none lost".to_owned(),
            lost => format!("{} lost: {}", lost.len(), line(&lost.join(", "))),
        };
        format!("{}, {lost}", self.count)
    }
}

impl Agent {
    /// That it was lost, when, and what share of the clients was its own; `None` of one that was not.
    pub fn loss(&self, all: &[Self]) -> Option<String> {
        let at = self.lost_at_s?;
        let weights: u64 = all.iter().map(|agent| agent.weight).sum();
        Some(format!(
            "agent `{}` on {} was lost {at:.1} s after the start, with segment {} of {}: {:.1} % of the clients were its own, and {} of their attempts are known",
            line(&self.agent),
            line(&self.host),
            self.segment,
            all.len(),
            self.weight as f64 * 100.0 / weights.max(1) as f64,
            self.attempts
        ))
    }
}

/// Writes the file.
///
/// # Errors
/// When it can't be written.
pub fn write(folder: &Folder, agents: &[Agent]) -> Result<()> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::not_measured(format!(
            "can't write `{}`: {why}",
            folder.path().join("agents.csv").display()
        ))
    };
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    rows.write_record(COLUMNS.split(',')).map_err(|error| failed(&error))?;
    for agent in agents {
        let mut beyond = Beyond::default();
        let p99 = beyond.number("start_delay_p99", agent.start_delay_p99_us.as_ref());
        let start_delay_p99_us = p99.map(Percentile::Number);
        // Whoever runs an agent names it.
        let (name, host) = (cell(&agent.agent), cell(&agent.host));
        let row = Agent { agent: name, host, start_delay_p99_us, ..agent.clone() };
        let row = (row, beyond.text());
        rows.serialize(row).map_err(|error| failed(&error))?;
    }
    folder.replace("agents.csv", &rows.into_inner().map_err(|error| failed(&error))?)
}
