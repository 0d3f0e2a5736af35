//! Whole runs of the program, as its user starts it: against the embedded broker, which is a real
//! one, and against servers that misbehave on demand, which no real one does.
#![expect(clippy::unwrap_used, reason = "a test that can't set up has failed")]

mod answers;
#[cfg(feature = "embedded")]
mod bound;
mod changed;
#[cfg(feature = "embedded")]
mod cluster;
mod command_line;
mod compared;
mod conserved;
#[cfg(feature = "embedded")]
mod contest;
#[cfg(feature = "embedded")]
mod dying;
#[cfg(feature = "embedded")]
mod early;
mod enhanced;
mod expiry;
mod faults;
mod fetches;
#[cfg(feature = "embedded")]
mod first;
#[cfg(feature = "embedded")]
mod floods;
mod folder;
mod gone;
mod hostile_idp;
mod issued;
mod judged;
#[cfg(feature = "embedded")]
mod key_sets;
mod keys;
mod killed;
#[cfg(feature = "embedded")]
mod killers;
#[cfg(feature = "embedded")]
mod known;
#[cfg(feature = "embedded")]
mod layered;
#[cfg(feature = "embedded")]
mod layers;
mod load;
mod matrix;
mod monitored;
mod mortal;
mod oauth;
#[cfg(feature = "embedded")]
mod own_broker;
mod probed;
mod process;
mod prometheus;
mod reauth;
mod refreshed;
mod returns;
#[cfg(feature = "embedded")]
mod rotation;
mod run;
mod series;
mod server;
#[cfg(feature = "embedded")]
mod servers;
mod sessions;
#[cfg(feature = "embedded")]
mod soak;
#[cfg(feature = "embedded")]
mod templates;
mod token_file;
mod tokens;
#[cfg(feature = "embedded")]
mod trust;
mod unmeasured;
mod unwritten;
mod waves;
mod web;
mod withdrawn;
