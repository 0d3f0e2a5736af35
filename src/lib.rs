//! Storms MQTT brokers with tokens, judges every answer, and measures it honestly.
//!
//! Data flows one way, and the modules stand in the order in which it passes through them:
//!
//! ```text
//! scenario -> plan -> token -> client -> measure -> results -> report
//! ```
//!
//! ARCHITECTURE.md says what is where; `tests/architecture.rs` keeps it so.

pub mod ab;
pub mod attempt;
pub mod broker;
pub mod bus;
pub mod calibrate;

pub mod canary;
pub mod cli;
pub mod client;
pub mod clock;
pub mod commands;
pub mod compare;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod fleet;
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod issuer;
pub mod key;
pub mod launch;
pub mod live;
pub mod measure;
pub mod oauth;
pub mod oracle;
pub mod plan;
pub mod policy;
pub mod report;
pub mod results;
pub mod scenario;
pub mod series;
pub mod supply;
pub mod tls;
pub mod token;
pub mod verdict;
pub mod web;
