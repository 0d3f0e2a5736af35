//! The issuer as its clients and brokers ask it.

use std::collections::HashMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::{token_endpoint::Refused, *};
use crate::{
    base::host::Limits,
    client::verdict::standing::Reader,
    plan::loaded,
    scenario::{Protocol, TokenIn},
    token::oracle::{Fault, Faults, Oracle, Presented},
};

fn plan(issuer: &str) -> Plan {
    let text = format!(
        "name = \"issuer\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
         [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n[keys.b]\nalgorithm = \"EdDSA\"\ngenerate = true\nkid = \"b\"\n\
         [token]\nkey = \"a\"\n[token.claims]\nclientid = \"{{client_id}}\"\nusername = \"{{username}}\"\n\
         [issuer]\nkeys = [\"a\"]\nclient_secret = \"s-{{client_id}}\"\npassword = \"p-{{n}}\"\n{issuer}\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    );
    Plan::new(&loaded(&text), &Limits::read()).unwrap()
}

fn started(issuer: &str) -> (Plan, Issuer) {
    let plan = plan(issuer);
    let issuer = Issuer::of(&plan, Clock::start()).unwrap().unwrap();
    (plan, issuer)
}

fn form(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn as_client(id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:s-{id}")))
}

fn ask(issuer: &Issuer, pairs: &[(&str, &str)]) -> std::result::Result<Value, Refused> {
    issuer.shared.grant(Some(&as_client("storm-7")), &form(pairs))
}

fn fetched(issuer: &Issuer) -> String {
    let answer = ask(issuer, &[("grant_type", "client_credentials")]).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn is_active(issuer: &Issuer, token: &str) -> bool {
    let form = form(&[("token", token)]);
    issuer.shared.introspect(Some(&as_client("storm-1")), &form).unwrap()["active"] == true
}

#[test]
fn claims_are_told_from_the_client_that_asks() {
    let (_, issuer) = started("");
    let token = claims(&fetched(&issuer));
    assert_eq!((&token["clientid"], &token["username"]), (&"storm-7".into(), &"user-7".into()));
    assert_eq!((&token["iss"], &token["sub"]), (&issuer.url().into(), &"storm-7".into()));
}

#[test]
fn its_tokens_are_good_by_the_reference_verifier_until_their_key_is_gone() {
    let (plan, issuer) = started("");
    let key = |index: usize| plan.mould.keys[index].verifying();
    let oracle = |index: usize| {
        let key =
            (plan.mould.keys[index].algorithm, plan.mould.keys[index].kid.clone(), &key(index));
        let policy = plan.policy.clone();
        Oracle::new([key], policy, plan.expected.clone(), TokenIn::Password).unwrap()
    };
    let faults = |index: usize, token: &str| -> Faults {
        let presented = Presented {
            protocol: Protocol::V5,
            client_id: b"storm-7",
            username: Some(b"user-7"),
            password: Some(token.as_bytes()),
            method: None,
            data: None,
            carried: None,
            certificate: None,
            is_malformed: false,
        };
        oracle(index).faults(presented, crate::base::clock::wall_seconds())
    };
    let first = fetched(&issuer);
    assert!(faults(0, &first).is_empty(), "{:?}", faults(0, &first));
    issuer.apply(Action::Publish(1));
    issuer.apply(Action::SignWith(1));
    let second = fetched(&issuer);
    assert!(faults(1, &second).is_empty());
    let unknown = faults(0, &second);
    assert!(!unknown.without(Faults::of(&[Fault::AlgOther])).is_empty(), "{unknown:?}");
}

#[test]
fn the_key_set_has_what_events_leave_in_it() {
    let (_, issuer) = started("extra_keys = 2");
    let kids = || -> Vec<String> {
        let keys = issuer.shared.keys.read();
        let set: Value = serde_json::from_str(keys.text()).unwrap();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kids(), ["extra-0", "extra-1", "a"], "the one that signs stands last");
    issuer.apply(Action::Publish(1));
    issuer.apply(Action::Publish(1));
    assert_eq!(kids(), ["extra-0", "extra-1", "a", "b"]);
    issuer.apply(Action::Remove(0));
    assert_eq!(kids(), ["extra-0", "extra-1", "b"]);
}

#[test]
fn a_secret_of_another_client_and_a_password_of_another_user_are_refused() {
    let (_, issuer) = started("");
    let credentials = form(&[("grant_type", "client_credentials")]);
    for shown in [None, Some("Basic !!!"), Some("Bearer x")] {
        assert_eq!(issuer.shared.grant(shown, &credentials).unwrap_err().0, "invalid_client");
    }
    let other = format!("Basic {}", STANDARD.encode("storm-7:s-storm-8"));
    assert_eq!(issuer.shared.grant(Some(&other), &credentials).unwrap_err().0, "invalid_client");
    let login = |password: &str| {
        ask(&issuer, &[("grant_type", "password"), ("username", "user-7"), ("password", password)])
    };
    assert_eq!(login("p-8").unwrap_err().0, "invalid_grant");
    assert!(login("p-7").is_ok());
    assert_eq!(ask(&issuer, &[("grant_type", "magic")]).unwrap_err().0, "unsupported_grant_type");
}

#[test]
fn nobody_gets_a_token_where_no_secret_was_given() {
    let mut plan = plan("");
    let issuance = Arc::get_mut(&mut plan.issuance).unwrap();
    issuance.authority.as_mut().unwrap().client_secret = None;
    let issuer = Issuer::of(&plan, Clock::start()).unwrap().unwrap();
    for id in ["storm-7", ""] {
        let shown = format!("Basic {}", STANDARD.encode(format!("{id}:")));
        let refused =
            issuer.shared.grant(Some(&shown), &form(&[("grant_type", "client_credentials")]));
        assert_eq!(refused.unwrap_err().0, "invalid_client");
    }
}

#[test]
fn a_refresh_token_serves_once_and_its_own_client_only() {
    let (_, issuer) = started("");
    let first =
        ask(&issuer, &[("grant_type", "password"), ("username", "user-7"), ("password", "p-7")])
            .unwrap();
    let token = first["refresh_token"].as_str().unwrap().to_owned();
    let refresh = form(&[("grant_type", "refresh_token"), ("refresh_token", &token)]);
    let by = |client: &str| issuer.shared.grant(Some(&as_client(client)), &refresh);
    assert_eq!(by("storm-8").unwrap_err().0, "invalid_grant");
    let second = by("storm-7").unwrap();
    assert_eq!(claims(second["access_token"].as_str().unwrap())["sub"], "user-7");
    assert_eq!(by("storm-7").unwrap_err().0, "invalid_grant", "used up");
}

#[test]
fn a_device_waits_for_its_approval() {
    let code = |issuer: &Issuer| {
        let answer = issuer.shared.device(Some(&as_client("storm-7")), &form(&[])).unwrap();
        answer["device_code"].as_str().unwrap().to_owned()
    };
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let poll =
        |issuer: &Issuer, code: &str| ask(issuer, &[("grant_type", device), ("device_code", code)]);
    let (_, slow) = started("device_approval = \"1h\"");
    assert_eq!(poll(&slow, &code(&slow)).unwrap_err().0, "authorization_pending");
    let (_, quick) = started("");
    let approved = code(&quick);
    assert!(poll(&quick, &approved).is_ok());
    assert_eq!(poll(&quick, &approved).unwrap_err().0, "invalid_grant", "a code serves once");
}

#[test]
fn introspection_knows_what_was_revoked() {
    let (_, issuer) = started("");
    let (one, two) = (fetched(&issuer), fetched(&issuer));
    assert!(is_active(&issuer, &one) && !is_active(&issuer, "a.b.c"));
    let form = form(&[("token", &one)]);
    issuer.shared.revoke(Some(&as_client("storm-7")), &form).unwrap();
    assert!(!is_active(&issuer, &one) && is_active(&issuer, &two));
    let middle = two.len() - 40;
    let other = if &two[middle..=middle] == "A" { "B" } else { "A" };
    let tampered = format!("{}{other}{}", &two[..middle], &two[middle + 1..]);
    assert!(!is_active(&issuer, &tampered));
    issuer.apply(Action::Revoke(None));
    assert!(!is_active(&issuer, &two), "all were revoked");
    let three = fetched(&issuer);
    assert!(is_active(&issuer, &three), "issued after that, if in the same second");
    issuer.apply(Action::Revoke(Some(0)));
    assert!(!is_active(&issuer, &three), "its key was revoked");
}

#[test]
fn what_can_be_known_of_a_key_follows_from_the_events() {
    let times = KeyTimes::new(2, &[0], 40);
    let standing = |key| times.of(key, Reader::Embedded);
    assert_eq!(standing(0).readable, i64::MIN, "it waits for its first look at the set");
    assert_eq!(times.of(0, Reader::External).readable, 40, "nobody could look before");
    assert_eq!((standing(0).published, standing(0).removed), (i64::MIN, i64::MAX));
    assert_eq!(standing(1).published, i64::MAX);
    times.published(1, 50);
    times.removed(0, 70);
    assert_eq!((standing(1).published, standing(0).removed), (50, 70));
    times.published(0, 90);
    assert_eq!((standing(0).published, standing(0).removed), (90, i64::MAX), "new again");
    assert_eq!(standing(0).away, None);
    times.away(100);
    assert_eq!(standing(0).away, Some((100, i64::MAX)));
    times.back(120);
    times.back(130);
    assert_eq!(standing(1).away, Some((100, 120)));
    assert_eq!(standing(9).published, i64::MAX, "a key that nobody knows");
}
