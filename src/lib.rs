//! Storms MQTT brokers with tokens, judges every answer, and measures it honestly.
//!
//! Data flows one way, and the modules stand in the order in which it passes through them:
//!
//! ```text
//! scenario -> plan -> token -> client -> measure -> results -> report
//! ```
//!
//! ARCHITECTURE.md says what is where; `tests/architecture.rs` keeps it so.

pub mod clock;
pub mod error;
pub mod host;
pub mod scenario;
pub mod policy;
pub mod broker;
pub mod key;
pub mod token;
pub mod plan;
pub mod supply;
pub mod attempt;
pub mod verdict;
pub mod client;
pub mod measure;
pub mod results;
pub mod report;
pub mod engine;
pub mod cli;
pub mod commands;
