//! Tokens that have ended, have not begun, or do not say when.

use std::time::Duration;

use super::{
    Parameter,
    Severity::{High, Low, Medium},
    entry::Defect,
    when::{exp, nbf, refused_if},
};
use crate::{
    scenario::{Check, Group},
    token::{
        oracle::Fault,
        recipe::{Exp, GOOD, Must, Recipe},
    },
};

const TIME: Defect = Defect {
    group: Some(Group::Time),
    severity: High,
    source: "RFC 7519, 4.1.4",
    // Refused by the judge, who knows the time of the attempt and the leeway.
    must: |at| match exp(at) {
        Must::Refuse(_) => Must::AcceptInTime,
        unpromised => unpromised,
    },
    ..Defect::BASE
};

/// Expired so many seconds ago.
macro_rules! expired {
    ($name:literal, $seconds:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            build: |_| Recipe { exp: Exp::Ago(Duration::from_secs($seconds)), ..GOOD },
            faults: &[Fault::Expired],
            ..TIME
        }
    };
}

/// Valid from so many seconds ahead.
macro_rules! early {
    ($name:literal, $seconds:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Medium,
            source: "RFC 7519, 4.1.5",
            build: |_| Recipe { nbf_after: Some(Duration::from_secs($seconds)), ..GOOD },
            must: begun,
            faults: &[Fault::NotYetValid],
            ..TIME
        }
    };
}

/// As `TIME` has it for `exp`.
fn begun(at: &super::Situation<'_>) -> Must {
    match nbf(at) {
        Must::Refuse(_) => Must::AcceptInTime,
        unpromised => unpromised,
    }
}

/// `exp` is this JSON text.
macro_rules! exp {
    ($name:literal, $text:literal, $fault:ident, $severity:ident, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: $severity,
            source: "RFC 7519, 2 and 4.1.4; CVE-2026-25537",
            build: |_| Recipe {
                exp: Exp::Absent,
                // Times of the scenario's own may lie after it, which would be another defect.
                claims: &[("iat", ""), ("nbf", ""), ("exp", $text)],
                ..GOOD
            },
            faults: &[Fault::$fault],
            must: exp,
            ..TIME
        }
    };
}

/// `exp` is a number, and so far ahead that arithmetic may fail.
macro_rules! far {
    ($name:literal, $text:literal, $fault:ident, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Medium,
            source: "RFC 7519, 4.1.4; Erlang: send_after takes 49 days",
            build: |_| Recipe { exp: Exp::Absent, claims: &[("exp", $text)], ..GOOD },
            faults: &[Fault::$fault],
            must: |at| {
                let is_bounded = at.policy.max_lifetime.is_some();
                refused_if(is_bounded, Group::Time, "the policy has no `max_lifetime`")
            },
            ..TIME
        }
    };
}

