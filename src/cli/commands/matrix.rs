//! `tokenstorm matrix`: every kind of token against a target, judged.

mod all_keys;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use super::{conclude, files, live::Served, say, stop_flag};
use crate::{
    base::{
        error::{Error, Exit, Result},
        host::{Limits, loopback::is_loopback},
        shell::quoted,
        shipped::is_path,
    },
    cli,
    engine::{self, Options, progress::Screen},
    plan::{
        Plan,
        cells::{Ask, known::Known},
        promising::Promising,
        threshold::NOT_JUDGED,
    },
    record::results::{Edges, Matrix, Summary},
    report::{
        known,
        matrix::{Place, render},
        suggest,
    },
    scenario::{self, Loaded, Overrides, Scenario},
    servers::canary::Canary,
};

/// The scenario where none is given, of those that come with the program.
const BUILT_IN: &str = "matrix.toml";

/// Sends every cell and prints what came of it.
pub(super) fn matrix(arguments: &cli::Matrix) -> Result<Exit> {
    let loaded = load(arguments)?;
    check_new("--suggest-profile", arguments.suggest_profile.as_deref())?;
    check_new("--write-known", arguments.write_known.as_deref())?;
    files::check(&arguments.files)?;
    let run = Run { arguments, stop: stop_flag()?, served: Served::start(&arguments.live)? };
    if arguments.all_keys {
        return all_keys::each(&run, &loaded);
    }
    check_key(&loaded.scenario)?;
    let sent = run.sent(&loaded, arguments.output.out.clone(), None);
    let Sent { exit, of } = sent.inspect_err(|_| run.served.fail(&run.stop))?;
    run.served.end(of.as_ref().map(|(_, _, folder)| folder.as_path()), &run.stop);
    let Some(of) = &of else { return Ok(exit) };
    let mut left = Vec::new();
    left.extend(arguments.suggest_profile.iter().map(|file| suggest(file, &loaded, of)));
    left.extend(arguments.write_known.iter().map(|file| write_known(file, &of.0)));
    match left.into_iter().find_map(Result::err) {
        // What the broker did goes first.
        Some(error) if exit != Exit::Fine => {
            crate::tell!("{error}");
            Ok(exit)
        }
        Some(error) => Err(error),
        None => Ok(exit),
    }
}

/// What runs of the same command have in common.
struct Run<'a> {
    arguments: &'a cli::Matrix,
    stop: Arc<AtomicBool>,
    served: Served<'a>,
}

/// What came of one.
struct Sent {
    exit: Exit,
    /// Its cells and its folder, where anything could be asked.
    of: Option<(Matrix, Summary, PathBuf)>,
}

impl Run<'_> {
    /// Sends all cells of a scenario and prints what came of them; `key` signs, where one was chosen here.
    fn sent(&self, loaded: &Loaded, out: Option<PathBuf>, key: Option<&str>) -> Result<Sent> {
        let arguments = self.arguments;
        let mut canary = Canary::listen(arguments.canary)?;
        let ask = Ask {
            only: arguments.only.clone(),
            repeat: arguments.repeat,
            background: arguments.background,
            canary: canary.address().to_string(),
            command: replay(arguments, key),
            probe: arguments.probe,
            known: arguments.known.as_deref().map(Known::read).transpose()?.unwrap_or_default(),
            ..Ask::default()
        };
        let plan = Plan::matrix(loaded, &Limits::read(), &ask)?;
        if arguments.probe && plan.brokers.len() > 1 {
            return Err(Error::usage(format!(
                "`--probe` looks for the edges of one verifier, but the target has {} brokers",
                plan.brokers.len()
            ))
            .hint("leave it out, or name one of them: `--target URL`"));
        }
        canary.serve(&plan)?;
        for warning in
            plan.warnings.iter().cloned().chain(left_out(loaded, arguments.known.is_some()))
        {
            crate::tell!("warning: {warning}");
        }
        let options = Options {
            out,
            screen: Screen::of(arguments.output.progress, &plan),
            stop: Arc::clone(&self.stop),
            probe: arguments.probe.then_some(*arguments.probe_for),
            canary: Some(canary),
            clock: None,
            calibration: None,
            live: self.served.live(),
            allows_lost_agents: false,
        };
        let finished = engine::run(plan, options)?;
        let place = Place::of(&finished.folder);
        // Who could not be asked has no cells.
        let Some(matrix) = finished.matrix else {
            let exit = finished.trouble.map_or(Ok(Exit::NotMeasured), Err)?;
            return Ok(Sent { exit, of: None });
        };
        let shown = render(&matrix, &finished.summary, &place);
        let exit = conclude(&finished.summary, Some(&matrix), &shown, finished.trouble, || {
            files::leave(&arguments.files, &finished.folder, &finished.summary)
        })?;
        Ok(Sent { exit, of: Some((matrix, finished.summary, finished.folder)) })
    }
}

