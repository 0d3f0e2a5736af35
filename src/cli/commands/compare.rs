//! `tokenstorm compare` and `tokenstorm ab`.

use std::path::{Path, PathBuf};

use super::{files, hand_over, live::Served, say, stop_flag};
use crate::{
    base::error::{Error, Exit, Result},
    campaign::ab::{self, build::Build},
    cli,
    record::results::{Place, Summary, baselines::Baselines, folder::check_writable},
    report::{
        compare::{
            Comparison, Design, RESAMPLES, Rule, Verdict,
            comparable::differences,
            compare as compared,
            record::{Side, runs_in},
            thresholds::{ENOUGH, Thresholds},
        },
        comparison::{Format, render, write_all},
    },
};

/// Compares two sides that were run.
pub(super) fn compare(arguments: &cli::Compare) -> Result<Exit> {
    if let Some(out) = &arguments.out {
        check_writable(&Place::Named(out.clone()))?;
    }
    let deciding = &arguments.deciding;
    let baselines = Baselines::new(&deciding.baselines);
    let (baseline, own_history) = side(&arguments.baseline, &baselines)?;
    let (candidate, _) = side(&arguments.candidate, &baselines)?;
    let history = deciding.history.clone().or(own_history);
    let rule = rule(deciding, history.as_deref(), &baselines)?;
    let comparison = compared(&baseline, &candidate, Design::Unpaired, &rule)?;
    show(&comparison, arguments.format)?;
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out).map_err(|error| {
            Error::not_measured(format!("can't make `{}`: {error}", out.display()))
        })?;
        write_all(&comparison, out)?;
    }
    Ok(exit_of(&comparison))
}

/// Writes a comparison to stdout.
fn show(comparison: &Comparison, format: Format) -> Result<Exit> {
    let text = render(comparison, format)?;
    if format == Format::Terminal { say(&text) } else { hand_over(&text) }
}

/// A side by its path, or the newest result of a baseline by its name; of that also the name.
fn side(named: &str, baselines: &Baselines) -> Result<(Side, Option<String>)> {
    let path = Path::new(named);
    let is_name = baselines.names().iter().any(|name| name == named);
    // A folder that happens to have the name of a baseline and has no runs is not meant.
    if path.exists() && !(is_name && runs_in(path).is_err()) {
        return Ok((Side::read(path)?, None));
    }
    if !is_name && named.contains('/') {
        return Err(Error::usage(format!("there is no folder `{named}`"))
            .hint("name a run folder, a folder of run folders, or a baseline of `tokenstorm baseline list`"));
    }
    let results = baselines.results(named)?;
    let newest = results.last().map_or(path, PathBuf::as_path);
    Ok((Side::read(newest)?, Some(named.to_owned())))
}

fn rule(deciding: &cli::Deciding, history: Option<&str>, baselines: &Baselines) -> Result<Rule> {
    let mut thresholds = Thresholds { asked: deciding.threshold, ..Thresholds::default() };
    if let Some(name) = history {
        let (results, left_out) = history_of(name, baselines)?;
        if left_out > 0 {
            crate::tell!(
                "warning: {left_out} results of `{name}` did not do the same as its newest one, and are left out of its history"
            );
        }
        thresholds = thresholds.with_history(&results);
        if results.len() < ENOUGH {
            crate::tell!(
                "note: `{name}` has {} of the {ENOUGH} results that it takes for thresholds from their spread",
                results.len()
            );
        }
    }
    Ok(Rule {
        alpha: deciding.alpha,
        thresholds,
        gate: deciding.gate.clone(),
        allow_different: deciding.allow_different,
        resamples: RESAMPLES,
    })
}

/// The results of a baseline that did the same as the newest one, from the oldest on, and how many others there are.
pub(super) fn history_of(name: &str, baselines: &Baselines) -> Result<(Vec<Vec<Summary>>, usize)> {
    let all: Vec<Side> =
        baselines.results(name)?.iter().map(|path| Side::read(path)).collect::<Result<_>>()?;
    let newest = all.last();
    let is_same = |side: &&Side| newest.is_some_and(|newest| differences(newest, side).is_empty());
    let summaries = |side: &Side| side.runs.iter().map(|run| run.summary.clone()).collect();
    let same: Vec<Vec<Summary>> = all.iter().filter(is_same).map(summaries).collect();
    let left_out = all.len() - same.len();
    Ok((same, left_out))
}

