use std::{fs, path::Path};

use super::*;
use crate::client::{
    attempt::{Attempt, Outcome, Phase, Step, Steps},
    verdict::{Expectation, Verdict},
};

fn seeds() -> [(&'static str, Vec<u8>); 2] {
    let mut seen = Measurements::new(2, 2);
    let empty = Encoder::default().encode(&seen).unwrap();
    let outcomes = [
        Outcome::Accepted,
        Outcome::Refused(0x87),
        Outcome::Timeout(Phase::Connack),
        Outcome::TcpFailed("ECONNREFUSED"),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let scheduled = number as u64 * 1_000_000;
        let attempt = Attempt {
            client: number as u64,
            kind: number % 2,
            broker: number / 2,
            steps: Steps { tcp: Step::At(scheduled + 500), ..Steps::default() },
            sent: scheduled + 500,
            ended: scheduled + 900,
            ..Attempt::example(scheduled, outcome)
        };
        seen.start(attempt.started, attempt.scheduled);
        seen.record(&attempt, Expectation::Accept, Verdict::Correct, 0, 1_000_000_000);
    }
    [("empty", empty), ("four", Encoder::default().encode(&seen).unwrap())]
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/interval")
}

/// With this in the environment they are written anew.
const ANEW: &str = "TOKENSTORM_WRITES_SEEDS";

#[test]
fn seeds_of_intervals_can_be_read() {
    for (name, bytes) in seeds() {
        let file = folder().join(name);
        if std::env::var_os(ANEW).is_some() {
            fs::write(&file, bytes).unwrap();
        }
        let read = fs::read(&file).unwrap_or_default();
        let anew = format!("where the form has changed, `{ANEW}=yes` has them written anew");
        assert!(decoded(&read).is_some(), "fuzz/seeds/interval/{name}: {anew}");
    }
}
