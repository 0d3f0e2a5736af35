//! Orders and answers as a worker sees them.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    base::{clock::SECOND, host::Limits},
    plan::loaded,
    supply::Supply,
};

/// Longer than anything here takes: who waits for that long waits for ever.
const LONGEST: Duration = Duration::from_mins(1);

/// A source of one worker, and what mints for it.
struct Shop {
    plan: Arc<Plan>,
    clock: Clock,
    supply: Supply,
    source: TokenSource,
}

impl Shop {
    /// Opens one for a load; so many tokens are kept ready.
    fn open(load: &str, ahead: u64) -> Self {
        let text = format!(
            r#"
name = "orders"
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
hold = "0s"
{load}
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[token]
ttl = "200s"
[[mix]]
token = "fresh"
share = 1
"#
        );
        let plan = Arc::new(Plan::new(&loaded(&text), &Limits::read()).unwrap());
        let (clock, signal) = (Clock::start(), Arc::new(Signal::new().unwrap()));
        let signals = [Arc::clone(&signal)];
        let (supply, mut outlets) = Supply::start(&plan, clock, 0, ahead, &signals).unwrap();
        let source = TokenSource::new(&plan, clock, &signal, outlets.remove(0), (None, None));
        Self { plan, clock, supply, source }
    }

    fn order(&self, client: u64, turn: u32, at: u64) -> Order {
        let kind = self.plan.kind_of(client);
        let bearer = Bearer { client, turn };
        let ticket = client << 8 | u64::from(turn);
        Order { bearer, kind, at, deadline: u64::MAX, ticket, may_wait: false }
    }

    /// Waits until so many tokens are minted, and the next is there.
    fn is_ready(&mut self, minted: u64) {
        let begun = Instant::now();
        while self.supply.minted() < minted || !self.source.has_next() {
            assert!(begun.elapsed() < LONGEST, "{:?}", self.supply.failure());
            thread::yield_now();
        }
    }

    /// The next answer, waiting for it: ticket, bearer, moment of use, token.
    fn answer(&mut self) -> (u64, Bearer, i64, Vec<u8>) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LONGEST, "{:?}", self.supply.failure());
            match self.source.next_answer() {
                Some((ticket, Answer::Token(handed))) => {
                    let Ready { bearer, minted_for, .. } = handed.ready;
                    return (ticket, bearer, minted_for, handed.bytes.to_vec());
                }
                Some((ticket, other)) => panic!("{ticket}: {other:?}"),
                None => thread::yield_now(),
            }
        }
    }

    fn close(self) {
        drop(self.source);
        self.supply.stop();
    }
}

#[test]
fn first_turns_have_their_tokens_at_once_or_in_their_order() {
    let mut shop = Shop::open("clients = 500\nconcurrency = 1", 16);
    let (mut at_once, mut later) = (0, Vec::new());
    for client in 0..500 {
        let order = shop.order(client, 0, shop.clock.now());
        match shop.source.ask(order) {
            Some(Answer::Token(handed)) => {
                assert_eq!(handed.ready.bearer, order.bearer);
                assert!(later.is_empty(), "nobody goes before whoever waits");
                at_once += 1;
            }
            Some(other) => panic!("{other:?}"),
            None => later.push(order),
        }
    }
    for order in &later {
        let (ticket, bearer, ..) = shop.answer();
        assert_eq!((ticket, bearer), (order.ticket, order.bearer));
    }
    assert_eq!(at_once + later.len(), 500);
    assert!(shop.source.next_answer().is_none());
    shop.close();
}

#[test]
fn a_token_that_has_lain_too_long_is_minted_again_to_order_for_the_moment_of_its_use() {
    let mut shop = Shop::open("clients = 50\nconcurrency = 1", 16);
    shop.is_ready(1);
    // It may lie for ten seconds.
    let at = shop.clock.now() + 30 * SECOND;
    let order = shop.order(0, 0, at);
    assert!(shop.source.ask(order).is_none(), "it is minted anew, and not here");
    let (ticket, bearer, minted_for, _) = shop.answer();
    assert_eq!((ticket, bearer, minted_for), (order.ticket, order.bearer, shop.clock.wall(at)));
    // The one that follows is as it was.
    let order = shop.order(1, 0, shop.clock.now());
    let Some(Answer::Token(handed)) = shop.source.ask(order) else { panic!("it is there") };
    assert_eq!(handed.ready.bearer, order.bearer);
    shop.close();
}

