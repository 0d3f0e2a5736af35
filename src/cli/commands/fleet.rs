//! `tokenstorm agent`, and `tokenstorm run --agents`.

use std::{env, io, process, thread};

use super::stop_flag;
use crate::{
    base::error::{Error, Exit, Result},
    campaign::fleet::{
        agent,
        coordinator::{Coordinator, Wanted},
    },
    cli,
    engine::{Finished, Options, gather::gather},
    plan::Plan,
    scenario::Loaded,
};

/// Variables in which launchers say which of their tasks this is: Kubernetes' indexed jobs, Slurm.
const INDICES: [&str; 2] = ["JOB_COMPLETION_INDEX", "SLURM_PROCID"];

pub(super) fn agent(arguments: &cli::Agent) -> Result<Exit> {
    if arguments.guarded {
        thread::spawn(end_with_starter);
    }
    let bus = arguments.nats.settings().ok_or_else(|| {
        Error::usage("`--nats` is missing: an agent has to know where it is called")
            .hint("write `--nats nats://host:4222`, or set TOKENSTORM_NATS")
    })?;
    let options = agent::Options {
        bus,
        group: arguments.nats.group.clone(),
        index: arguments
            .index
            .or_else(|| INDICES.iter().find_map(|name| env::var(name).ok()?.parse().ok())),
        files: arguments.files.clone(),
        variables: arguments.env.clone(),
        authorized: arguments.authorized,
        source_addresses: arguments.source_address.clone(),
        once: arguments.once,
        idle_timeout: arguments.idle_timeout.map(Into::into),
    };
    agent::serve(options, stop_flag()?)
}

/// Ends this process when standard input closes: its coordinator is gone then, and with it the bus that they met on. There
/// is nobody left to tell anything, and nothing to write.
#[expect(clippy::exit, reason = "threads that wait for the bus would keep the process")]
fn end_with_starter() {
    // An error is an end as well.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    process::exit(i32::from(Exit::NotMeasured.code()));
}

/// Runs a plan by agents.
pub(super) fn run(
    plan: Plan,
    loaded: &Loaded,
    arguments: &cli::Agents,
    count: u16,
    options: Options,
) -> Result<Finished> {
    let wanted = Wanted {
        agents: usize::from(count),
        bus: arguments.nats.settings(),
        group: arguments.nats.group.clone(),
        timeout: arguments.agents_timeout.into(),
    };
    let files = loaded.folder().to_owned();
    let files = files.canonicalize().unwrap_or(files);
    let mut coordinator = Coordinator::new(wanted, &plan, &loaded.scenario, &files, &options.stop)?;
    gather(plan, options, &mut coordinator)
}
