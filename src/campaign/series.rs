//! Series of runs that answer one question: a search for capacity, a comparison with runs without tokens, a sweep.
//!
//! A series knows its runs by their plan's labels, their measurements and their summary. Each is whole and has a folder
//! of its own under `runs/`; what they have seen together goes into the folder of the series after every run.

mod capacity;
mod control;
mod sweep;
mod trial;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Exit, Result},
        host::{Limits, process_cpu},
        words::Validity,
    },
    campaign::{labels, leave_alone},
    engine::progress::Mode,
    plan::Plan,
    record::{
        live::Live,
        measure::{Count, Measurements},
        results::{
            Environment, Folder, Place, Reason, Summary,
            calibration::Calibration,
            folder::check_writable,
            gone::BrokerGone,
            judged::Aborted,
            ruling::decide::{Terms, decide, told},
            series::append,
            summary::{Generator, Per100Ms, Throughput, Trust},
            threshold,
            turns::Returns,
            whole::{check_conserved, measured},
        },
    },
    report,
    scenario::{Arm, Loaded, Mix, Scenario, Without},
};

pub use self::trial::Trial;

/// How a series is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its folder; `None` for one under `results/`, named after the scenario and the time.
    pub out: Option<PathBuf>,
    /// What is shown while it runs.
    pub progress: Mode,
    /// Set when the user wants it to end.
    pub stop: Arc<AtomicBool>,
    /// The clock of a series that this one is a part of.
    pub clock: Option<Clock>,
    /// What a calibration on this host came to, just before.
    pub calibration: Option<Calibration>,
    /// Whom each run hands over what is known, for whoever scrapes it.
    pub live: Live,
}

/// Whether a scenario is many runs.
pub fn is_series(scenario: &Scenario) -> bool {
    scenario.sweep.is_some() || scenario.control.is_some() || scenario.capacity.is_some()
}

/// What a series does, in words; `None` of a single run.
pub fn words(scenario: &Scenario) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(sweep) = &scenario.sweep {
        let points: usize = sweep.lengths().iter().map(|length| (*length).max(1)).product();
        parts.push(format!("a sweep over up to {points} combinations, {} times", sweep.repeat));
    }
    if let Some(control) = &scenario.control {
        let arms: Vec<&str> = control.arms.iter().map(|arm| arm.name()).collect();
        parts.push(format!("a comparison of {}, {} rounds", arms.join(", "), control.repeat));
    }
    if let Some(capacity) = &scenario.capacity {
        parts.push(format!(
            "a search from {} arrivals a second on, times {}, confirmed {} times, {} steps at most",
            capacity.start, capacity.step, capacity.confirm, capacity.max_steps
        ));
    }
    (!parts.is_empty()).then(|| parts.join(" of "))
}

/// Plans all runs of a series that are known before it runs: what can't be run is told now, and not after an hour.
///
/// # Errors
/// As those of the plan, with the run that can't be run.
pub fn check(loaded: &Loaded) -> Result<()> {
    match (&loaded.scenario.sweep, &loaded.scenario.control) {
        (Some(settings), _) => sweep::check(loaded, settings),
        (None, Some(settings)) => control::check(loaded, settings),
        (None, None) => Ok(()),
    }
}

/// Runs a series to its end.
///
/// # Errors
/// When its scenario is wrong, no run of it could measure anything, or its results can't be written.
pub fn run(loaded: &Loaded, options: &Options) -> Result<Trial> {
    // What is out of its range is told before any combination is.
    Plan::unchecked(loaded, &Limits::read())?;
    check(loaded)?;
    match &loaded.scenario.sweep {
        Some(settings) => sweep::run(loaded, settings, options),
        None => run_within(loaded, options),
    }
}

/// Runs one combination of a sweep, or a scenario without one: another series, or a single run.
fn run_within(loaded: &Loaded, options: &Options) -> Result<Trial> {
    match (&loaded.scenario.control, &loaded.scenario.capacity) {
        (Some(settings), _) => control::run(loaded, settings, options),
        (None, Some(settings)) => capacity::run(loaded, settings, options),
        (None, None) => Trial::run(loaded, options),
    }
}

/// How a run of a series is run: as a run, or as a series within it.
type How = fn(&Loaded, &Options) -> Result<Trial>;

/// What a series has come to, run after run.
struct Series {
    options: Options,
    clock: Clock,
    /// The plan whose labels all runs are told by; it is not run itself.
    plan: Plan,
    folder: Folder,
    environment: Environment,
    all: Measurements,
    sum: Sum,
    runs: usize,
    /// How many runs it will have, where that is known.
    planned: Option<usize>,
    /// CPU time that the process had used when the series began.
    cpu_before: u64,
}

