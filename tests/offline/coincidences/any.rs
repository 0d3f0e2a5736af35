//! Scenarios of any values.

use proptest::prelude::*;

use super::given::{Given, holds};

/// One of these.
fn any_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices)
}

const SECRETS: &[&str] = &[
    "secret",
    "emqxsecret",
    "rmqttsecret",
    "public",
    r"\u0000",
    "a",
    "key = value",
    r"secret\u0000",
    "{n}",
    "mqtt",
];
const KIDS: &[&str] = &[
    "",
    "main",
    "unknown-0000000000000000",
    "key.pem; true #",
    "JWT",
    r"main\u0000.pem",
    "{n}",
    "$jwk",
    "é",
    "other",
];
const NAMES: &[&str] = &[
    "iss",
    "aud",
    "sub",
    "clientid",
    "username",
    "scope",
    "admin",
    "acl",
    "kid",
    "typ",
    "note",
    "pad",
    "k7",
    "nonce",
    "storm",
    "crit",
    "https://example.com/x",
    "cnf",
    "",
];
const VALUES: &[&str] = &[
    "\"\"",
    "\"x\"",
    "\"{client_id}\"",
    "\"{username}\"",
    "\"{n}\"",
    "7",
    "-1",
    "0.5",
    "true",
    "[]",
    "[\"\"]",
    "[\"a\", \"a-evil\"]",
    "{}",
    "\"other-service\"",
    "\"an-application\"",
    "\"$aud\"",
    "\"$now\"",
    "\"another\"",
    "\"*\"",
    "\"https://other-issuer.example\"",
    "{ exp = 1 }",
    "[[[\"exp\"]]]",
    "\"\\\"exp\\\":1\"",
    "\"é\\u0001\"",
];

fn any_given() -> impl Strategy<Value = Given> {
    let key = (
        any_of(&["HS256", "HS384", "HS512", "ES256", "ES384", "EdDSA"]),
        any_of(SECRETS),
        prop::option::of(any_of(KIDS)),
    );
    let claims = prop::collection::btree_map(any_of(NAMES), any_of(VALUES), 0..8);
    let names = (
        any_of(&["storm-{n}", "{n}", "A{n}", "é-{n}", "{n}.{n}"]),
        any_of(&["user-{n}", "", "{client_id}", "same", "a.b.{n}", "{n}"]),
        any_of(&["password", "username"]),
    );
    let token = (
        prop::option::of(any_of(&["1000", "4096", "20000", "60000", "65535"])),
        any_of(&["1h", "1s", "3650d"]),
    );
    (prop::collection::vec(key, 1..4), claims, names, token).prop_map(
        |(keys, claims, names, token)| {
            let keys = keys.iter().enumerate().map(|(at, (algorithm, secret, kid))| {
                let name = if at == 0 { "main".to_owned() } else { format!("other{at}") };
                let source = if algorithm.starts_with("HS") {
                    format!("secret = \"{secret}\"")
                } else {
                    "generate = true".to_owned()
                };
                let kid = kid.map_or_else(String::new, |kid| format!("kid = \"{kid}\"\n"));
                format!("[keys.{name}]\nalgorithm = \"{algorithm}\"\n{source}\n{kid}")
            });
            let claims = claims.iter().map(|(name, value)| format!("\"{name}\" = {value}\n"));
            let bytes = token.0.map_or_else(String::new, |bytes| format!("bytes = {bytes}\n"));
            Given {
                client_id: names.0.into(),
                username: names.1.into(),
                token_in: names.2.into(),
                keys: keys.collect(),
                claims: claims.collect(),
                token: format!("key = \"main\"\nttl = \"{}\"\n{bytes}", token.1),
                policy: String::new(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // For all scenarios: their matrix is planned, and what it sends is what it claims to be.
    #[test]
    fn a_matrix_of_any_values_is_planned_and_sends_what_it_claims(given in any_given()) {
        holds(&given.plan());
    }
}
