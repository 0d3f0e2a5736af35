//! `tokenstorm matrix`: every kind of token against a target, judged.

use std::path::{Path, PathBuf};

use super::{conclude, live::exporter, stop_flag};
use crate::{
    base::{
        error::{Error, Exit, Result},
        host::{Limits, loopback::is_loopback},
        shell::quoted,
    },
    cli,
    engine::{self, Options, progress::Screen},
    plan::{Plan, cells::Ask, threshold::NOT_JUDGED},
    report::{
        html,
        matrix::{Place, render},
    },
    scenario::{self, Loaded, Overrides},
    servers::canary::Canary,
};

/// The scenario where none is given.
const BUILT_IN: &str = include_str!("../../../scenarios/matrix.toml");

/// Sends every cell and prints what came of it.
pub(super) fn matrix(arguments: &cli::Matrix) -> Result<Exit> {
    let loaded = load(arguments)?;
    let mut canary = Canary::listen(arguments.canary)?;
    let ask = Ask {
        only: arguments.only.clone(),
        repeat: arguments.repeat,
        background: arguments.background,
        canary: canary.address().to_string(),
        command: replay(arguments),
        probe: arguments.probe,
        ..Ask::default()
    };
    let plan = Plan::matrix(&loaded, &Limits::read(), &ask)?;
    if arguments.probe && plan.brokers.len() > 1 {
        return Err(Error::usage(format!(
            "`--probe` looks for the edges of one verifier, but the target has {} brokers",
            plan.brokers.len()
        ))
        .hint("leave it out, or name one of them: `--target URL`"));
    }
    canary.serve(&plan)?;
    for warning in plan.warnings.iter().cloned().chain(left_out(&loaded)) {
        crate::tell!("warning: {warning}");
    }
    let live = exporter(&arguments.live)?;
    let options = Options {
        out: arguments.output.out.clone(),
        screen: Screen::new(arguments.output.progress, plan.attempts),
        stop: stop_flag()?,
        probe: arguments.probe.then_some(*arguments.probe_for),
        canary: Some(canary),
        clock: None,
        calibration: None,
        live,
        allows_lost_agents: false,
    };
    let finished = engine::run(plan, options)?;
    let place = Place::of(&finished.folder);
    // Who could not be asked has no cells.
    let Some(matrix) = &finished.matrix else {
        return finished.trouble.map_or(Ok(Exit::NotMeasured), Err);
    };
    let shown = render(matrix, &finished.summary, &place);
    conclude(&finished.summary, Some(matrix), &shown, finished.trouble, || {
        html::leave(&finished.folder, &finished.summary);
    })
}

/// Which thresholds of the scenario a matrix does not judge.
fn left_out(loaded: &Loaded) -> Option<String> {
    let others = loaded.scenario.thresholds.keys().filter(|metric| *metric != NOT_JUDGED);
    let names: Vec<String> = others.map(|metric| format!("`{metric}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "a matrix judges cells, and of `[thresholds]` only `{NOT_JUDGED}`: {} left out",
            names.join(", ")
        )
    })
}

fn load(arguments: &cli::Matrix) -> Result<Loaded> {
    let mut overrides = arguments.change.overrides();
    if let Some(profile) = &arguments.profile {
        // A path is meant from here, and not from the scenario's folder.
        let path = Path::new(profile);
        let whole = path.is_file().then(|| std::path::absolute(path).ok()).flatten();
        let profile = whole.map_or_else(|| profile.clone(), |path| path.display().to_string());
        overrides.set.push(format!("target.profile={}", toml::Value::from(profile)));
    }
    match &arguments.scenario {
        Some(path) => scenario::load(path, &overrides),
        None => built_in(&overrides),
    }
}

fn built_in(overrides: &Overrides) -> Result<Loaded> {
    if !overrides.targets.is_empty()
        && !overrides.targets.iter().any(|url| url.starts_with("embedded"))
    {
        return Err(Error::usage(
            "`--target` is given, but no scenario with the keys that the broker knows",
        )
        .hint(
            "`tokenstorm matrix SCENARIO --target URL`; scenarios/matrix.toml is one to begin with",
        ));
    }
    let scenario = scenario::parse(BUILT_IN, overrides)?;
    let path = PathBuf::from("scenarios/matrix.toml");
    Ok(Loaded { path, scenario, overrides: overrides.arguments() })
}

/// The command that sends one cell again, without its `--only`.
fn replay(arguments: &cli::Matrix) -> String {
    let mut words = vec!["tokenstorm".to_owned(), "matrix".to_owned()];
    words.extend(arguments.scenario.iter().map(|path| path.display().to_string()));
    words.extend(arguments.change.overrides().arguments());
    if let Some(profile) = &arguments.profile {
        words.extend(["--profile".to_owned(), profile.clone()]);
    }
    if arguments.repeat > 1 {
        words.extend(["--repeat".to_owned(), arguments.repeat.to_string()]);
    }
    if let Some(rate) = arguments.background {
        words.extend(["--background".to_owned(), rate.to_string()]);
    }
    if !is_loopback(arguments.canary.ip()) {
        words.extend(["--canary".to_owned(), arguments.canary.to_string()]);
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}
