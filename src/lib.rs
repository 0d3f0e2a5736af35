//! Storms MQTT brokers with tokens, judges every answer, and measures it honestly.
//!
//! Data flows one way, and the rooms stand in the order in which it passes through them. Each says in its first lines
//! what it is and which rooms it may use; `tests/architecture.rs` keeps it so, and ARCHITECTURE.md tells the rest.
//!
//! ```text
//! scenario -> token -> plan -> client -> record -> report
//! ```

// In the order of the flow: the empty lines keep rustfmt from putting them into that of the alphabet.
pub mod base;

pub mod scenario;

pub mod token;

pub mod plan;

pub mod client;

pub mod record;

pub mod servers;

pub mod supply;

pub mod report;

pub mod engine;

pub mod campaign;

pub mod cli;

#[doc(hidden)]
pub mod fuzzing;
