//! A run, from its plan to its folder. Uses `base`, `scenario`, `token`, `plan`, `client`, `record`, `servers`,
//! `supply`.
//!
//! The only place that knows tokens, clients and measurements at once.

mod bringing;
mod carried;
mod collector;
mod connection;
mod events;
mod gate;
pub mod gather;
mod hands;
mod hunt;
mod journey;
mod key;
mod knocker;
mod monitor;
mod nodes;
mod occupancy;
mod opening;
mod pace;
mod probe;
pub mod progress;
pub mod replay;
mod resolver;
pub mod segment;
mod storm;
mod target;
mod threads;
mod vigil;
mod volleys;
mod worker;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use self::{
    collector::{Collector, live},
    events::Events,
    hands::Here,
    monitor::Monitor,
    nodes::Nodes,
    progress::Screen,
    storm::Storm,
    target::{KeysFrom, Targets},
    threads::Thread,
    volleys::Volleys,
    worker::{Wiring, Worker},
};
pub use self::{hands::Hands, nodes::embedded::Lost, worker::Report};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
        host::{Limits, cpus, process_cpu, resident},
    },
    plan::{Model, Plan},
    record::{
        live::Live,
        measure::Measurements,
        results::{
            Environment, Matrix, Place, Summary, absence::Absence, calibration::Calibration,
            folder::check_writable, summary::Yardstick,
        },
    },
    servers::{
        canary::Canary,
        issuer::{Issuer, happenings::Happenings},
    },
    supply::{
        Supply, estimate::Estimate, oauth::Fetcher, shelf::Shelf, signal::Signal,
        yardstick::Measured,
    },
};

/// How long the storm starts after everything is ready: the workers' threads have to be there.
const HEAD_START: u64 = 10_000_000;
/// The same where TLS is spoken: the first random numbers of a thread take aws-lc some 50 ms, as it gathers
/// entropy for them.
const TLS_HEAD_START: u64 = 250_000_000;
/// Reports that a worker may be ahead of the collector.
const REPORTS: usize = 4;

/// What an embedded broker is told for a plan; `mutant` is what is to be broken about its verifier.
///
/// # Errors
/// When the system has no randomness.
pub fn broker_settings(
    plan: &Plan,
    mutant: Option<&'static crate::servers::broker::mutant::Mutant>,
) -> Result<crate::servers::broker::Settings> {
    target::settings(plan, mutant, &KeysFrom::default())
}

/// How a run is run.
#[derive(Debug)]
pub struct Options {
    /// The run folder; `None` for one under `results/`, named after the scenario and the time.
    pub out: Option<PathBuf>,
    /// What is shown while it runs.
    pub screen: Screen,
    /// Set when the user wants it to end.
    pub stop: Arc<AtomicBool>,
    /// How long after its turn a token is watched; `None` where the edges of a matrix' broker are not to be found.
    pub probe: Option<Duration>,
    /// What headers of a matrix' tokens name.
    pub canary: Option<Canary>,
    /// The clock of a series that this run is a part of; `None` for one of its own.
    pub clock: Option<Clock>,
    /// What a calibration on this host came to, just before.
    pub calibration: Option<Calibration>,
    /// Whom what is known is handed to once a second, for whoever scrapes it.
    pub live: Live,
    /// Whether what is there of a run that lost agents is judged.
    pub allows_lost_agents: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its result.
    pub summary: Summary,
    /// Its cells, where it has any.
    pub matrix: Option<Matrix>,
    /// Where the rest is.
    pub folder: PathBuf,
    /// What of the results could not be written on which others depend.
    pub trouble: Option<Error>,
    /// Files that end before the run does, in words.
    pub cut: Vec<String>,
    /// All that was seen.
    pub all: Measurements,
    /// When the storm started, by the run's clock.
    pub start: u64,
    /// Nanoseconds of waves from their releases to their last answers.
    pub busy: u64,
    /// Medians of `response` of each second, in nanoseconds; `None` where there was none, or a timeout.
    pub medians: Vec<Option<u64>>,
    /// Embedded brokers that ended by themselves.
    pub lost: Vec<Lost>,
    /// Brokers that went away by themselves.
    pub absences: Vec<Absence>,
}

/// Runs a plan.
///
/// In a thread of its own, which gives way to those that drive clients: a priority once given up can't be taken back, and
/// whoever calls may have another run to make, whose threads and brokers would inherit it.
///
/// # Errors
/// When nothing could be measured: no broker, a key that can't sign, results that can't be written.
pub fn run(plan: Plan, options: Options) -> Result<Finished> {
    let thread = thread::Builder::new().name("run".into()).spawn(move || run_here(plan, options));
    let thread = thread
        .map_err(|error| Error::not_measured(format!("can't start the run's thread: {error}")))?;
    thread.join().unwrap_or_else(|_| {
        Err(Error::not_measured("the run died: this is a bug of tokenstorm")
            .hint("please report it, with the scenario"))
    })
}