pub(super) static DEFECTS: [Defect; 38] = [
    Defect {
        name: "expired",
        summary: "`exp` has passed",
        parameters: &[Parameter { name: "by", default: "1h", summary: "how long ago" }],
        build: |by| Recipe { exp: Exp::Ago(by), ..GOOD },
        faults: &[Fault::Expired],
        ..TIME
    },
    Defect {
        name: "exp_now",
        summary: "`exp` is this very second",
        severity: Low,
        build: |_| Recipe { exp: Exp::Ago(Duration::ZERO), ..GOOD },
        faults: &[Fault::Expired],
        ..TIME
    },
    expired!("expired_1s", 1, "`exp` was a second ago"),
    expired!("expired_5s", 5, "`exp` was 5 s ago"),
    expired!("expired_59s", 59, "`exp` was 59 s ago, within the leeway of many libraries"),
    expired!("expired_61s", 61, "`exp` was 61 s ago, just beyond the leeway of many libraries"),
    expired!("expired_299s", 299, "`exp` was 299 s ago"),
    expired!("expired_601s", 601, "`exp` was 601 s ago"),
    expired!("expired_1y", 31_557_600, "`exp` was a year ago"),
    Defect {
        name: "no_exp",
        summary: "there is no `exp`: the token never ends",
        source: "RFC 9068, 2.2; rabbitmq-server#16878",
        build: |_| Recipe { exp: Exp::Absent, ..GOOD },
        faults: &[Fault::NoExp],
        must: |at| {
            refused_if(at.policy.requires("exp"), Group::Time, "the policy does not require `exp`")
        },
        ..TIME
    },
    Defect {
        name: "exp_past_fraction",
        summary: "`exp` was an hour ago, and has a fraction",
        source: "RFC 7519, 2 and 4.1.4; rabbitmq-server#16713",
        build: |_| Recipe {
            exp: Exp::Ago(Duration::from_hours(1)),
            claims: &[("exp", "$now-3601.5")],
            ..GOOD
        },
        faults: &[Fault::Expired],
        ..TIME
    },
    exp!("exp_word", "\"never\"", ExpType, High, "`exp` is the text `never`"),
    exp!("exp_zero_text", "\"0\"", ExpType, High, "`exp` is the text `0`"),
    exp!("exp_past_text", "\"$now-3600\"", ExpType, High, "`exp` is an hour ago, as a text"),
    exp!("exp_null", "null", ExpType, High, "`exp` is null"),
    exp!("exp_true", "true", ExpType, High, "`exp` is true"),
    exp!("exp_object", "{}", ExpType, High, "`exp` is an object"),
    exp!("exp_array", "[]", ExpType, High, "`exp` is an array"),
    exp!("exp_digits", "\"$now+3600\"", ExpType, Low, "`exp` is good, but a text of digits"),
    exp!("exp_zero", "0", Expired, High, "`exp` is 0"),
    exp!("exp_negative", "-1", Expired, High, "`exp` is -1"),
    far!("exp_2_53", "9007199254740993", ExpTooFar, "`exp` is 2^53 + 1"),
    far!("exp_2_63", "9223372036854775808", ExpTooFar, "`exp` is 2^63"),
    far!("exp_1e30", "1e30", ExpTooFar, "`exp` is 1e30"),
    far!("exp_1e400", "1e400", NumberRange, "`exp` is 1e400, more than a float can hold"),
    far!("exp_milliseconds", "$now000", ExpTooFar, "`exp` is in milliseconds"),
    Defect {
        name: "not_yet_valid",
        summary: "`nbf` lies ahead",
        severity: Medium,
        source: "RFC 7519, 4.1.5",
        parameters: &[Parameter { name: "by", default: "1h", summary: "how far ahead" }],
        build: |by| Recipe { nbf_after: Some(by), ..GOOD },
        faults: &[Fault::NotYetValid],
        must: begun,
        ..TIME
    },
    early!("not_yet_valid_5s", 5, "`nbf` is 5 s ahead"),
    early!("not_yet_valid_61s", 61, "`nbf` is 61 s ahead"),
    early!("not_yet_valid_301s", 301, "`nbf` is 301 s ahead"),
    early!("not_yet_valid_1y", 31_557_600, "`nbf` is a year ahead"),
    Defect {
        name: "nbf_future_fraction",
        summary: "`nbf` is an hour ahead, and has a fraction",
        severity: Medium,
        source: "RFC 7519, 2 and 4.1.5",
        build: |_| Recipe {
            nbf_after: Some(Duration::from_hours(1)),
            claims: &[("nbf", "$now+3600.5")],
            ..GOOD
        },
        faults: &[Fault::NotYetValid],
        must: begun,
        ..TIME
    },
    Defect {
        name: "nbf_text",
        summary: "`nbf` is a text of digits, far ahead",
        severity: Medium,
        source: "RFC 7519, 2 and 4.1.5; CVE-2026-25537",
        build: |_| Recipe { claims: &[("nbf", "\"99999999999\"")], ..GOOD },
        faults: &[Fault::NbfType],
        must: nbf,
        ..TIME
    },
    Defect {
        name: "nbf_null",
        summary: "`nbf` is null",
        severity: Medium,
        source: "RFC 7519, 2 and 4.1.5",
        build: |_| Recipe { claims: &[("nbf", "null")], ..GOOD },
        faults: &[Fault::NbfType],
        must: nbf,
        ..TIME
    },
    Defect {
        name: "iat_future",
        summary: "`iat` is a day ahead",
        severity: Low,
        source: "RFC 7519, 4.1.6, which demands nothing",
        build: |_| Recipe {
            exp: Exp::Absent,
            claims: &[("iat", "$now+86400"), ("exp", "$now+90000")],
            ..GOOD
        },
        faults: &[Fault::IatFuture],
        must: iat,
        ..TIME
    },
    Defect {
        name: "lifetime_10y",
        summary: "`exp` is 10 years after `iat`",
        severity: Low,
        source: "ClearBlade: at most 24 hours",
        build: |_| Recipe { exp: Exp::Absent, claims: &[("exp", "$now+315576000")], ..GOOD },
        faults: &[Fault::Lifetime],
        must: |at| {
            let is_bounded =
                at.policy.max_lifetime.is_some_and(|most| most < Duration::from_hours(87_660));
            refused_if(is_bounded, Group::Time, "the policy has no shorter `max_lifetime`")
        },
        ..TIME
    },
    Defect {
        name: "exp_before_nbf",
        summary: "`exp` is before `nbf`, both ahead",
        severity: Low,
        source: "RFC 7519, 4.1.4 and 4.1.5",
        build: |_| Recipe {
            exp: Exp::Absent,
            claims: &[("nbf", "$now+7200"), ("exp", "$now+3600")],
            ..GOOD
        },
        faults: &[Fault::ExpBeforeNbf, Fault::NotYetValid],
        must: nbf,
        ..TIME
    },
    Defect {
        name: "exp_before_iat",
        summary: "`exp` is before `iat`, both ahead",
        severity: Low,
        source: "RFC 7519, 4.1.4 and 4.1.6",
        build: |_| Recipe {
            exp: Exp::Absent,
            claims: &[("iat", "$now+7200"), ("exp", "$now+3600")],
            ..GOOD
        },
        faults: &[Fault::ExpBeforeIat, Fault::IatFuture],
        must: iat,
        ..TIME
    },
];

fn iat(at: &super::Situation<'_>) -> Must {
    refused_if(at.policy.checks(Check::Iat), Group::Time, "the policy does not check `iat`")
}
