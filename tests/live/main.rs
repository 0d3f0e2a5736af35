//! Whole runs against brokers that others made, started by `scripts/broker`. They need root (or `sudo`) for
//! packages, and one another's brokers: `scripts/test-live` runs them, one after the other.
#![expect(clippy::unwrap_used, reason = "a test that can't set up has failed")]

mod artemis;
mod bound;
mod broker;
mod builds;
mod cluster;
mod dying;
mod enhanced;
#[cfg(feature = "embedded")]
mod fleet;
#[cfg(feature = "embedded")]
mod forged;
mod gateway;
mod hivemq;
mod hosts;
#[cfg(feature = "embedded")]
mod keycloak;
mod keys;
#[path = "../storm/layered.rs"]
#[cfg(feature = "embedded")]
mod layered;
mod lifetime;
mod matrix;
#[path = "../storm/mortal.rs"]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
mod mortal;
mod names;
mod operator;
mod prometheus;
#[cfg(feature = "embedded")]
mod refreshed;
mod report;
#[path = "../storm/run.rs"]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
mod run;
#[path = "../storm/server.rs"]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
mod server;
#[cfg(feature = "embedded")]
mod small_buffers;
mod tls;
mod verdicts;
mod verifier;
mod websocket;
