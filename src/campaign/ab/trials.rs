//! The trials of a contest: each starts its build, storms it, and ends it again.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use serde::Serialize;

use super::{
    Options, Ready, Which,
    build::{Build, Spot},
    ready,
};
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result},
        launch::{Guard, Launched, is_taken, shown},
    },
    campaign::{leave_alone, series as runs},
    plan,
    record::results::{series, sheets},
    report::compare::record::Record,
    scenario::Loaded,
};

/// A row of `trials.csv`.
#[derive(Clone, Debug, Serialize)]
struct Row {
    trial: usize,
    pair: usize,
    side: &'static str,
    started_at: String,
    /// From the start of the command to its being ready.
    ready_s: Option<f64>,
    /// CONNECTs that asked whether it was ready.
    ready_attempts: u64,
    duration_s: f64,
    /// `done`, `interrupted`, `failed`, or `died` of a candidate whose broker did.
    status: &'static str,
    run: String,
}

/// A trial that was measured.
pub(super) struct Trial {
    /// What it came to; `None` where its broker died before anything was measured.
    pub(super) record: Option<Record>,
    /// That its broker died in it.
    pub(super) died: Option<Error>,
}

/// What came of starting a build.
enum Started {
    /// It is ready; `None` where none is to be started.
    Ready(Option<Launched>),
    /// It listened, and ended before it let anybody in.
    Died(Error),
    /// The user wants it to end.
    Stopped,
}

/// The trials so far.
pub(super) struct Trials {
    folder: PathBuf,
    clock: Clock,
    rows: Vec<Row>,
}

