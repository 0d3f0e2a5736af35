//! No token, or not where the broker looks for it, or not as it should stand there.

use std::borrow::Cow;

use super::{
    Severity::{Critical, Info, Low, Medium},
    Situation,
    entry::Defect,
    when::{refused_if, username},
};
use crate::{
    scenario::{Group, OnAnonymous, Protocol, TokenIn},
    token::{
        oracle::{Bound, Fault},
        recipe::{Also, Form, GOOD, Must, Placing, Recipe, Refusal, Twist},
    },
};

const PLACEMENT: Defect = Defect {
    group: Some(Group::Placement),
    severity: Medium,
    must: |_| Must::Refuse(Group::Placement.into()),
    ..Defect::BASE
};

/// The token is elsewhere, and what stands in its place is no token.
macro_rules! elsewhere {
    ($name:literal, $placing:ident, $also:ident, $inapplicable:expr, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "mosquitto-go-auth: user name; EMQX: password",
            build: |_| Recipe { placing: Placing::$placing, ..GOOD },
            faults: &[Fault::Segments],
            must: |_| Must::Refuse(Refusal { group: Group::Placement, also: Also::$also }),
            inapplicable: $inapplicable,
            ..PLACEMENT
        }
    };
}

/// Something stands around or in a good token that HTTP or a shell would have there.
macro_rules! dressed {
    ($name:literal, $change:expr, $fault:ident, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Info,
            source: $source,
            build: |_| Recipe { twist: Twist::Token($change), ..GOOD },
            faults: &[Fault::$fault],
            ..PLACEMENT
        }
    };
}

