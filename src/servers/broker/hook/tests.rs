use super::*;
use crate::{
    scenario::{Algorithm, PolicySettings},
    servers::broker::mutant::{MUTANTS, mutant},
};

fn checker(settings: &str, mutant: Option<&'static Mutant>) -> Checker {
    let settings: PolicySettings = toml::from_str(settings).unwrap();
    let policy = Policy::resolve("strict", std::path::Path::new("."), &settings, vec![]).unwrap();
    let key = HookKey {
        algorithm: Algorithm::HS256,
        kid: None,
        key: VerifyingKey::Secret(STANDARD.encode("secret")),
    };
    Checker::new(&[key], &policy, Expected::default(), TokenIn::Password, mutant).unwrap()
}

#[test]
fn a_refusal_is_the_first_code_of_the_group_that_the_broker_can_send() {
    const CODES: &str =
        "refuses_with = { v4 = [3, 5, 4], v5 = [0x8C, 0x86], time = { v4 = [4], v5 = [0x87] } }";
    let healthy = checker(CODES, None);
    let is_bad_password = |group, protocol| {
        matches!(healthy.refusal(group, protocol), AuthResult::BadUsernameOrPassword)
    };
    assert!(!is_bad_password(Group::Signature, Protocol::V4));
    assert!(is_bad_password(Group::Signature, Protocol::V5));
    assert!(is_bad_password(Group::Time, Protocol::V4));
    assert!(!is_bad_password(Group::Time, Protocol::V5));
    let other = checker(CODES, mutant("wrong_code"));
    let refusal = |group| other.refusal(group, Protocol::V4);
    assert!(matches!(refusal(Group::Time), AuthResult::NotAuthorized), "the other one");
    assert!(matches!(refusal(Group::Signature), AuthResult::NotAuthorized), "as healthy");
}

#[test]
fn a_mutant_that_overlooks_something_now_and_then_refuses_the_rest() {
    let checker = checker("", mutant("one_in_a_thousand"));
    let unsigned = b"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTl9.AAAA";
    let connect = Presented {
        protocol: Protocol::V5,
        client_id: b"x",
        username: Some(b"u"),
        password: Some(unsigned),
        method: None,
        data: None,
        carried: None,
        certificate: None,
        is_malformed: false,
    };
    let accepted = (0..5000).filter(|_| checker.decide(connect, 0.0) == Decision::Accept).count();
    assert_eq!(accepted, 5);
}

#[test]
fn mutants_have_names_of_their_own_and_each_but_the_healthy_one_is_caught_by_something() {
    for (at, mutant) in MUTANTS.iter().enumerate() {
        assert!(MUTANTS[..at].iter().all(|other| other.name != mutant.name), "{}", mutant.name);
        let is_of_matrix = mutant.name != "healthy" && !mutant.is.is_of_sessions();
        assert_eq!(!mutant.caught_by.is_empty(), is_of_matrix, "{}", mutant.name);
    }
}
