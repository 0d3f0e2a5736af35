//! Two builds of a broker against each other: trials that take turns, each with a fresh process, until what decides is
//! decided.
//!
//! A trial is a run. It knows nothing of the others; what they came to together is compared pair by pair.

pub mod build;
mod ready;
mod trials;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::{build::Build, trials::Trials};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
        host::Limits,
    },
    engine::progress::Mode,
    plan::{self, Model, Plan},
    record::{
        live::Live,
        results::{
            Place,
            folder::check_writable,
            writing::{replace_in, unwritable},
        },
    },
    report::compare::{
        Comparison, Design, FILE, Rule, compare,
        looks::Looks,
        metric,
        record::{Record, Side},
    },
    scenario::{Loaded, Overrides},
    token::mixed,
};

/// Parts the random numbers of the order from others.
const ORDER_STREAM: u64 = 0x4142_4241;

/// Which of both builds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// What is known.
    Baseline,
    /// What is new.
    Candidate,
}

impl Which {
    /// As folders and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        }
    }
}

/// When a broker that was started is ready.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Ready {
    /// When its port takes connections.
    #[default]
    Port,
    /// When it has let in a good token; each try is a run of one attempt, and counted.
    Connack,
}

/// What is to be compared, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The scenario file.
    pub scenario: PathBuf,
    /// What the command line changes in it.
    pub overrides: Overrides,
    /// What is known.
    pub baseline: Build,
    /// What is new.
    pub candidate: Build,
    /// When a broker is ready.
    pub ready: Ready,
    /// How long it may take to be.
    pub patience: Duration,
    /// Trials of both sides together at most.
    pub most_trials: usize,
    /// Between two trials.
    pub rest: Duration,
    /// By what is decided.
    pub rule: Rule,
    /// Where it all goes; `None` for a folder under `results/`.
    pub out: Option<PathBuf>,
    /// What is shown of each trial.
    pub progress: Mode,
    /// Set when the user wants it to end.
    pub stop: Arc<AtomicBool>,
    /// Who tells of the trials while they go on.
    pub live: Live,
}

/// What came of the trials.
#[derive(Debug)]
pub struct Finished {
    /// The comparison; `None` where not one pair came to its end.
    pub comparison: Option<Comparison>,
    /// Where it is, with all trials.
    pub folder: PathBuf,
    /// What ended it before it was decided or all trials were done; the user's own wish is none.
    pub trouble: Option<Error>,
    /// The candidate's broker died before anything was measured, in a pair in which the baseline's did not.
    pub has_lost: bool,
}

/// Runs trials until every gated metric is decided, or there are enough.
///
/// # Errors
/// When the scenario is wrong, or nothing can be written; what goes wrong in a trial is told in what it returns.
pub fn run(options: &Options) -> Result<Finished> {
    let most = options.most_trials / 2;
    metric::check_names(&options.rule.gate)?;
    let clock = Clock::start();
    let loaded = plan::load(&options.scenario, &options.overrides)?;
    let mut gates = usize::MAX;
    for build in [&options.baseline, &options.candidate] {
        build.check(&loaded)?;
        // What no trial could be made of is said before any folder is.
        let spot = build.spot(&loaded)?;
        let plan = Plan::unchecked(&trials::aimed(options, &spot, None)?, &Limits::read())?;
        gates = gates.min(expected_gates(options, &loaded, &plan));
    }
    // The fewest that can decide anything, before an hour is spent on less.
    Looks::plan(gates, options.rule.alpha, most)?;
    let name = format!("{}-ab-{}", loaded.scenario.name, clock.compact(clock.now()));
    let fresh = || Place::Fresh(Path::new("results").join(name));
    let place = options.out.clone().map_or_else(fresh, Place::Named);
    check_writable(&place)?;
    let folder = place.make().map_err(|error| unwritable(place.path(), &error))?;
    let mut contest = Contest {
        options,
        seed: loaded.scenario.seed,
        trials: Trials::new(&folder, clock),
        sides: [Vec::new(), Vec::new()],
        looks: None,
        has_lost: false,
    };
    let mut trouble = contest.run(most).err();
    let mut comparison = match contest.comparison() {
        Ok(comparison) => comparison,
        Err(error) => {
            trouble = trouble.or(Some(error));
            None
        }
    };
    if let Some(comparison) = &mut comparison {
        let ended = trouble
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| options.stop.load(Ordering::Relaxed).then(|| "interrupted".to_owned()));
        if let Some(why) = ended {
            comparison.end_early(why.lines().next().unwrap_or_default());
        }
        // What was found is told even where it can't be written.
        trouble = trouble.or(write(&folder, comparison).err());
    }
    Ok(Finished { comparison, folder, trouble, has_lost: contest.has_lost })
}

