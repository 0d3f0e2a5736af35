use proptest::prelude::*;

use super::*;
use crate::{
    scenario::Identity,
    token::names::{Names, compile_claims},
};

fn identity(client_id: &str, username: &str) -> Identity {
    Identity { client_id: client_id.into(), username: username.into(), ..Identity::default() }
}

fn names() -> Names {
    Names::compile(&identity("c-{n}", "u \"{client_id}\"")).unwrap()
}

fn rendered(claims: &Value, n: u64) -> Value {
    let pieces = compile_claims(claims.as_object().unwrap(), &names(), &[], &[]).unwrap();
    let mut out = Vec::new();
    Template { pieces }.render(n, &mut out);
    serde_json::from_slice(&out)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

#[test]
fn placeholders_reach_into_arrays_and_objects() {
    let claims = serde_json::json!({ "a": ["{n}", 1, null], "b": { "c": "{client_id}/x" }, "d": {}, "e": "{username}" });
    let expected = serde_json::json!({ "a": ["7", 1, null], "b": { "c": "c-7/x" }, "d": {}, "e": "u \"c-7\"" });
    assert_eq!(rendered(&claims, 7), expected);
}

#[test]
fn an_unknown_placeholder_lists_the_known_ones() {
    let claims = serde_json::json!({ "sub": "{clientid}" });
    let error = compile_claims(claims.as_object().unwrap(), &names(), &[], &[]).unwrap_err();
    assert!(error.to_string().starts_with("`token.claims.sub`:"), "{error}");
    assert_eq!(
        error.way_out().unwrap(),
        "the placeholders here are `{n}`, `{client_id}`, `{username}`; a brace that is meant as one is written twice: `{{`, `}}`"
    );
}

#[test]
fn braces_that_are_written_twice_are_braces() {
    for (written, meant) in [
        ("{{\"fleet\":\"a\"}}", "{\"fleet\":\"a\"}"),
        ("{{n}}", "{n}"),
        ("{{{n}}}", "{7}"),
        ("{{{{{{", "{{{"),
        ("}}", "}"),
        ("a{{b}}c {client_id}", "a{b}c c-7"),
        ("{{\"id\": \"{n}\"}}", "{\"id\": \"7\"}"),
    ] {
        let template = names().text(written).unwrap();
        assert_eq!(template.text(7), meant, "{written}");
        let claims = serde_json::json!({ "a": [written] });
        assert_eq!(rendered(&claims, 7), serde_json::json!({ "a": [meant] }), "{written}");
    }
    for text in ["{", "}", "{n", "n}", "{\"fleet\":\"a\"}", "{n}}", "{}", "${", "{ n }"] {
        let error = names().text(text).unwrap_err();
        assert!(error.way_out().unwrap().contains("`{{`"), "{text}: {error}");
    }
}

#[test]
fn a_placeholder_after_a_dollar_is_left_to_the_broker() {
    for (written, meant) in [
        ("devices/${clientid}/#", "devices/${clientid}/#"),
        ("${username}", "${username}"),
        ("${{username}}", "${username}"),
        ("${client_attrs.x}-{n}", "${client_attrs.x}-7"),
        ("$share/{n}", "$share/7"),
        ("$ {n}", "$ 7"),
        ("${n}${n}{n}", "${n}${n}7"),
    ] {
        assert_eq!(names().text(written).unwrap().text(7), meant, "{written}");
    }
    assert!(!names().text("c-${n}").unwrap().is_per_client());
}

#[test]
fn a_client_id_without_a_number_is_refused() {
    let error = Names::compile(&identity("storm", "")).unwrap_err();
    assert_eq!(error.way_out().unwrap(), "write `client_id = \"storm-{n}\"`");
}

proptest! {
    // Whatever a text is, with its braces written twice it is what is rendered.
    #[test]
    fn any_text_can_be_written(text: String, n: u64) {
        let written = text.replace('{', "{{").replace('}', "}}");
        let value = rendered(&serde_json::json!({ "a": written }), n);
        prop_assert_eq!(value["a"].as_str(), Some(text.as_str()));
        prop_assert_eq!(super::super::braces::constant(&written), Some(text));
    }

    // For all texts without braces: what is rendered is JSON with that very text in it.
    #[test]
    fn any_text_survives_compiling_and_rendering(text in "[^{}]*", n: u64) {
        let value = rendered(&serde_json::json!({ (text.clone()): text.clone() }), n);
        prop_assert_eq!(value[&text].as_str(), Some(text.as_str()));
    }

    #[test]
    fn decimal_writes_what_display_writes(n: u64) {
        let mut out = Vec::new();
        decimal(n, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
    }
}
