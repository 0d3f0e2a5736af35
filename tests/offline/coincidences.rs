//! Scenarios whose values coincide with what entries of the catalogue use: a matrix of any of them can be planned, and each
//! token that it sends is wrong as it claims.

mod any;
mod given;
mod lengths;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenstorm::{
    base::host::Limits,
    plan::{Plan, cells::Ask},
};

use self::given::{Given, hmac, holds, skipped};

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
        let all: String = names.map(|name| format!("\"{name}\" = {value}")).join("\n");
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
