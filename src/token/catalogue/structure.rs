//! Tokens that are no JWT, or not encoded as one.

use std::borrow::Cow;

use super::{
    Severity::{Critical, High, Info, Medium},
    Situation,
    entry::Defect,
    when::{client_id, exp, long},
};
use crate::{
    scenario::Group,
    token::{
        oracle::{Bound, Fault},
        press::{add_free_member, add_member, holds},
        recipe::{Form, GOOD, Must, Recipe, Twist},
    },
};

const STRUCTURE: Defect = Defect {
    group: Some(Group::Structure),
    severity: Medium,
    must: |_| Must::Refuse(Group::Structure.into()),
    ..Defect::BASE
};

/// A change that makes it no JWT.
macro_rules! broken {
    ($name:literal, $step:ident, $change:expr, $fault:ident, $severity:ident, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: $severity,
            source: $source,
            build: |_| Recipe { twist: Twist::$step($change), ..GOOD },
            faults: &[Fault::$fault],
            ..STRUCTURE
        }
    };
}

/// What no standard forbids, and no parser should die of.
macro_rules! heavy {
    ($name:literal, $change:expr, $faults:expr, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 8259, 9; CVE-2025-27144",
            build: |_| Recipe { twist: Twist::Payload($change), ..GOOD },
            faults: $faults,
            must: |at| {
                let why = "no standard bounds it";
                Must::Unpromised(long(Group::Structure, 35_000, at), why)
            },
            ..STRUCTURE
        }
    };
}

/// A good token of so many bytes.
macro_rules! long {
    ($name:literal, $length:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Info,
            source: "MQTT 3.1.1, 3.1.3.5; RabbitMQ: 64 KiB before authentication",
            build: |_| Recipe { twist: Twist::Length($length), ..GOOD },
            must: |at| {
                if $length <= usize::from(at.policy.longest_token) {
                    return Must::AcceptInTime;
                }
                let refusal = long(Group::Structure, $length, at);
                Must::Unpromised(refusal, "it is longer than `longest_token`")
            },
            ..STRUCTURE
        }
    };
}

/// Changes a token by its segments.
fn resegment(token: &mut Vec<u8>, change: fn(&[&str]) -> String) {
    let text = String::from_utf8_lossy(token).into_owned();
    *token = change(&text.split('.').collect::<Vec<_>>()).into_bytes();
}

/// The JSON serializations of RFC 7515, 7.2.
fn flattened(parts: &[&str]) -> String {
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#)
}

fn general(parts: &[&str]) -> String {
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    )
}

fn general_with_bad(parts: &[&str]) -> String {
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}},{{"protected":"{header}","signature":"AAAA"}}]}}"#
    )
}

/// Adds a claim that nobody knows.
fn add_note(payload: &mut Vec<u8>, value: &[u8]) {
    add_free_member(payload, "note", value);
}

/// Adds 3 000 claims that nobody knows.
fn add_many(payload: &mut Vec<u8>) {
    let mut prefix = "k".to_owned();
    while holds(payload, &format!("\"{prefix}")) {
        prefix.push('k');
    }
    for number in 0..3000 {
        add_member(payload, format!("\"{prefix}{number}\":0").as_bytes());
    }
}

fn nest(payload: &mut Vec<u8>, depth: usize) {
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    add_note(payload, text.as_bytes());
}

/// Puts a member before the others.
fn put_first(object: &mut Vec<u8>, member: &str) {
    object.splice(1..1, format!("{member},").into_bytes());
}

/// Of two members of one name the last counts, or the token is refused (RFC 7515, 4; RFC 7519, 4): this one's last is good.
fn last_may_count(_: &Situation<'_>) -> Must {
    let why = "RFC 7519, 4 lets the last of two members count";
    Must::Unpromised(Group::Structure.into(), why)
}