#[test]
fn later_turns_have_tokens_of_their_own_whatever_minting_threads_do_just_then() {
    let long = "clients = 1000000\nconcurrency = 1";
    let waves = "mode = \"preconnect\"\nclients = 4096\nwave = 2048";
    // They wait for room; they are done; they wait until they may mint for the next wave.
    for (load, ahead, minted) in
        [(long, 16, 16), ("clients = 3\nconcurrency = 1", 16, 3), (waves, 4096, 2048)]
    {
        let mut shop = Shop::open(load, ahead);
        shop.is_ready(minted);
        let order = shop.order(0, 0, shop.clock.now());
        let Some(Answer::Token(first)) = shop.source.ask(order) else { panic!("it is there") };
        let first = first.bytes.to_vec();
        for turn in 1..20 {
            let at = shop.clock.now() + SECOND;
            let order = shop.order(0, turn, at);
            assert!(shop.source.ask(order).is_none());
            let (ticket, bearer, minted_for, token) = shop.answer();
            assert_eq!((ticket, bearer), (order.ticket, order.bearer));
            assert_eq!(minted_for, shop.clock.wall(at));
            assert_ne!(token, first, "a token of its own");
        }
        shop.close();
    }
}

#[test]
fn nobody_mints_for_whoever_does_not_wait_any_more() {
    let mut shop = Shop::open("clients = 3\nconcurrency = 1", 16);
    shop.is_ready(3);
    let now = shop.clock.now();
    assert!(shop.source.ask(Order { deadline: now, ..shop.order(1, 1, now) }).is_none());
    // The one behind it is answered first.
    assert!(shop.source.ask(shop.order(2, 1, now)).is_none());
    assert_eq!(shop.answer().1, Bearer { client: 2, turn: 1 });
    assert!(shop.source.next_answer().is_none());
    shop.close();
}

#[test]
fn where_nobody_mints_an_order_is_answered_by_never() {
    let shop = Shop::open("clients = 50\nconcurrency = 1", 16);
    let signal = Arc::new(Signal::new().unwrap());
    let (supply, mut outlets) = Supply::none(&shop.plan, shop.clock, 1);
    let outlet = outlets.remove(0);
    let mut source = TokenSource::new(&shop.plan, shop.clock, &signal, outlet, (None, None));
    assert!(matches!(source.ask(shop.order(0, 0, 0)), Some(Answer::Never)));
    assert!(source.ask(shop.order(7, 1, 0)).is_none());
    assert!(matches!(source.next_answer(), Some((ticket, Answer::Never)) if ticket == 7 << 8 | 1));
    drop(source);
    supply.stop();
    shop.close();
}

#[test]
fn orders_that_may_wait_are_sent_together_and_do_not_wait_for_long() {
    let mut shop = Shop::open("clients = 200\nconcurrency = 1", 16);
    shop.is_ready(16);
    let order = |shop: &Shop, client| Order { may_wait: true, ..shop.order(client, 1, 0) };
    assert_eq!(shop.source.orders_due(), None);
    let before = shop.clock.now();
    assert!(shop.source.ask(order(&shop, 0)).is_none());
    let due = shop.source.orders_due().unwrap();
    assert!((before + GATHERING..=shop.clock.now() + GATHERING).contains(&due));
    assert!(shop.source.ask(order(&shop, 1)).is_none());
    assert!(shop.source.orders_due() <= Some(due), "it waits for no later one");
    assert_eq!(shop.answer().1.client + shop.answer().1.client, 1);
    assert!(shop.clock.now() >= due);
    // One that hurries takes them along.
    assert!(shop.source.ask(order(&shop, 2)).is_none());
    assert!(shop.source.ask(shop.order(3, 1, 0)).is_none());
    assert_eq!(shop.source.orders_due(), Some(0));
    shop.source.send_orders();
    assert_eq!(shop.source.orders_due(), None);
    for client in 4..4 + ORDERS_AT_ONCE as u64 {
        assert!(shop.source.ask(order(&shop, client)).is_none());
    }
    assert_eq!(shop.source.orders_due(), None, "enough have come together");
    shop.close();
}
