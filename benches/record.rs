//! What it costs to record an attempt, and to judge it before.
#![expect(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to measure")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tokenstorm::{
    client::{
        attempt::{Attempt, Outcome, Step, Steps},
        verdict::{Judge, Validity},
    },
    record::measure::Measurements,
    scenario::{PolicySettings, Protocol},
    token::{Must, policy::Policy},
};

fn attempt(n: u64) -> Attempt {
    let scheduled = n * 10_000;
    let started = scheduled + 20_000 + n % 1000;
    let tcp = started + 15_000 + n % 777;
    let ended = tcp + 200_000 + n % 54_321;
    Attempt {
        turn: 0,
        token_turn: 0,
        client: n,
        minted_for: 0,
        kind: (n % 4) as usize,
        key: None,
        broker: 0,
        scheduled,
        started,
        opened: started,
        read: None,
        sent: tcp,
        steps: Steps { tcp: Step::At(tcp), connack: Step::At(ended), ..Steps::default() },
        ended,
        outcome: if n.is_multiple_of(4) { Outcome::Refused(0x87) } else { Outcome::Accepted },
    }
}

fn record(criterion: &mut Criterion) {
    let policy =
        Policy::resolve("strict", std::path::Path::new("."), &PolicySettings::default(), vec![])
            .unwrap();
    let judge = Judge::new(&policy, Protocol::V5, Duration::ZERO);
    let validity = Validity { from: i64::MIN, until: i64::MAX };
    let mut n = 0;
    criterion.bench_function("judge", |bencher| {
        bencher.iter(|| {
            n += 1;
            let attempt = attempt(n);
            let expected =
                judge.expectation(Must::AcceptInTime, validity, attempt.started, attempt.ended);
            judge.verdict(expected, attempt.outcome)
        });
    });
    let mut recorder = Measurements::new(4, 1);
    criterion.bench_function("judge and record", |bencher| {
        bencher.iter(|| {
            n += 1;
            let attempt = attempt(n);
            let expected =
                judge.expectation(Must::AcceptInTime, validity, attempt.started, attempt.ended);
            let verdict = judge.verdict(expected, attempt.outcome);
            recorder.start(attempt.started, attempt.scheduled);
            recorder.record(&attempt, expected, verdict, attempt.scheduled, 0);
        });
    });
    let full = recorder.clone();
    criterion.bench_function("merge a second of four kinds", |bencher| {
        let mut all = Measurements::new(4, 1);
        bencher.iter(|| all.merge(&full));
    });
}

criterion_group!(benches, record);
criterion_main!(benches);