fn run_here(plan: Plan, mut options: Options) -> Result<Finished> {
    let clock = options.clock.unwrap_or_else(Clock::start);
    let cpu_before = process_cpu();
    let plan = Arc::new(plan);
    let limits = Limits::read();
    Limits::raise_descriptors();
    let place = place(&plan, clock, &options)?;
    live::minting(&plan, &place, &options);
    let mut environment = Environment::read(&limits);
    environment.calibration = options.calibration.take();
    plan.certify(cpus(), &options.stop)?;
    let issuer = Issuer::of(&plan, clock)?.map(Arc::new);
    let mut happenings = Happenings::new(&plan.issuance.timeline, clock.now());
    if let Some(issuer) = &issuer {
        happenings.before_storm(issuer);
    }
    // Before the brokers: it knows where their keys are.
    let fetcher = Fetcher::of(&plan, clock, issuer.as_deref())?.map(Arc::new);
    let jwks = fetcher.as_ref().and_then(|fetcher| fetcher.jwks_url().cloned());
    let targets = Targets::start(&plan, &KeysFrom { issuer, discovered: jwks }, &[])?;
    let memory = resident();
    warn_of(&targets, fetcher.as_deref(), &options.screen);
    // Judging the rows of a long file takes seconds.
    let shelf = Shelf::of(&plan)?;
    let estimate =
        if plan.mints() { Estimate::measure(&plan, clock, cpus())? } else { Estimate::default() };
    if estimate.waits {
        options.screen.warn(
            "signing is slower than the schedule: clients will wait for tokens (phase `token`)",
        );
    }
    // Before the storm: what collects it runs at a lower priority.
    let yardstick = yardstick(&plan, clock);
    let workers = workers(&plan);
    let signals = (0..workers).map(|_| Signal::new().map(Arc::new)).collect::<Result<Vec<_>>>()?;
    let head_start = if plan.tls.is_some() { TLS_HEAD_START } else { HEAD_START };
    let planned = clock.now() + nanoseconds(estimate.ahead_time.mul_f64(1.25)) + head_start;
    let (supply, outlets) = if plan.mints() {
        Supply::start(&plan, clock, planned, estimate.ahead, &signals)?
    } else {
        Supply::none(&plan, clock, workers)
    };
    let ready = match &fetcher {
        Some(fetcher) => fetch_ahead(fetcher, &plan, &mut options),
        None => wait_for_tokens(&supply, &mut options),
    };
    if let Some(error) = supply.failure() {
        return Err(error);
    }
    if !ready {
        drop(outlets);
        supply.stop();
        return Err(Error::interrupted("interrupted before the storm: nothing was measured"));
    }
    let settings = plan.scenario.monitor.as_ref();
    let monitor =
        settings.map(|settings| Monitor::new(settings, targets.processes(), clock, false));
    let start = start_of_storm(&plan, clock, (planned, head_start), &supply);
    let mut storm = Storm::new(&plan, clock, start, &targets, limits.ports.clone(), &signals)?;
    storm.standing = storm.standing.or_else(|| fetcher.as_ref().and_then(|it| it.standing()));
    (storm.fetcher, storm.shelf) = (fetcher, shelf);
    let storm = Arc::new(storm);
    let mut collector = Collector::new(&storm, place, environment, &limits, &targets, memory);
    collector.canary = options.canary.take();
    collector.yardstick = yardstick;
    if let Some(issuer) = &targets.issuer {
        issuer.storm_starts(start);
        happenings.storm_starts(start);
        collector.events = Some(Events::start(issuer, happenings, clock)?);
    }
    collector.nodes = Nodes::start(&plan, targets.own.clone(), &storm.heard, start, clock)?;
    if let Some(mut monitor) = monitor {
        monitor.start(start)?;
        storm.gate.is_watched(monitor.asker());
        collector.monitor = Some(monitor);
    }
    let (threads, lines) = spawn(&storm, &signals, outlets)?;
    for (from_worker, to_worker) in lines {
        collector.connect(from_worker, to_worker);
    }
    let hands = Here { supply: &supply, signals: &signals, cpu_before };
    let collected = collector.collect(&hands, &mut options);
    let collected =
        collected.and_then(|()| after_storm(&plan, &targets, &mut collector, &mut options));
    for signal in &signals {
        signal.stop();
    }
    collector.hang_up();
    let joined = threads::join(threads);
    supply.end();
    let left = joined?;
    collected?;
    let finished = collector.finish(&hands, &options, targets.lost());
    // Whoever mints may wait for room in an outlet that a worker which did not end still has.
    if left == 0 {
        supply.stop();
    }
    finished
}

/// Says what was found out about brokers and about an authorization server.
fn warn_of(targets: &Targets, fetcher: Option<&Fetcher>, screen: &Screen) {
    let of_server = fetcher.into_iter().flat_map(Fetcher::warnings);
    for warning in targets.warnings.iter().cloned().chain(of_server) {
        screen.warn(&warning);
    }
}