/// What its runs have come to together, beside their measurements.
#[derive(Default)]
struct Sum {
    /// Runs in which something failed.
    failed: usize,
    /// When its first run started to storm.
    start: Option<u64>,
    /// Nanoseconds in which runs gave verdicts.
    busy: u64,
    offered: f64,
    generator: Generator,
    embedded: std::collections::BTreeMap<String, String>,
    /// What could not be written on which others depend: the series ends with the run after which that was found.
    trouble: Option<Error>,
    /// Files of runs that end before their runs, in words.
    cut: Vec<String>,
    /// What speaks against the numbers, by run.
    limited: Vec<Reason>,
    damage: Vec<Reason>,
    /// Attempts of all runs that events had deprived of their broker, and findings that have no row.
    excused: u64,
    findings_left_out: u64,
    /// Clients that came back in any run, or did not.
    returns: Returns,
    /// Brokers that went away by themselves in any run, by seconds of the series, and bare connects of all runs.
    broker_gone: Vec<BrokerGone>,
    broker_checks: u64,
    /// Workers that did not end.
    missing_workers: u64,
    /// The first run that a threshold ended, and the threshold.
    aborted: Option<Aborted>,
    /// What is to be known of runs whose numbers can be taken as they are.
    notes: Vec<Reason>,
    /// Verdicts of 100 ms, of all runs.
    slots: Vec<Per100Ms>,
}

impl Series {
    /// Makes the folder of a series.
    fn open(loaded: &Loaded, options: &Options) -> Result<Self> {
        let clock = options.clock.unwrap_or_else(Clock::start);
        let limits = Limits::read();
        let plan = Plan::new(&with_all_labels(loaded), &limits)?;
        let name = format!("{}-{}", plan.scenario.name, clock.compact(clock.now()));
        let fresh = || Place::Fresh(Path::new("results").join(name));
        let place = options.out.clone().map_or_else(fresh, Place::Named);
        check_writable(&place)?;
        let mut environment = Environment::read(&limits);
        environment.calibration.clone_from(&options.calibration);
        // The series itself, not its first run.
        let folder = Folder::create(&place, &loaded.scenario, clock)?;
        folder.json("environment.json", &environment)?;
        let mut series = Self {
            options: options.clone(),
            clock,
            all: Measurements::new(plan.mould.kinds.len(), plan.brokers.len()),
            plan,
            folder,
            environment,
            sum: Sum::default(),
            runs: 0,
            planned: None,
            cpu_before: process_cpu(),
        };
        // A series that is killed in its first run has a summary too.
        let summary = series.summary(true, false);
        series.folder.counts(&summary, &series.plan, &series.all)?;
        Ok(series)
    }

