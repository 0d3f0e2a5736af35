//! One function a subcommand. Data goes to stdout, all else to stderr.

mod baseline;
mod broker;
mod calibrate;
mod compare;
mod doctor;
mod fleet;
mod issuer;
mod live;
mod matrix;
mod plan;
mod token;

use std::{
    io::Write,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use clap::CommandFactory;

use crate::{
    base::words::{Counts, LimitedBy, Validity, Verdict},
    base::{
        error::{Error, Exit, Result, plain::shown},
        host::{Limits, signals::ending_signals},
        launch::warden::{Duties, guard},
    },
    campaign::series,
    cli::{self, Cli, Command},
    engine::{self, Options, progress::Screen},
    plan::Plan,
    record::{
        live::Exporter,
        results::{Summary, calibration::Calibration, judged::Undecided, series::SweepRun},
    },
    report,
    scenario::{self, Loaded, Scenario},
};

/// Arrivals a second of a calibration before a run.
const CALIBRATION_RATE: f64 = 2000.0;

/// Does what the command line says.
///
/// # Errors
/// When it is wrong, or could not be done.
pub fn dispatch(cli: Cli) -> Result<Exit> {
    if let Some(change) = cli.command.change() {
        warn_of_exposed(change);
    }
    match cli.command {
        Command::Run(arguments) => run(&arguments),
        Command::Matrix(arguments) => matrix::matrix(&arguments),
        Command::Plan { scenarios, agents, change } => {
            plan::plan(&scenarios, &change.overrides(), agents)
        }
        Command::Doctor { scenario, change } => doctor::doctor(scenario.as_deref(), &change),
        Command::Token(cli::Token::Mint { scenario, token, client, at, change }) => {
            token::mint(&scenario, &change.overrides(), token.as_deref(), client, at)
        }
        Command::Token(cli::Token::Inspect { token }) => token::inspect(token.as_deref()),
        Command::Token(cli::Token::Defects { json }) => token::defects(json),
        Command::Broker(arguments) => broker::broker(&arguments),
        Command::Issuer(arguments) => issuer::issuer(&arguments),
        Command::Agent(arguments) => fleet::agent(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Ab(arguments) => compare::ab(&arguments),
        Command::Baseline(arguments) => baseline::baseline(&arguments),
        Command::Warden { log, grace, remove, command } => {
            warden(&command, &Duties { log, grace: grace.into(), remove })
        }
        Command::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Command::Report { run, format } => {
            let text = report::render(&run, format)?;
            if format == report::Format::Terminal { say(&text) } else { hand_over(&text) }
        }
        Command::Schema => schema(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tokenstorm", &mut text);
            hand_over(&String::from_utf8_lossy(&text))
        }
    }
}

/// Says which secrets stand on the command line, once, and where they belong.
fn warn_of_exposed(change: &cli::Change) {
    let exposed = change.overrides().exposed();
    if exposed.is_empty() {
        return;
    }
    let keys: Vec<String> = exposed.iter().map(|(key, _)| format!("`{key}`")).collect();
    let mut instead: Vec<&str> = exposed.iter().map(|(_, instead)| instead.as_str()).collect();
    instead.dedup();
    crate::tell!(
        "warning: the secret of {} stands on the command line, which everybody on this host can read in the list of processes: use {} in its place",
        keys.join(", "),
        instead.join(", ")
    );
}

/// Guards a command; nobody reads this program's own exit code but `ab`, which wants that of the command.
fn warden(command: &str, duties: &Duties) -> Result<Exit> {
    match guard(command, duties)? {
        0 => Ok(Exit::Fine),
        code => Ok(Exit::Other(code)),
    }
}

fn run(arguments: &cli::Run) -> Result<Exit> {
    let loaded = scenario::load(&arguments.scenario, &arguments.change.overrides())?;
    // A port that is taken is said before a calibration.
    let live = live::exporter(&arguments.live)?;
    let calibration = calibration(&loaded, arguments)?;
    let agents = arguments.agents.agents;
    if agents.is_none()
        && arguments.agents.nats.nats.is_some()
        && std::env::var_os("TOKENSTORM_NATS").is_none()
    {
        crate::tell!(
            "warning: `--nats` is for agents, and there is no `--agents N`: this process drives all clients"
        );
    }
    if series::is_series(&loaded.scenario) && agents.is_none() {
        return run_series(&loaded, arguments, calibration, live);
    }
    let plan = match agents {
        None => Plan::new(&loaded, &Limits::read())?,
        // Whether it fits is for each agent to say.
        Some(_) => Plan::unchecked(&loaded, &Limits::read())?,
    };
    for warning in &plan.warnings {
        crate::tell!("warning: {warning}");
    }
    let is_strict = plan.is_strict();
    let options = Options {
        out: arguments.output.out.clone(),
        screen: Screen::new(arguments.output.progress, plan.known_attempts()),
        stop: stop_flag()?,
        canary: None,
        probe: None,
        clock: None,
        calibration,
        live,
    };
    let finished = match agents {
        None => engine::run(plan, options)?,
        Some(count) => fleet::run(plan, &loaded, &arguments.agents, count, options)?,
    };
    let said =
        say(&report::terminal::render(&finished.summary, &finished.folder.display().to_string()));
    if let Some(trouble) = finished.trouble {
        return Err(trouble);
    }
    report::html::leave(&finished.folder, &finished.summary);
    said?;
    let exit = exit_of(&finished.summary, is_strict);
    let lost = finished.summary.agents.as_ref().map_or(0, |agents| agents.lost.len());
    let exit = without_agents(exit, &finished.summary, lost, arguments.agents.allow_lost_agents);
    if exit == Exit::NotMeasured && lost > 0 {
        crate::tell!(
            "agents were lost: the run lacks their part (`--allow-lost-agents` judges what is there)"
        );
    } else if exit == Exit::NotMeasured {
        crate::tell!("{}", why_not_measured(&finished.summary));
    }
    Ok(exit)
}

/// Why a run that wrote its results exits with 3.
fn why_not_measured(summary: &Summary) -> &'static str {
    let judged = summary.judged();
    let is_undecided =
        |why| summary.thresholds.iter().any(|threshold| threshold.undecided == Some(why));
    if summary.key_sets.values().any(|set| set.fetched == 0) {
        "an embedded broker never had a key to verify tokens with: its refusals say nothing"
    } else if judged > 0 && is_undecided(Undecided::NeverHappened) {
        "a threshold bounds the time of a change of keys that was never seen: the run can't tell"
    } else if judged > 0 && is_undecided(Undecided::GeneratorLimited) {
        "a threshold on a time is undecided: the load generator was too slow for this load on this host"
    } else if judged > 0 && !summary.nothing_good.is_empty() {
        "no good token was measured: each token that should be good had to be refused"
    } else if judged > 0 && summary.nothing_promised {
        "nothing was judged: of each token both answers were right"
    } else {
        "nothing that counts could be measured: see validity and failures above"
    }
}

/// The exit code of a run that lacks the part of agents that were lost: an interruption and a false accept weigh more.
fn without_agents(exit: Exit, summary: &Summary, lost: usize, is_allowed: bool) -> Exit {
    match exit {
        Exit::Interrupted => exit,
        _ if lost == 0 || is_allowed || is_grave(summary) => exit,
        _ => Exit::NotMeasured,
    }
}

/// Whether a bad token was let in, or a broker went away by itself: what weighs more than a run that is not whole.
fn is_grave(summary: &Summary) -> bool {
    summary.verdicts[Verdict::FalseAccept] > 0 || !summary.broker_gone.is_empty()
}

/// Calibrates before the run, where that is asked for.
fn calibration(loaded: &Loaded, arguments: &cli::Run) -> Result<Option<Calibration>> {
    if !arguments.calibrate {
        return Ok(None);
    }
    // A scenario that is wrong is said before half a minute has passed.
    Plan::new(loaded, &Limits::read())?;
    let output = cli::Output { out: None, progress: arguments.output.progress };
    let calibration = calibrate::measure(CALIBRATION_RATE, &output)?;
    if !calibration.passed {
        crate::tell!(
            "warning: the harness is not calibrated on this host: see `calibration` in environment.json"
        );
    }
    Ok(Some(calibration))
}

fn run_series(
    loaded: &Loaded,
    arguments: &cli::Run,
    calibration: Option<Calibration>,
    live: Option<Arc<Exporter>>,
) -> Result<Exit> {
    let plan = Plan::new(loaded, &Limits::read())?;
    for warning in &plan.warnings {
        crate::tell!("warning: {warning}");
    }
    let options = series::Options {
        out: arguments.output.out.clone(),
        progress: arguments.output.progress,
        stop: stop_flag()?,
        clock: None,
        calibration,
        live,
    };
    let finished = series::run(loaded, &options)?;
    let shown = report::terminal::render(&finished.summary, &finished.folder.display().to_string());
    let said = say(&shown);
    if let Some(trouble) = finished.trouble {
        return Err(trouble);
    }
    said?;
    Ok(exit_of(&finished.summary, plan.is_strict()))
}

/// Loads and plans a scenario for this host.
fn resolve(path: &Path, change: &cli::Change) -> Result<Plan> {
    let loaded = scenario::load(path, &change.overrides())?;
    Plan::new(&loaded, &Limits::read())
}

/// Raised by Ctrl-C, SIGTERM and, where it is not ignored, SIGHUP; the second time they end the program at once.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in ending_signals() {
        // In this order: the first signal finds the flag down, the second finds it up.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(Exit::Interrupted.code()),
            Arc::clone(&stop),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
        .map_err(|error| Error::not_measured(format!("can't watch for Ctrl-C: {error}")))?;
    }
    Ok(stop)
}

