use serde_json::json;

use super::*;

fn given(claims: &Value) -> Result<Given> {
    Given::of(claims.as_object().unwrap())
}

#[test]
fn a_number_is_taken_as_it_is_and_a_text_is_relative() {
    for (value, moment) in [
        (json!(1_700_000_000), Moment::At(1.7e9)),
        (json!(1_700_000_000.5), Moment::At(1_700_000_000.5)),
        (json!("now"), Moment::After(0)),
        (json!("-10s"), Moment::After(-10)),
        (json!("now - 1m"), Moment::After(-60)),
        (json!("-500ms"), Moment::After(-1)),
        (json!("+5s"), Moment::After(5)),
    ] {
        let read = given(&json!({ "nbf": value, "iat": value })).unwrap();
        assert_eq!((read.nbf, read.iat), (Some(moment), Some(moment)), "{value}");
    }
    for value in
        [json!("tomorrow"), json!("10s"), json!(""), json!("1700000000"), json!(true), json!([])]
    {
        let error = given(&json!({ "nbf": value })).unwrap_err();
        assert!(error.to_string().contains("`token.claims.nbf`"), "{error}");
    }
    assert!(given(&json!({ "jti": 7 })).is_err());
    assert!(given(&json!({ "exp": 7 })).unwrap_err().way_out().unwrap().contains("`ttl`"));
}

#[test]
fn claims_are_named_by_the_place_where_they_stand() {
    let of = |claims: Value| Given::of_place(claims.as_object().unwrap(), "issuer.claims");
    for claims in [json!({ "exp": 7 }), json!({ "jti": 7 }), json!({ "nbf": "soon" })] {
        let said = of(claims).unwrap_err().to_string();
        assert!(said.starts_with("`issuer.claims."), "{said}");
    }
    let ahead = of(json!({ "nbf": "+1s" })).unwrap().check_place(1.7e9, "issuer.claims");
    assert!(ahead.unwrap_err().to_string().starts_with("`issuer.claims.nbf` lies"));
}

#[test]
fn what_lies_ahead_is_refused() {
    let now = 1.7e9;
    let check = |claims: Value| given(&claims).unwrap().check(now).map_err(|e| e.to_string());
    assert!(check(json!({ "nbf": 1_700_000_000, "iat": "now" })).is_ok());
    assert!(check(json!({ "nbf": "+1s" })).unwrap_err().contains("`token.claims.nbf`"));
    assert!(check(json!({ "iat": 1_700_000_001 })).unwrap_err().contains("`token.claims.iat`"));
}