/// How many metrics will decide at least: those that are asked for, or that every run of the scenario has
/// ([`metric::gate`]).
fn expected_gates(options: &Options, loaded: &Loaded, plan: &Plan) -> usize {
    if !options.rule.gate.is_empty() {
        return options.rule.gate.len();
    }
    let scenario = &loaded.scenario;
    let is_command = matches!(options.baseline, Build::By { .. });
    let cpu = usize::from(scenario.monitor.is_some() || is_command);
    if scenario.capacity.is_some() {
        return 1 + cpu;
    }
    let is_open = matches!(plan.model, Model::Open { .. });
    let warmup = nanoseconds(plan.load().warmup);
    let timed = match plan.schedule() {
        Some(schedule) => schedule.filter(|due| *due >= warmup).count() as u64,
        None => plan.known_attempts(),
    };
    let has_tail = timed >= metric::LEAST_OF_TAIL;
    1 + usize::from(has_tail) + usize::from(!is_open) + cpu
}

/// Writes a comparison into its folder.
fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
    let mut text =
        serde_json::to_vec_pretty(comparison).map_err(|error| unwritable(folder, &error))?;
    text.push(b'\n');
    replace_in(folder, FILE, &text)
}

/// Trials that go on.
struct Contest<'a> {
    options: &'a Options,
    seed: u64,
    trials: Trials,
    /// Runs of the baseline and of the candidate, pair by pair.
    sides: [Vec<Record>; 2],
    /// Known when the first pair is over: what decides is what its runs have.
    looks: Option<Looks>,
    /// That the candidate died in the last pair with nothing measured, and the baseline did not.
    has_lost: bool,
}

impl Contest<'_> {
    fn run(&mut self, most: usize) -> Result<()> {
        for pair in 0..most {
            let (mut records, mut died) = (Vec::new(), None);
            for which in order(self.seed, pair) {
                let Some(trial) = self.trials.run(self.options, which, pair)? else {
                    return Ok(());
                };
                match (trial.died, which) {
                    // Its numbers are not those of the load: nothing is compared with them.
                    (Some(error), Which::Baseline) => return Err(error),
                    // The baseline has its turn all the same: whether it dies as well is what is asked.
                    (error, _) => died = died.or(error),
                }
                records.push((which, trial.record));
            }
            // Of the baseline that would have been an error.
            self.has_lost = records.iter().any(|(_, record)| record.is_none());
            records.sort_by_key(|(which, _)| *which == Which::Candidate);
            // A pair is whole, or none.
            let whole = if self.has_lost { Vec::new() } else { records };
            for (side, (_, record)) in self.sides.iter_mut().zip(whole) {
                side.extend(record);
            }
            if let Some(error) = died {
                return Err(error);
            }
            if self.looks.is_none() {
                self.looks = Some(self.plan(most)?);
            }
            let Some(mut comparison) = self.comparison()? else { continue };
            if self.looks.as_ref().is_some_and(|looks| looks.is_over(pair + 1, &comparison)) {
                return Ok(());
            }
            // Whoever reads it before the next look must not take it for one.
            comparison.end_early("trials go on, or were killed");
            write(self.trials.folder(), &comparison)?;
        }
        Ok(())
    }

    /// After how many pairs is looked.
    fn plan(&self, most: usize) -> Result<Looks> {
        let first = self.sides[0].first();
        let gate = first.map(|record| metric::gate(&record.summary, &self.options.rule.gate));
        let gated = gate.transpose()?.unwrap_or_default().len();
        Looks::plan(gated, self.options.rule.alpha, most)
    }

    /// What all pairs came to so far; `None` of none.
    fn comparison(&self) -> Result<Option<Comparison>> {
        let [before, after] = &self.sides;
        if before.is_empty() {
            return Ok(None);
        }
        let side = |build: &Build, which: Which, runs: &[Record]| Side {
            name: format!("{}: {}", which.name(), build.words()),
            runs: runs.to_vec(),
            lost: usize::from(self.has_lost && which == Which::Candidate),
        };
        let mut rule = self.options.rule.clone();
        if let Some(looks) = &self.looks {
            rule.alpha = looks.alpha;
        }
        let baseline = side(&self.options.baseline, Which::Baseline, before);
        let candidate = side(&self.options.candidate, Which::Candidate, after);
        let mut comparison = compare(&baseline, &candidate, Design::Paired, &rule)?;
        if let Some(looks) = &self.looks {
            comparison.remarks.push(looks.words(before.len(), self.options.rule.alpha));
        }
        Ok(Some(comparison))
    }
}

/// Who is first in a pair: A B, then B A, or the other way round for two pairs at a time, by the seed. What drifts over
/// the trials, such as a host that gets warm, adds as much to one side as to the other.
pub fn order(seed: u64, pair: usize) -> [Which; 2] {
    let is_turned = mixed(seed ^ ORDER_STREAM, pair as u64 / 2) & 1 == 1;
    if is_turned == pair.is_multiple_of(2) {
        [Which::Candidate, Which::Baseline]
    } else {
        [Which::Baseline, Which::Candidate]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_pairs_each_build_is_first_once_and_the_seed_turns_them() {
        let mut turned = 0;
        for block in 0..64 {
            let [one, other] = [order(7, 2 * block), order(7, 2 * block + 1)];
            assert_eq!(one[0], other[1], "A B B A or B A A B");
            assert_ne!(one[0], one[1]);
            turned += u32::from(one[0] == Which::Candidate);
        }
        assert!((16..=48).contains(&turned), "{turned} of 64 blocks begin with the candidate");
        let orders = |seed| (0..32).map(|pair| order(seed, pair)[0].name()).collect::<String>();
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
    }
}
