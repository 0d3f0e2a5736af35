//! What it costs a coordinator to read and merge what a hundred agents saw in a second, and an agent to write its own.
#![expect(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to measure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tokenstorm::{
    client::{
        attempt::{Attempt, Outcome, Step, Steps},
        verdict::{Expectation, Verdict},
    },
    record::measure::{
        Measurements,
        wire::{Decoder, Encoder},
    },
};

const AGENTS: u64 = 100;
/// Kinds of token and brokers: ten histograms of a kind and answer at each.
const KINDS: u64 = 2;
const BROKERS: u64 = 3;

fn attempt(n: u64) -> Attempt {
    // Spread as those of a loaded broker: most below a millisecond, some far above.
    let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let scheduled = n * 200_000;
    let started = scheduled + 20_000 + noise % 50_000;
    let tcp = started + 40_000 + noise % 90_000;
    let slow = if n.is_multiple_of(50) { 20_000_000 } else { 0 };
    let ended = tcp + 200_000 + noise % 900_000 + slow;
    Attempt {
        turn: 0,
        token_turn: 0,
        client: n,
        minted_for: 0,
        kind: (n % KINDS) as usize,
        key: None,
        broker: (n / KINDS % BROKERS) as usize,
        scheduled,
        started,
        opened: started,
        read: None,
        sent: tcp,
        steps: Steps { tcp: Step::At(tcp), connack: Step::At(ended), ..Steps::default() },
        ended,
        outcome: if n.is_multiple_of(2) { Outcome::Accepted } else { Outcome::Refused(0x87) },
    }
}

/// A second of an agent that drives so many attempts in it.
fn second(agent: u64, attempts: u64) -> Measurements {
    let mut seen = Measurements::new(KINDS as usize, BROKERS as usize);
    for n in agent * attempts..(agent + 1) * attempts {
        let attempt = attempt(n);
        seen.start(attempt.started, attempt.scheduled);
        seen.record(&attempt, Expectation::Accept, Verdict::Correct, 0, 0);
    }
    seen
}

fn merge(criterion: &mut Criterion) {
    for attempts in [500, 5000] {
        let seen = second(0, attempts);
        let mut encoder = Encoder::default();
        criterion.bench_function(&format!("write a second of {attempts} attempts"), |bencher| {
            bencher.iter(|| encoder.encode(&seen).unwrap());
        });
        let sent: Vec<Vec<u8>> =
            (0..AGENTS).map(|agent| encoder.encode(&second(agent, attempts)).unwrap()).collect();
        let mut decoder = Decoder::default();
        let all = seen.alike();
        criterion.bench_function(
            &format!("read and merge {AGENTS} agents' seconds of {attempts} attempts"),
            |bencher| {
                bencher.iter_batched(
                    || (all.alike(), all.alike()),
                    |(mut whole, mut of_second)| {
                        for bytes in &sent {
                            let mut read = all.alike();
                            decoder.decode(bytes, &mut read).unwrap();
                            read.moved(1_000_000_000);
                            of_second.merge(&read);
                        }
                        whole.merge(&of_second);
                        (whole, of_second)
                    },
                    BatchSize::PerIteration,
                );
            },
        );
        let bytes = sent.iter().map(Vec::len).sum::<usize>() / sent.len();
        #[expect(clippy::print_stderr, reason = "the size is a result as well")]
        {
            eprintln!("{bytes} bytes a second and agent of {attempts} attempts");
        }
    }
}

criterion_group!(benches, merge);
criterion_main!(benches);