    /// Where the series is written.
    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it is to end: the user wants that, or its results can't be written any more.
    fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed) || self.sum.trouble.is_some()
    }

    /// Keeps what could not be written: what was measured until then is told all the same.
    fn keep(&mut self, written: Result<()>) {
        if let Err(error) = written {
            self.sum.damage.push(first_line(&error).into());
            self.sum.trouble.get_or_insert(error);
        }
    }

    /// Runs a scenario that is narrowed from that of the series, after a rest; `words` say what it is.
    ///
    /// # Errors
    /// When it can't be run, or reaches no broker.
    fn run(&mut self, how: How, loaded: &Loaded, words: &str, rest: Duration) -> Result<Trial> {
        if self.runs > 0 {
            leave_alone(self.clock, rest, || self.is_stopped());
        }
        if self.is_stopped() {
            return Err(Error::interrupted("interrupted between two runs"));
        }
        self.runs += 1;
        let label: String = words.chars().map(|c| if c == ' ' { '-' } else { c }).collect();
        let out = self.path().join("runs").join(format!("{:03}-{label}", self.runs));
        self.say(&format!("{}: {words}", self.place()));
        let options = Options {
            out: Some(out),
            clock: Some(self.clock),
            calibration: None,
            ..self.options.clone()
        };
        let mut trial = how(loaded, &options)?;
        self.take(&trial, words)?;
        let offset = trial.start.saturating_sub(self.sum.start.unwrap_or(trial.start));
        let appended = append(self.path(), &trial.folder, offset as f64 / SECOND as f64);
        self.keep(trial.trouble.take().map_or(Ok(()), Err));
        self.keep(appended);
        Ok(trial)
    }

    /// Says something, where anything is shown.
    fn say(&self, what: &str) {
        if self.options.progress != Mode::None {
            crate::tell!("{what}");
        }
    }

    /// Which run this is, of how many, what came of those before, and how long it takes until all are over.
    fn place(&self) -> String {
        let Self { runs, planned, sum, .. } = self;
        let of = planned.map_or_else(String::new, |planned| format!(" of {planned}"));
        let before = runs - 1;
        let mut place = format!("run {runs}{of}");
        if before > 0 {
            let failed = sum.failed;
            let promised = before.saturating_sub(failed);
            place = format!("{place} ({promised} as promised, {failed} failed");
            if let (Some(planned), Some(start)) = (planned, sum.start) {
                let each = self.clock.now().saturating_sub(start) / before as u64;
                let left = Duration::from_nanos(each * (planned + 1).saturating_sub(*runs) as u64);
                let left = Duration::from_secs(left.as_secs());
                place = format!("{place}, about {} left", humantime::format_duration(left));
            }
            place.push(')');
        }
        place
    }

    /// Adds what a run has seen to what the series has.
    fn take(&mut self, trial: &Trial, words: &str) -> Result<()> {
        let sum = &mut self.sum;
        let start = *sum.start.get_or_insert(trial.start);
        let (kinds, brokers) = labels(&self.plan);
        let of = |own: &[String], labels: &[String]| -> Result<Vec<usize>> {
            let places = labels.iter().map(|label| own.iter().position(|known| known == label));
            places.collect::<Option<_>>().ok_or_else(|| {
                Error::not_measured("a run of the series has a label that the series has not: this is a bug of tokenstorm")
            })
        };
        self.all.absorb(&trial.all, &of(&kinds, &trial.kinds)?, &of(&brokers, &trial.brokers)?);
        let summary = &trial.summary;
        sum.failed += usize::from(!told(summary, None).failed.is_empty());
        let judged = summary.throughput.verdicts_per_s;
        if judged > 0.0 {
            sum.busy += trial.busy;
        }
        sum.offered += summary.throughput.offered_per_s.unwrap_or_default()
            * (trial.busy as f64 / SECOND as f64);
        sum.returns += summary.returns.clone();
        sum.excused += summary.excused;
        sum.findings_left_out += summary.findings_left_out;
        sum.slots.push(summary.throughput.per_100ms);
        sum.embedded.extend(summary.embedded.clone());
        let (generator, own) = (&mut sum.generator, &summary.generator);
        generator.cpu_s += own.cpu_s;
        generator.workers = own.workers;
        generator.tokens_minted_per_s = own.tokens_minted_per_s;
        generator.open_peak = generator.open_peak.max(own.open_peak);
        generator.rss_peak_open_bytes = generator.rss_peak_open_bytes.max(own.rss_peak_open_bytes);
        if generator.rss_start_bytes == 0 {
            generator.rss_start_bytes = own.rss_start_bytes;
        }
        if sum.aborted.is_none() {
            let run = |aborted: &Aborted| aborted.run.clone().or_else(|| Some(trial.name()));
            sum.aborted = summary.aborted.as_ref().map(|it| Aborted { run: run(it), ..it.clone() });
        }
        let reasons = summary.validity.reasons.iter().cloned();
        let reasons = reasons.map(|reason| Reason::OfRun(words.to_owned(), Box::new(reason)));
        match summary.validity.verdict {
            Validity::GeneratorLimited => sum.limited.extend(reasons),
            Validity::Valid => sum.notes.extend(reasons),
            Validity::Degraded | Validity::Interrupted => sum.damage.extend(reasons),
        }
        sum.missing_workers += summary.validity.missing_workers;
        let offset = trial.start.saturating_sub(start) as f64 / SECOND as f64;
        let gone = summary.broker_gone.iter().cloned();
        sum.broker_gone.extend(gone.map(|gone| BrokerGone { at_s: gone.at_s + offset, ..gone }));
        sum.broker_checks += summary.broker_checks;
        sum.cut.extend(trial.cut.iter().map(|cut| format!("{words}: {cut}")));
        Ok(())
    }

    /// The summary so far.
    fn summary(&self, partial: bool, interrupted: bool) -> Summary {
        let (plan, all, sum) = (&self.plan, &self.all, &self.sum);
        let start = sum.start.unwrap_or(self.clock.now());
        // Those of first turns: time and CPU are theirs.
        let judged: u64 = all.slots().counts.iter().map(|count| u64::from(*count)).sum();
        let busy_s = sum.busy as f64 / SECOND as f64;
        let over = |total: f64| if busy_s > 0.0 { total / busy_s } else { 0.0 };
        let least = |of: fn(&Per100Ms) -> u64| sum.slots.iter().map(of).min().unwrap_or_default();
        let most = |of: fn(&Per100Ms) -> u64| sum.slots.iter().map(of).max().unwrap_or_default();
        let attempts = all.attempts().saturating_sub(all[Count::EndedAfter]).max(1) as f64;
        Summary {
            partial,
            interrupted,
            started_at: self.clock.rfc3339(start),
            duration_s: (self.clock.now() - start) as f64 / SECOND as f64,
            validity: self.validity(interrupted),
            embedded: sum.embedded.clone(),
            generator: Generator {
                total_cpu_s: (process_cpu() - self.cpu_before) as f64 / 1e9,
                cpu_us_per_attempt: sum.generator.cpu_s * 1e6 / attempts,
                ..sum.generator.clone()
            },
            throughput: Throughput {
                offered_per_s: (sum.offered > 0.0).then(|| over(sum.offered)),
                verdicts_per_s: over(judged as f64),
                per_100ms: Per100Ms {
                    p1: least(|slots| slots.p1),
                    p50: least(|slots| slots.p50),
                    p99: most(|slots| slots.p99),
                    max: most(|slots| slots.max),
                },
            },
            excused: sum.excused,
            findings_left_out: sum.findings_left_out,
            broker_gone: sum.broker_gone.clone(),
            broker_checks: sum.broker_checks,
            returns: sum.returns.clone(),
            ..measured(plan, all)
        }
    }

    fn validity(&self, interrupted: bool) -> Trust {
        let verdict = match (interrupted, self.sum.limited.is_empty(), self.sum.damage.is_empty()) {
            (true, ..) => Validity::Interrupted,
            (false, false, _) => Validity::GeneratorLimited,
            (false, true, false) => Validity::Degraded,
            (false, true, true) => Validity::Valid,
        };
        let all = self.sum.limited.iter().chain(&self.sum.damage).chain(&self.sum.notes);
        let reasons = all.cloned().collect();
        Trust { verdict, reasons, missing_workers: self.sum.missing_workers }
    }

    /// Writes what is known so far: rows of its own, and the summary.
    fn write(&mut self, rows: Result<()>, summary: &Summary) {
        let written = rows.and_then(|()| self.folder.counts(summary, &self.plan, &self.all));
        self.keep(written);
    }

    /// Writes the end of a series.
    fn finish(mut self, mut summary: Summary) -> Result<Trial> {
        let plan = &self.plan;
        summary.thresholds = threshold::judge(&plan.thresholds, plan, &self.all, &summary);
        check_conserved(&self.all, &summary)?;
        let terms = Terms { is_strict: self.plan.is_strict(), ..Terms::default() };
        summary.ruling = Some(decide(&summary, None, terms));
        let written = self.folder.json("environment.json", &self.environment);
        let written = written.and_then(|()| self.folder.end(&summary, &self.plan, &self.all));
        self.keep(written);
        self.folder.spare(self.folder.latencies(&self.plan, &self.all));
        report::html::leave(self.path(), &summary);
        let (kinds, brokers) = labels(&self.plan);
        Ok(Trial {
            kinds,
            brokers,
            folder: self.path().to_owned(),
            summary,
            all: self.all,
            start: self.sum.start.unwrap_or_default(),
            busy: self.sum.busy,
            medians: Vec::new(),
            lost: Vec::new(),
            held: None,
            cut: self.sum.cut,
            trouble: self.sum.trouble,
        })
    }
}

