//! Another client's, issuer's or audience's tokens.

use serde_json::Value;

use super::{
    Severity::{Critical, High, Medium},
    Situation,
    entry::Defect,
    when::{
        audience, bound, certified, client_id, confirmation, confirmed, issuer, odd_client_id,
        only_with_audience, only_with_bound, only_with_certificate, only_with_client_id,
        only_with_holder, only_with_issuer, only_with_username, stolen, username,
    },
};
use crate::{
    scenario::Group,
    token::{
        oracle::Fault,
        recipe::{Bearer, Certificate, GOOD, Placing, Recipe},
    },
};

const IDENTITY: Defect =
    Defect { group: Some(Group::Identity), severity: High, must: bound, ..Defect::BASE };

/// `iss` is this JSON text.
macro_rules! issuer {
    ($name:literal, $text:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 7519, 4.1.1; OpenID Connect Core, 3.1.3.7; CVE-2025-30144",
            build: |_| Recipe { claims: &[("iss", $text)], ..GOOD },
            faults: &[Fault::Issuer],
            must: issuer,
            inapplicable: only_with_issuer,
            ..IDENTITY
        }
    };
}

/// `aud` is this JSON text.
macro_rules! audience {
    ($name:literal, $text:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 7519, 4.1.3; CVE-2020-26160",
            build: |_| Recipe { claims: &[("aud", $text)], ..GOOD },
            faults: &[Fault::Audience],
            must: audience,
            inapplicable: only_with_audience,
            ..IDENTITY
        }
    };
}

/// Claims that are the client's own are this JSON text.
macro_rules! bound {
    ($name:literal, $text:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 8725, 3.9; RFC 7519, 7.3",
            build: |_| Recipe { bound: Some($text), ..GOOD },
            faults: &[Fault::ClientId, Fault::Username],
            inapplicable: only_with_bound,
            ..IDENTITY
        }
    };
}

/// Only where the user name is a name.
fn only_with_user(at: &Situation<'_>) -> Option<&'static str> {
    (!at.has_user).then_some("the user name holds what the client shows, and is no name")
}

/// The client id of the token is nearly that of the connection.
macro_rules! nearly {
    ($name:literal, $bearer:expr, $placing:expr, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: $source,
            build: |_| Recipe { bearer: $bearer, placing: $placing, ..GOOD },
            faults: &[Fault::ClientId],
            must: client_id,
            inapplicable: only_with_client_id,
            ..IDENTITY
        }
    };
}

