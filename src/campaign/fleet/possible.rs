//! What agents can share at all.

use super::capacity::{self, Capacity};
use crate::{
    base::error::{Error, Result},
    plan::{Plan, split::check_splittable},
    scenario::Scenario,
};

/// Refuses a run that so many agents can't share; `written` is its scenario as its author wrote it.
///
/// # Errors
/// With what it is that they can't, and what to do.
pub fn check(plan: &Plan, written: &Scenario, agents: u64) -> Result<()> {
    let sections = [
        ("[capacity]", written.capacity.is_some()),
        ("[control]", written.control.is_some()),
        ("[sweep]", written.sweep.is_some()),
    ];
    if let Some((section, _)) = sections.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::usage(format!(
            "`{section}` is given, which agents can't share: a series is made of runs of one process"
        ))
        .hint("leave it out, and give `--agents` to each run of your own, or run it without `--agents`"));
    }
    check_splittable(plan)?;
    if agents > plan.attempts {
        return Err(Error::usage(format!(
            "`--agents` is {agents}, but there are only {} clients",
            plan.attempts
        ))
        .hint("take fewer agents, or raise `load.clients` or the rate"));
    }
    Ok(())
}

/// Embedded brokers listen on loopback: agents of other hosts would storm themselves.
pub(super) fn check_embedded(plan: &Plan, agents: &[Capacity]) -> Result<()> {
    let (boot, network) = capacity::place();
    let is_elsewhere = |agent: &&Capacity| (&agent.boot, &agent.network) != (&boot, &network);
    let embedded = plan.brokers.iter().find(|broker| broker.is_embedded());
    match (embedded, agents.iter().find(is_elsewhere)) {
        (Some(broker), Some(agent)) => Err(Error::usage(format!(
            "`{}` listens on this host's loopback, and agent `{}` on {} is not on it",
            broker.label, agent.agent, agent.host
        ))
        .hint("storm brokers that all agents reach: `--target mqtt://host:port`")),
        _ => Ok(()),
    }
}
