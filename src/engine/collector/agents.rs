//! What the collector says of agents, where there are any.

use super::{Collector, Hands};
use crate::{
    base::error::Result,
    record::results::{
        Summary,
        agents::{self, Crew, unlike_the_others},
        threshold::without_a_share,
    },
};

impl Collector {
    /// Takes what is known of those that drive the clients.
    pub(super) fn ask_hands(&mut self, hands: &dyn Hands) {
        self.generator.tokens_minted_per_s = hands.minted_per_s();
        self.generator.total_cpu_s = hands.cpu_ns() as f64 / 1e9;
        self.resident = hands.resident();
        self.watch.works_at(hands.busiest());
        if let Some(agents) = hands.agents() {
            self.watch.left = agents.iter().filter_map(|agent| agent.loss(&agents)).collect();
            self.watch.limited = agents.iter().flat_map(|agent| agent.limits.clone()).collect();
            self.watch.harmed = agents.iter().flat_map(|agent| agent.harm.clone()).collect();
            self.agents = Some(agents);
        }
    }

    /// What is said of agents that are unlike the others.
    pub(super) fn unlike(&self) -> Vec<String> {
        self.agents.as_deref().map(unlike_the_others).unwrap_or_default()
    }

    /// Writes them down.
    pub(super) fn write_agents(&self) -> Result<()> {
        let (Some(folder), Some(agents)) = (&self.folder, &self.agents) else { return Ok(()) };
        agents::write(folder.path(), agents)
    }

    /// Says in the summary who took part, and takes back what can't be told without those that were lost.
    pub(super) fn without_the_lost(&self, summary: &mut Summary) {
        if summary.validity.missing_workers > 0 {
            without_a_share(&self.storm.plan.thresholds, &mut summary.thresholds);
        }
        let Some(agents) = &self.agents else { return };
        summary.agents = Some(Crew::of(agents));
        if agents.iter().any(|agent| agent.is_missing) {
            // Each agent brings every kind of token to every broker: no threshold is free of it.
            without_a_share(&self.storm.plan.thresholds, &mut summary.thresholds);
        }
    }
}