fn only_in_password(at: &Situation<'_>) -> Option<&'static str> {
    match at.token_in {
        TokenIn::Password => None,
        TokenIn::Username => Some("the token is the user name: there is no password"),
        TokenIn::AuthData => Some("the token is the authentication data: there is no password"),
        TokenIn::WsHeader | TokenIn::Template => Some(IN_A_TEXT),
    }
}

/// Why entries about user name and password do not apply where texts of the scenario bring the token.
const IN_A_TEXT: &str = "the token is in a text of the scenario, in no field of its own";

fn only_in_a_field(at: &Situation<'_>) -> Option<&'static str> {
    at.token_in.is_by_template().then_some(IN_A_TEXT)
}

/// The refusal of who brings nothing: where a token comes by a method, that is what is missing.
fn nothing(at: &Situation<'_>) -> Refusal {
    let is_data = at.token_in == TokenIn::AuthData;
    let also = if is_data { Also::BadMethod } else { Also::Nothing };
    Refusal { group: Group::Placement, also }
}

pub(super) fn only_as_data(at: &Situation<'_>) -> Option<&'static str> {
    (at.token_in != TokenIn::AuthData).then_some("the token is no authentication data")
}

fn only_v5(at: &Situation<'_>) -> Option<&'static str> {
    (at.protocol == Protocol::V4).then_some("MQTT 3.1.1 has no properties")
}

/// What is wrong with the fields of enhanced authentication themselves.
macro_rules! enhanced {
    ($name:literal, $recipe:expr, $fault:ident, $also:ident, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: $source,
            build: |_| $recipe,
            faults: &[Fault::$fault],
            must: |_| Must::Refuse(Refusal { group: Group::Placement, also: Also::$also }),
            inapplicable: only_as_data,
            ..PLACEMENT
        }
    };
}

pub(super) static DEFECTS: [Defect; 19] = [
    Defect {
        name: "no_credentials",
        summary: "neither user name nor password",
        severity: Critical,
        source: "MQTT 3.1.1, 3.1.2.8",
        build: |_| Recipe { form: Form::Nothing, ..GOOD },
        faults: &[Fault::NoToken],
        must: |at| match at.policy.anonymous {
            OnAnonymous::Accept => Must::AcceptInTime,
            OnAnonymous::Refuse => Must::Refuse(nothing(at)),
        },
        ..PLACEMENT
    },
    Defect {
        name: "empty_password",
        summary: "a user name and a password of length 0",
        severity: Critical,
        source: "MQTT 3.1.1, 3.1.3.5",
        build: |_| Recipe { form: Form::Bytes(Cow::Borrowed(b"")), ..GOOD },
        faults: &[Fault::NoToken],
        inapplicable: only_in_password,
        ..PLACEMENT
    },
    Defect {
        name: "no_password",
        summary: "a user name, and no password",
        severity: Critical,
        source: "MQTT 3.1.1, 3.1.2.9; MQTT 5.0, 3.1.2.9",
        build: |_| Recipe { placing: Placing::NoPassword, ..GOOD },
        faults: &[Fault::NoToken],
        inapplicable: only_in_password,
        ..PLACEMENT
    },
    Defect {
        name: "empty_username",
        summary: "a good token, and a user name of length 0",
        source: "MQTT 3.1.1, 3.1.3.4; RabbitMQ takes it, NATS does not",
        build: |_| Recipe { placing: Placing::EmptyUsername, ..GOOD },
        faults: &[Fault::Username],
        must: username,
        inapplicable: only_in_password,
        ..PLACEMENT
    },
    Defect {
        name: "empty_username_alone",
        summary: "a user name of length 0, and no token anywhere",
        severity: Critical,
        source: "MQTT 3.1.1, 3.1.3.4",
        build: |_| Recipe { placing: Placing::EmptyUsernameAlone, ..GOOD },
        faults: &[Fault::NoToken],
        must: |at| Must::Refuse(nothing(at)),
        ..PLACEMENT
    },
    Defect {
        name: "no_username",
        summary: "a good token in the password, without a user name",
        severity: Low,
        source: "MQTT 3.1.1, 3.1.2-22; MQTT 5.0, 3.1.2.9",
        build: |_| Recipe { placing: Placing::NoUsername, ..GOOD },
        faults: &[Fault::NoUsername, Fault::Username],
        must: |at| match at.protocol {
            Protocol::V4 => Must::Refuse(Refusal { group: Group::Placement, also: Also::Close }),
            Protocol::V5 => {
                let is_bound = at.expected.bound.values().any(|bound| *bound == Bound::Username);
                refused_if(is_bound, Group::Placement, "MQTT 5.0 allows a password alone")
            }
        },
        inapplicable: only_in_password,
        ..PLACEMENT
    },
    elsewhere!(
        "in_other_field",
        OtherField,
        Nothing,
        only_in_a_field,
        "the token is in the user name where it belongs into the password, or the other way round"
    ),
    Defect {
        // Two clients with the same claims must not share a client id.
        build: |_| Recipe { placing: Placing::ClientId, claims: &[("+note", "\"$n\"")], ..GOOD },
        ..elsewhere!("in_client_id", ClientId, ClientId, |_| None, "the token is in the client id")
    },
    elsewhere!(
        "in_user_property",
        UserProperty,
        Nothing,
        only_v5,
        "the token is in a user property"
    ),
    elsewhere!("in_will", Will, Nothing, |_| None, "the token is in the payload of the will"),
    Defect {
        name: "unknown_method",
        summary: "a good token, and an authentication method that nobody knows",
        source: "MQTT 5.0, 4.12.0-1",
        build: |_| Recipe { placing: Placing::UnknownMethod, ..GOOD },
        faults: &[Fault::Method],
        must: |_| Must::Refuse(Refusal { group: Group::Placement, also: Also::BadMethod }),
        inapplicable: only_v5,
        ..PLACEMENT
    },
    enhanced!(
        "data_without_method",
        Recipe { placing: Placing::NoMethod, ..GOOD },
        Method,
        Malformed,
        "a good token as authentication data, and no authentication method",
        "MQTT 5.0, 3.1.2.11.10; ejabberd, Mosquitto and rmqtt pass over it"
    ),
    enhanced!(
        "no_data",
        Recipe { placing: Placing::NoData, ..GOOD },
        NoToken,
        BadMethod,
        "an authentication method, and no authentication data",
        "MQTT 5.0, 3.1.2.11.10"
    ),
    enhanced!(
        "empty_data",
        Recipe { form: Form::Bytes(Cow::Borrowed(b"")), ..GOOD },
        NoToken,
        BadMethod,
        "an authentication method, and authentication data of length 0",
        "MQTT 5.0, 3.1.2.11.10"
    ),
    enhanced!(
        "method_twice",
        Recipe { placing: Placing::MethodTwice, ..GOOD },
        Packet,
        Malformed,
        "a good token, and its authentication method twice",
        "MQTT 5.0, 3.1.2.11.9"
    ),
    enhanced!(
        "auth_first",
        Recipe { placing: Placing::AuthFirst, ..GOOD },
        Packet,
        Malformed,
        "a good token in an AUTH, which is sent in place of CONNECT",
        "MQTT 5.0, 3.1.0-1"
    ),
    dressed!(
        "bearer_prefix",
        |token| *token = [&b"Bearer "[..], token].concat(),
        Prefix,
        "`Bearer ` stands before a good token",
        "RFC 6750, 2.1, which is of HTTP"
    ),
    dressed!(
        "quoted",
        |token| *token = [&b"\""[..], token, b"\""].concat(),
        Quoted,
        "a good token stands between quotation marks",
        "field practice"
    ),
    dressed!(
        "percent_encoded",
        |token| *token = String::from_utf8_lossy(token).replace('.', "%2E").into_bytes(),
        PercentEncoded,
        "the dots of a good token are percent-encoded",
        "RFC 3986, 2.1"
    ),
];
