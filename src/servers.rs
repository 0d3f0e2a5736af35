//! What the program can bring along: a broker, an authorization server, a canary. Uses `base`, `scenario`, `token`,
//! `plan`, `client`, `record`.

pub mod broker;
pub mod canary;
pub mod issuer;