fn only_with_clientid(at: &Situation<'_>) -> Option<&'static str> {
    (at.strict.bound.get("clientid") != Some(&Bound::ClientId))
        .then_some("the tokens have no `clientid` that is the client id")
}

pub(super) static DEFECTS: [Defect; 42] = [
    Defect {
        name: "not_a_jwt",
        summary: "an ordinary password",
        severity: Critical,
        source: "emqx-auth-jwt#49",
        build: |_| Recipe { form: Form::Bytes(Cow::Borrowed(b"hunter2")), ..GOOD },
        faults: &[Fault::Segments],
        ..STRUCTURE
    },
    Defect {
        name: "random_bytes",
        summary: "16 bytes that are no text",
        severity: Critical,
        source: "emqx-auth-jwt#49",
        build: |_| Recipe {
            form: Form::Bytes(Cow::Borrowed(
                b"\x93\x1c\xe1\x7f\x8a\xfd\x01\xb6\x5e\xc8\x99\x22\xd4\x80\x6b\xf3",
            )),
            ..GOOD
        },
        faults: &[Fault::NotAscii, Fault::Segments],
        inapplicable: only_in_password,
        ..STRUCTURE
    },
    Defect {
        name: "binary_around",
        summary: "bytes that are no text stand around a good token",
        source: "rmqtt: the password is read as lossy text",
        build: |_| Recipe {
            twist: Twist::Token(|token| {
                token.insert(0, 0x80);
                token.push(0xFF);
            }),
            ..GOOD
        },
        faults: &[Fault::NotAscii],
        inapplicable: only_in_password,
        ..STRUCTURE
    },
    broken!(
        "segments_1",
        Token,
        |token| resegment(token, |parts| parts[0].into()),
        Segments,
        Medium,
        "the header alone",
        "RFC 7515, 7.1"
    ),
    broken!(
        "segments_2",
        Token,
        |token| resegment(token, |parts| parts[..2].join(".")),
        Segments,
        High,
        "header and payload, and no dot after them",
        "RFC 7515, 7.1; Wycheproof rejectsMissingSignature"
    ),
    broken!(
        "segments_4",
        Token,
        |token| resegment(token, |parts| [parts, &parts[2..]].concat().join(".")),
        Segments,
        Medium,
        "a fourth segment after a good token",
        "Wycheproof rejectsExtraComponent"
    ),
    broken!(
        "segments_5",
        Token,
        |token| resegment(token, |parts| [parts, &parts[1..]].concat().join(".")),
        Segments,
        Medium,
        "two more segments after a good token",
        "Wycheproof rejectsExtraComponent"
    ),
    broken!(
        "dot_before",
        Token,
        |token| token.insert(0, b'.'),
        Segments,
        Medium,
        "a dot before a good token",
        "RFC 7515, 7.1"
    ),
    broken!(
        "dot_after",
        Token,
        |token| token.push(b'.'),
        Segments,
        Medium,
        "a dot after a good token",
        "RFC 7515, 7.1"
    ),
    broken!(
        "dot_twice",
        Token,
        |token| resegment(token, |parts| parts.join("..")),
        Segments,
        Medium,
        "two dots between the segments",
        "RFC 7515, 7.1"
    ),
    broken!(
        "dots_1000",
        Token,
        |token| *token = vec![b'.'; 1000],
        Segments,
        Medium,
        "1 000 dots",
        "CVE-2025-30204; CVE-2025-27144"
    ),
    Defect {
        name: "dots_65535",
        summary: "65 535 dots",
        severity: High,
        source: "CVE-2025-30204; CVE-2025-27144",
        build: |_| Recipe { twist: Twist::Token(|token| *token = vec![b'.'; 65_535]), ..GOOD },
        faults: &[Fault::Segments],
        must: |at| Must::Refuse(long(Group::Structure, 65_535, at)),
        ..STRUCTURE
    },
    broken!(
        "header_not_json",
        Header,
        |json| *json = b"storm".to_vec(),
        NotJson,
        Medium,
        "the header is a word",
        "RFC 7519, 7.2"
    ),
    broken!(
        "header_array",
        Header,
        |json| *json = [b"[", &json[..], b"]"].concat(),
        NotJson,
        Medium,
        "the header is an array that holds one",
        "RFC 7519, 7.2"
    ),
    broken!(
        "header_empty",
        Header,
        Vec::clear,
        NotJson,
        Medium,
        "the header is empty",
        "RFC 7519, 7.2"
    ),
    broken!(
        "payload_not_json",
        Payload,
        |json| *json = b"storm".to_vec(),
        NotJson,
        Medium,
        "the payload is a word",
        "RFC 7519, 7.2"
    ),
    broken!(
        "payload_array",
        Payload,
        |json| *json = [b"[", &json[..], b"]"].concat(),
        NotJson,
        Medium,
        "the payload is an array that holds the claims",
        "RFC 7519, 7.2"
    ),
    broken!(
        "payload_text",
        Payload,
        |json| *json = b"\"storm\"".to_vec(),
        NotJson,
        Medium,
        "the payload is a text",
        "RFC 7519, 7.2"
    ),
    broken!(
        "payload_empty",
        Payload,
        Vec::clear,
        NotJson,
        Medium,
        "the payload is empty",
        "RFC 7519, 7.2"
    ),
    broken!(
        "payload_garbage",
        Payload,
        |json| json.push(b'x'),
        NotJson,
        Medium,
        "there is an `x` after the claims",
        "RFC 8259, 2"
    ),
    Defect {
        name: "payload_bom",
        summary: "there is a byte order mark before the claims",
        source: "RFC 8259, 8.1",
        build: |_| Recipe {
            twist: Twist::Payload(|json| *json = [&b"\xEF\xBB\xBF"[..], json].concat()),
            ..GOOD
        },
        faults: &[Fault::NotJson],
        must: |_| {
            let why = "RFC 8259, 8.1 lets a parser ignore it";
            Must::Unpromised(Group::Structure.into(), why)
        },
        ..STRUCTURE
    },
    broken!(
        "payload_comment",
        Payload,
        |json| *json = [&b"/* */"[..], json].concat(),
        NotJson,
        Medium,
        "there is a comment before the claims",
        "RFC 8259, 2"
    ),
    Defect {
        name: "payload_nan",
        summary: "a claim is `NaN`, which JSON has not",
        source: "RFC 8259, 6",
        build: |_| Recipe { claims: &[("+note", "NaN")], ..GOOD },
        faults: &[Fault::NotJson],
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_alg",
        summary: "`alg` is there twice: `none`, then the right one",
        source: "RFC 7515, 4",
        severity: High,
        build: |_| Recipe {
            twist: Twist::Header(|json| put_first(json, "\"alg\":\"none\"")),
            ..GOOD
        },
        faults: &[Fault::Duplicate],
        must: last_may_count,
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_alg_none",
        summary: "`alg` is there twice: the right one, then `none`",
        source: "RFC 7515, 4",
        severity: High,
        build: |_| Recipe {
            twist: Twist::Header(|json| add_member(json, b"\"alg\":\"none\"")),
            ..GOOD
        },
        faults: &[Fault::Duplicate, Fault::AlgNone],
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_exp",
        summary: "`exp` is there twice: in the past, then ahead",
        source: "RFC 7519, 4; RFC 8725, 2.4",
        severity: High,
        build: |_| Recipe { twist: Twist::Payload(|json| put_first(json, "\"exp\":1")), ..GOOD },
        faults: &[Fault::Duplicate],
        must: last_may_count,
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_exp_past",
        summary: "`exp` is there twice: ahead, then in the past",
        source: "RFC 7519, 4; RFC 8725, 2.4",
        severity: High,
        build: |_| Recipe {
            claims: &[("iat", ""), ("nbf", "")],
            twist: Twist::Payload(|json| add_member(json, b"\"exp\":1")),
            ..GOOD
        },
        faults: &[Fault::Duplicate, Fault::Expired],
        must: exp,
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_client_id",
        summary: "`clientid` is there twice: another's, then the right one",
        source: "RFC 7519, 4; CVE-2022-39227",
        severity: High,
        build: |_| Recipe {
            twist: Twist::Payload(|json| put_first(json, "\"clientid\":\"another\"")),
            ..GOOD
        },
        faults: &[Fault::Duplicate],
        must: last_may_count,
        inapplicable: only_with_clientid,
        ..STRUCTURE
    },
    Defect {
        name: "duplicate_client_id_other",
        summary: "`clientid` is there twice: the right one, then another's",
        source: "RFC 7519, 4; CVE-2022-39227",
        severity: High,
        build: |_| Recipe {
            twist: Twist::Payload(|json| add_member(json, b"\"clientid\":\"another\"")),
            ..GOOD
        },
        faults: &[Fault::Duplicate, Fault::ClientId],
        must: client_id,
        inapplicable: only_with_clientid,
        ..STRUCTURE
    },
    broken!(
        "utf8_invalid",
        Payload,
        |json| add_note(json, b"\"\xFF\xFE\""),
        Utf8,
        Medium,
        "a claim is no UTF-8",
        "RFC 8725, 3.7"
    ),
    broken!(
        "utf8_overlong",
        Payload,
        |json| add_note(json, b"\"\xC0\xAF\""),
        Utf8,
        Medium,
        "a claim has an overlong character",
        "RFC 3629, 3"
    ),
    Defect {
        name: "utf8_surrogate",
        summary: "a claim is half a surrogate pair",
        source: "RFC 8259, 8.2",
        build: |_| Recipe { twist: Twist::Payload(|json| add_note(json, b"\"\\ud800\"")), ..GOOD },
        faults: &[Fault::Utf8],
        must: |_| {
            let why = "RFC 8259, 8.2 leaves open what becomes of it";
            Must::Unpromised(Group::Structure.into(), why)
        },
        ..STRUCTURE
    },
    heavy!("deep_100", |json| nest(json, 100), &[Fault::TooDeep], "a claim is nested 100 deep"),
    heavy!("deep_1000", |json| nest(json, 1000), &[Fault::TooDeep], "a claim is nested 1 000 deep"),
    heavy!(
        "deep_10000",
        |json| nest(json, 10_000),
        &[Fault::TooDeep],
        "a claim is nested 10 000 deep"
    ),
    heavy!("many_claims", add_many, &[], "there are 3 000 more claims"),
    heavy!(
        "long_number",
        |json| add_note(json, "9".repeat(20_000).as_bytes()),
        &[Fault::NumberRange],
        "a claim is a number of 20 000 digits"
    ),
    long!("token_32k", 32_768, "a good token of 32 KiB"),
    long!("token_65535", 65_535, "a good token of 65 535 bytes, the most that CONNECT can carry"),
    broken!(
        "json_flattened",
        Token,
        |token| resegment(token, flattened),
        JsonSerialization,
        High,
        "a good token in the flattened JSON serialization",
        "RFC 7515, 7.2.2; Wycheproof rejectsValidJsonSerialization"
    ),
    broken!(
        "json_general",
        Token,
        |token| resegment(token, general),
        JsonSerialization,
        High,
        "a good token in the general JSON serialization",
        "RFC 7515, 7.2.1; Wycheproof rejectsValidJsonSerialization"
    ),
    broken!(
        "json_signatures",
        Token,
        |token| resegment(token, general_with_bad),
        JsonSerialization,
        High,
        "two signatures in JSON, one of them bad",
        "RFC 7515, 7.2.1"
    ),
];

fn only_in_password(at: &Situation<'_>) -> Option<&'static str> {
    (at.token_in == crate::scenario::TokenIn::Username)
        .then_some("the token is the user name, which must be UTF-8")
}