/// The exit code of a run: 130, then 1 for a false accept or a broker that went away, then 3, 1, 0.
fn exit_of(summary: &Summary, is_strict: bool) -> Exit {
    let exit = exit_of_run(summary, is_strict);
    let is_grave = is_grave(summary);
    if matches!(exit, Exit::Interrupted | Exit::NotMeasured) || is_grave {
        return exit;
    }
    let searches = summary.sweep.iter().filter(|run| run.capacity_limited_by.is_some());
    let found_nothing = searches.clone().count() > 0
        && searches.clone().all(|search| search.capacity_per_s.is_none());
    match &summary.capacity {
        // It ended with what is known, which is no answer.
        Some(capacity) if capacity.ended.is_some() => Exit::NotMeasured,
        // What the generator could not do says nothing of the broker.
        Some(capacity)
            if capacity.per_s.is_none() && capacity.limited_by == LimitedBy::Generator =>
        {
            Exit::NotMeasured
        }
        Some(capacity) if capacity.per_s.is_none() => Exit::Failed,
        // One search whose objectives do not hold at the lowest rate is an answer; one that ended is none.
        None if found_nothing => {
            let is_answer = |search: &SweepRun| {
                search.capacity_ended.is_none()
                    && search.capacity_limited_by == Some(LimitedBy::Broker)
            };
            if searches.clone().any(is_answer) { Exit::Failed } else { Exit::NotMeasured }
        }
        _ => exit,
    }
}

