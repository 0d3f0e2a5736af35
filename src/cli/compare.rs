//! The commands that compare: types only.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Change, Files, Live, Output};
use crate::{
    campaign::ab::Ready, record::results::baselines::FOLDER, report::comparison::Format,
    scenario::bounds,
};

/// By what is decided.
#[derive(Args, Debug)]
pub struct Deciding {
    /// The relative change from which on a metric counts, such as 5% [default: by metric, or by --history]
    #[arg(long, value_name = "SHARE", value_parser = percent, help_heading = "Deciding")]
    pub threshold: Option<f64>,
    /// The rate of false alarms, over all gated metrics together
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = rate, help_heading = "Deciding")]
    pub alpha: f64,
    /// A metric that decides, such as connack.p99{token:fresh}; repeat for more [default: at most six that all runs have]
    #[arg(long, value_name = "METRIC", help_heading = "Deciding")]
    pub gate: Vec<String>,
    /// Take thresholds from the spread of the results of this baseline, where it has ten or more
    #[arg(long, value_name = "NAME", help_heading = "Deciding")]
    pub history: Option<String>,
    /// Compare what did not do the same, and list what differs
    #[arg(long, help_heading = "Deciding")]
    pub allow_different: bool,
    /// Where named baselines are
    #[arg(long, value_name = "DIR", default_value = FOLDER, help_heading = "Deciding")]
    pub baselines: PathBuf,
}

/// `tokenstorm compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// A run folder, a folder of repeated runs, or the name of a baseline
    pub baseline: String,
    /// A run folder, or a folder of repeated runs
    pub candidate: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,
    /// A folder for the comparison in all its formats
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub deciding: Deciding,
}

/// `tokenstorm ab`.
#[derive(Args, Debug)]
pub struct Ab {
    /// Scenario file
    pub scenario: PathBuf,
    /// A broker that runs; repeat for a cluster
    #[arg(long, value_name = "URL", help_heading = "Builds")]
    pub baseline: Vec<String>,
    /// The broker to compare it with; repeat for a cluster
    #[arg(long, value_name = "URL", help_heading = "Builds")]
    pub candidate: Vec<String>,
    /// A command that starts the baseline, for sh; it listens at {port}
    #[arg(long, value_name = "COMMAND", conflicts_with = "baseline", help_heading = "Builds")]
    pub baseline_cmd: Option<String>,
    /// A command that starts the candidate
    #[arg(long, value_name = "COMMAND", conflicts_with = "candidate", help_heading = "Builds")]
    pub candidate_cmd: Option<String>,
    /// The baseline on both sides, to see that this host tells no differences where there are none
    #[arg(long, conflicts_with_all = ["candidate", "candidate_cmd"], help_heading = "Builds")]
    pub aa: bool,
    /// When a broker that was started is ready
    #[arg(long, value_enum, default_value_t, help_heading = "Builds")]
    pub ready: Ready,
    /// How long it may take to be
    #[arg(long, value_name = "TIME", value_parser = bounds::argument, default_value = "30s", help_heading = "Builds")]
    pub ready_timeout: humantime::Duration,
    /// Trials of both builds together, at most
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=10_000), help_heading = "Deciding")]
    pub max_trials: u32,
    /// Between two trials
    #[arg(long, value_name = "TIME", value_parser = bounds::argument, default_value = "1s", help_heading = "Deciding")]
    pub rest: humantime::Duration,
    #[command(flatten)]
    pub deciding: Deciding,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,
    #[command(flatten)]
    pub change: Change,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub live: Live,
}

/// `tokenstorm baseline`.
#[derive(Debug, Subcommand)]
pub enum Baseline {
    /// Add runs to a baseline as its newest result
    Save {
        /// Its name
        name: String,
        /// A run folder, or a folder of repeated runs
        run: PathBuf,
        /// Where named baselines are
        #[arg(long, value_name = "DIR", default_value = FOLDER)]
        baselines: PathBuf,
    },
    /// List all baselines
    List {
        /// Where named baselines are
        #[arg(long, value_name = "DIR", default_value = FOLDER)]
        baselines: PathBuf,
    },
    /// Show the results of a baseline, and the thresholds that follow from them
    Show {
        /// Its name
        name: String,
        /// Where named baselines are
        #[arg(long, value_name = "DIR", default_value = FOLDER)]
        baselines: PathBuf,
    },
    /// Write the results of a baseline for Apache Otava, which finds the runs after which numbers changed
    Export {
        /// Its name
        name: String,
        /// Folder for NAME.csv and otava.yaml, which are replaced
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Where named baselines are
        #[arg(long, value_name = "DIR", default_value = FOLDER)]
        baselines: PathBuf,
    },
}

/// A share, as `5%` or as a fraction of 1.
fn percent(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(number) => number.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    // A percent sign that was forgotten would let everything pass.
    let is_told = text.ends_with('%') || share.as_ref().is_ok_and(|share| *share < 1.0);
    let share = share.ok().filter(|share| is_told && *share > 0.0 && *share < 10.0);
    share.ok_or_else(|| {
        "must be more than 0 and less than 1000%, such as 5% or 0.05; from 1 on with a `%`".into()
    })
}

/// An error rate.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate >= 1e-6 && *rate < 0.5);
    rate.ok_or_else(|| "must be 0.000001 to below 0.5, such as 0.05".into())
}
