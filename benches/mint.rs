//! What a token costs: minting per algorithm as a run does it.
#![expect(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to measure")]

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokenstorm::{
    base::host::Limits,
    plan::Plan,
    scenario::{Loaded, Overrides, parse},
    token::Minter,
};

const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

fn plan(algorithm: &str) -> Plan {
    let text = format!(
        r#"
name = "bench"
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
clients = 1000
concurrency = 1
hold = "0s"
[keys.main]
algorithm = "{algorithm}"
generate = true
kid = "main"
[token.claims]
iss = "https://issuer.example"
aud = "mqtt"
sub = "{{client_id}}"
clientid = "{{client_id}}"
username = "{{username}}"
[[mix]]
token = "fresh"
share = 1
"#
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    Plan::new(&Loaded::new(Path::new("bench.toml"), scenario), &Limits::read()).unwrap()
}

fn mint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mint");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for algorithm in ALGORITHMS {
        let plan = plan(algorithm);
        let mut minter = Minter::new(&plan.mould).unwrap();
        let (mut out, mut client) = (Vec::new(), 0);
        group.bench_function(algorithm, |bencher| {
            bencher.iter(|| {
                out.clear();
                client += 1;
                minter.mint(0, client, 1_800_000_000_000_000_000, &mut out).unwrap()
            });
        });
    }
}

criterion_group!(benches, mint);
criterion_main!(benches);
