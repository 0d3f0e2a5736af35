//! A run whose clients are driven elsewhere: brokers are started here, measurements are collected here.

use std::{net::SocketAddr, sync::Arc};

use crossbeam_channel::Sender;

use super::{
    Finished, Hands, Options,
    collector::{Collector, live},
    monitor::Monitor,
    nodes::Nodes,
    storm::Storm,
    target::{KeysFrom, Targets},
    worker::Report,
};
use crate::{
    base::{
        clock::Clock,
        error::Result,
        host::{Limits, resident},
    },
    plan::Plan,
    record::{
        measure::Measurements,
        results::{Environment, environment::AgentHost},
    },
};

/// Where embedded brokers of a run are, in the order of its brokers.
pub type Embedded = Vec<Option<SocketAddr>>;

/// Those who drive the clients of a run elsewhere.
pub trait Crew: Hands {
    /// How many they are.
    fn count(&self) -> usize;

    /// What their hosts are, once they are mustered.
    fn hosts(&self) -> Vec<AgentHost>;

    /// Gets all ready, and tells them when to start: the instant, by the clock.
    ///
    /// # Errors
    /// When one can't, or does not answer in time; nothing has started then.
    fn muster(
        &mut self,
        plan: &Plan,
        embedded: &Embedded,
        clock: Clock,
        options: &Options,
    ) -> Result<u64>;

    /// Passes on what each of them has seen, into these, until all have ended or are lost; `empty` is a recorder of the run's
    /// shape. Returns at once: it goes on in a thread of its own.
    ///
    /// # Errors
    /// When there can be no such thread.
    fn relay(
        &mut self,
        lanes: Vec<Sender<Report>>,
        empty: Measurements,
        clock: Clock,
    ) -> Result<()>;

    /// Tells all that the run is over.
    fn dismiss(&mut self);
}

/// Runs a plan whose clients a crew drives.
///
/// # Errors
/// When nothing could be measured.
pub fn gather(plan: Plan, mut options: Options, crew: &mut dyn Crew) -> Result<Finished> {
    let clock = options.clock.unwrap_or_else(Clock::start);
    let plan = Arc::new(plan);
    let limits = Limits::read();
    Limits::raise_descriptors();
    let place = super::place(&plan, clock, &options)?;
    live::minting(&plan, &place, &options);
    let mut environment = Environment::read(&limits);
    let targets = Targets::start(&plan, &KeysFrom::default(), &[])?;
    for warning in &targets.warnings {
        options.screen.warn(warning);
    }
    let memory = resident();
    let start = crew.muster(&plan, &targets.embedded_at(&plan), clock, &options)?;
    environment.agents = crew.hosts();
    let monitor = plan.scenario.monitor.as_ref();
    let monitor = monitor.map(|settings| Monitor::new(settings, targets.processes(), clock, true));
    let storm = Arc::new(Storm::new(&plan, clock, start, &targets, limits.ports.clone(), &[])?);
    let mut collector = Collector::new(&storm, place, environment, &limits, &targets, memory);
    if let Some(mut monitor) = monitor {
        monitor.start(start)?;
        collector.monitor = Some(monitor);
    }
    collector.nodes = Nodes::start(&plan, targets.own.clone(), &storm.heard, start, clock)?;
    let lanes = (0..crew.count()).map(|_| collector.lane()).collect();
    crew.relay(lanes, storm.recorder(), clock)?;
    let collected = collector.collect(crew, &mut options);
    collector.hang_up();
    crew.dismiss();
    collected?;
    collector.conclude(&mut options)?;
    collector.finish(crew, &options, targets.lost())
}
