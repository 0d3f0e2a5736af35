//! One function a subcommand. Data goes to stdout, all else to stderr.

mod baseline;
mod broker;
mod calibrate;
mod compare;
mod doctor;
mod files;
mod fleet;
mod init;
mod issuer;
mod live;
mod matrix;
mod plan;
mod replay;
mod results;
mod shelf;
mod token;

use std::{
    io::Write,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use clap::CommandFactory;

use self::{live::Served, results::newest, shelf::Shelf};

use crate::{
    base::{
        error::{Error, Exit, Result, plain::shown},
        host::{Limits, signals::ending_signals},
        launch::warden::{Duties, guard},
        shell::quoted,
        shipped, window,
    },
    campaign::series,
    cli::{self, Cli, Command},
    engine::{self, Options, progress::Screen},
    plan::{self as planning, Plan},
    record::results::{
        Matrix, Summary, calibration::Calibration, ruling::decide::told, writing::replace_in,
    },
    report,
    scenario::{Loaded, Scenario, needs::needs},
};

/// Arrivals a second of a calibration before a run.
const CALIBRATION_RATE: f64 = 2000.0;

/// The scenarios that come along.
const SCENARIOS: Shelf = Shelf {
    all: shipped::SCENARIOS,
    command: "tokenstorm scenarios",
    what: "scenario",
    how: "run one: `tokenstorm run NAME`, of your broker: `--broker my-broker.toml`; keep one: `tokenstorm scenarios show NAME > my.toml`",
    needs: Some(needs),
};
/// The profiles that come along.
const PROFILES: Shelf = Shelf {
    all: shipped::PROFILES,
    command: "tokenstorm profiles",
    what: "profile",
    how: "use one: `profile = \"NAME\"` under `[target]`; change one: `tokenstorm profiles show NAME > my-promise.toml`, `profile = \"my-promise.toml\"`",
    needs: None,
};

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
        Command::Init(arguments) => init::init(&arguments),
        Command::Scenarios(shelf) => SCENARIOS.serve(shelf.deed.as_ref()),
        Command::Profiles(shelf) => PROFILES.serve(shelf.deed.as_ref()),
        Command::Plan { scenarios, agents, change } => {
            plan::plan(&scenarios, &change.overrides(), agents)
        }
        Command::Doctor { scenario, change } => doctor::doctor(scenario.as_deref(), &change),
        Command::Token(cli::Token::Mint { scenario, token, client, at, turn, start, change }) => {
            let of = token::MintFor { client, turn, at, start };
            token::mint(&scenario, &change.overrides(), token.as_deref(), of)
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
            // Nobody reads this program's own exit code but `ab`, which wants that of the command.
            match guard(&command, &Duties { log, grace: grace.into(), remove })? {
                0 => Ok(Exit::Fine),
                code => Ok(Exit::Other(code)),
            }
        }
        Command::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Command::Report { run, format, open } => {
            let run = newest(run.as_deref())?;
            if open {
                return show_page(&run);
            }
            let text = report::render(&run, format)?;
            if format == report::Format::Terminal { say(&text) } else { hand_over(&text) }
        }
        Command::Results { folder } => results::results(&folder),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Schema => schema(),
        Command::Man { folder } => {
            let wrong = |error| {
                Error::not_measured(format!("can't write into `{}`: {error}", folder.display()))
                    .hint("name a folder that can be written: `tokenstorm man target/man`")
            };
            std::fs::create_dir_all(&folder).map_err(wrong)?;
            clap_mangen::generate_to(Cli::command(), &folder).map_err(wrong)?;
            let shown = quoted(&folder.display().to_string());
            say(&format!("the manual pages are in {shown}: `man -l {shown}/tokenstorm.1`\n"))
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tokenstorm", &mut text);
            hand_over(&String::from_utf8_lossy(&text))
        }
    }
}