impl Trials {
    pub(super) fn new(folder: &Path, clock: Clock) -> Self {
        Self { folder: folder.to_owned(), clock, rows: Vec::new() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes one trial; `None` when the user wants it to end.
    ///
    /// # Errors
    /// When its build does not get ready, nothing could be measured, or results can't be written. The build's
    /// processes are gone then.
    pub(super) fn run(
        &mut self,
        options: &Options,
        which: Which,
        pair: usize,
    ) -> Result<Option<Trial>> {
        if !self.rows.is_empty() {
            leave_alone(self.clock, options.rest, || options.stop.load(Ordering::Relaxed));
        }
        let number = self.rows.len() + 1;
        if options.progress != crate::engine::progress::Mode::None {
            crate::tell!(
                "trial {number} of at most {}: {}",
                options.most_trials / 2 * 2,
                which.name()
            );
        }
        let begun = self.clock.now();
        let name = format!("{}/{:03}", which.name(), pair + 1);
        self.rows.push(Row {
            trial: number,
            pair: pair + 1,
            side: which.name(),
            started_at: self.clock.rfc3339(begun),
            ready_s: None,
            ready_attempts: 0,
            duration_s: 0.0,
            status: "failed",
            run: name.clone(),
        });
        let place = format!("trial {number} ({})", which.name());
        let within = |error: Error| error.within(place.clone());
        let result = self.storm(options, which, &name).map_err(within);
        let result =
            result.map(|trial| trial.map(|trial| Trial { died: trial.died.map(within), ..trial }));
        let is_stopped = options.stop.load(Ordering::Relaxed);
        let run = self.folder.join(&name);
        let kept = match &result {
            // What was left undone by a baseline that died is nothing to compare with.
            Ok(Some(trial)) if trial.died.is_some() && which == Which::Baseline => {
                self.put_aside(&run, number, which)
            }
            Ok(Some(Trial { record: None, .. })) => self.put_aside(&run, number, which),
            Ok(_) if !is_stopped => name,
            // Half a trial must not be taken for one when this folder is compared later.
            _ => self.put_aside(&run, number, which),
        };
        if let Some(row) = self.rows.last_mut() {
            row.duration_s = (self.clock.now() - begun) as f64 / SECOND as f64;
            row.run = kept;
            row.status = match &result {
                _ if is_stopped => "interrupted",
                Ok(Some(Trial { died: Some(_), .. })) if which == Which::Candidate => "died",
                Ok(Some(Trial { died: Some(_), .. })) | Err(_) => "failed",
                Ok(_) => "done",
            };
        }
        let written = series::write(&self.folder, &sheets::TRIALS, &self.rows);
        if is_stopped {
            // What a trial says that was cut short is no trouble of its own.
            return written.map(|()| None);
        }
        let trial = result?;
        written.map(|()| trial)
    }

    /// Moves what a trial left that did not come to its end, and says where to.
    fn put_aside(&self, run: &Path, trial: usize, which: Which) -> String {
        if !run.exists() {
            return String::new();
        }
        let name = format!("failed/{trial:03}-{}", which.name());
        let target = self.folder.join(&name);
        let moved =
            fs::create_dir_all(self.folder.join("failed")).and_then(|()| fs::rename(run, &target));
        if moved.is_ok() { name } else { String::new() }
    }

    fn storm(&mut self, options: &Options, which: Which, name: &str) -> Result<Option<Trial>> {
        let build = match which {
            Which::Baseline => &options.baseline,
            Which::Candidate => &options.candidate,
        };
        let loaded = plan::load(&options.scenario, &options.overrides)?;
        let spot = build.spot(&loaded)?;
        let log = self.folder.join("logs").join(format!("{}.log", name.replace('/', "-")));
        let mut launched = match self.start(options, build, &spot, &log, name)? {
            Started::Ready(launched) => launched,
            Started::Died(error) => return Ok(Some(Trial { record: None, died: Some(error) })),
            Started::Stopped => return Ok(None),
        };
        let loaded = aimed(options, &spot, launched.as_mut())?;
        let run = runs::run(
            &loaded,
            &runs::Options {
                out: Some(self.folder.join(name)),
                progress: options.progress,
                stop: options.stop.clone(),
                live: options.live.clone(),
                ..runs::Options::default()
            },
        );
        let died = launched.as_mut().and_then(|launched| death(launched, spot.address));
        drop(launched);
        // What could not be written is the reason before what can't be read for that.
        let record = run.and_then(|trial| match trial.trouble {
            Some(trouble) => Err(trouble),
            None => Record::read(&trial.folder),
        });
        match (record, died) {
            (Ok(record), died) => {
                let record = Record { has_died: died.is_some(), ..record };
                Ok(Some(Trial { record: Some(record), died }))
            }
            // Before what the run says: a broker that died explains it.
            (Err(_), Some(died)) => Ok(Some(Trial { record: None, died: Some(died) })),
            (Err(error), None) => Err(error),
        }
    }

    /// Starts the build, where it is one to be started.
    fn start(
        &mut self,
        options: &Options,
        build: &Build,
        spot: &Spot,
        log: &Path,
        name: &str,
    ) -> Result<Started> {
        let (Build::By { command, .. }, Some(address)) = (build, spot.address) else {
            return Ok(Started::Ready(None));
        };
        if is_taken(address) {
            return Err(Error::not_measured(format!(
                "somebody listens at {address} already, and would be measured instead of `{}`",
                shown(command)
            ))
            .hint("end it, or let the command take its port as `{port}`"));
        }
        let begun = self.clock.now();
        let mut launched = Launched::start(command, address.port(), log, &Guard::default())?;
        if !launched.wait_for_port(address, options.patience, &options.stop)? {
            return Ok(Started::Stopped);
        }
        let mut attempts = 0;
        let is_ready = match options.ready {
            Ready::Port => Ok(true),
            Ready::Connack => {
                let place = self.folder.join("ready").join(name.replace('/', "-"));
                let loaded = aimed(options, spot, None)?;
                ready::wait(options, &loaded, &mut launched, &place, &mut attempts)
            }
        };
        if let Some(row) = self.rows.last_mut() {
            row.ready_s = Some((self.clock.now() - begun) as f64 / SECOND as f64);
            // Also those of a build that never let anybody in.
            row.ready_attempts = attempts;
        }
        match is_ready {
            Ok(true) => Ok(Started::Ready(Some(launched))),
            Ok(false) => Ok(Started::Stopped),
            // It had listened: it is a broker that went away, not one that never came.
            Err(error) if launched.check_alive("it ended").is_err() => Ok(Started::Died(error)),
            Err(error) => Err(error),
        }
    }
}

/// That a build died while it was measured.
fn death(launched: &mut Launched, address: Option<SocketAddr>) -> Option<Error> {
    if let Err(error) = launched.check_alive("the broker died in it") {
        return Some(error);
    }
    let address = address.filter(|address| !is_taken(*address))?;
    let why = format!("the broker died in it: nobody listens at {address} any more");
    Some(launched.trouble(&why))
}

/// The scenario of a trial: aimed at its build, whose processes are watched.
pub(super) fn aimed(
    options: &Options,
    spot: &Spot,
    launched: Option<&mut Launched>,
) -> Result<Loaded> {
    let mut overrides = options.overrides.clone();
    overrides.targets.clone_from(&spot.urls);
    if let Some(launched) = launched {
        // One that has died meanwhile is told after its trial, with what it said.
        let pids: Vec<String> = launched.processes().iter().map(ToString::to_string).collect();
        if !pids.is_empty() {
            overrides.set.push(format!("monitor.pid=[{}]", pids.join(",")));
        }
    }
    let mut loaded = plan::load(&options.scenario, &overrides)?;
    // A trial that ends early is none: its load is not that of the others. Thresholds are judged at its end.
    for condition in loaded.scenario.thresholds.values_mut().flatten() {
        condition.abort_after = None;
    }
    Ok(loaded)
}