pub(super) static DEFECTS: [Defect; 32] = [
    Defect {
        name: "stolen",
        summary: "another client's good token",
        severity: Critical,
        source: "RFC 8725, 2.8; MQTT 3.1.1, 3.1.4-3",
        build: |_| Recipe { bearer: Bearer::Another, ..GOOD },
        faults: &[Fault::ClientId, Fault::Username, Fault::Confirmation],
        must: stolen,
        inapplicable: only_with_holder,
        ..IDENTITY
    },
    Defect {
        name: "stolen_client_id",
        summary: "a token of the same user for another client id",
        severity: Critical,
        source: "RFC 8725, 2.8; EMQX: `verify_claims`",
        build: |_| Recipe { bearer: Bearer::AnotherClientId, ..GOOD },
        faults: &[Fault::ClientId],
        must: client_id,
        inapplicable: only_with_client_id,
        ..IDENTITY
    },
    Defect {
        name: "stolen_username",
        summary: "a token for the same client id of another user",
        source: "RFC 8725, 2.8; EMQX: `verify_claims`",
        build: |_| Recipe { bearer: Bearer::AnotherUsername, ..GOOD },
        faults: &[Fault::Username],
        must: username,
        inapplicable: only_with_username,
        ..IDENTITY
    },
    nearly!(
        "client_id_space",
        Bearer::With(" "),
        Placing::Own,
        "the claim has a space after the client id",
        "RFC 7519, 7.3"
    ),
    nearly!(
        "client_id_nul",
        Bearer::With("\0x"),
        Placing::Own,
        "the claim has a NUL and more after the client id",
        "RFC 8725, 3.7; MQTT 3.1.1, 1.5.3-2"
    ),
    Defect {
        name: "client_id_nfd",
        summary: "the claim is decomposed Unicode, the client id composed",
        source: "RFC 7519, 7.3; RFC 8725, 3.7",
        build: |_| Recipe {
            bearer: Bearer::With("e\u{301}"),
            placing: Placing::ClientIdWith("\u{e9}"),
            ..GOOD
        },
        faults: &[Fault::ClientId],
        must: odd_client_id,
        inapplicable: only_with_client_id,
        ..IDENTITY
    },
    Defect {
        name: "client_id_case",
        summary: "the claim is the client id in capitals",
        source: "RFC 7519, 7.3",
        build: |_| Recipe { bearer: Bearer::Capitals, ..GOOD },
        faults: &[Fault::ClientId],
        must: client_id,
        inapplicable: |at| {
            let mut outside = at.client_id.split(['{', '}']).step_by(2);
            let has_letters = outside.any(|text| text.contains(|c: char| c.is_ascii_lowercase()));
            if has_letters {
                only_with_client_id(at)
            } else {
                Some("the client ids have no small letters")
            }
        },
        ..IDENTITY
    },
    Defect {
        name: "client_id_empty",
        summary: "the client leaves its id to the server, the token names one",
        severity: Medium,
        source: "MQTT 3.1.1, 3.1.3.1",
        build: |_| Recipe { placing: Placing::NoClientId, ..GOOD },
        faults: &[Fault::ClientId],
        must: odd_client_id,
        inapplicable: only_with_client_id,
        ..IDENTITY
    },
    Defect {
        name: "placeholder_username",
        summary: "the user name is `${clientid}`, the claim the client id",
        source: "EMQX and rmqtt: placeholders in claims",
        build: |_| Recipe {
            bearer: Bearer::UsernameIsClientId,
            placing: Placing::UsernameIs("${clientid}"),
            ..GOOD
        },
        faults: &[Fault::Username],
        must: username,
        inapplicable: only_with_username,
        ..IDENTITY
    },
    Defect {
        name: "placeholder_client_id",
        summary: "the client id is `${username}` and a number, the claim the user name and that number",
        source: "EMQX and rmqtt: placeholders in claims",
        build: |_| Recipe {
            bearer: Bearer::ClientIdIsUsername,
            placing: Placing::ClientIdIs("${username}"),
            ..GOOD
        },
        faults: &[Fault::ClientId],
        must: odd_client_id,
        inapplicable: |at| only_with_user(at).or_else(|| only_with_client_id(at)),
        ..IDENTITY
    },
    bound!("bound_missing", "", "claims that must be the client's are missing"),
    bound!("bound_null", "null", "claims that must be the client's are null"),
    bound!("bound_number", "9007199254740991", "claims that must be the client's are numbers"),
    Defect {
        inapplicable: |at| only_with_user(at).or_else(|| only_with_bound(at)),
        ..bound!(
            "bound_array",
            "[\"{client_id}\", \"{username}\"]",
            "claims that must be the client's are arrays that hold it"
        )
    },
    bound!("bound_object", "{}", "claims that must be the client's are objects"),
    bound!("bound_empty", "\"\"", "claims that must be the client's are empty texts"),
    bound!("bound_wildcard", "\"*\"", "claims that must be the client's are `*`"),
    issuer!("wrong_issuer", "\"https://other-issuer.example\"", "`iss` is another issuer"),
    issuer!("issuer_missing", "", "there is no `iss`"),
    issuer!("issuer_slash", "\"$iss/\"", "`iss` has a slash at its end"),
    Defect {
        name: "issuer_case",
        summary: "`iss` is the right one in capitals",
        source: "RFC 7519, 4.1.1: case-sensitive",
        build: |_| Recipe { claims: &[("iss", "\"$ISS\"")], ..GOOD },
        faults: &[Fault::Issuer],
        must: issuer,
        inapplicable: |at| {
            let text = at.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
            let has_letters = text.contains(|c: char| c.is_ascii_lowercase());
            if has_letters { only_with_issuer(at) } else { Some("`iss` has no small letters") }
        },
        ..IDENTITY
    },
    issuer!("issuer_array", "[\"$iss\"]", "`iss` is an array that holds the right one"),
    issuer!("other_tenant", "\"$iss/realms/other\"", "`iss` is another tenant of the same issuer"),
    audience!("wrong_audience", "\"other-service\"", "`aud` is another service"),
    audience!("audience_missing", "", "there is no `aud`"),
    audience!("audience_empty", "\"\"", "`aud` is an empty text"),
    audience!("audience_empty_list", "[]", "`aud` is an empty array"),
    audience!("audience_number", "7", "`aud` is a number"),
    audience!("audience_prefix", "\"$aud-evil\"", "`aud` begins with the right one"),
    Defect {
        name: "cnf_other",
        summary: "a good token of the client that is bound to another client's certificate",
        severity: Critical,
        source: "RFC 8705, 3; RFC 7800, 3.1",
        build: |_| Recipe { bearer: Bearer::AnotherCertificate, ..GOOD },
        faults: &[Fault::Confirmation],
        must: confirmed,
        inapplicable: only_with_certificate,
        ..IDENTITY
    },
    Defect {
        name: "cnf_missing",
        summary: "a good token that is bound to no certificate, from a client that has one",
        source: "RFC 8705, 3",
        build: |_| Recipe { claims: &[("cnf", "")], ..GOOD },
        faults: &[Fault::ClaimMissing],
        must: confirmation,
        inapplicable: only_with_certificate,
        ..IDENTITY
    },
    Defect {
        name: "cnf_no_certificate",
        summary: "a token that is bound to a certificate, from a client that shows none",
        severity: Critical,
        source: "RFC 8705, 3",
        build: |_| Recipe { certificate: Certificate::Absent, ..GOOD },
        faults: &[Fault::Confirmation],
        must: certified,
        inapplicable: only_with_certificate,
        ..IDENTITY
    },
];
