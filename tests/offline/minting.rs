//! Minted tokens as a verifier sees them: good ones verify, each defect is wrong in its own way.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::Value;
use tokenstorm::{
    base::{clock::SECOND, host::Limits},
    plan::Plan,
    token::{Minter, Password, Times, key::public::PublicForm},
};

use crate::loaded;

/// Kinds that a mix may hold under the policy below, each wrong in a way that can be told from its JSON.
const KINDS: [&str; 12] = [
    "fresh",
    "expired",
    "not_yet_valid",
    "no_exp",
    "wrong_key",
    "tampered_payload",
    "signature_stripped",
    "alg_none",
    "alg_confusion",
    "unknown_kid",
    "wrong_issuer",
    "stolen",
];

/// A plan whose mix has all of them.
fn plan() -> Plan {
    let mut text = String::from(
        r#"
name = "all"
[target]
brokers = ["mqtt://127.0.0.1"]
[load]
clients = 10
concurrency = 1
[keys.main]
algorithm = "RS256"
private_key = "rsa.pkcs8.pem"
kid = "main"
[token]
ttl = "90s"
[token.claims]
iss = "us"
aud = "mqtt"
sub = "{client_id}"
[policy]
checks = ["exp", "nbf", "iss", "aud"]
binds = ["sub"]
"#,
    );
    for kind in KINDS {
        text.extend(["[[mix]]\ntoken = \"", kind, "\"\nshare = 1\n"]);
    }
    Plan::new(&loaded(&text), &Limits::read()).unwrap()
}

struct Minted {
    header: Value,
    claims: Value,
    is_signed: bool,
    times: Times,
}

fn mint(plan: &Plan, name: &str, client: u64, at: i64) -> Minted {
    let kind = plan.mould.kinds.iter().position(|kind| kind.label == name).unwrap();
    let mut out = Vec::new();
    let (password, times) =
        Minter::new(&plan.mould).unwrap().mint(kind, client, at, &mut out).unwrap();
    assert_eq!(password, Password::Given);
    let text = String::from_utf8(out).unwrap();
    let segments: Vec<&str> = text.split('.').collect();
    let json =
        |segment: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap();
    let message = format!("{}.{}", segments[0], segments[1]);
    let signature = URL_SAFE_NO_PAD.decode(segments[2]).unwrap();
    let is_signed =
        plan.mould.keys[0].verifier().unwrap().verify(message.as_bytes(), &signature).is_ok();
    Minted { header: json(segments[0]), claims: json(segments[1]), is_signed, times }
}

const NOW: i64 = 1_800_000_000 * SECOND as i64;

#[test]
fn every_kind_is_wrong_in_its_own_way_and_in_no_other() {
    let plan = plan();
    let good = mint(&plan, "fresh", 3, NOW);
    assert!(good.is_signed);
    assert_eq!(good.claims["sub"], "storm-3");
    for name in KINDS {
        let token = mint(&plan, name, 3, NOW);
        let differs = |claim: &str| token.claims.get(claim) != good.claims.get(claim);
        let changed: Vec<&str> = ["iss", "aud", "sub", "iat", "exp", "nbf", "jti"]
            .into_iter()
            .filter(|claim| differs(claim))
            .collect();
        let (expected, is_signed): (&[&str], bool) = match name {
            "fresh" | "unknown_kid" => (&[], true),
            "expired" => (&["iat", "exp"], true),
            "not_yet_valid" => (&["exp", "nbf"], true),
            "no_exp" => (&["exp"], true),
            "wrong_issuer" => (&["iss"], true),
            "stolen" => (&["sub"], true),
            "tampered_payload" => (&["jti"], false),
            "wrong_key" | "signature_stripped" | "alg_none" | "alg_confusion" => (&[], false),
            other => panic!("`{other}` is new: say here how it differs from a good token"),
        };
        assert_eq!(changed, expected, "{name}");
        assert_eq!(token.is_signed, is_signed, "{name}");
        let algorithm = match name {
            "alg_none" => "none",
            "alg_confusion" => "HS256",
            _ => "RS256",
        };
        assert_eq!(token.header["alg"], algorithm, "{name}");
        assert_eq!(token.header["kid"] == "main", name != "unknown_kid", "{name}");
    }
}

#[test]
fn a_confused_token_verifies_under_the_public_key_as_a_secret() {
    let plan = plan();
    let kind = plan.mould.kinds.iter().position(|kind| kind.label == "alg_confusion").unwrap();
    let mut out = Vec::new();
    Minter::new(&plan.mould).unwrap().mint(kind, 0, NOW, &mut out).unwrap();
    let at = out.iter().rposition(|byte| *byte == b'.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(&out[at + 1..]).unwrap();
    let confused = plan.mould.keys[0].confused(PublicForm::Pem).unwrap();
    assert!(confused.verifier().unwrap().verify(&out[..at], &signature).is_ok());
}

#[test]
fn clients_have_token_ids_of_their_own() {
    let plan = plan();
    let ids: std::collections::HashSet<String> =
        (0..50).map(|client| mint(&plan, "fresh", client, NOW).claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // For all moments of use: what a kind claims about time holds at that very moment.
    #[test]
    fn times_hold_at_the_moment_of_use(at in 1_000_000_000_i64..4_000_000_000, fraction in 0..SECOND as i64) {
        let plan = plan();
        let (at, hour) = (at * SECOND as i64 + fraction, 3600 * SECOND as i64);
        let fresh = mint(&plan, "fresh", 0, at);
        let iat = fresh.claims["iat"].as_i64().unwrap() * SECOND as i64;
        prop_assert!(iat <= at && at - iat < SECOND as i64);
        prop_assert!(fresh.times.exp.unwrap() > at);
        prop_assert_eq!(fresh.times.exp.unwrap(), fresh.claims["exp"].as_i64().unwrap() * SECOND as i64);
        prop_assert!(mint(&plan, "expired", 0, at).times.exp.unwrap() <= at - hour);
        let early = mint(&plan, "not_yet_valid", 0, at);
        prop_assert!(early.times.nbf.unwrap() >= at + hour && early.times.exp > early.times.nbf);
    }
}
