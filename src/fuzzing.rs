//! What is done with bytes of strangers when they are tried out by the million. Uses `base`, `scenario`, `token`, `plan`,
//! `client`, `record`, `supply`, `report`, `campaign`.
//!
//! One function a parser (`fuzz/`, `scripts/fuzz`), each with more to hold than that it does not panic. `tests/offline/fuzzed.rs`
//! runs them over the seeds and over every input that ever failed.

mod files;
mod keys;
mod packets;
mod web;
mod wire;

/// What is done with an input.
pub type Body = fn(&[u8]);

/// All of them, by the names of their binaries under `fuzz/fuzz_targets/`.
pub const TARGETS: &[(&str, Body)] = &[
    ("connack", packets::connack),
    ("session", packets::session),
    ("websocket", packets::websocket),
    ("message", wire::message),
    ("interval", wire::interval),
    ("jwk", keys::jwk),
    ("pem", keys::pem),
    ("key_set", web::key_set),
    ("discovery", web::discovery),
    ("token_answer", web::token_answer),
    ("token", web::token),
    ("scenario", files::scenario),
    ("profile", files::profile),
    ("run_folder", files::run_folder),
    ("known", files::known),
];

/// Runs the target of that name; nothing where there is none.
pub fn run(name: &str, input: &[u8]) {
    if let Some((_, body)) = TARGETS.iter().find(|(known, _)| *known == name) {
        body(input);
    }
}

/// The first byte of an input, which chooses, and the rest of it.
fn choice(input: &[u8]) -> (u8, &[u8]) {
    input.split_first().map_or((0, input), |(first, rest)| (*first, rest))
}
