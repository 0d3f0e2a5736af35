//! The command line: its types here, what they do in `commands`. Uses `base`, `scenario`, `token`, `plan`, `client`,
//! `record`, `servers`, `supply`, `report`, `engine`, `campaign`.
#![expect(missing_docs, reason = "clap would take that of flattened arguments for their help")]

mod arguments;
pub mod commands;
mod compare;
pub mod doctor;
mod fleet;
mod init;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use self::{
    compare::{Ab, Baseline, Compare, Deciding},
    fleet::{Agent, Agents, Nats},
    init::{FIELDS, Init, Told, VERSIONS, claim},
};
use crate::{
    engine::progress::Mode,
    report::Format,
    scenario::{Overrides, bounds},
};

/// Load-tests the token authentication of MQTT brokers and judges every answer.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  tokenstorm run quickstart
  tokenstorm init --target mqtt://127.0.0.1:1883
  tokenstorm matrix my-broker.toml
  tokenstorm run verifier-throughput --broker my-broker.toml

Exit codes: 0 done; 1 a threshold or a verdict failed, or a comparison is worse; 2 usage or
scenario wrong; 3 could not measure; 4 compared, inconclusive; 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: mint its tokens, connect its clients, judge every answer, and write the run folder
    Run(Run),
    /// Send every kind of token that the catalogue has, bad and good, and judge every answer
    Matrix(Matrix),
    /// Write a scenario for your broker, and try it with a good, an expired and a forged token, and with none
    Init(Init),
    /// Validate scenarios and show what a run would do, without traffic
    Plan {
        /// Scenarios: files, or of `tokenstorm scenarios`
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
        /// As so many agents share the run: what each takes, and how many it takes at least
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
        agents: Option<u64>,
        #[command(flatten)]
        change: Change,
    },
    /// Say what on this host would limit a run, and how to change it
    Doctor {
        /// Scenario file [default: none, the limits alone]
        scenario: Option<PathBuf>,
        #[command(flatten)]
        change: Change,
    },
    /// Mint a token of a scenario, decode a token without verifying it, or list all kinds of bad tokens
    #[command(subcommand)]
    Token(Token),
    /// Start the embedded broker alone, with the keys and the policy of a scenario
    Broker(Broker),
    /// Start the built-in authorization server alone: discovery, key set, tokens, introspection and revocation
    Issuer(Issuer),
    /// Wait for work: drive a share of the clients of runs that `run --agents` coordinates over NATS
    Agent(Agent),
    /// Compare two runs, or two folders of repeated runs: one verdict for each metric
    Compare(Compare),
    /// Run trials of two builds of a broker, one after the other in turns, and compare them
    Ab(Ab),
    /// Keep runs under a name, to compare later runs with them
    #[command(subcommand)]
    Baseline(Baseline),
    /// Check the harness itself: measure a responder whose delays are known
    Calibrate(Calibrate),
    /// Print the result of a run again, in one of several formats
    Report {
        /// The run folder [default: the newest one in results/]
        run: Option<PathBuf>,
        /// How
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Make its page anew, and open that
        #[arg(long)]
        open: bool,
    },
    /// List the runs of a folder with their verdicts
    Results {
        /// The folder
        #[arg(default_value = "results")]
        folder: PathBuf,
    },
    /// Send a finding of a run, or a cell of a matrix, again, and show what is sent and answered, secrets masked
    Replay(Replay),
    /// Runs a command, and ends all that it has started when stdin closes: what `ab` starts brokers by
    #[command(hide = true)]
    Warden {
        /// Where what it says goes
        #[arg(long)]
        log: PathBuf,
        /// How long its processes may take to end by themselves
        #[arg(long, default_value = "5s")]
        grace: humantime::Duration,
        /// A folder that is taken away at the end
        #[arg(long)]
        remove: Option<PathBuf>,
        /// For `sh`
        #[arg(last = true)]
        command: String,
    },
    /// List the built-in scenarios, each with its question; `show NAME` prints one
    Scenarios(Shelf),
    /// List the built-in profiles: what makers of brokers promise; `show NAME` prints one
    Profiles(Shelf),
    /// Print the JSON Schema of the scenario file
    Schema,
    /// Write the manual pages of all commands into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// What it changes in a scenario, where it takes one.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Run(run) => Some(&run.change),
            Self::Matrix(matrix) => Some(&matrix.change),
            Self::Plan { change, .. }
            | Self::Doctor { change, .. }
            | Self::Token(Token::Mint { change, .. }) => Some(change),
            Self::Broker(broker) => Some(&broker.change),
            Self::Issuer(issuer) => Some(&issuer.change),
            Self::Ab(ab) => Some(&ab.change),
            _ => None,
        }
    }
}

