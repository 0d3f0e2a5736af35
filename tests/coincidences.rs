//! Scenarios whose values coincide with what entries of the catalogue use: a matrix of any of them can be planned, and each
//! token that it sends is wrong as it claims.
#![expect(clippy::unwrap_used, reason = "a test that can't mint has failed")]

use std::{collections::BTreeSet, path::Path};

use proptest::prelude::*;
use tokenstorm::{
    clock::SECOND,
    host::Limits,
    plan::{Plan, cells::Ask},
    scenario::{Loaded, Overrides, parse},
    token::{Minter, catalogue::all, placing::Scratch},
};

const NOW: i64 = 1_800_000_000 * SECOND as i64 + 123_456_789;

/// A scenario, of which everything but its target can be said.
#[derive(Clone, Debug)]
struct Given {
    client_id: String,
    username: String,
    token_in: String,
    keys: String,
    claims: String,
    token: String,
    policy: String,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            client_id: "storm-{n}".into(),
            username: "user-{n}".into(),
            token_in: "password".into(),
            keys: "[keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\nkid = \"main\"\n".into(),
            claims: "iss = \"https://issuer.example\"\naud = \"mqtt\"\nclientid = \"{client_id}\"\nsub = \"{username}\"\n".into(),
            token: "key = \"main\"\n".into(),
            policy: String::new(),
        }
    }
}