/// Runs trials of two builds, and compares them.
pub(super) fn ab(arguments: &cli::Ab) -> Result<Exit> {
    let (baseline, candidate) = builds(arguments)?;
    files::check(&arguments.files)?;
    let deciding = &arguments.deciding;
    let baselines = Baselines::new(&deciding.baselines);
    let mut overrides = arguments.change.overrides();
    overrides.targets.clear();
    let served = Served::start(&arguments.live)?;
    let options = ab::Options {
        scenario: arguments.scenario.clone(),
        overrides,
        baseline,
        candidate,
        ready: arguments.ready,
        patience: arguments.ready_timeout.into(),
        most_trials: arguments.max_trials as usize,
        rest: arguments.rest.into(),
        rule: rule(deciding, deciding.history.as_deref(), &baselines)?,
        out: arguments.output.out.clone(),
        progress: arguments.output.progress,
        stop: stop_flag()?,
        live: served.live(),
    };
    let ended = ab::run(&options);
    let mut finished = ended.inspect_err(|_| served.fail(&options.stop))?;
    let folder = finished.folder.display().to_string();
    if let Some(comparison) = &finished.comparison {
        let shown = show(comparison, arguments.format);
        let written = write_all(comparison, &finished.folder)
            .and_then(|()| files::leave_comparison(&arguments.files, &finished.folder, comparison));
        finished.trouble = finished.trouble.or(written.err()).or(shown.err());
    }
    served.end(Some(&finished.folder), &options.stop);
    crate::tell!("trials and comparison: {folder}");
    let is_stopped = options.stop.load(std::sync::atomic::Ordering::Relaxed);
    match (finished.comparison, finished.trouble) {
        _ if is_stopped => {
            Err(Error::interrupted(format!("interrupted; what was measured is in `{folder}`")))
        }
        (Some(comparison), Some(trouble))
            if comparison.has_new_false_accept() || comparison.has_new_death() =>
        {
            crate::tell!("{trouble}");
            Ok(Exit::Failed)
        }
        (_, Some(trouble)) if finished.has_lost => {
            crate::tell!("{trouble}");
            crate::tell!(
                "worse: the candidate's broker went away before anything was measured, the baseline's did not"
            );
            Ok(Exit::Failed)
        }
        (_, Some(trouble)) => Err(trouble),
        (Some(comparison), None) => Ok(exit_of(&comparison)),
        (None, None) => Err(Error::not_measured(format!(
            "not one pair of trials came to its end: see `{folder}`"
        ))),
    }
}

fn builds(arguments: &cli::Ab) -> Result<(Build, Build)> {
    let url = match &arguments.change.target[..] {
        [] => None,
        [url] => Some(url.clone()),
        _ => return Err(Error::usage("`--target` is where a command listens: it is one URL")),
    };
    let build = |urls: &[String], command: &Option<String>| match command {
        Some(command) => Some(Build::By { command: command.clone(), url: url.clone() }),
        None if !urls.is_empty() => Some(Build::At(urls.to_vec())),
        None => None,
    };
    let baseline = build(&arguments.baseline, &arguments.baseline_cmd);
    let candidate = build(&arguments.candidate, &arguments.candidate_cmd);
    let starts =
        [&baseline, &candidate].into_iter().any(|build| matches!(build, Some(Build::By { .. })));
    if url.is_some() && !starts {
        return Err(Error::usage("`--target` is where a command listens, and there is none")
            .hint("name both brokers: `--baseline URL --candidate URL`"));
    }
    match (baseline, candidate) {
        (baseline, None) if arguments.aa => {
            let baseline = baseline.unwrap_or(Build::Scenario);
            Ok((baseline.clone(), baseline))
        }
        (Some(baseline), Some(candidate)) => Ok((baseline, candidate)),
        _ => Err(Error::usage("two builds are needed: one of them is missing").hint(
            "`--baseline URL --candidate URL`, `--baseline-cmd COMMAND --candidate-cmd COMMAND`, or `--aa` for the same on both sides",
        )),
    }
}

/// Worse is 1, undecided 4.
fn exit_of(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        Verdict::Worse => Exit::Failed,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Better | Verdict::Equivalent => Exit::Fine,
    }
}
