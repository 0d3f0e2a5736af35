use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::scenario::{Group, PolicySettings};

const NOW: f64 = 1_000.0;
const BEARER: Presented<'static> = Presented {
    protocol: Protocol::V5,
    client_id: b"storm-1",
    username: Some(b"user-1"),
    password: None,
    method: None,
    data: None,
    carried: None,
    certificate: None,
    is_malformed: false,
};

/// An oracle, and where it looks for the token.
struct Checker(Oracle);

impl Checker {
    /// The group of the first fault.
    fn admit(&self, connect: Presented<'_>) -> std::result::Result<(), Group> {
        match self.0.faults(connect, NOW).iter().next() {
            None => Ok(()),
            Some(fault) => Err(fault.group()),
        }
    }

    fn check(&self, token: &str) -> std::result::Result<(), Group> {
        self.admit(Presented { password: Some(token.as_bytes()), ..BEARER })
    }
}

fn checker_in(settings: &str, token_in: TokenIn) -> Checker {
    let settings: PolicySettings = toml::from_str(settings).unwrap();
    let policy = Policy::resolve(
        "strict",
        std::path::Path::new("."),
        &settings,
        vec![Algorithm::HS256, Algorithm::HS512],
    )
    .unwrap();
    let secret = |secret: &str| VerifyingKey::Secret(secret.into());
    let (a, b) = (secret("secret of a"), secret("secret of b"));
    let keys = [
        (Algorithm::HS256, Some("a".to_owned()), &a),
        (Algorithm::HS512, Some("b".to_owned()), &b),
    ];
    let expected = Expected {
        auth_method: None,
        iss: Some("us".into()),
        aud: vec!["mqtt".into()],
        bound: [("clientid".to_owned(), Bound::ClientId)].into(),
    };
    Checker(Oracle::new(keys, policy, expected, token_in).unwrap())
}

fn checker(settings: &str) -> Checker {
    checker_in(settings, TokenIn::Password)
}

