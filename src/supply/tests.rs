//! The supply as workers see it.

use super::*;
use crate::{
    base::{clock::SECOND, host::Limits},
    plan::loaded,
};

/// When the storms of these tests start: so late that every token is minted before.
const START: u64 = 1000 * SECOND;

fn plan(load: &str, token: &str) -> Arc<Plan> {
    let text = format!(
        r#"
name = "supply"
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
hold = "0s"
{load}
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[token]
{token}
[[mix]]
token = "fresh"
share = 3
[[mix]]
token = "expired"
share = 1
"#
    );
    Arc::new(Plan::new(&loaded(&text), &Limits::read()).unwrap())
}

fn start(plan: &Arc<Plan>, ahead: u64, workers: usize) -> (Supply, Vec<Outlet>, Clock) {
    let clock = Clock::start();
    let signals: Vec<Arc<Signal>> =
        (0..workers).map(|_| Arc::new(Signal::new().unwrap())).collect();
    let (supply, outlets) = Supply::start(plan, clock, START, ahead, &signals).unwrap();
    (supply, outlets, clock)
}

/// All tokens of all workers, each taken by a thread of its own, as workers do.
fn all_of(outlets: &mut [Outlet]) -> Vec<Vec<(Ready, Vec<u8>)>> {
    thread::scope(|scope| {
        let takers: Vec<_> = outlets.iter_mut().map(|outlet| scope.spawn(|| all(outlet))).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    })
}

/// All tokens of a worker, waiting for each.
fn all(outlet: &mut Outlet) -> Vec<(Ready, Vec<u8>)> {
    let mut tokens = Vec::new();
    loop {
        match outlet.stock() {
            Stock::Ready => {
                let (ready, bytes) = outlet.take().unwrap();
                tokens.push((ready, bytes.to_vec()));
            }
            Stock::Pending => thread::yield_now(),
            Stock::Exhausted => return tokens,
        }
    }
}

#[test]
fn every_worker_gets_the_tokens_of_its_clients_in_order_and_of_their_kind() {
    let plan = plan("clients = 1003\nconcurrency = 7", "");
    let (supply, mut outlets, _) = start(&plan, 64, 3);
    for (number, tokens) in all_of(&mut outlets).into_iter().enumerate() {
        let clients: Vec<u64> = tokens
            .into_iter()
            .map(|(ready, _)| {
                assert_eq!(ready.kind, plan.kind_of(ready.bearer.client));
                ready.bearer.client
            })
            .collect();
        let expected: Vec<u64> = (0..1003).filter(|client| client % 3 == number as u64).collect();
        assert_eq!(clients, expected);
    }
    assert_eq!(supply.minted(), 1003);
    drop(outlets);
    supply.stop();
}

#[test]
fn no_more_is_minted_ahead_than_asked_for_and_a_batch_a_lane() {
    let plan = plan("clients = 1000000\nconcurrency = 1", "");
    let (supply, outlets, _) = start(&plan, 1000, 1);
    while !supply.is_ready() {
        thread::yield_now();
    }
    // Nobody takes a token: every thread ends up waiting for room, whatever time it is given.
    let lanes = thread::available_parallelism().unwrap().get() as u64;
    let most = 1000 + lanes * 3 * BATCH;
    for _ in 0..1000 {
        thread::yield_now();
        assert!(supply.minted() <= most, "{} minted, {most} allowed", supply.minted());
    }
    drop(outlets);
    supply.stop();
}

#[test]
fn tokens_of_the_open_model_are_minted_for_the_moment_the_schedule_says() {
    let plan =
        plan("arrivals = \"constant\"\nstages = [{ rate = 10, for = \"100s\" }]", "ttl = \"10s\"");
    let (supply, mut outlets, clock) = start(&plan, 2000, 1);
    for ((ready, _), due) in all(&mut outlets[0]).into_iter().zip(plan.schedule().unwrap()) {
        let use_at = clock.wall(START + due);
        let ttl = 10 * SECOND as i64;
        if plan.mould.kinds[ready.kind].label == "fresh" {
            let exp = ready.times.exp.unwrap();
            assert!(
                exp <= use_at + ttl && exp > use_at + ttl - SECOND as i64,
                "minted long before its use"
            );
        }
    }
    drop(outlets);
    supply.stop();
}

