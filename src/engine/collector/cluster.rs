//! Several brokers: where they differ, and what it costs to lose one.

use std::borrow::Cow;

use super::{Collector, Options};
use crate::record::{
    measure::Measurements,
    results::{
        Summary,
        decided::Decisions,
        divergent::Divergences,
        full::Fullness,
        gaps::Gaps,
        outages::{Deed, Outages},
    },
};

/// What is followed of several brokers, second by second.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    decisions: Decisions,
    divergences: Divergences,
    outages: Outages,
    gaps: Gaps,
    fullness: Fullness,
    /// Deeds that failed and have been told.
    told: usize,
    /// Whether it was told which brokers stay stopped.
    has_told_end: bool,
}

impl Collector {
    /// Looks at a second that all workers have left behind.
    pub(super) fn look_at_brokers(&mut self, second: u64, seen: &Measurements, deeds: &[Deed]) {
        let (plan, start) = (&self.storm.plan, self.storm.start);
        let absences = &self.absences;
        self.cluster
            .gaps
            .second((start, second), seen, deeds, |broker| absences.had_shut(broker, second));
        if plan.brokers.len() == 1 {
            // Open connections are not counted by broker.
            self.cluster.fullness.second(start, seen);
        }
        if plan.brokers.len() < 2 && plan.nodes.is_empty() {
            return;
        }
        let Cluster { decisions, divergences, outages, .. } = &mut self.cluster;
        for (second, decided) in decisions.second(plan, second, seen) {
            divergences.second(plan, second, &decided);
            outages.second(plan, (start, second), &decided, deeds);
        }
    }

    /// What the run has done to brokers so far.
    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.nodes.as_ref().map(super::Nodes::done).unwrap_or_default()
    }

    /// Attempts that could not be judged because an event had stopped their broker.
    pub(super) fn excused(&self) -> u64 {
        self.cluster.gaps.excused()
    }

    /// Puts into a summary what was seen of that.
    pub(super) fn tell_of_brokers(&self, summary: &mut Summary) {
        let (plan, start) = (&self.storm.plan, self.storm.start);
        let deeds = self.nodes.as_ref().map(super::Nodes::done);
        let (mut divergences, mut outages) =
            (Cow::Borrowed(&self.cluster.divergences), Cow::Borrowed(&self.cluster.outages));
        // What has not been decided for long enough is told as far as it is known.
        for (second, decided) in self.cluster.decisions.rest() {
            divergences.to_mut().second(plan, *second, decided);
            let done = deeds.as_deref().unwrap_or_default();
            outages.to_mut().second(plan, (start, *second), decided, done);
        }
        summary.excused = self.excused();
        summary.connection_limit = self.cluster.fullness.found();
        summary.divergent = divergences.told(plan);
        if let Some(deeds) = &deeds {
            summary.outages = outages.told(plan, start, self.storm.timeout, deeds);
        }
    }

    /// Says what could not be done to a broker, and at the end who stays stopped, once.
    pub(super) fn warn_of_brokers(&mut self, options: &Options) {
        let Some(nodes) = &self.nodes else { return };
        let failed: Vec<Deed> = nodes.done().into_iter().filter(|deed| deed.failed).collect();
        for deed in failed.iter().skip(self.cluster.told) {
            options.screen.warn(&deed.detail);
        }
        self.cluster.told = failed.len();
        let stopped = nodes.left_stopped(&self.storm.plan);
        if !self.cluster.has_told_end {
            for stopped in &stopped {
                options.screen.warn(stopped);
            }
            self.cluster.has_told_end = !stopped.is_empty();
        }
    }
}
