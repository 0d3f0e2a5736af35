//! The whole catalogue, by every algorithm, as the oracle sees it: each token is wrong in the way it claims and in no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenstorm::{
    base::{
        clock::SECOND,
        host::Limits,
        tls::{
            made,
            settings::{Tls, TlsFiles},
        },
    },
    plan::{Plan, cells::Ask, examine::Reason},
    scenario::{Algorithm, Check, Loaded, Overrides, Scenario, TokenIn, parse},
    token::{Minter, catalogue::all},
};

/// An instant less than a year before `NOW`, and not after today.
const RECENT: i64 = 1_770_000_000;
const NOW: i64 = 1_800_000_000 * SECOND as i64 + 123_456_789;

fn scenario(algorithm: Algorithm, more: &str) -> Loaded {
    let text = format!(
        r#"
name = "catalogue"
[target]
brokers = ["mqtt://127.0.0.1"]
profile = "strict"
[load]
concurrency = 1
clients = 1
[identity]
client_id = "storm-{{n}}"
username = "user-{{n}}"
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
[policy]
checks = ["exp", "nbf", "iss", "aud", "typ", "iat"]
requires = ["exp"]
binds = ["clientid", "username"]
{more}
"#
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    Loaded::new(Path::new("catalogue.toml"), scenario)
}

/// Gives each client a certificate, and binds its tokens to that.
fn bind(scenario: &mut Scenario) {
    let authority = made::authority().unwrap();
    let held = TlsFiles {
        client_ca: Some(authority.pem()),
        client_ca_key: Some(authority.key().serialize_pem()),
        ..TlsFiles::default()
    };
    scenario.target.brokers = vec!["mqtts://127.0.0.1".into()];
    scenario.target.tls = Some(Tls {
        cert: Some("per_client".into()),
        client_ca: Some("ca.pem".into()),
        client_ca_key: Some("ca.key".into()),
        verify: Some(false),
        held,
        ..Tls::default()
    });
    let cnf = json!({ "x5t#S256": "{x5t_s256}" });
    scenario.token.claims.insert("cnf".into(), cnf);
    scenario.policy.checks.as_mut().unwrap().push(Check::Cnf);
    scenario.policy.requires.as_mut().unwrap().push("cnf".into());
}

/// Mints a token of each kind, and has it examined.
fn are_as_they_claim(plan: &Plan) {
    let mut minter = Minter::new(&plan.mould).unwrap();
    for kind in 0..plan.mould.kinds.len() {
        let mut token = Vec::new();
        let (password, _) = minter.mint(kind, 7, NOW, &mut token).unwrap();
        plan.examine((kind, 7), NOW, (password, plan.mould.shown(&token))).unwrap();
    }
}

fn plan(loaded: &Loaded) -> Plan {
    Plan::matrix(loaded, &Limits::read(), &Ask::default()).unwrap()
}

#[test]
fn tokens_of_a_longer_rsa_key_and_claims_that_differ_from_client_to_client_are_wrong_as_they_claim()
{
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("long.pem");
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out"])
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut loaded = scenario(Algorithm::RS256, "");
    let own = loaded.scenario.keys.get_mut("main").unwrap();
    (own.generate, own.private_key) = (false, Some(key));
    loaded.scenario.token.claims.insert("aud".into(), "{client_id}".into());
    loaded.scenario.policy.checks.as_mut().unwrap().retain(|check| *check != Check::Aud);
    let plan = plan(&loaded);
    are_as_they_claim(&plan);
    let has = |name: &str| plan.mould.kinds.iter().any(|kind| kind.defect.name == name);
    assert!(!has("loose_bits_signature"), "384 bytes leave no bits");
    assert!(!has("wrong_audience") && has("rsa_block_type"));
}

#[test]
fn every_token_of_every_algorithm_is_wrong_as_it_claims_and_in_no_other_way() {
    let mut wrong = Vec::new();
    let mut minted = BTreeSet::new();
    // One algorithm once more, with tokens as authentication data, and once bound to certificates.
    let by_data = (Algorithm::ES256, TokenIn::AuthData, false);
    let bound = (Algorithm::ES256, TokenIn::Password, true);
    let all_ways = Algorithm::ALL.map(|algorithm| (algorithm, TokenIn::Password, false));
    for (algorithm, token_in, is_bound) in all_ways.into_iter().chain([by_data, bound]) {
        let second = if algorithm.is_hmac() { "ES256" } else { "HS256" };
        let more =
            format!("[keys.other]\nalgorithm = \"{second}\"\ngenerate = true\nkid = \"other\"\n");
        let mut loaded = scenario(algorithm, &more);
        loaded.scenario.token.key = Some("main".into());
        loaded.scenario.target.token_in = Some(token_in);
        loaded.scenario.target.auth_method =
            (token_in == TokenIn::AuthData).then(|| "OAUTH2-JWT".into());
        if is_bound {
            bind(&mut loaded.scenario);
        }
        let plan = plan(&loaded);
        for skipped in &plan.cells.as_ref().unwrap().skipped {
            // Nothing in these scenarios coincides with what an entry uses.
            let is_of_catalogue = matches!(skipped.reason, Reason::Inapplicable(_));
            assert!(is_of_catalogue, "{algorithm}: {skipped:?}");
        }
        let mut minter = Minter::new(&plan.mould).unwrap();
        for kind in 0..plan.mould.kinds.len() {
            minted.insert(plan.mould.kinds[kind].defect.name);
            // Of several lengths, so that each segment ends in all the ways that base64url knows.
            for n in [0, 7, 42, 123_456] {
                let mut token = Vec::new();
                let (password, _) = minter.mint(kind, n, NOW, &mut token).unwrap();
                assert!(token.len() <= 65_535, "{}", plan.mould.kinds[kind].label);
                if let Err(error) =
                    plan.examine((kind, n), NOW, (password, plan.mould.shown(&token)))
                {
                    wrong.push(format!("{algorithm}: {error}"));
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What no single key shows: each entry is minted by some algorithm.
    let all: BTreeSet<&str> = all().map(|defect| defect.name).collect();
    assert_eq!(minted, all);
}

#[test]
fn the_documentation_says_how_many_entries_each_group_has() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/matrix.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for defect in all() {
        *counts.entry(defect.group_name()).or_default() += 1;
    }
    for (group, count) in &counts {
        let row = format!("| {group} | {count} | ");
        assert!(page.contains(&row), "docs/matrix.md has no row `{row}`");
    }
    let sum = format!("{} entries", counts.values().sum::<usize>());
    assert!(page.contains(&sum), "docs/matrix.md does not say `{sum}`");
}

/// The payload of the first token of a kind.
fn payload(plan: &Plan, defect: &str) -> serde_json::Value {
    let kind = plan.mould.kinds.iter().position(|kind| kind.defect.name == defect).unwrap();
    let mut token = Vec::new();
    Minter::new(&plan.mould).unwrap().mint(kind, 7, NOW, &mut token).unwrap();
    let text = String::from_utf8(token).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn moments_that_the_scenario_gives_stand_in_good_tokens_and_every_other_is_wrong_only_as_it_claims()
{
    let now = NOW / SECOND as i64;
    for (given, iat, nbf) in [
        (json!({ "nbf": "-10s", "iat": "-20s", "jti": "{client_id}-x" }), now - 20, now - 10),
        (json!({ "nbf": "now", "iat": "now", "jti": "x" }), now, now),
        (json!({ "nbf": 1_700_000_000, "iat": 1_700_000_000 }), 1_700_000_000, 1_700_000_000),
        (json!({ "nbf": 0, "iat": 0 }), 0, 0),
        // An instant a moment ago, after which no expired token can have begun.
        (json!({ "nbf": RECENT, "iat": RECENT }), RECENT, RECENT),
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::ES256] {
            let mut loaded = scenario(algorithm, "");
            loaded.scenario.policy.requires = Some(vec!["exp".into(), "nbf".into()]);
            let claims = &mut loaded.scenario.token.claims;
            claims.extend(given.as_object().unwrap().clone());
            let plan = plan(&loaded);
            let mut minter = Minter::new(&plan.mould).unwrap();
            for kind in 0..plan.mould.kinds.len() {
                let mut token = Vec::new();
                let (password, _) = minter.mint(kind, 7, NOW, &mut token).unwrap();
                plan.examine((kind, 7), NOW, (password, plan.mould.shown(&token)))
                    .unwrap_or_else(|error| panic!("{given}: {error}"));
            }
            let fresh = payload(&plan, "fresh");
            assert_eq!(
                (fresh["iat"].as_i64(), fresh["nbf"].as_i64()),
                (Some(iat), Some(nbf)),
                "{given}"
            );
            assert_eq!(fresh["exp"], now + 3600);
            if let Some(jti) = given["jti"].as_str() {
                assert_eq!(fresh["jti"], jti.replace("{client_id}", "storm-7"));
            }
            for (kind, name) in [("iat_absent", "iat"), ("jti_absent", "jti")] {
                assert!(payload(&plan, kind).get(name).is_none(), "{kind}");
            }
            assert_eq!(payload(&plan, "not_yet_valid")["nbf"], now + 3601);
            assert_eq!(payload(&plan, "iat_future")["iat"], now + 86_400);
            let expired = payload(&plan, "expired");
            assert!(expired["iat"].as_i64() <= expired["exp"].as_i64(), "{expired}");
            assert!(expired["nbf"].as_i64() <= expired["exp"].as_i64(), "{expired}");
        }
    }
}

#[test]
fn a_number_of_a_claim_is_sent_as_it_is_written() {
    let mut loaded = scenario(Algorithm::HS256, "");
    loaded.scenario.token.claims.insert("nbf".into(), json!(1_700_000_000.25));
    assert_eq!(payload(&plan(&loaded), "fresh")["nbf"], json!(1_700_000_000.25));
}

#[test]
fn braces_of_claims_reach_the_token_and_its_examination() {
    let mut loaded = scenario(Algorithm::HS256, "");
    let claims = &mut loaded.scenario.token.claims;
    claims.insert("iss".into(), "{{issuer}}".into());
    claims.insert("aud".into(), json!(["${username}", "{{\"a\":1}}"]));
    claims.insert("acl".into(), json!([{ "topic": "devices/${clientid}/{n}" }]));
    let plan = plan(&loaded);
    are_as_they_claim(&plan);
    let fresh = payload(&plan, "fresh");
    assert_eq!(fresh["iss"], "{issuer}");
    assert_eq!(fresh["aud"], json!(["${username}", "{\"a\":1}"]));
    assert_eq!(fresh["acl"][0]["topic"], "devices/${clientid}/7");
    assert!(
        plan.warnings.iter().any(|said| said.contains("`token.claims.aud`")),
        "{:?}",
        plan.warnings
    );
    assert!(!plan.warnings.iter().any(|said| said.contains("`token.claims.acl`")));
}