fn exit_of_run(summary: &Summary, is_strict: bool) -> Exit {
    let is_limited = summary.validity.verdict == Validity::GeneratorLimited;
    // One that ended the run has failed, also where what came after it made up for that.
    let has_failed = summary.aborted.is_some()
        || summary.thresholds.iter().any(|threshold| threshold.passed == Some(false));
    // A time that may be the generator's own decides nothing, and bad tokens alone say nothing about good ones.
    let is_undecided = summary.thresholds.iter().any(|threshold| threshold.undecided.is_some());
    let has_no_keys = summary.key_sets.values().any(|set| set.fetched == 0);
    let says_nothing = !summary.nothing_good.is_empty() || summary.nothing_promised || has_no_keys;
    let lacks_a_part = summary.validity.missing_workers > 0;
    let is_unmeasured = is_limited && is_strict || is_undecided || says_nothing || lacks_a_part;
    if !summary.interrupted && is_grave(summary) {
        return Exit::Failed;
    }
    exit_after(&summary.verdicts, summary.interrupted, is_unmeasured, has_failed)
}

fn exit_after(
    verdicts: &Counts<Verdict>,
    interrupted: bool,
    is_unmeasured: bool,
    has_failed: bool,
) -> Exit {
    let judged = verdicts.of(Verdict::is_judged);
    let is_wrong = verdicts.of(Verdict::is_wrong) > 0;
    if interrupted {
        Exit::Interrupted
    } else if verdicts[Verdict::FalseAccept] > 0 {
        Exit::Failed
    } else if judged == 0 || is_unmeasured {
        Exit::NotMeasured
    } else if has_failed || is_wrong {
        Exit::Failed
    } else {
        Exit::Fine
    }
}

fn schema() -> Result<Exit> {
    let schema = schemars::schema_for!(Scenario);
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Error::usage(format!("the schema can't be written: {error}")))?;
    hand_over(&(text + "\n"))
}

/// Writes what a person reads to stdout, without what would steer a terminal.
fn say(text: &str) -> Result<Exit> {
    let mut out = anstream::stdout().lock();
    written(out.write_all(shown(text).as_bytes()).and_then(|()| out.flush()))
}

