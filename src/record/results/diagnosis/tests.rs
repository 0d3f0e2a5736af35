use super::*;
use crate::{
    record::results::{Jwks, fetches::OAuth, fixture},
    token::oracle::shape::Exp,
};

fn of(protocol: u8, codes: &[(&str, u64)]) -> Option<Diagnosis> {
    let mut summary = fixture::summary();
    summary.protocol = protocol;
    let codes = codes.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
    summary.codes = BTreeMap::from([(OutcomeKind::Refused, codes)]);
    Diagnosis::of(&summary)
}

#[test]
fn a_broker_that_refuses_all_for_their_version_is_said_to_not_speak_it() {
    let words = |protocol, codes| of(protocol, codes).unwrap().words();
    let v5 = words(5, &[("132", 20)]);
    assert!(v5.starts_with("the broker does not speak MQTT 5.0: ") && v5.contains("0x84"), "{v5}");
    assert!(v5.ends_with("write `target.protocol = 4`"), "{v5}");
    assert!(words(5, &[("1", 20)]).contains("0x01"));
    assert!(words(4, &[("1", 20)]).contains("does not speak MQTT 3.1.1"));
    assert_eq!(of(5, &[("132", 20), ("135", 1)]), None, "one refusal is for another reason");
    assert_eq!(of(5, &[]), None);
}

#[test]
fn a_broker_that_wants_a_method_is_said_to() {
    assert_eq!(of(5, &[("140", 20)]), Some(Diagnosis::WantsMethod));
}

#[test]
fn fetched_tokens_that_are_no_jwt_explain_that_nobody_was_let_in() {
    let mut summary = fixture::summary();
    summary.codes.remove(&OutcomeKind::Accepted);
    let mut fetched = |shapes: &[Shape]| {
        let tokens = shapes.iter().map(|shape| (shape.name().to_owned(), 5)).collect();
        summary.oauth = Some(OAuth { tokens, ..OAuth::default() });
        Diagnosis::of(&summary)
    };
    assert_eq!(fetched(&[Shape::Opaque]), Some(Diagnosis::NoJwt { encrypted: false }));
    assert_eq!(fetched(&[Shape::Jwe]), Some(Diagnosis::NoJwt { encrypted: true }));
    assert_eq!(fetched(&[Shape::Opaque, Shape::Jwt(Exp::Whole)]), None, "some are JWTs");
    assert_eq!(fetched(&[]), None);
}

#[test]
fn a_key_set_that_nobody_asked_for_explains_that_nobody_was_let_in() {
    let mut summary = fixture::summary();
    summary.jwks = Some(Jwks { url: Some("http://127.0.0.1:8080/jwks".into()), ..Jwks::default() });
    assert_eq!(Diagnosis::of(&summary), None, "some were let in");
    summary.codes.remove(&OutcomeKind::Accepted);
    let told = Diagnosis::of(&summary).unwrap().words();
    assert!(told.contains("at `http://127.0.0.1:8080/jwks`"), "{told}");
    summary.jwks = Some(Jwks { fetches: 1, ..Jwks::default() });
    assert_eq!(Diagnosis::of(&summary), None);
}