#[test]
fn a_reused_token_is_minted_for_the_first_of_its_group_whoever_mints_it() {
    // Groups of ten and batches of sixteen: the first to come to a group is often not its first client.
    let plan =
        plan("arrivals = \"constant\"\nstages = [{ rate = 10, for = \"100s\" }]", "reuse = 10");
    let (supply, mut outlets, clock) = start(&plan, 2000, 1);
    let dues: Vec<u64> = plan.schedule().unwrap().collect();
    for (ready, _) in all(&mut outlets[0]) {
        let first = dues[(ready.bearer.client / 10 * 10) as usize];
        assert_eq!(ready.minted_for, clock.wall(START + first), "client {}", ready.bearer.client);
    }
    drop(outlets);
    supply.stop();
}

#[test]
fn a_worker_that_takes_nothing_does_not_keep_another_from_its_tokens() {
    let plan = plan("clients = 4000\nconcurrency = 4", "");
    let (supply, mut outlets, _) = start(&plan, 64, 2);
    let mut taken = 0;
    while taken < 2000 {
        match outlets[1].stock() {
            Stock::Ready => taken += outlets[1].take().iter().len(),
            Stock::Pending => thread::yield_now(),
            Stock::Exhausted => panic!("{taken} tokens only"),
        }
    }
    drop(outlets);
    supply.stop();
}

#[test]
fn a_worker_that_ends_early_does_not_end_the_minting_for_another() {
    let open = "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"40s\" }]";
    for load in [open, "clients = 4000\nconcurrency = 4"] {
        let plan = plan(load, "");
        let (supply, mut outlets, _) = start(&plan, 64, 2);
        let mut second = outlets.pop().unwrap();
        drop(outlets);
        let clients: Vec<u64> =
            all(&mut second).into_iter().map(|(ready, _)| ready.bearer.client).collect();
        assert_eq!(clients, (0..4000).filter(|client| client % 2 == 1).collect::<Vec<_>>());
        drop(second);
        supply.stop();
    }
}

#[test]
fn a_token_that_comes_late_is_minted_for_now_and_not_for_the_past() {
    let plan = plan("arrivals = \"constant\"\nstages = [{ rate = 10, for = \"10s\" }]", "");
    let clock = Clock::start();
    let signal = Arc::new(Signal::new().unwrap());
    while clock.now() < SECOND / 2 {
        thread::yield_now();
    }
    // The storm began half a second ago.
    let (supply, mut outlets) = Supply::start(&plan, clock, 0, 100, &[signal]).unwrap();
    let dues: Vec<u64> = plan.schedule().unwrap().collect();
    for (ready, _) in all(&mut outlets[0]) {
        let due = dues[ready.bearer.client as usize];
        let earliest = clock.wall(due.max(SECOND / 2));
        assert!(ready.minted_for >= earliest, "client {}", ready.bearer.client);
    }
    drop(outlets);
    supply.stop();
}

#[test]
fn a_reused_token_is_the_same_for_its_group_and_another_for_the_next() {
    let plan = plan("clients = 100\nconcurrency = 4", "reuse = 10");
    let (supply, mut outlets, _) = start(&plan, 100, 2);
    let mut tokens: Vec<(u64, Vec<u8>)> = Vec::new();
    for taken in all_of(&mut outlets) {
        tokens.extend(taken.into_iter().map(|(ready, bytes)| (ready.bearer.client, bytes)));
    }
    tokens.sort();
    let distinct: std::collections::HashSet<&Vec<u8>> =
        tokens.iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(distinct.len(), 10);
    for (client, bytes) in &tokens {
        assert_eq!(bytes, &tokens[(client / 10 * 10) as usize].1, "client {client}");
    }
    drop(outlets);
    supply.stop();
}
