use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    base::host::Limits,
    plan::{loaded, segment::Segment},
    token::{Minter, Occasion},
};

/// A plan with three kinds and three brokers.
fn plan(seed: u64, reuse: u64) -> Plan {
    let text = format!(
        r#"
name = "lives"
seed = {seed}
[target]
brokers = ["mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", "mqtt://127.0.0.1:3"]
weights = [1, 2, 3]
[load]
clients = 600
concurrency = 60
hold = "7s"
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[token]
reuse = {reuse}
[[mix]]
token = "fresh"
share = 3
[[mix]]
token = "expired"
share = 1
[[mix]]
token = "not_a_jwt"
share = 1
"#
    );
    Plan::new(&loaded(&text), &Limits::read()).unwrap()
}

/// What a turn of a client comes to: its life, what is drawn for it, and its token at a moment.
fn turn_of(plan: &Plan, minter: &mut Minter, client: u64, turn: u32) -> (Life, u64, Vec<u8>) {
    let life = plan.life(client);
    let mut token = Vec::new();
    minter
        .mint_for(
            (life.kind, 0),
            life.owner(turn),
            Occasion::of(1_800_000_000_000_000_000),
            &mut token,
        )
        .unwrap();
    (life, life.drawn(turn, 7).to_bits(), token)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For all seeds, weights and groups: the turns of all segments are those of the whole, each once and the same.
    #[test]
    fn the_turns_of_all_segments_are_the_turns_of_the_whole(
        seed in any::<u32>(),
        weights in prop::collection::vec(1_u64..9, 1..6),
        reuse in 1_u64..4,
        turns in 1_u32..4,
    ) {
        let whole = plan(u64::from(seed), reuse);
        let mut minter = Minter::new(&whole.mould).unwrap();
        let mut wanted = BTreeMap::new();
        for client in 0..whole.attempts {
            for turn in 0..turns {
                wanted.insert((client, turn), turn_of(&whole, &mut minter, client, turn));
            }
        }
        for index in 0..weights.len() {
            let segment = Segment::new(index, &weights, whole.mould.seed, reuse).unwrap();
            let part = whole.clone().segment(segment, &Limits::read()).unwrap();
            let mut minter = Minter::new(&part.mould).unwrap();
            for client in (0..part.attempts).map(|own| part.client(own)) {
                for turn in 0..turns {
                    let here = turn_of(&part, &mut minter, client, turn);
                    prop_assert_eq!(wanted.remove(&(client, turn)), Some(here));
                }
            }
        }
        prop_assert!(wanted.is_empty(), "{:?} are in no segment", wanted.keys());
    }
}

#[test]
fn a_client_keeps_its_life_from_turn_to_turn_and_its_tokens_and_draws_are_new() {
    let plan = plan(3, 1);
    let mut minter = Minter::new(&plan.mould).unwrap();
    for client in (0..600).filter(|client| plan.mould.kinds[plan.kind_of(*client)].key.is_some()) {
        let turns = [0, 1, 2].map(|turn| turn_of(&plan, &mut minter, client, turn));
        assert!(turns.iter().all(|(life, ..)| *life == plan.life(client)));
        assert_ne!(turns[0].1, turns[1].1, "what is drawn");
        assert_ne!(turns[1].1, turns[2].1);
        assert_ne!(turns[0].2, turns[1].2, "its token");
        assert_ne!(turns[1].2, turns[2].2);
        let mut first = Vec::new();
        minter.mint(turns[0].0.kind, client, 1_800_000_000_000_000_000, &mut first).unwrap();
        assert_eq!(first, turns[0].2, "the first turn is what a client was before it had turns");
        assert_eq!(turns[0].0.hold, Duration::from_secs(7));
    }
}
