//! What a policy says of tokens that others made.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    base::host::Limits,
    scenario::{Loaded, Overrides, parse},
};

const ES256: &str = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
/// All that the policy of `RIGHT` wants.
const CLAIMS: &str = "{\"exp\":4000000000,\"iss\":\"https://idp\",\"aud\":\"mqtt\",\"sub\":\"storm-3\",\"role\":\"x\"}";
const RIGHT: &str = "checks = [\"exp\", \"nbf\", \"iss\", \"aud\", \"typ\"]\nrequires = [\"exp\", \"role\"]\nbinds = [\"sub\"]";

fn plan(policy: &str, claims: &str) -> Plan {
    let text = format!(
        "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\nprofile = \"strict\"\n[load]\nclients = 8\n\
         concurrency = 1\n[token]\nsource = \"oauth\"\n[token.claims]\n{claims}\n[oauth]\n\
         token_endpoint = \"http://127.0.0.1:1/\"\nclient_secret = \"x\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n[policy]\n{policy}\n"
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    Plan::new(&Loaded::new("x.toml", scenario), &Limits::read()).unwrap()
}

fn right(more: &str) -> Plan {
    let claims = "iss = \"https://idp\"\naud = [\"other\", \"mqtt\"]\nsub = \"storm-{n}\"";
    plan(&format!("{RIGHT}\n{more}"), claims)
}

fn token(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(header), part(claims))
}

/// What is said of a token of client 3: `good`, or `refuse` or `either` and why.
fn said(plan: &Plan, token: &str) -> String {
    let judge = ForeignJudge::of(plan).unwrap();
    let (said, why) = judge.said(&Foreign::read(token.as_bytes()), plan, 3);
    let why = why.map(Reason::name).unwrap_or_default();
    match said {
        Said::Good => format!("good{why}"),
        Said::Refuse(refusal) => format!("refuse {} {why}", refusal.group.name()),
        Said::Either(_) => format!("either {why}"),
    }
}

#[test]
fn claims_are_held_against_all_that_the_policy_checks_requires_and_binds() {
    let plan = right("");
    for (from, to, expected) in [
        ("", "", "good"),
        ("\"mqtt\"", "[\"a\",\"mqtt\"]", "good"),
        ("\"mqtt\"", "\"other\"", "good"),
        ("\"mqtt\"", "\"MQTT\"", "refuse identity aud"),
        ("\"mqtt\"", "[]", "refuse identity aud"),
        ("\"mqtt\"", "[\"account\",7]", "refuse identity aud"),
        ("\"mqtt\"", "{\"a\":\"mqtt\"}", "refuse identity aud"),
        ("\"aud\"", "\"AUD\"", "refuse identity aud"),
        ("https://idp", "https://idp/", "refuse identity iss"),
        ("\"https://idp\"", "7", "refuse identity iss"),
        ("\"https://idp\"", "[\"https://idp\"]", "refuse identity iss"),
        ("storm-3", "storm-2", "refuse identity binds"),
        ("\"storm-3\"", "3", "refuse identity binds"),
        ("\"role\":\"x\"", "\"role\":null", "good"),
        (",\"role\":\"x\"", "", "refuse identity claim_missing"),
        ("\"exp\":4000000000,", "", "refuse time exp_missing"),
        ("4000000000", "\"4000000000\"", "refuse time exp_type"),
        ("4000000000", "null", "refuse time exp_type"),
        ("4000000000", "4000000000.5", "good"),
        ("4000000000", "4e9", "good"),
        ("4000000000", "1", "good"),
        ("4000000000", "4000000000000", "good"),
        ("4000000000", "1e300", "good"),
        ("4000000000", "1e999", "either opaque"),
        ("\"exp\"", "\"nbf\":\"soon\",\"exp\"", "refuse time nbf_type"),
        ("\"exp\"", "\"exp\":1,\"exp\"", "either duplicate"),
        ("\"mqtt\"", "\"x\",\"aud\":\"mqtt\"", "either duplicate"),
    ] {
        let claims = if from.is_empty() { CLAIMS.to_owned() } else { CLAIMS.replacen(from, to, 1) };
        assert_eq!(said(&plan, &token(ES256, &claims)), expected, "{claims}");
    }
    for claims in ["[]", "7", "\"x\"", "null", ""] {
        assert_eq!(said(&plan, &token(ES256, claims)), "either opaque", "{claims}");
    }
}

