//! Controls: good tokens, however strange, which must be accepted.

use std::time::Duration;

use super::{
    entry::Defect,
    when::{long, only_with_audience},
};
use crate::{
    scenario::Group,
    token::recipe::{Exp, GOOD, Must, Recipe, Twist},
};

const CONTROL: Defect = Defect::BASE;

/// A good token with these claims.
macro_rules! claims {
    ($name:literal, $claims:expr, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: $source,
            build: |_| Recipe { claims: $claims, ..GOOD },
            ..CONTROL
        }
    };
}

/// A good token with these header parameters.
macro_rules! header {
    ($name:literal, $header:expr, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: $source,
            build: |_| Recipe { header: $header, ..GOOD },
            ..CONTROL
        }
    };
}

/// White space wherever JSON allows it between members.
fn space_out(json: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(json).into_owned();
    *json = format!(" {{\n\t{}\r\n }} \n", &text[1..text.len() - 1]).into_bytes();
}

/// The name of `exp` with an escape that means the same (RFC 8259, 8.3).
fn escape_exp(json: &mut Vec<u8>) {
    *json = String::from_utf8_lossy(json).replace("\"exp\"", "\"\\u0065xp\"").into_bytes();
}

pub(super) static CONTROLS: [Defect; 18] = [
    Defect {
        name: super::FRESH,
        summary: "a good token, minted for this client and this moment",
        source: "RFC 7519, 7.2",
        ..CONTROL
    },
    Defect {
        name: "exp_fraction",
        summary: "`exp` is good, and has a fraction",
        source: "RFC 7519, 2; emqx#8825; rabbitmq-server#16713",
        build: |_| Recipe { exp: Exp::Absent, claims: &[("exp", "$now+3600.5")], ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "exp_exponent",
        summary: "`exp` is good, and written with an exponent",
        source: "RFC 7519, 2; RFC 8259, 6",
        build: |_| Recipe { exp: Exp::Absent, claims: &[("exp", "$now+3600e0")], ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "exp_soon",
        summary: "`exp` is half a minute ahead",
        source: "RFC 7519, 4.1.4",
        build: |_| Recipe { exp: Exp::Absent, claims: &[("exp", "$now+30")], ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "nbf_now",
        summary: "`nbf` is this very second",
        source: "RFC 7519, 4.1.5",
        build: |_| Recipe { nbf_after: Some(Duration::ZERO), ..GOOD },
        ..CONTROL
    },
    claims!(
        "nbf_fraction",
        &[("nbf", "$now-60.5")],
        "`nbf` is a minute ago, and has a fraction",
        "RFC 7519, 2"
    ),
    Defect {
        name: "audience_array",
        summary: "`aud` is an array that holds the right one",
        source: "RFC 7519, 4.1.3; emqx#16423",
        build: |_| Recipe { claims: &[("aud", "[\"another\", \"$aud\"]")], ..GOOD },
        inapplicable: only_with_audience,
        ..CONTROL
    },
    claims!(
        "claims_unknown",
        &[
            ("+note", "{\"a\": [1, null, true]}"),
            ("+https://example.com/x", "\"\\u00e9 \u{1F511}\"")
        ],
        "claims that nobody knows",
        "RFC 7519, 4: they must be ignored"
    ),
    Defect {
        name: "iat_absent",
        summary: "there is no `iat`",
        source: "RFC 7519, 4.1.6: optional",
        build: |_| Recipe { claims: &[("iat", "")], ..GOOD },
        inapplicable: |at| at.policy.requires("iat").then_some("the policy requires `iat`"),
        ..CONTROL
    },
    Defect {
        name: "jti_absent",
        summary: "there is no `jti`",
        source: "RFC 7519, 4.1.7: optional",
        build: |_| Recipe { claims: &[("jti", "")], ..GOOD },
        inapplicable: |at| at.policy.requires("jti").then_some("the policy requires `jti`"),
        ..CONTROL
    },
    header!(
        "header_unknown",
        &[("storm", "[1]")],
        "a header parameter that nobody knows",
        "RFC 7515, 4: it must be ignored"
    ),
    header!("typ_absent", &[("typ", "")], "there is no `typ`", "RFC 7519, 5.1: optional"),
    header!(
        "typ_lower",
        &[("typ", "\"jwt\"")],
        "`typ` is `jwt`",
        "RFC 7519, 5.1; RFC 2045, 5.1: case does not matter"
    ),
    header!("typ_access_token", &[("typ", "\"at+jwt\"")], "`typ` is `at+jwt`", "RFC 9068, 2.1"),
    Defect {
        name: "json_space",
        summary: "white space between the claims",
        source: "RFC 8259, 2",
        build: |_| Recipe { twist: Twist::Payload(space_out), ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "json_space_header",
        summary: "white space in the header",
        source: "RFC 8259, 2",
        build: |_| Recipe { twist: Twist::Header(space_out), ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "json_escape",
        summary: "the name of `exp` is written with an escape",
        source: "RFC 8259, 7 and 8.3",
        build: |_| Recipe { twist: Twist::Payload(escape_exp), ..GOOD },
        ..CONTROL
    },
    Defect {
        name: "token_8k",
        summary: "a token of 8 KiB",
        source: "MQTT 3.1.1, 3.1.3.5",
        build: |_| Recipe { twist: Twist::Length(8192), ..GOOD },
        must: |at| {
            if at.policy.longest_token >= 8192 {
                Must::AcceptInTime
            } else {
                let refusal = long(Group::Structure, 8192, at);
                Must::Unpromised(refusal, "it is longer than `longest_token`")
            }
        },
        ..CONTROL
    },
];