/// The scenario with the kinds and brokers of all its runs, so that each has its label.
fn with_all_labels(loaded: &Loaded) -> Loaded {
    let mut whole = loaded.clone();
    let scenario = &mut whole.scenario;
    if let Some(control) = &scenario.control
        && control.arms.contains(&Arm::Without)
    {
        let (token, name) = match control.without {
            Without::Anonymous => ("no_credentials", "anonymous"),
            Without::Password => ("not_a_jwt", "password"),
        };
        scenario.mix.push(Mix { share: 0.0, ..Mix::only(token, name) });
        for target in &control.target {
            if !scenario.target.brokers.contains(target) {
                scenario.target.brokers.push(target.clone());
                if !scenario.target.weights.is_empty() {
                    scenario.target.weights.push(1.0);
                }
            }
        }
    }
    whole
}

/// A scenario that is narrowed further, as a command line would.
fn narrowed(loaded: &Loaded, arguments: &[String], change: impl FnOnce(&mut Scenario)) -> Loaded {
    let mut narrowed = loaded.clone();
    change(&mut narrowed.scenario);
    for argument in arguments {
        narrowed.overrides.extend(["--set".to_owned(), argument.clone()]);
    }
    narrowed
}

/// What a run could not do, in one line.
fn first_line(error: &Error) -> String {
    error.to_string().trim().lines().next().unwrap_or_default().to_owned()
}

/// Whether an error ends a series of runs: what the user wants or has got wrong does, what one run could not measure is
/// told with it.
fn is_final(error: &Error) -> bool {
    matches!(error.exit(), Exit::Interrupted | Exit::Usage)
}