/// What the command line changes in a scenario.
#[derive(Args, Debug)]
pub struct Change {
    /// Ask the scenario's question of the broker of this file: its `[target]`, keys, identity, claims and policy
    #[arg(long, value_name = "FILE", help_heading = "Scenario")]
    pub broker: Option<PathBuf>,
    /// Storm this broker instead; repeat for a cluster
    #[arg(long, value_name = "URL", help_heading = "Scenario")]
    pub target: Vec<String>,
    /// Change a dotted key of the scenario, such as load.clients=500
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Scenario")]
    pub set: Vec<String>,
    /// You may load a target that is not on this host
    #[arg(long, help_heading = "Scenario")]
    pub authorized: bool,
}

impl Change {
    /// As the scenario wants it.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            set: self.set.clone(),
            targets: self.target.clone(),
            authorized: self.authorized,
            broker: self.broker.clone(),
        }
    }
}

/// Decimal seconds since 1970 as nanoseconds; up to the year 2262, where those end.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let at = (digits(seconds) && digits(fraction) && fraction.len() <= 9)
        .then(|| format!("{seconds}{fraction:0<9}").parse::<i64>().ok())
        .flatten();
    at.ok_or_else(|| {
        "must be seconds from 0 to 9223372036, such as 1800000000 or 1800000000.25".into()
    })
}

/// Where results go, and what is shown meanwhile.
#[derive(Args, Debug)]
pub struct Output {
    /// Where the results go [default: results/NAME-TIME]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// What is shown while it runs
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub progress: Mode,
}

/// What is told of a run while it goes on.
#[derive(Args, Debug)]
pub struct Live {
    /// Serve live metrics at this address, under /metrics, for Prometheus; a port alone means loopback
    #[arg(long, value_name = "ADDRESS", value_parser = listener, help_heading = "Output")]
    pub prometheus: Option<SocketAddr>,
    /// Serve a page that draws the run while it goes and becomes its report, at this address [default: a free port of the loopback]
    #[arg(long, value_name = "ADDRESS", value_parser = listener, num_args = 0..=1, default_missing_value = "127.0.0.1:0", help_heading = "Output")]
    pub web: Option<SocketAddr>,
    /// Push live metrics to this receiver of `OpenTelemetry` (OTLP over HTTP), every 5 s and at the end; feature `otlp`
    // Read later: it may hold a password, which an error of clap's would show.
    #[arg(long, value_name = "URL", help_heading = "Output")]
    pub otlp: Option<String>,
    /// At the end, serve metrics until the last values were scraped, and at most for so long
    #[arg(long, value_name = "TIME", value_parser = bounds::argument, requires = "prometheus", help_heading = "Output")]
    pub prometheus_linger: Option<humantime::Duration>,
}

/// An address, or a port of the loopback, also as `:9464` and `localhost:9464`.
fn listener(text: &str) -> Result<SocketAddr, String> {
    let port = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let own = text.strip_prefix("localhost:").or(text.strip_prefix(':')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| own.parse().ok().map(port));
    address.ok_or_else(|| "must be an address such as `127.0.0.1:9464`, or a port".into())
}

