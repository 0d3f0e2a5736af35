//! Agents and their coordinator on the command line.
#![expect(
    clippy::doc_markdown,
    reason = "doc comments of arguments are their help on the terminal"
)]

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use crate::{base::bus, campaign::fleet, scenario::bounds};

/// Which bus agents and coordinator meet on.
#[derive(Args, Debug)]
pub struct Nats {
    /// NATS: nats://host:4222 or tls://host:4222; several, parted by commas, for a cluster. Who joins is said by --creds, or by
    /// TOKENSTORM_NATS_TOKEN, or TOKENSTORM_NATS_USER and TOKENSTORM_NATS_PASSWORD in the environment
    #[arg(
        long,
        value_name = "URL",
        env = "TOKENSTORM_NATS",
        hide_env_values = true,
        help_heading = "NATS"
    )]
    pub nats: Option<String>,
    /// File with the JWT and seed of a NATS user
    #[arg(
        long,
        value_name = "FILE",
        env = "TOKENSTORM_NATS_CREDS",
        hide_env_values = true,
        help_heading = "NATS"
    )]
    pub creds: Option<PathBuf>,
    /// Refuse a connection that is not TLS
    #[arg(long, requires = "nats", help_heading = "NATS")]
    pub tls: bool,
    /// PEM file with the authorities of the server's certificate
    #[arg(long, value_name = "FILE", requires = "nats", help_heading = "NATS")]
    pub tls_ca: Option<PathBuf>,
    /// PEM file with a certificate of your own
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "NATS")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "NATS")]
    pub tls_key: Option<PathBuf>,
    /// How long a server that does not answer yet is waited for
    #[arg(long, value_name = "TIME", value_parser = bounds::argument, default_value = "60s", help_heading = "NATS")]
    pub nats_timeout: humantime::Duration,
    /// Group of agents: those of another group do not hear of the run
    #[arg(long, value_name = "NAME", default_value = "tokenstorm", value_parser = fleet::name::Name::of, help_heading = "NATS")]
    pub group: fleet::name::Name,
}

impl Nats {
    /// As the bus wants it; `None` without a URL.
    pub fn settings(&self) -> Option<bus::Settings> {
        Some(bus::Settings {
            url: self.nats.clone()?,
            creds: self.creds.clone(),
            tls: self.tls,
            ca: self.tls_ca.clone(),
            identity: self.tls_cert.clone().zip(self.tls_key.clone()),
            patience: self.nats_timeout.into(),
            token: None,
        })
    }
}

/// What `run` says of agents.
#[derive(Args, Debug)]
pub struct Agents {
    /// Number of agents that drive the clients; without --nats they and a NATS server are started on this host
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000), help_heading = "Agents")]
    pub agents: Option<u16>,
    /// How long agents may take to come, and to get ready
    #[arg(
        long,
        value_name = "TIME", value_parser = bounds::argument,
        default_value = "60s",
        requires = "agents",
        help_heading = "Agents"
    )]
    pub agents_timeout: humantime::Duration,
    /// Where agents were lost, let the verdicts of the others decide the exit code; thresholds stay undecided
    #[arg(long, requires = "agents", help_heading = "Agents")]
    pub allow_lost_agents: bool,
    #[command(flatten)]
    pub nats: Nats,
}

/// `tokenstorm agent`.
#[derive(Args, Debug)]
pub struct Agent {
    #[command(flatten)]
    pub nats: Nats,
    /// Place in a job, by which segments are dealt out [default: JOB_COMPLETION_INDEX or SLURM_PROCID, where set]
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Where files that a scenario names, such as keys, are looked for: below this folder, and nowhere else
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub files: PathBuf,
    /// A variable of this environment that a scenario may take the secret of a key from (`secret_env`); repeat for more
    #[arg(long, value_name = "NAME")]
    pub env: Vec<String>,
    /// Connect from this address in place of the scenario's; repeat for more ports
    #[arg(long, value_name = "ADDRESS")]
    pub source_address: Vec<IpAddr>,
    /// You may load targets that are not on this host
    #[arg(long)]
    pub authorized: bool,
    /// End after one run
    #[arg(long)]
    pub once: bool,
    /// End when no run has begun within this time
    #[arg(long, value_name = "TIME", value_parser = bounds::argument)]
    pub idle_timeout: Option<humantime::Duration>,
    /// End at once when standard input closes: how a run guards the agents that it has started
    #[arg(long, hide = true)]
    pub guarded: bool,
}
