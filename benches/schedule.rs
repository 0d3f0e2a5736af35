//! What it costs to know when the next attempt is due, and where it is bound to.
#![expect(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to measure")]

use std::{net::SocketAddr, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tokenstorm::{
    client::port::PortWalk,
    plan::schedule::{Rates, Schedule},
    scenario::{Arrivals, Stage},
};

fn schedule(criterion: &mut Criterion) {
    let stages = [
        Stage { rate: None, ramp_to: Some(1e6), r#for: Duration::from_secs(100) },
        Stage { rate: Some(1e6), ramp_to: None, r#for: Duration::from_secs(100_000) },
    ];
    let rates = Rates::resolve(&stages).unwrap();
    for (name, arrivals) in [("constant", Arrivals::Constant), ("poisson", Arrivals::Poisson)] {
        let mut schedule = Schedule::new(&rates, arrivals, 42, u64::MAX);
        criterion.bench_function(&format!("next {name} arrival"), |bencher| {
            bencher.iter(|| schedule.next());
        });
    }
    let target = SocketAddr::from(([127, 0, 0, 1], 1883));
    let mut walk = PortWalk::new(&[], target, &(32_768..=60_999), (0, 2), 1, 12_345);
    criterion.bench_function("next local port", |bencher| bencher.iter(|| walk.next(target)));
}

criterion_group!(benches, schedule);
criterion_main!(benches);
