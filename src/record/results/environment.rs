//! `environment.json`: on what a run was made.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::summary::Tool;
use crate::base::{
    error::Result,
    host::{self, Limits, TcpTrouble},
};

/// The host, the program and the clock of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Environment {
    pub format: u32,
    pub tool: Tool,
    pub compiler: String,
    pub profile: String,
    pub features: Vec<String>,
    pub host: String,
    pub kernel: String,
    pub cpu: String,
    pub cpus: usize,
    pub descriptors: u64,
    pub ports: (u16, u16),
    pub clock_source: String,
    /// By how much the wall clock was stepped or slewed during the run.
    pub wall_clock_step_us: Option<f64>,
    /// Connections that listen backlogs of this host dropped during the run.
    pub listen_overflows: Option<u64>,
    /// SYN segments that this host sent again during the run.
    pub syn_retransmits: Option<u64>,
    /// Least share of the host's CPU that was idle in any 5 s of the storm, as a fraction of 1.
    pub host_idle_least: Option<f64>,
    /// What a calibration just before the run came to, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<super::calibration::Calibration>,
    /// The hosts of the agents that drove the clients, where there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentHost>,
}

/// What an agent said of itself and its host when it joined.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct AgentHost {
    pub agent: String,
    pub host: String,
    pub kernel: String,
    pub cpu: String,
    pub cpus: usize,
    pub memory_bytes: u64,
    pub descriptors: u64,
    /// The local ports that it was given.
    pub ports: (u16, u16),
    pub source_addresses: usize,
}

/// Who writes the results.
pub fn tool() -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("TOKENSTORM_COMMIT").into(),
    }
}

impl Environment {
    /// The environment of a run folder; `None` where it does not say.
    ///
    /// # Errors
    /// When it can't be read, or is of a newer format.
    pub fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("environment.json");
        if !path.is_file() {
            return Ok(None);
        }
        super::read_json(&path).map(Some)
    }

    /// Reads what can be known at the start.
    pub fn read(limits: &Limits) -> Self {
        Self {
            format: super::summary::FORMAT,
            tool: tool(),
            compiler: env!("TOKENSTORM_COMPILER").into(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            features: [
                ("embedded", cfg!(feature = "embedded")),
                ("embedded-mqtt5", cfg!(feature = "embedded-mqtt5")),
            ]
            .into_iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(name, _)| name.into())
            .collect(),
            host: host::name(),
            kernel: host::kernel(),
            cpu: host::cpu_model(),
            cpus: limits.cpus,
            descriptors: limits.descriptors,
            ports: (*limits.ports.start(), *limits.ports.end()),
            clock_source: host::clock_source(),
            ..Self::default()
        }
    }

    /// Adds what the run has changed; `trouble` is what happened to TCP on the hosts that connect, where that is known of all.
    pub fn conclude(&mut self, trouble: Option<TcpTrouble>, wall_step_ns: i64, idle: Option<f64>) {
        self.listen_overflows = trouble.map(|trouble| trouble.listen_overflows);
        self.syn_retransmits = trouble.map(|trouble| trouble.syn_retransmits);
        self.wall_clock_step_us = Some(wall_step_ns as f64 / 1000.0);
        self.host_idle_least = idle;
    }
}
