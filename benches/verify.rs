//! The local yardstick: what one core of this host verifies with `jsonwebtoken`, signature and claims, per algorithm and
//! size of the key; tokens that are good, that have ended and that were tampered with; with a key that is parsed once, and
//! with one that is parsed for each token, as a verifier does that keeps none.
#![expect(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to measure")]

use std::{hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jsonwebtoken::{Validation, decode};
use tokenstorm::{
    base::host::Limits,
    plan::Plan,
    scenario::{Loaded, Overrides, parse},
    token::{
        Minter,
        key::{decoding, jwt_algorithm},
    },
};

/// Algorithms, and for RSA the bits of the key.
const KEYS: [(&str, Option<u16>); 16] = [
    ("HS256", None),
    ("HS384", None),
    ("HS512", None),
    ("RS256", Some(2048)),
    ("RS256", Some(3072)),
    ("RS256", Some(4096)),
    ("RS384", Some(2048)),
    ("RS512", Some(2048)),
    ("PS256", Some(2048)),
    ("PS256", Some(3072)),
    ("PS256", Some(4096)),
    ("PS384", Some(2048)),
    ("PS512", Some(2048)),
    ("ES256", None),
    ("ES384", None),
    ("EdDSA", None),
];

/// The moment of use: 2100, so that a token of an hour is good whenever this runs.
const AT: i64 = 4_102_444_800 * 1_000_000_000;

fn plan(algorithm: &str, bits: Option<u16>) -> Plan {
    let bits = bits.map_or_else(String::new, |bits| format!("bits = {bits}"));
    let mix = ["fresh", "expired", "signature_bit_middle"]
        .map(|token| format!("[[mix]]\ntoken = \"{token}\"\nshare = 1\n"))
        .concat();
    let text = format!(
        r#"
name = "bench"
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
clients = 3
concurrency = 1
hold = "0s"
[keys.main]
algorithm = "{algorithm}"
generate = true
kid = "main"
{bits}
[token]
ttl = "1h"
[token.claims]
iss = "https://issuer.example"
aud = "mqtt"
sub = "{{client_id}}"
clientid = "{{client_id}}"
username = "{{username}}"
{mix}
"#
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    let loaded = Loaded::new(Path::new("bench.toml"), scenario);
    Plan::new(&loaded, &Limits::read()).unwrap()
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (algorithm, bits) in KEYS {
        let plan = plan(algorithm, bits);
        let key = &plan.mould.keys[0];
        let mut minter = Minter::new(&plan.mould).unwrap();
        let mut token = |kind: usize, at: i64| {
            let mut out = Vec::new();
            minter.mint(kind, 0, at, &mut out).unwrap();
            out
        };
        // `jsonwebtoken` compares with today: a token of 2000 has ended, one of 2100 has not.
        let (good, ended, tampered) =
            (token(0, AT), token(0, AT - 100 * 365 * 86_400 * 1_000_000_000), token(2, AT));
        let mut validation = Validation::new(jwt_algorithm(key.algorithm));
        validation.set_audience(&["mqtt"]);
        validation.set_issuer(&["https://issuer.example"]);
        let parsed = decoding(&key.verifying(), key.algorithm).unwrap();
        let is_good = |token: &[u8]| {
            decode::<serde_json::Value>(black_box(token), &parsed, &validation).is_ok()
        };
        assert!(is_good(&good) && !is_good(&ended) && !is_good(&tampered), "{algorithm}");
        let name = bits.map_or_else(|| algorithm.to_owned(), |bits| format!("{algorithm}-{bits}"));
        for (what, token) in [("good", &good), ("ended", &ended), ("tampered", &tampered)] {
            group.bench_function(format!("{name}/{what}"), |bencher| {
                bencher.iter(|| is_good(token));
            });
        }
        let verifying = key.verifying();
        group.bench_function(format!("{name}/good, key parsed anew"), |bencher| {
            bencher.iter(|| {
                let parsed = decoding(black_box(&verifying), key.algorithm).unwrap();
                decode::<serde_json::Value>(black_box(&good), &parsed, &validation).is_ok()
            });
        });
    }
}

criterion_group!(benches, verify);
criterion_main!(benches);