fn token(kid: Option<&str>, secret: &str, change: &Value) -> String {
    let mut claims =
        json!({ "iss": "us", "aud": "mqtt", "clientid": "storm-1", "exp": 2000, "nbf": 500 });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = kid.map(str::to_owned);
    encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn good(change: &Value) -> String {
    token(Some("a"), "secret of a", change)
}

const ALL: &str = "checks = [\"exp\", \"nbf\", \"iss\", \"aud\"]\nbinds = [\"clientid\"]";

#[test]
fn each_check_refuses_what_it_is_for_and_lets_a_good_token_in() {
    let checker = checker(ALL);
    let check = |token: &str| checker.check(token);
    assert_eq!(check(&good(&json!({}))), Ok(()));
    assert_eq!(check(&good(&json!({ "aud": ["x", "mqtt"] }))), Ok(()));
    assert_eq!(check(&good(&json!({ "exp": 1000.5 }))), Ok(()));
    for (change, group) in [
        (json!({ "exp": 1000 }), Group::Time),
        (json!({ "exp": null }), Group::Time),
        (json!({ "exp": "2000" }), Group::Time),
        (json!({ "nbf": 1001 }), Group::Time),
        (json!({ "iss": "them" }), Group::Identity),
        (json!({ "iss": null }), Group::Identity),
        (json!({ "aud": "other" }), Group::Identity),
        (json!({ "aud": [] }), Group::Identity),
        (json!({ "clientid": "storm-2" }), Group::Identity),
        (json!({ "clientid": null }), Group::Identity),
    ] {
        assert_eq!(check(&good(&change)), Err(group), "{change}");
    }
}

#[test]
fn the_key_is_chosen_by_kid_and_algorithm() {
    let checker = checker(ALL);
    let check = |token: &str| checker.check(token);
    assert_eq!(check(&token(None, "secret of a", &json!({}))), Ok(()));
    assert_eq!(check(&token(Some("c"), "secret of a", &json!({}))), Err(Group::Header));
    assert_eq!(check(&token(Some("a"), "secret of b", &json!({}))), Err(Group::Signature));
    assert_eq!(check(&token(Some("b"), "secret of b", &json!({}))), Err(Group::Algorithm));
    assert_eq!(check("hunter2"), Err(Group::Structure));
}

#[test]
fn a_header_or_claims_that_mislead_are_told_apart_from_a_bad_signature() {
    let checker = checker(ALL);
    let check = |token: &str| checker.check(token);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = |header: &str, claims: &str| {
        let message = format!("{}.{}", part(header), part(claims));
        let key = EncodingKey::from_secret(b"secret of a");
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        format!("{message}.{signature}")
    };
    let claims = r#"{"iss":"us","aud":"mqtt","clientid":"storm-1","exp":2000}"#;
    assert_eq!(check(&signed(r#"{"alg":"HS256"}"#, claims)), Ok(()));
    for (token, group) in [
        (signed(r#"{"alg":"none"}"#, claims), Group::Algorithm),
        (signed(r#"{"alg":"HS384"}"#, claims), Group::Algorithm),
        (signed(r#"{"typ":"JWT"}"#, claims), Group::Algorithm),
        (signed(r#"{"alg":"HS256","crit":["b64"],"b64":true}"#, claims), Group::Header),
        (signed(r#"{"alg":"HS256"}"#, "[]"), Group::Structure),
        (format!("{}=", signed(r#"{"alg":"HS256"}"#, claims)), Group::Structure),
    ] {
        assert_eq!(check(&token), Err(group), "{token}");
    }
    let good = good(&json!({}));
    let stripped = &good[..=good.rfind('.').unwrap()];
    assert_eq!(check(stripped), Err(Group::Signature));
}

#[test]
fn an_algorithm_that_the_policy_does_not_name_is_refused() {
    let checker = checker(&format!("{ALL}\nalgorithms = [\"HS512\"]"));
    assert_eq!(checker.check(&good(&json!({}))), Err(Group::Algorithm));
    let unnamed = token(None, "secret of a", &json!({}));
    assert_eq!(checker.check(&unnamed), Err(Group::Algorithm));
}

#[test]
fn a_required_claim_must_be_there_and_an_unchecked_one_may_be_anything() {
    let checker = checker("requires = [\"sub\"]\nchecks = []");
    let check = |change| checker.check(&good(&change));
    assert_eq!(check(json!({})), Err(Group::Identity));
    assert_eq!(check(json!({ "sub": "x", "exp": 1, "nbf": 9e9, "iss": 1, "aud": 1 })), Ok(()));
}

#[test]
fn a_method_and_a_missing_user_name_are_told_apart_from_the_token() {
    let checker = checker(ALL);
    let token = good(&json!({}));
    let good = Presented { password: Some(token.as_bytes()), ..BEARER };
    assert_eq!(checker.admit(Presented { method: Some(b"M"), ..good }), Err(Group::Placement));
    let unnamed = Presented { username: None, ..good };
    assert_eq!(checker.admit(unnamed), Ok(()));
    let unnamed = Presented { protocol: Protocol::V4, ..unnamed };
    assert_eq!(checker.admit(unnamed), Err(Group::Placement), "MQTT 3.1.1, 3.1.2-22");
}

#[test]
fn all_that_is_wrong_is_found_and_not_the_first_thing_only() {
    let checker = checker(ALL);
    let token = token(Some("c"), "secret of a", &json!({ "exp": 1, "nbf": 0, "iss": "them" }));
    let connect = Presented { password: Some(token.as_bytes()), client_id: b"x", ..BEARER };
    let expected = [Fault::Kid, Fault::Expired, Fault::Issuer, Fault::ClientId];
    assert_eq!(checker.0.faults(connect, NOW), Faults::of(&expected));
}

#[test]
fn the_token_is_looked_for_where_it_belongs_and_nothing_else_will_do() {
    let token = good(&json!({}));
    let admit = |token_in, username: Option<&str>, password| {
        let username = username.map(str::as_bytes);
        checker_in(ALL, token_in).admit(Presented { username, password, ..BEARER })
    };
    let (user, bytes) = (Some("user-1"), Some(token.as_bytes()));
    assert_eq!(admit(TokenIn::Password, user, bytes), Ok(()));
    assert_eq!(admit(TokenIn::Password, None, bytes), Ok(()));
    assert_eq!(admit(TokenIn::Username, Some(token.as_str()), None), Ok(()));
    for (token_in, username, password, group) in [
        (TokenIn::Username, user, bytes, Group::Structure),
        (TokenIn::Username, None, bytes, Group::Placement),
        (TokenIn::Password, Some(token.as_str()), None, Group::Placement),
        (TokenIn::Password, user, Some(&b""[..]), Group::Placement),
        (TokenIn::Password, user, Some(&b"\xff\xfe"[..]), Group::Structure),
        (TokenIn::Password, None, None, Group::Placement),
    ] {
        assert_eq!(admit(token_in, username, password), Err(group), "{username:?} {password:?}");
    }
}

#[test]
fn only_a_connect_without_credentials_is_anonymous() {
    let checker = checker(&format!("{ALL}\nanonymous = \"accept\""));
    let admit = |username, password| checker.admit(Presented { username, password, ..BEARER });
    assert_eq!(admit(None, None), Ok(()));
    assert_eq!(admit(Some(&b"user-1"[..]), None), Err(Group::Placement));
    assert_eq!(admit(None, Some(&b"hunter2"[..])), Err(Group::Structure));
}

#[test]
fn a_kid_that_is_ignored_chooses_no_key() {
    let checker = checker(&format!("{ALL}\nunknown_kid = \"ignore\""));
    assert_eq!(checker.check(&token(Some("c"), "secret of a", &json!({}))), Ok(()));
}

#[test]
fn leeway_reaches_as_far_as_the_policy_says() {
    let checker = checker(&format!("{ALL}\nleeway = \"10s\""));
    assert_eq!(checker.check(&good(&json!({ "exp": 991 }))), Ok(()));
    assert_eq!(checker.check(&good(&json!({ "exp": 990 }))), Err(Group::Time));
    assert_eq!(checker.check(&good(&json!({ "nbf": 1010 }))), Ok(()));
    assert_eq!(checker.check(&good(&json!({ "nbf": 1011 }))), Err(Group::Time));
}
