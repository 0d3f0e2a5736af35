use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn read(text: &str) -> Token {
    Token::read(text, Some(60), 0, &[])
}

#[test]
fn a_token_is_told_by_its_parts_and_a_jwt_by_the_type_of_its_exp() {
    let jwt = |claims: &str| format!("{}.{}.c2ln", part("{\"alg\":\"HS256\"}"), part(claims));
    for (claims, name, exp_s) in [
        ("{\"exp\":4000000000}", "jwt", Some(4_000_000_000.0)),
        ("{\"exp\":4e9}", "jwt", Some(4_000_000_000.0)),
        ("{\"exp\":-1}", "jwt", Some(-1.0)),
        ("{\"exp\":4000000000.5}", "jwt_exp_fraction", Some(4_000_000_000.5)),
        ("{\"exp\":4000000000000}", "jwt_exp_milliseconds", None),
        ("{\"exp\":\"4000000000\"}", "jwt_exp_text", None),
        ("{\"exp\":\"2099-01-01\"}", "jwt_exp_text", None),
        ("{\"exp\":null}", "jwt_exp_other", None),
        ("{\"exp\":true}", "jwt_exp_other", None),
        ("{\"exp\":[4000000000]}", "jwt_exp_other", None),
        ("{\"sub\":\"x\"}", "jwt_exp_missing", None),
    ] {
        let token = read(&jwt(claims));
        assert_eq!(token.shape.name(), name, "{claims}");
        if let Some(seconds) = exp_s {
            assert_eq!(token.times.exp, Some((seconds * 1e9) as i64), "{claims}");
        }
        assert_eq!(
            token.never_ends,
            name.ends_with("text") || name.ends_with("other") || name.ends_with("missing")
        );
    }
    let jwe = format!("{}.key.iv.text.tag", part("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"));
    for (text, name) in [
        (jwe.as_str(), "jwe"),
        ("KBSxkmG-OcpA6-cgdemo", "opaque"),
        ("", "opaque"),
        ("a.b.c", "opaque"),
        ("....", "opaque"),
        (&format!("Bearer {}", jwt("{\"exp\":4000000000}")), "opaque"),
        (&format!("{}.{}.c2ln", part("{\"alg\":\"HS256\"}"), part("[1]")), "opaque"),
        (&format!("v2.local.{}", part("{\"exp\":1}")), "opaque"),
    ] {
        let token = read(text);
        assert_eq!(token.shape.name(), name, "{text}");
        // What can't be read ends when the server said so.
        assert_eq!((token.times.exp, token.never_ends), (Some(60_000_000_000), false));
    }
}