/// What a run leaves beside its folder.
#[derive(Args, Debug)]
pub struct Files {
    /// Also write test cases for a CI server, in the format of `JUnit`, to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Also write a summary in Markdown to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Also write the numbers for github-action-benchmark to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub benchmark: Option<PathBuf>,
    /// Open its page at the end
    #[arg(long, help_heading = "Output")]
    pub open: bool,
}

/// `tokenstorm replay`.
#[derive(Args, Debug)]
pub struct Replay {
    /// The run folder [default: the newest one in results/]
    pub run: Option<PathBuf>,
    /// A line of its findings.csv: 2 is the first finding [default: the most severe]
    #[arg(conflicts_with = "cell")]
    pub line: Option<u64>,
    /// A cell of a matrix, such as `expired` or `expired-v4`
    #[arg(long, value_name = "NAME")]
    pub cell: Option<String>,
}

/// `tokenstorm run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Scenario: a file, or one of `tokenstorm scenarios`
    pub scenario: PathBuf,
    /// Calibrate the harness on this host first, and put the result into environment.json
    #[arg(long, conflicts_with = "agents")]
    pub calibrate: bool,
    #[command(flatten)]
    pub change: Change,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub live: Live,
    #[command(flatten)]
    pub agents: Agents,
}

/// `tokenstorm scenarios` and `tokenstorm profiles`.
#[derive(Args, Debug)]
pub struct Shelf {
    /// What to do [default: list]
    #[command(subcommand)]
    pub deed: Option<ShelfDeed>,
}

/// What is done with what comes along.
#[derive(Debug, Subcommand)]
pub enum ShelfDeed {
    /// Print one, to read it or to keep it as a file of your own
    Show {
        /// Its name
        name: String,
    },
}

/// `tokenstorm calibrate`.
#[derive(Args, Debug)]
pub struct Calibrate {
    /// Arrivals a second
    #[arg(long, value_name = "RATE", default_value_t = 2000.0, value_parser = rate)]
    pub rate: f64,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
    /// Only answer, at this address, until interrupted; then print what was answered as JSON
    #[arg(long, value_name = "ADDRESS", help_heading = "Responder")]
    pub serve: Option<SocketAddr>,
    /// From the arrival of CONNECT to its CONNACK
    #[arg(
        long,
        value_name = "TIME", value_parser = bounds::argument,
        default_value = "20ms",
        requires = "serve",
        help_heading = "Responder"
    )]
    pub delay: humantime::Duration,
    /// Share of the CONNECTs that are answered later
    #[arg(long, value_name = "SHARE", requires = "serve", value_parser = share, help_heading = "Responder")]
    pub slow_share: Option<f64>,
    /// How long those take
    #[arg(
        long,
        value_name = "TIME", value_parser = bounds::argument,
        default_value = "200ms",
        requires = "serve",
        help_heading = "Responder"
    )]
    pub slow_delay: humantime::Duration,
    #[command(flatten)]
    pub output: Output,
}

/// A share, as a fraction of 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be 0 to 1".into())
}

