use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

fn token(header: &str, claims: &str, signature: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn whatever_is_no_compact_jwt_of_json_objects_is_none() {
    let good = token("{\"alg\":\"ES256\"}", "{\"exp\":1}", "c2ln");
    assert!(Foreign::read(good.as_bytes()).is_jwt());
    let mut all = vec![
        String::new(),
        ".".into(),
        "..".into(),
        "....".into(),
        "opaque".into(),
        "a.b.c".into(),
        format!("Bearer {good}"),
        format!(" {good}"),
        format!("\"{good}\""),
        format!("{good}.more"),
        good.rsplit_once('.').unwrap().0.to_owned(),
        token("[]", "{}", "c2ln"),
    ];
    for claims in ["[1]", "null", "7", "\"x\"", "", "{", "{\"exp\":1e999}"] {
        all.push(token("{\"alg\":\"ES256\"}", claims, "c2ln"));
    }
    for text in all {
        let read = Foreign::read(text.as_bytes());
        assert!(!read.is_jwt() && read.claim("exp").is_none(), "{text}");
    }
    let bytes = URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\xff\"}");
    let text = format!("{}.{bytes}.c2ln", URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}"));
    assert!(!Foreign::read(text.as_bytes()).is_jwt(), "JSON is UTF-8");
    assert!(!Foreign::read(b"\xff\xfe.\x00.c2ln").is_jwt());
    let jwe = format!(
        "{}.k.iv.text.tag",
        URL_SAFE_NO_PAD.encode("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}")
    );
    assert!(Foreign::read(jwe.as_bytes()).is_encrypted());
}

#[test]
fn the_algorithm_is_told_however_none_is_written() {
    for none in ["none", "None", "NONE", "nOnE", " none "] {
        for text in [
            token(&format!("{{\"alg\":\"{none}\"}}"), "{}", ""),
            token(&format!("{{\"alg\":\"{none}\"}}"), "[]", "c2ln"),
            token(&format!("{{\"alg\":\"{none}\"}}"), "{}", "").trim_end_matches('.').to_owned(),
        ] {
            assert_eq!(Foreign::read(text.as_bytes()).alg(), Alg::None, "{text}");
        }
    }
    let alg = |header: &str| {
        let read = Foreign::read(token(header, "{}", "c2ln").as_bytes());
        format!("{:?}", read.alg())
    };
    assert_eq!(alg("{\"alg\":\"ES256\"}"), "Known(ES256)");
    assert_eq!(alg("{\"alg\":\"es256\"}"), "Other(\"es256\")");
    assert_eq!(alg("{\"alg\":\"ES512\"}"), "Other(\"ES512\")");
    assert_eq!(alg("{\"alg\":null}"), "Missing");
    assert_eq!(alg("{}"), "Missing");
}