/// Writes data to stdout as it is: each format keeps out itself what would steer a terminal.
fn hand_over(text: &str) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What came of writing to stdout. A reader that has seen enough and closed the pipe is no error.
fn written(result: std::io::Result<()>) -> Result<Exit> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::not_measured(format!("can't write to stdout: {error}")))
        }
        _ => Ok(Exit::Fine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::results::{
            gone::{BrokerGone, Sign},
            judged::{Aborted, Judged},
        },
        report::html::fixture,
    };

    #[test]
    fn a_run_that_a_threshold_ended_has_failed_also_where_all_hold_in_the_end() {
        let mut summary = fixture::summary();
        assert_eq!(exit_of(&summary, false), Exit::Fine);
        summary.aborted = Some(Aborted {
            metric: "connack".into(),
            condition: "p99 < 2s".into(),
            observed: None,
            second: 3,
            run: None,
        });
        assert_eq!(exit_of(&summary, false), Exit::Failed);
    }

    #[test]
    fn a_run_whose_good_tokens_all_had_to_be_refused_has_measured_nothing_good() {
        let mut summary = fixture::summary();
        summary.nothing_good = vec!["time".into()];
        assert_eq!(exit_of(&summary, false), Exit::NotMeasured);
        summary.verdicts[Verdict::FalseAccept] = 1;
        assert_eq!(exit_of(&summary, false), Exit::Failed, "a false accept weighs more");
    }

    #[test]
    fn a_run_in_which_each_answer_was_right_has_judged_nothing() {
        let mut summary = fixture::summary();
        summary.nothing_promised = true;
        assert_eq!(exit_of(&summary, false), Exit::NotMeasured);
        assert!(why_not_measured(&summary).starts_with("nothing was judged"));
    }

    #[test]
    fn a_time_that_may_be_the_generators_own_decides_nothing() {
        let mut summary = fixture::summary();
        let judged = |passed, undecided| Judged {
            metric: "connack".into(),
            condition: "p99 < 2s".into(),
            observed: None,
            passed,
            undecided,
        };
        summary.thresholds = vec![judged(None, None)];
        assert_eq!(exit_of(&summary, false), Exit::Fine);
        summary.thresholds =
            vec![judged(Some(true), None), judged(None, Some(Undecided::GeneratorLimited))];
        assert_eq!(exit_of(&summary, false), Exit::NotMeasured);
    }

    #[test]
    fn the_heaviest_of_several_reasons_decides_the_exit_code() {
        let verdicts =
            |counts: &[(Verdict, u64)]| -> Counts<Verdict> { counts.iter().copied().collect() };
        let (correct, accepted) = ((Verdict::Correct, 5), (Verdict::FalseAccept, 1));
        let mute = verdicts(&[(Verdict::NotJudged, 5), (Verdict::Indeterminate, 1)]);
        for (counts, interrupted, limited, failed, exit) in [
            (verdicts(&[correct]), false, false, false, Exit::Fine),
            (verdicts(&[correct]), false, false, true, Exit::Failed),
            (verdicts(&[correct, (Verdict::FalseReject, 1)]), false, false, false, Exit::Failed),
            (verdicts(&[correct, (Verdict::WrongReason, 1)]), false, false, false, Exit::Failed),
            (verdicts(&[correct, (Verdict::NotJudged, 9)]), false, false, false, Exit::Fine),
            (verdicts(&[correct]), false, true, true, Exit::NotMeasured),
            (mute.clone(), false, false, true, Exit::NotMeasured),
            (verdicts(&[accepted]), false, true, true, Exit::Failed),
            (verdicts(&[accepted]), true, true, true, Exit::Interrupted),
            (mute, true, false, false, Exit::Interrupted),
        ] {
            assert_eq!(exit_after(&counts, interrupted, limited, failed), exit, "{counts:?}");
        }
    }

    #[test]
    fn a_broker_that_went_away_fails_a_run_of_which_nothing_else_could_be_judged() {
        let mut summary = fixture::summary();
        summary.verdicts = Counts::default();
        assert_eq!(exit_of(&summary, false), Exit::NotMeasured);
        summary.broker_gone = vec![BrokerGone {
            broker: "127.0.0.1:1883".into(),
            at_s: 1.0,
            by: Sign::Port,
            back_after_s: None,
            on_the_way: Vec::new(),
        }];
        assert_eq!(exit_of(&summary, false), Exit::Failed);
        assert_eq!(without_agents(Exit::Failed, &summary, 1, false), Exit::Failed);
        summary.interrupted = true;
        assert_eq!(exit_of(&summary, false), Exit::Interrupted);
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