impl Given {
    fn loaded(&self) -> Loaded {
        let Self { client_id, username, token_in, keys, claims, token, policy } = self;
        let text = format!(
            "name = \"coincidence\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\ntoken_in = \"{token_in}\"\n\
             [load]\nconcurrency = 1\nclients = 1\n[identity]\nclient_id = {client_id:?}\nusername = {username:?}\n\
             {keys}[token]\n{token}[token.claims]\n{claims}[[mix]]\ntoken = \"fresh\"\nshare = 1\n[policy]\n{policy}"
        );
        let scenario =
            parse(&text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/coincidence.toml");
        Loaded { path, scenario, overrides: Vec::new() }
    }

    fn plan(&self) -> Plan {
        Plan::matrix(&self.loaded(), &Limits::read(), &Ask::default())
            .unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }
}

/// An HMAC key, and what follows it.
fn hmac(algorithm: &str, secret: &str, more: &str) -> String {
    format!("[keys.main]\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"\n{more}\n")
}

/// The entries that are skipped, with their reasons, once for both versions of MQTT.
fn skipped(plan: &Plan) -> BTreeSet<(&'static str, String)> {
    let skipped = plan.cells.iter().flat_map(|cells| &cells.skipped);
    skipped.map(|skipped| (skipped.defect, skipped.reason.to_string())).collect()
}

/// What is sent and what is skipped is the whole catalogue, good tokens are sent, and all that is sent is what it claims.
fn holds(plan: &Plan) {
    let cells = plan.cells.as_ref().unwrap();
    let kinds = &plan.mould.kinds;
    assert_eq!(kinds.len() + cells.skipped.len(), 2 * all().count());
    for name in ["fresh", "not_a_jwt"] {
        assert_eq!(kinds.iter().filter(|kind| kind.defect.name == name).count(), 2, "{name}");
    }
    let mut minter = Minter::new(&plan.mould).unwrap();
    for kind in 0..kinds.len() {
        for n in [0, 9, plan.clients - 1] {
            let mut token = Vec::new();
            let (password, _) = minter.mint(kind, n, NOW, &mut token).unwrap();
            plan.examine((kind, n), NOW, (password, &token)).unwrap();
            assert!(token.len() <= 65_535, "{}", kinds[kind].label);
        }
    }
}

/// Plans a matrix of that, and asserts which entries are skipped besides those of the usual scenario, and why.
fn skips(given: &Given, expected: &[(&str, &str)]) {
    let plan = given.plan();
    holds(&plan);
    let usual: BTreeSet<&str> =
        skipped(&Given::default().plan()).into_iter().map(|(name, _)| name).collect();
    // Some algorithms have signatures whose base64 is without padding.
    let is_more = |(name, why): &(&str, String)| {
        !usual.contains(name) && !why.contains("at the end of this key's signatures")
    };
    let more: Vec<_> = skipped(&plan).into_iter().filter(is_more).collect();
    let names: BTreeSet<&str> = more.iter().map(|(name, _)| *name).collect();
    let wanted: BTreeSet<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, wanted, "{given:?}: {more:?}");
    for (name, why) in expected {
        let is_said = |(other, reason): &(&str, String)| other == name && reason.contains(why);
        assert!(more.iter().any(is_said), "{name}: {more:?}");
    }
}

const CHANGE_IT: &str = "it must be changed";
const COINCIDES: &str = "coincides";

#[test]
fn a_well_known_secret_of_the_scenario_is_not_tried_and_said() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in ["HS256", "HS384", "HS512"] {
        for (secret, name) in [
            ("secret", "secret_weak_secret"),
            ("emqxsecret", "secret_weak_emqx"),
            ("rmqttsecret", "secret_weak_rmqtt"),
            ("public", "secret_weak_public"),
        ] {
            let expected = [(name, CHANGE_IT)];
            let keyed = |keys: String| Given { keys, ..Given::default() };
            skips(&keyed(hmac(algorithm, secret, "kid = \"main\"")), &expected);
            let file = folder.path().join("secret");
            std::fs::write(&file, format!("{secret}\n")).unwrap();
            let from_file = format!(
                "[keys.main]\nalgorithm = \"{algorithm}\"\nsecret_file = {file:?}\nkid = \"main\"\n"
            );
            skips(&keyed(from_file), &expected);
            let jwk = folder.path().join("jwk");
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
            let text = format!(r#"{{"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(secret));
            std::fs::write(&jwk, text).unwrap();
            let from_jwk = format!(
                "[keys.main]\nalgorithm = \"{algorithm}\"\njwk = {jwk:?}\nkid = \"main\"\n"
            );
            skips(&keyed(from_jwk), &expected);
        }
    }
}

#[test]
fn a_secret_that_is_another_to_everybody_but_hmac_is_known_for_what_it_is() {
    let keyed = |keys: String| Given { keys, ..Given::default() };
    let empty = [("secret_empty", CHANGE_IT), ("kid_traversal", CHANGE_IT)];
    skips(&keyed(hmac("HS256", r"\u0000", "kid = \"main\"")), &empty);
    let weak = [("secret_weak_secret", CHANGE_IT)];
    skips(&keyed(hmac("HS512", r"secret\u0000\u0000", "kid = \"main\"")), &weak);
    // Longer than a block it is hashed, and another secret.
    let long = format!("secret{}", r"\u0000".repeat(59));
    skips(&keyed(hmac("HS256", &long, "kid = \"main\"")), &[]);
    // The secret of another key of the scenario is known to the broker, too.
    let other = "kid = \"main\"\n[keys.other]\nalgorithm = \"HS256\"\nsecret = \"public\"";
    for kid in ["", "\nkid = \"other\""] {
        let keys = hmac("HS256", "0123456789abcdef0123456789abcdef", &format!("{other}{kid}"));
        skips(&keyed(keys), &[("secret_weak_public", CHANGE_IT)]);
    }
}

#[test]
fn an_audience_that_an_entry_has_for_a_wrong_one_leaves_that_entry_out() {
    let claimed = |aud: &str| Given {
        claims: format!(
            "iss = \"us\"\naud = {aud}\nclientid = \"{{client_id}}\"\nsub = \"{{username}}\"\n"
        ),
        policy: "checks = [\"exp\", \"aud\"]\n".into(),
        ..Given::default()
    };
    skips(&claimed("\"\""), &[("audience_empty", COINCIDES)]);
    skips(&claimed("\"other-service\""), &[("wrong_audience", COINCIDES)]);
    skips(&claimed("\"an-application\""), &[("id_token", COINCIDES)]);
    skips(
        &claimed("[\"a\", \"a-evil\", \"\"]"),
        &[("audience_empty", COINCIDES), ("audience_prefix", COINCIDES)],
    );
    for harmless in
        ["\"another\"", "\"$now\"", "\"$iss\"", "\"7\"", "[\"a\", \"b\"]", "\"\\\"quoted\\\\\""]
    {
        skips(&claimed(harmless), &[]);
    }
    let issued = |iss: &str| Given {
        claims: format!(
            "iss = \"{iss}\"\naud = \"mqtt\"\nclientid = \"{{client_id}}\"\nsub = \"{{username}}\"\n"
        ),
        ..Given::default()
    };
    skips(&issued("https://other-issuer.example"), &[("wrong_issuer", COINCIDES)]);
    skips(&issued(""), &[("issuer_case", "no small letters")]);
    skips(&issued("x$aud$now"), &[]);
}

#[test]
fn claims_of_the_names_that_entries_use_are_left_as_they_are() {
    let usual = Given::default().claims;
    let with = |more: &str| Given { claims: format!("{usual}{more}\n"), ..Given::default() };
    let names = [
        "note",
        "note_",
        "pad",
        "nonce",
        "k",
        "k0",
        "kid",
        "typ",
        "alg",
        "crit",
        "jwk",
        "scope",
        "admin",
        "acl",
        "username",
        "https://example.com/x",
        "storm",
        "role",
        "",
    ];
    for value in ["\"x\"", "\"\"", "7", "{}", "[]", "\"{client_id}\"", "\"{username}\"", "true"] {
        let all: String = names.iter().map(|name| format!("\"{name}\" = {value}\n")).collect();
        skips(&with(&all), &[]);
    }
    // What is wrong with good tokens counts for no entry, and makes none.
    let deep = format!("deep = {}{}", "[".repeat(40), "]".repeat(40));
    let plan = with(&deep).plan();
    holds(&plan);
    assert!(plan.warnings.iter().any(|warning| warning.contains("TooDeep")), "{:?}", plan.warnings);
    let why = "good tokens are wrong in the same way";
    skips(&with(&deep), &[("deep_100", why), ("deep_1000", why), ("deep_10000", why)]);
}

#[test]
fn a_kid_that_an_entry_uses_leaves_that_entry_out_or_is_told_apart() {
    let kid = |kid: &str| Given {
        keys: hmac("HS256", "0123456789abcdef0123456789abcdef", &format!("kid = \"{kid}\"")),
        ..Given::default()
    };
    for (own, name) in [
        ("x' UNION SELECT 'tokenstorm';--", "kid_sql"),
        ("*)(uid=*))(|(uid=*", "kid_ldap"),
        ("key.pem; true #", "kid_command"),
        (r"main\r\nX-Key: main", "kid_line_break"),
        (r"main\u0000.pem", "kid_nul"),
    ] {
        skips(&kid(own), &[(name, COINCIDES)]);
    }
    skips(&kid("../../../../../../../dev/null"), &[("kid_traversal", "EmptySecret")]);
    for own in [
        "",
        "JWT",
        "unknown-0000000000000000",
        "unknown-",
        "$canary",
        "{n}",
        "none",
        r#"\"typ\":\"JWT\""#,
    ] {
        skips(&kid(own), &[]);
    }
    let too_long = [
        ("kid_long", COINCIDES),
        ("token_8k", "longer than its 8192 bytes"),
        ("jwe_bomb", "carries 65535 at most"),
    ];
    skips(&kid(&"k".repeat(20_000)), &too_long);
    let two = |own: &str, other: &str| {
        let other = format!("{own}\n[keys.other]\nalgorithm = \"ES256\"\ngenerate = true\n{other}");
        Given {
            keys: hmac("HS256", "0123456789abcdef0123456789abcdef", &other),
            ..Given::default()
        }
    };
    let usual = skipped(&Given::default().plan());
    let is_skipped = |given: &Given| {
        let plan = given.plan();
        holds(&plan);
        skipped(&plan).iter().any(|(name, _)| *name == "kid_of_another")
    };
    assert!(usual.iter().any(|(name, _)| *name == "kid_of_another"));
    assert!(is_skipped(&two("kid = \"same\"", "kid = \"same\"")));
    assert!(!is_skipped(&two("kid = \"a\"", "kid = \"b\"")));
    assert!(!is_skipped(&two("", "kid = \"b\"")));
}

#[test]
fn tokens_of_any_length_are_sent_as_far_as_connect_can_carry_them() {
    let long = |bytes: u32, claims: &str| Given {
        token: format!("key = \"main\"\nbytes = {bytes}\n"),
        claims: Given::default().claims + claims,
        ..Given::default()
    };
    for bytes in [600, 4096, 8190] {
        skips(&long(bytes, ""), &[]);
        skips(&long(bytes, "pad = \"{client_id}\"\npad_ = 1\n"), &[]);
    }
    skips(&long(9000, ""), &[("token_8k", "longer than its 8192 bytes")]);
    for bytes in [30_000, 40_000, 65_000, 65_535] {
        let plan = long(bytes, "").plan();
        holds(&plan);
        let nested = skipped(&plan).into_iter().find(|(name, _)| *name == "nested");
        let is_too_long = nested.is_some_and(|(_, why)| why.contains("carries 65535 at most"));
        assert_eq!(is_too_long, bytes > 49_000, "{bytes}");
    }
    let error = Plan::matrix(
        &long(600, &format!("big = \"{}\"\n", "x".repeat(60_000))).loaded(),
        &Limits::read(),
        &Ask::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("`token.bytes` is 600"), "{error}");
    let big = Given { claims: format!("big = \"{}\"\n", "x".repeat(60_000)), ..Given::default() };
    let error = Plan::matrix(&big.loaded(), &Limits::read(), &Ask::default()).unwrap_err();
    assert!(error.to_string().contains("carries 65535 at most"), "{error}");
}

#[test]
fn names_and_times_that_are_odd_leave_out_what_they_make_impossible() {
    skips(
        &Given {
            username: String::new(),
            claims: "sub = \"{client_id}\"\niss = \"us\"\naud = \"a\"\n".into(),
            ..Given::default()
        },
        &[
            ("stolen_username", "user name"),
            ("placeholder_username", "user name"),
            ("duplicate_client_id", "no `clientid`"),
            ("duplicate_client_id_other", "no `clientid`"),
        ],
    );
    let by_name = "clientid = \"{username}\"\niss = \"us\"\naud = \"a\"\n";
    let plan = Given { claims: by_name.into(), ..Given::default() }.plan();
    holds(&plan);
    for username in [
        "",
        "a.b.c",
        "a.b.{n}",
        "{n}",
        "same",
        "x\"y\\{n}",
        "{client_id}",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        for token_in in ["password", "username"] {
            let given =
                Given { username: username.into(), token_in: token_in.into(), ..Given::default() };
            holds(&given.plan());
        }
    }
    for client_id in ["{n}", "STORM-{n}", "é{n}", "{n}{n}", "${username}-{n}x", "another{n}"] {
        if let Ok(plan) = Plan::matrix(
            &Given { client_id: client_id.into(), ..Given::default() }.loaded(),
            &Limits::read(),
            &Ask::default(),
        ) {
            holds(&plan);
        }
    }
    for ttl in ["1s", "2s", "59m", "365d", "4000d", "36500d"] {
        let given =
            Given { token: format!("key = \"main\"\nttl = \"{ttl}\"\n"), ..Given::default() };
        holds(&given.plan());
    }
    skips(
        &Given { token: "key = \"main\"\nttl = \"4000d\"\n".into(), ..Given::default() },
        &[("lifetime_10y", COINCIDES)],
    );
}

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
            let brought = scratch.fields(names, &kind.recipe, plan.token_in, n, (password, &token));
            // One that has none is given one by the broker.
            let client_id = brought.client_id.to_vec();
            assert!(
                client_id.is_empty() || seen.insert(client_id),
                "`{}` of client {n}",
                kind.label
            );
        }
        let is_literal = |id: &Vec<u8>| id.starts_with(b"${username}-");
        assert!(seen.iter().any(is_literal) || !binds);
    }
}

#[test]
fn what_is_wrong_with_the_encoding_looks_alike_whatever_the_lengths_of_ids() {
    // Number of `=` and length modulo 4 of each segment: what lenient decoders stumble over or not.
    let mut shapes: std::collections::BTreeMap<&str, BTreeSet<Vec<(usize, usize)>>> =
        std::collections::BTreeMap::new();
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