/// Where a file to be edited is written nothing else may be: somebody may have edited it.
fn check_new(option: &'static str, file: Option<&Path>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    if fs::symlink_metadata(file).is_ok() {
        let shown = quoted(&file.display().to_string());
        return Err(Error::usage(format!("`{option} {shown}` is there already"))
            .hint("name another file, or move it away: somebody may have edited it"));
    }
    files::check_one(option, file)
}

/// Writes what was found as a profile.
fn suggest(
    file: &Path,
    loaded: &Loaded,
    (matrix, summary, folder): &(Matrix, Summary, PathBuf),
) -> Result<()> {
    let edges = Edges::read(folder);
    let text = suggest::profile(&Promising::of(loaded)?, matrix, summary, edges.as_ref())?;
    suggest::checked(&text)?;
    write(file, &text)?;
    say(&format!(
        "{} holds what the broker did, as a profile: edit it, then `--profile {}`\n",
        file.display(),
        quoted(&file.display().to_string())
    ))?;
    Ok(())
}

/// Writes the wrong cells as findings that are known from now on.
fn write_known(file: &Path, matrix: &Matrix) -> Result<()> {
    let Some(text) = known::file(matrix) else {
        let shown = file.display();
        crate::tell!("warning: `{shown}` is not written: single cells of this broker say nothing");
        return Ok(());
    };
    write(file, &text)?;
    let shown = quoted(&file.display().to_string());
    say(&format!("{} has the wrong cells: `--known {shown}`\n", file.display())).map(|_| ())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text)
        .map_err(|error| Error::not_measured(format!("can't write `{}`: {error}", file.display())))
}

/// The keys that may sign tokens: not the one that signs what stands beside them.
fn keys(scenario: &Scenario) -> impl Iterator<Item = &String> {
    scenario.keys.keys().filter(|name| scenario.identity.signature_key.as_ref() != Some(*name))
}

/// Which of several keys signs has to be said.
fn check_key(scenario: &Scenario) -> Result<()> {
    let names: Vec<String> = keys(scenario).map(|name| format!("`{name}`")).collect();
    if names.len() < 2 || scenario.token.key.is_some() || scenario.issuer.is_some() {
        return Ok(());
    }
    Err(Error::usage("there are several keys, and `token.key` does not say which signs").hint(
        format!(
            "`--set token.key=NAME` sends the cells with one of {}; `--all-keys` with each in turn",
            names.join(", ")
        ),
    ))
}

/// Which thresholds of the scenario a matrix does not judge.
fn left_out(loaded: &Loaded, has_known: bool) -> Option<String> {
    // A matrix fails by these in any case, but where findings are known.
    let are_kept = ["verdict.false_accept", "verdict.false_reject"];
    let is_kept = |metric: &str| metric == NOT_JUDGED || !has_known && are_kept.contains(&metric);
    let others = loaded.scenario.thresholds.keys().filter(|metric| !is_kept(metric));
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
        let whole = is_path(profile).then(|| std::path::absolute(path).ok()).flatten();
        let profile = whole.map_or_else(|| profile.clone(), |path| path.display().to_string());
        overrides.set.push(format!("target.profile={}", toml::Value::from(profile)));
    }
    let path = arguments.scenario.clone().or_else(|| overrides.broker.take());
    if path.is_none() {
        check_keys(&overrides)?;
    }
    let path = path.unwrap_or_else(|| BUILT_IN.into());
    scenario::load_of_broker(&path, &overrides)
}

/// Another broker than that of the run does not know the keys of the scenario that comes along.
fn check_keys(overrides: &Overrides) -> Result<()> {
    let is_ours = |url: &String| url.starts_with("embedded");
    if overrides.targets.is_empty() || overrides.targets.iter().any(is_ours) {
        return Ok(());
    }
    Err(Error::usage("`--target` is given, but no scenario with the keys that the broker knows")
        .hint(
            "`tokenstorm init --target URL` writes one; then: `tokenstorm matrix my-broker.toml`",
        ))
}

/// The command that sends one cell again, without its `--only`.
fn replay(arguments: &cli::Matrix, key: Option<&str>) -> String {
    let mut words = vec!["tokenstorm".to_owned(), "matrix".to_owned()];
    words.extend(arguments.scenario.iter().map(|path| path.display().to_string()));
    words.extend(arguments.change.overrides().arguments());
    words.extend(key.iter().flat_map(|key| ["--set".to_owned(), all_keys::assignment(key)]));
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