/// `tokenstorm matrix`.
#[derive(Args, Debug)]
pub struct Matrix {
    /// Scenario with target, keys, claims and policy; it needs neither `[load]` nor `[[mix]]` [default: the embedded broker
    /// with a key of its own]
    pub scenario: Option<PathBuf>,
    /// What the broker promises: a profile, or the path of one of your own, from here
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Only these entries of the catalogue, such as `expired*`; repeat for more
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
    /// How often each cell is sent
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub repeat: u64,
    /// So many good clients a second come meanwhile
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub background: Option<f64>,
    /// Find the edges as well: leeway, longest token, the second in which a token turns, what times tell
    #[arg(long)]
    pub probe: bool,
    /// Watch one and the same token for so long after its turn, while it has not turned: as long as the broker keeps verdicts
    #[arg(long, value_name = "DURATION", default_value = "35s", requires = "probe", value_parser = watch)]
    pub probe_for: humantime::Duration,
    /// Send the cells once for each key of the scenario, each signed by one
    #[arg(long)]
    pub all_keys: bool,
    /// Write what the broker did as a profile to edit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all_keys", "only"])]
    pub suggest_profile: Option<PathBuf>,
    /// Findings that are known, a cell a line: the matrix fails by other findings only, and says which are gone
    #[arg(long, value_name = "FILE", conflicts_with = "all_keys")]
    pub known: Option<PathBuf>,
    /// Write the wrong cells as a file for `--known`, each with its meaning
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all_keys", "only"])]
    pub write_known: Option<PathBuf>,
    /// Where the canary listens, which headers of tokens name; of a broker on another host an address that it can reach
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub canary: SocketAddr,
    #[command(flatten)]
    pub change: Change,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub live: Live,
}

/// How long a token is watched.
fn watch(text: &str) -> Result<humantime::Duration, String> {
    let watch = text.parse::<humantime::Duration>().ok();
    let range = Duration::from_secs(1)..=Duration::from_mins(10);
    watch.filter(|watch| range.contains(&**watch)).ok_or_else(|| "must be 1s to 10m".into())
}

/// Arrivals a second.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (1.0..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "must be 1 to 1000000 a second".into())
}

/// `tokenstorm token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Mint the token of one client, on stdout
    Mint {
        /// Scenario file
        scenario: PathBuf,
        /// An entry of the mix by its name, or a kind of `token defects` [default: the first of the mix]
        #[arg(long, alias = "defect", alias = "kind")]
        token: Option<String>,
        /// The client's number
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..bounds::MOST_CLIENTS))]
        client: u64,
        /// The moment of use, in seconds since 1970, decimals allowed [default: now]
        #[arg(long, value_name = "SECONDS", value_parser = nanoseconds)]
        at: Option<i64>,
        /// The client's turn: 0 is its first connection
        #[arg(long, default_value_t = 0)]
        turn: u32,
        /// When the storm started, in seconds since 1970: `token.exp_at` counts from there [default: the moment of use]
        #[arg(long, value_name = "SECONDS", value_parser = nanoseconds)]
        start: Option<i64>,
        #[command(flatten)]
        change: Change,
    },
    /// Take a token apart: header, claims and times; nothing is verified
    Inspect {
        /// The token; - or nothing reads it from stdin
        token: Option<String>,
    },
    /// List the catalogue of defects
    Defects {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// `tokenstorm issuer`.
#[derive(Args, Debug)]
pub struct Issuer {
    /// Scenario file with `[issuer]`, keys and events
    pub scenario: PathBuf,
    /// Where it listens [default: `issuer.listen` of the scenario]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where its key set is [default: `issuer.jwks_listen` of the scenario]
    #[arg(long, value_name = "ADDRESS")]
    pub jwks_listen: Option<SocketAddr>,
    /// Where `issuer.csv` and `events.csv` go, written every second [default: nowhere]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub change: Change,
}

/// `tokenstorm broker`.
#[derive(Args, Debug)]
pub struct Broker {
    /// Scenario file with the keys and the policy
    #[arg(required_unless_present = "settings")]
    pub scenario: Option<PathBuf>,
    /// Where it listens; loopback unless told otherwise
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub listen: SocketAddr,
    /// Break its verifier in this way, to see that a matrix finds it; `healthy` breaks nothing
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Burn so much CPU before every answer, as a slower verifier would
    #[arg(long, value_name = "TIME", value_parser = bounds::argument)]
    pub slowed_by: Option<humantime::Duration>,
    /// Settings as a line of JSON on stdin, as `run` gives them to the brokers that it starts
    #[arg(long, hide = true, value_parser = ["-"])]
    pub settings: Option<String>,
    #[command(flatten)]
    pub change: Change,
}