/// What is asked of the brokers when the storm is over, and the end of it all. What can't be found out takes nothing away from
/// the rest.
fn after_storm(
    plan: &Arc<Plan>,
    targets: &Targets,
    collector: &mut Collector,
    options: &mut Options,
) -> Result<()> {
    let watch = options.probe;
    if plan.cells.is_some() && !options.stop.load(Ordering::Relaxed) {
        let mut volleys = Volleys::new(collector, options, targets, plan);
        let hunted = hunt::hunt(&mut volleys);
        let found = match watch {
            Some(watch) if hunted.is_ok() => probe::probe(volleys, watch),
            _ => Ok(()),
        };
        if let Err(error) = hunted {
            options.screen.warn(&format!("not all cells were sent again: {error}"));
        }
        if let Err(error) = found {
            options.screen.warn(&format!("not all edges were found: {error}"));
        }
    }
    collector.conclude(options)
}

/// Where the run folder will be.
fn place(plan: &Plan, clock: Clock, options: &Options) -> Result<Place> {
    let name = format!("{}-{}", plan.scenario.name, clock.compact(clock.now()));
    let fresh = || Place::Fresh(Path::new("results").join(name));
    let place = options.out.clone().map_or_else(fresh, Place::Named);
    check_writable(&place)?;
    Ok(place)
}

/// What one core verifies, where the verifier is what the run is about.
fn yardstick(plan: &Plan, clock: Clock) -> Option<Yardstick> {
    let is_about_it = plan.scenario.monitor.is_some()
        || matches!(plan.model, Model::Preconnect(_) | Model::Closed { length: Some(_), .. });
    if !is_about_it || !plan.mints() {
        return None;
    }
    // A token that the library does not take has no yardstick.
    Measured::of(plan, clock).ok().and_then(|measured| Yardstick::of(&measured.0))
}

/// As many workers as asked for, but none without a share of the load.
fn workers(plan: &Plan) -> usize {
    let most = match &plan.model {
        Model::Open { .. } | Model::Preconnect(_) => plan.attempts,
        Model::Closed { concurrency, .. } => plan.attempts.min(u64::from(*concurrency)),
    };
    plan.workers.min(most as usize).max(1)
}

/// Waits until enough tokens are ready; `false` when the user wants it to end.
fn wait_for_tokens(supply: &Supply, options: &mut Options) -> bool {
    options.screen.minting(supply.ahead());
    while !supply.is_ready() {
        if options.stop.load(Ordering::Relaxed) {
            return false;
        }
        options.screen.minted(supply.minted());
        thread::sleep(Duration::from_millis(2));
    }
    options.screen.minted(supply.minted());
    true
}

/// Fetches what is wanted before the storm; `false` when the user wants it to end.
fn fetch_ahead(fetcher: &Fetcher, plan: &Plan, options: &mut Options) -> bool {
    if plan.has_prelude() {
        options.screen.minting(plan.attempts);
    }
    let screen = &mut options.screen;
    fetcher.prelude(&options.stop, |count| screen.minted(count))
}

/// The planned instant, for which tokens were minted; later only if minting took longer.
fn start_of_storm(
    plan: &Plan,
    clock: Clock,
    (planned, head_start): (u64, u64),
    supply: &Supply,
) -> u64 {
    let soonest = clock.now() + head_start;
    match plan.model {
        Model::Open { .. } if planned >= soonest => planned,
        // Tokens of the closed model are minted for the moment of minting: no reason to wait. Events count from here.
        _ => {
            supply.put_off(soonest);
            soonest
        }
    }
}

/// Where a worker's reports come from, and where its empty recorders go to.
type Line = (Receiver<Report>, Sender<Box<Measurements>>);

/// Starts the workers.
fn spawn(
    storm: &Arc<Storm>,
    signals: &[Arc<Signal>],
    outlets: Vec<crate::supply::Outlet>,
) -> Result<(Vec<Thread>, Vec<Line>)> {
    let mut threads = Vec::with_capacity(signals.len());
    let mut lines = Vec::with_capacity(signals.len());
    for (number, (signal, outlet)) in signals.iter().zip(outlets).enumerate() {
        let (reports, from_worker) = bounded(REPORTS);
        let (to_worker, spares) = bounded(REPORTS);
        lines.push((from_worker, to_worker));
        let wiring = Wiring { signal: Arc::clone(signal), outlet, reports, spares };
        let (storm, workers) = (Arc::clone(storm), signals.len());
        let thread = thread::Builder::new()
            .name(format!("clients-{number}"))
            // Made there: what it mints with belongs to one thread.
            .spawn(move || Worker::new(&storm, number, workers, wiring).map(Worker::run))
            .map_err(|error| {
                Error::not_measured(format!("can't start a worker thread: {error}"))
            })?;
        threads.push(thread);
    }
    Ok((threads, lines))
}