#[test]
fn none_is_always_refused_and_an_unknown_algorithm_is_never_good() {
    let (default, written) = (right(""), right("algorithms = [\"RS256\", \"ES256\"]"));
    for (header, by_default, as_written) in [
        ("{\"alg\":\"ES256\"}", "good", "good"),
        ("{\"alg\":\"RS256\"}", "good", "good"),
        ("{\"alg\":\"EdDSA\"}", "good", "refuse algorithm alg"),
        ("{\"alg\":\"HS256\"}", "good", "refuse algorithm alg"),
        ("{\"alg\":\"ES512\"}", "either alg", "refuse algorithm alg"),
        ("{\"alg\":\"ES256K\"}", "either alg", "refuse algorithm alg"),
        ("{\"alg\":\"ed25519-nkey\"}", "either alg", "refuse algorithm alg"),
        ("{\"alg\":\"rs256\"}", "either alg", "refuse algorithm alg"),
        ("{\"alg\":7}", "either alg_missing", "refuse algorithm alg_missing"),
        ("{}", "either alg_missing", "refuse algorithm alg_missing"),
        ("{\"alg\":\"none\"}", "refuse algorithm alg_none", "refuse algorithm alg_none"),
        ("{\"alg\":\"nOnE\"}", "refuse algorithm alg_none", "refuse algorithm alg_none"),
        ("{\"alg\":\"ES256\",\"alg\":\"RS256\"}", "either duplicate", "either duplicate"),
        ("{\"alg\":\"ES256\",\"crit\":[\"b64\"]}", "either crit", "either crit"),
        ("[]", "either opaque", "either opaque"),
    ] {
        assert_eq!(said(&default, &token(header, CLAIMS)), by_default, "{header}");
        assert_eq!(said(&written, &token(header, CLAIMS)), as_written, "{header}");
    }
    let lax = right("accepts = [\"alg_none*\"]");
    assert_eq!(said(&lax, &token("{\"alg\":\"None\"}", CLAIMS)), "refuse algorithm alg_none");
    let unsigned = token(ES256, CLAIMS).replace("c2ln", "");
    assert_eq!(said(&default, &unsigned), "refuse signature signature_missing");
    assert_eq!(said(&default, unsigned.trim_end_matches('.')), "either opaque");
    // What is wrong for certain weighs more than what is not known.
    let other = CLAIMS.replace("mqtt", "other-api");
    assert_eq!(said(&default, &token("{\"alg\":\"ES512\"}", &other)), "refuse identity aud");
}

#[test]
fn typ_goes_by_the_policy_and_the_exceptions_of_the_profile() {
    let typed = |typ: &str| token(&format!("{{\"alg\":\"ES256\",\"typ\":{typ}}}"), CLAIMS);
    let absent = token("{\"alg\":\"ES256\"}", CLAIMS);
    let plain = right("");
    let open = right("refuses = [\"typ_*\"]\naccepts = [\"typ_logout\"]");
    for (typ, by_default, excepted) in [
        ("\"JWT\"", "good", "good"),
        ("\"jwt\"", "good", "either typ"),
        ("\"at+jwt\"", "good", "either typ"),
        ("\"application/at+JWT\"", "good", "either typ"),
        ("\"logout+jwt\"", "refuse header typ", "either typ"),
        ("\"dpop+jwt\"", "refuse header typ", "either typ"),
        ("\"my-own\"", "refuse header typ", "refuse header typ"),
        ("7", "refuse header typ", "refuse header typ"),
    ] {
        assert_eq!(said(&plain, &typed(typ)), by_default, "{typ}");
        assert_eq!(said(&open, &typed(typ)), excepted, "{typ}");
    }
    assert_eq!(said(&plain, &absent), "good");
    assert_eq!(said(&open, &absent), "either typ");
    let unchecked = plan("checks = [\"exp\"]", "");
    assert_eq!(said(&unchecked, &typed("\"logout+jwt\"")), "good");
}

#[test]
fn encoding_and_lifetime_go_by_the_policy() {
    let padded = token(ES256, CLAIMS).replace(".c2ln", "=.c2ln");
    assert_eq!(said(&right(""), &padded), "refuse structure encoding");
    assert_eq!(said(&right("encoding = \"lenient\""), &padded), "either encoding");
    let long = CLAIMS.replace("\"exp\":4000000000", "\"iat\":1000,\"exp\":5000");
    assert_eq!(said(&right("max_lifetime = \"1h\""), &token(ES256, &long)), "refuse time lifetime");
    assert_eq!(said(&right("max_lifetime = \"2h\""), &token(ES256, &long)), "good");
    let endless = CLAIMS.replace("4000000000", "4000000000000");
    assert_eq!(
        said(&right("max_lifetime = \"2h\""), &token(ES256, &endless)),
        "refuse time exp_far"
    );
}

#[test]
fn iss_and_aud_may_be_the_clients_own() {
    let plan = plan(
        "checks = [\"iss\", \"aud\"]\nrequires = []",
        "iss = \"https://{client_id}\"\naud = \"{username}\"",
    );
    assert_eq!(
        said(&plan, &token(ES256, "{\"iss\":\"https://storm-3\",\"aud\":\"user-3\"}")),
        "good"
    );
    let of_another = "{\"iss\":\"https://storm-3\",\"aud\":[\"user-4\"]}";
    assert_eq!(said(&plan, &token(ES256, of_another)), "refuse identity aud");
}

#[test]
fn the_start_of_a_token_is_what_the_policy_checks_of_it() {
    let read = Foreign::read(token(ES256, "{\"iat\":7,\"nbf\":5}").as_bytes());
    let start = |checks: &str| {
        ForeignJudge::of(&plan(&format!("checks = [{checks}]"), "")).unwrap().start(&read)
    };
    assert_eq!(start("\"exp\""), None);
    assert_eq!(start("\"nbf\""), Some(5.0));
    assert_eq!(start("\"iat\""), Some(7.0));
    assert_eq!(start("\"nbf\", \"iat\""), Some(7.0));
}