/// Makes the page of a run, or of a comparison, anew, and opens it.
fn show_page(run: &Path) -> Result<Exit> {
    let page = report::render(run, report::Format::Html)?;
    replace_in(run, "report.html", page.as_bytes())?;
    files::open(&run.join("report.html"));
    Ok(Exit::Fine)
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

fn run(arguments: &cli::Run) -> Result<Exit> {
    let loaded = planning::load(&arguments.scenario, &arguments.change.overrides())?;
    files::check(&arguments.files)?;
    // A port that is taken is said before a calibration.
    let served = Served::start(&arguments.live)?;
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
    let plan = match agents {
        None => Plan::new(&loaded, &Limits::read())?,
        // Whether it fits is for each agent to say.
        Some(_) => Plan::unchecked(&loaded, &Limits::read())?,
    };
    for warning in &plan.warnings {
        crate::tell!("warning: {warning}");
    }
    if series::is_series(&loaded.scenario) && agents.is_none() {
        return run_series(&loaded, arguments, calibration, &served);
    }
    let stop = stop_flag()?;
    let options = Options {
        out: arguments.output.out.clone(),
        screen: Screen::of(arguments.output.progress, &plan),
        stop: Arc::clone(&stop),
        canary: None,
        probe: None,
        clock: None,
        calibration,
        live: served.live(),
        allows_lost_agents: arguments.agents.allow_lost_agents,
    };
    let finished = match agents {
        None => engine::run(plan, options),
        Some(count) => fleet::run(plan, &loaded, &arguments.agents, count, options),
    };
    let finished = finished.inspect_err(|_| served.fail(&stop))?;
    let shown = report::terminal::render(&finished.summary, &finished.folder.display().to_string());
    let exit = conclude(&finished.summary, None, &shown, finished.trouble, || {
        files::leave(&arguments.files, &finished.folder, &finished.summary)
    });
    served.end(Some(&finished.folder), &stop);
    exit
}

/// Says what a run came to, leaves what `last` writes, and ends with what was ruled of it; but where its results could not be
/// written, with that.
fn conclude(
    summary: &Summary,
    matrix: Option<&Matrix>,
    shown: &str,
    trouble: Option<Error>,
    last: impl FnOnce() -> Result<()>,
) -> Result<Exit> {
    let said = say(shown);
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let left = last();
    said?;
    left?;
    let ruling = told(summary, matrix);
    if let Some(why) = ruling.unmeasured.first().filter(|_| ruling.exit == Exit::NotMeasured) {
        crate::tell!("{why}");
    }
    Ok(ruling.exit)
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
    served: &Served<'_>,
) -> Result<Exit> {
    let stop = stop_flag()?;
    let options = series::Options {
        out: arguments.output.out.clone(),
        progress: arguments.output.progress,
        stop: Arc::clone(&stop),
        clock: None,
        calibration,
        live: served.live(),
    };
    let finished = series::run(loaded, &options).inspect_err(|_| served.fail(&stop))?;
    let shown = report::terminal::render(&finished.summary, &finished.folder.display().to_string());
    let exit = conclude(&finished.summary, None, &shown, finished.trouble, || {
        files::leave(&arguments.files, &finished.folder, &finished.summary)
    });
    served.end(Some(&finished.folder), &stop);
    exit
}

/// Loads and plans what a scenario says of its broker, for this host.
fn resolve(path: &Path, change: &cli::Change) -> Result<Plan> {
    let loaded = planning::load_of_broker(path, &change.overrides())?;
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

fn schema() -> Result<Exit> {
    hand_over(&schema_text()?)
}

/// JSON Schema of the scenario file.
fn schema_text() -> Result<String> {
    let schema = schemars::schema_for!(Scenario);
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Error::usage(format!("the schema can't be written: {error}")))?;
    Ok(text + "\n")
}

/// Writes what a person reads to stdout, without what would steer a terminal.
fn say(text: &str) -> Result<Exit> {
    let mut text = shown(text);
    if let Some(width) = window::width() {
        text = window::fitted(&text, width);
    }
    let mut out = anstream::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
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

    #[test]
    fn the_command_line_is_well_formed() {
        // Arguments without a doc comment have no help: the lint on missing ones is off in this room.
        Cli::command().help_expected(true).debug_assert();
    }
}
