//! What must not depend on the number and the lengths of a client's names.

use std::collections::{BTreeMap, BTreeSet};

use tokenstorm::{
    base::host::Limits,
    plan::{Plan, cells::Ask},
    token::{Minter, placing::Scratch},
};

use super::given::{Given, NOW, hmac, holds};

#[test]
fn no_two_clients_of_a_matrix_have_one_client_id() {
    let ask = Ask { repeat: 3, background: Some(50.0), ..Ask::default() };
    for (claims, binds) in [(Given::default().claims, true), ("iss = \"us\"\n".to_owned(), false)] {
        let mut loaded = Given { claims, ..Given::default() }.loaded();
        loaded.scenario.target.brokers.push("mqtt://127.0.0.2".into());
        let plan = Plan::matrix(&loaded, &Limits::read(), &ask).unwrap();
        let mut minter = Minter::new(&plan.mould).unwrap();
        let mut scratch = Scratch::default();
        let mut seen = BTreeSet::new();
        for n in 0..plan.attempts {
            let at = plan.kind_of(n);
            let kind = &plan.mould.kinds[at];
            let mut token = Vec::new();
            let (password, _) = minter.mint(at, n, NOW, &mut token).unwrap();
            let names = &plan.mould.names;
            let given = (password, plan.mould.shown(&token));
            let brought = scratch.fields(names, &kind.recipe, plan.token_in, n, given);
            // One that has none is given one by the broker.
            let client_id = brought.client_id.to_vec();
            assert!(
                client_id.is_empty() || seen.insert(client_id),
                "`{}` of client {n}",
                kind.label
            );
        }
        assert!(seen.iter().any(|id| id.starts_with(b"${username}-")) || !binds);
    }
}

#[test]
fn what_is_wrong_with_the_encoding_looks_alike_whatever_the_lengths_of_ids() {
    // Number of `=` and length modulo 4 of each segment: what lenient decoders stumble over or not.
    let mut shapes: BTreeMap<&str, BTreeSet<Vec<(usize, usize)>>> = BTreeMap::new();
    for length in 0..12 {
        let given = Given {
            client_id: format!("{}-{{n}}", "c".repeat(length)),
            keys: hmac(
                "HS256",
                "0123456789abcdef0123456789abcdef",
                &format!("kid = \"{}\"", "m".repeat(length + 1)),
            ),
            ..Given::default()
        };
        let plan = given.plan();
        holds(&plan);
        let mut minter = Minter::new(&plan.mould).unwrap();
        for (at, kind) in plan.mould.kinds.iter().enumerate() {
            let of_header = ["padded_header", "loose_bits_header"].contains(&kind.defect.name);
            let of_payload = ["padded_payload", "loose_bits_payload"].contains(&kind.defect.name)
                || kind.defect.name.ends_with("_inside");
            if !of_header && !of_payload {
                continue;
            }
            for n in [0, 10, 100, 1000] {
                let mut token = Vec::new();
                minter.mint(at, n, NOW, &mut token).unwrap();
                let text = String::from_utf8(token).unwrap();
                let segment = text.split('.').nth(usize::from(of_payload)).unwrap();
                let padding = segment.matches('=').count();
                shapes
                    .entry(kind.defect.name)
                    .or_default()
                    .insert(vec![(padding, segment.len() % 4)]);
            }
        }
    }
    assert_eq!(shapes.len(), 8);
    for (name, shapes) in &shapes {
        assert_eq!(shapes.len(), 1, "{name}: {shapes:?}");
    }
    assert_eq!(shapes["padded_header"], [vec![(2, 0)]].into());
    assert_eq!(shapes["padded_payload"], [vec![(2, 0)]].into());
}

#[test]
fn the_padding_of_a_signature_is_what_its_length_asks_for() {
    for (algorithm, padding) in
        [("HS256", Some(1)), ("HS512", Some(2)), ("HS384", None), ("ES384", None)]
    {
        let keys = if algorithm.starts_with("HS") {
            hmac(algorithm, "0123456789abcdef0123456789abcdef", "")
        } else {
            format!("[keys.main]\nalgorithm = \"{algorithm}\"\ngenerate = true\n")
        };
        let plan = Given { keys, ..Given::default() }.plan();
        let at = plan.mould.kinds.iter().position(|kind| kind.defect.name == "padded_signature");
        assert_eq!(at.is_some(), padding.is_some(), "{algorithm}");
        if let (Some(at), Some(padding)) = (at, padding) {
            let mut token = Vec::new();
            Minter::new(&plan.mould).unwrap().mint(at, 7, NOW, &mut token).unwrap();
            let padded = token.iter().rev().take_while(|byte| **byte == b'=').count();
            assert_eq!(padded, padding, "{algorithm}");
        }
    }
}
