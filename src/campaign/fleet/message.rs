//! What coordinator and agents say to each other: JSON, but for what was seen, which is bytes.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::{
    capacity::Capacity,
    marks::Marks,
    name::{Long, Name},
};
use crate::{base::tls::settings::TlsFiles, engine::segment::Used, scenario::Held};

/// Who is there? Answered to the run that asks.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Call {
    pub(super) run: Name,
}

/// An order for one agent.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ToAgent {
    pub(super) run: Name,
    pub(super) order: Order,
}

/// What an agent is to do.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Order {
    /// Say what your clock shows.
    Wall {
        /// To be said with it.
        round: u32,
    },
    /// Get ready.
    Prepare(Box<Task>),
    /// Start at this instant, in nanoseconds since 1970 by the coordinator's clock.
    Start { at: i64 },
    /// Interval so-and-so has come.
    Heard { number: u64 },
    /// Give up what is under way, tell the rest, and end.
    Stop,
    /// The run is over, or was over for you: why, where that is no end like others.
    Over { why: Option<Long> },
    /// The run has agents enough without you.
    Unneeded,
}

/// What an agent needs to know of a run.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Task {
    /// The scenario, without keys that travel beside it, and without what is not for agents.
    pub(super) scenario: Value,
    /// Keys, where the way is private.
    pub(super) keys: BTreeMap<String, Held>,
    /// What is in the file that `target.profile` names, where that is none that is built in.
    pub(super) promise: Option<Value>,
    /// What is in the files of `[target.tls]`, where the way is private.
    pub(super) tls: Option<TlsFiles>,
    /// How the run is split.
    pub(super) weights: Vec<u64>,
    /// The agent's segment.
    pub(super) index: usize,
    /// Local ports for it: others on its host have others.
    pub(super) ports: (u16, u16),
    /// How far its clock is ahead of the coordinator's, and how sure that is, in nanoseconds.
    pub(super) ahead: i64,
    pub(super) uncertainty: u64,
    /// Where embedded brokers are.
    pub(super) embedded: Vec<Option<SocketAddr>>,
}

/// What an agent says.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct FromAgent {
    pub(super) agent: Name,
    pub(super) said: Said,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Said {
    /// It is there, and has this.
    Here(Box<Capacity>),
    /// What its clock shows, in nanoseconds since 1970.
    Wall { round: u32, wall: i64 },
    /// It can start.
    Ready(Ready),
    /// It can't, or can't go on.
    Failed { why: Long, hint: Option<Long>, is_usage: bool },
    /// It is there still.
    Beat,
}

/// What an agent has come to when it is ready.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Ready {
    /// How long before the start it has to know of it, in nanoseconds.
    pub(super) lead: u64,
    /// What its host's user should know.
    pub(super) warnings: Vec<Long>,
    /// What it takes the plan for, which must be what the coordinator takes it for.
    pub(super) kinds: Vec<String>,
    pub(super) brokers: Vec<String>,
    pub(super) clients: u64,
    pub(super) attempts: u64,
    /// What it signs with and trusts, wherever it has that from.
    pub(super) marks: Marks,
}

/// What a second of an agent's segment came to.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Told {
    pub(super) covers: u64,
    pub(super) next: u64,
    pub(super) is_last: bool,
    /// Its segment was ended before its end.
    pub(super) is_cut: bool,
    pub(super) used: Used,
    /// As [`crate::record::measure::wire`] writes it.
    pub(super) seen: ByteBuf,
}

/// The head of a part of an interval: NATS bounds the size of messages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Part {
    pub(super) index: usize,
    /// Of the interval: they count from 0.
    pub(super) number: u64,
    pub(super) at: usize,
    pub(super) parts: usize,
}

/// A message as bytes.
pub(super) fn bytes(message: &impl Serialize) -> Vec<u8> {
    // Maps with names as keys, numbers and texts: nothing that JSON has not.
    serde_json::to_vec(message).unwrap_or_default()
}

/// A message that came; `None` of one that is none.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
