//! Ground: words, time, errors, files that come along, releases, this host, web, TLS, the bus, processes. Uses nothing else of the program.

pub mod bus;
pub mod clock;
pub mod error;
pub mod host;
pub mod launch;
pub mod numbers;
pub mod release;
pub mod shell;
pub mod shipped;
pub mod threads;
pub mod tls;
pub mod web;
pub mod window;
pub mod words;
