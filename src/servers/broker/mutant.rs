//! Verifiers that are broken on purpose, to see that a matrix finds them: one table.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::Value;

use crate::{
    scenario::{Group, Protocol},
    token::oracle::{Fault, Presented},
};

/// A verifier that is broken in one way.
#[derive(Debug)]
pub struct Mutant {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is wrong with it, in one sentence.
    pub summary: &'static str,
    /// How it differs from a healthy one.
    pub is: Trait,
    /// Entries of the catalogue that are meant to find it, `*` stands for any text. Of a mutant that is blind to faults
    /// all entries turn red that have no other fault.
    pub caught_by: &'static [&'static str],
}

/// How a mutant differs from a healthy verifier.
#[derive(Debug)]
pub enum Trait {
    /// In nothing.
    Nothing,
    /// It does not see these faults.
    Blind(&'static [Fault]),
    /// It does not see them in a CONNECT of which this is true.
    BlindWhere(fn(&Presented<'_>) -> bool, &'static [Fault]),
    /// It does not see them under one version of MQTT.
    BlindIn(Protocol, &'static [Fault]),
    /// It overlooks these faults once in so many refusals.
    OneIn(u64, &'static [Fault]),
    /// It has so much more leeway than it promises.
    Leeway(Duration),
    /// It compares client ids without regard to case.
    CaseBlind,
    /// It refuses good tokens of which this is true.
    Refuses(fn(&[u8]) -> bool),
    /// It refuses with the code of another reason: one group, or all.
    OtherCode(Option<Group>),
    /// It closes the connection instead of refusing.
    Silent,
    /// It never refuses: the client hears in the end that the broker is unavailable.
    Overloaded,
    /// It answers its first refusal so late.
    Stalls(Duration),
    /// Its process aborts on a CONNECT of which this is true.
    Dies(fn(&Presented<'_>) -> bool),
    /// It lets a connection go on whose token has ended.
    Keeps,
    /// It takes tokens of live connections to end so many seconds later than they do; sooner where negative.
    EndsLater(i64),
}

impl Trait {
    /// Whether it shows on connections that live only, and no matrix finds it.
    pub const fn is_of_sessions(&self) -> bool {
        matches!(self, Self::Keeps | Self::EndsLater(_))
    }
}

const SIGNATURE_FAULTS: &[Fault] = &[
    Fault::Signature,
    Fault::SignatureLength,
    Fault::SignatureMissing,
    Fault::ZeroSignature,
    Fault::EcdsaRange,
    Fault::DerSignature,
    Fault::RsaPadding,
    Fault::EmptySecret,
    Fault::WeakSecret,
    Fault::OwnKey,
    Fault::CurveMismatch,
];

const fn blind(
    name: &'static str,
    summary: &'static str,
    to: &'static [Fault],
    caught_by: &'static [&'static str],
) -> Mutant {
    Mutant { name, summary, is: Trait::Blind(to), caught_by }
}

/// All mutants, in the order in which they are listed.
pub static MUTANTS: [Mutant; 43] = [
    Mutant { name: "healthy", summary: "nothing: the control", is: Trait::Nothing, caught_by: &[] },
    blind("accepts_none", "takes `alg: none` for signed", &[Fault::AlgNone], &["alg_none*"]),
    blind(
        "skips_signature",
        "decodes and does not verify",
        SIGNATURE_FAULTS,
        &["wrong_key", "tampered_*"],
    ),
    blind(
        "accepts_unsigned",
        "takes an empty signature for a good one",
        &[Fault::SignatureMissing],
        &["signature_stripped"],
    ),
    blind(
        "accepts_zeros",
        "takes a signature of zeros for a good one (CVE-2022-21449)",
        &[Fault::ZeroSignature],
        &["signature_zero"],
    ),
    blind(
        "accepts_empty_secret",
        "its secret is lost on a reload: also verifies with none",
        &[Fault::EmptySecret],
        &["secret_empty"],
    ),
    blind(
        "accepts_weak_secret",
        "verifies with the secrets of examples, too",
        &[Fault::WeakSecret],
        &["secret_weak_*"],
    ),
    blind(
        "hmac_confusion",
        "takes its public key for an HMAC secret",
        &[Fault::PublicKeyAsSecret],
        &["alg_confusion*"],
    ),
    blind(
        "any_algorithm",
        "lets the header choose the algorithm",
        &[Fault::AlgOther],
        &["alg_other_*"],
    ),
    blind(
        "trusts_own_key",
        "verifies with the key that the token brings",
        &[Fault::OwnKey],
        &["jwk_embedded", "jku_*", "x5*"],
    ),
    blind("ignores_kid", "does not look at `kid`", &[Fault::Kid], &["unknown_kid", "kid_*"]),
    blind("ignores_crit", "passes over `crit`", &[Fault::Crit], &["crit_*"]),
    blind("ignores_typ", "takes any kind of token for an access token", &[Fault::Typ], &["typ_*"]),
    blind("skips_exp", "does not look at `exp`", &[Fault::Expired], &["expired*", "exp_now"]),
    blind("accepts_no_exp", "takes tokens that never end", &[Fault::NoExp], &["no_exp"]),
    blind(
        "exp_of_any_type",
        "passes over an `exp` that is no number (CVE-2026-25537)",
        &[Fault::ExpType],
        &["exp_word", "exp_null"],
    ),
    blind(
        "ignores_nbf",
        "does not look at `nbf`",
        &[Fault::NotYetValid, Fault::ExpBeforeNbf],
        &["not_yet_valid*"],
    ),
    Mutant {
        name: "more_leeway",
        summary: "lets tokens live 60 s longer than it promises",
        is: Trait::Leeway(Duration::from_mins(1)),
        caught_by: &["expired_5s", "expired_59s", "expired_1s", "exp_now", "not_yet_valid_5s"],
    },
    blind(
        "ignores_issuer",
        "does not compare `iss`",
        &[Fault::Issuer],
        &["wrong_issuer", "issuer_*"],
    ),
    blind(
        "ignores_audience",
        "does not compare `aud`",
        &[Fault::Audience],
        &["wrong_audience", "audience_*"],
    ),
    blind(
        "ignores_client_id",
        "does not compare the client id",
        &[Fault::ClientId],
        &["stolen_client_id", "client_id_*"],
    ),
    blind(
        "ignores_username",
        "does not compare the user name",
        &[Fault::Username],
        &["stolen_username"],
    ),
    Mutant {
        name: "case_blind",
        summary: "compares client ids without regard to case",
        is: Trait::CaseBlind,
        caught_by: &["client_id_case"],
    },
    blind(
        "empty_password",
        "takes an empty password for no authentication asked",
        &[Fault::NoToken],
        &["empty_password"],
    ),
    blind(
        "loose_base64",
        "skips what is not base64url",
        &[
            Fault::Padding,
            Fault::Alphabet,
            Fault::Space,
            Fault::Character,
            Fault::LooseBits,
            Fault::OuterSpace,
        ],
        &["padded_*", "space_inside"],
    ),
    Mutant {
        name: "none_without_kid",
        summary: "takes `alg: none` for signed where there is no `kid`",
        is: Trait::BlindWhere(has_no_kid, &[Fault::AlgNone]),
        caught_by: &["alg_none_no_kid"],
    },
    Mutant {
        name: "confusion_without_kid",
        summary: "takes its public key for an HMAC secret where there is no `kid`",
        is: Trait::BlindWhere(has_no_kid, &[Fault::PublicKeyAsSecret]),
        caught_by: &["alg_confusion_no_kid"],
    },
    Mutant {
        name: "exp_of_whole_seconds",
        summary: "passes over an `exp` that has a fraction",
        is: Trait::BlindWhere(|connect| has_fraction(connect, "exp"), &[Fault::Expired]),
        caught_by: &["exp_past_fraction"],
    },
    Mutant {
        name: "nbf_of_whole_seconds",
        summary: "passes over an `nbf` that has a fraction",
        is: Trait::BlindWhere(|connect| has_fraction(connect, "nbf"), &[Fault::NotYetValid]),
        caught_by: &["nbf_future_fraction"],
    },
    Mutant {
        name: "no_password",
        summary: "takes a user name without a password for no authentication asked",
        is: Trait::BlindWhere(
            |connect| {
                connect.password.is_none() && connect.username.is_some_and(|it| !it.is_empty())
            },
            &[Fault::NoToken],
        ),
        caught_by: &["no_password"],
    },
    Mutant {
        name: "empty_username",
        summary: "takes an empty user name for no authentication asked",
        is: Trait::BlindWhere(
            |connect| connect.username == Some(b""),
            &[Fault::NoToken, Fault::Username],
        ),
        caught_by: &["empty_username", "empty_username_alone"],
    },
    Mutant {
        name: "skips_signature_in_v4",
        summary: "does not verify under MQTT 3.1.1",
        is: Trait::BlindIn(Protocol::V4, SIGNATURE_FAULTS),
        caught_by: &["wrong_key"],
    },
    Mutant {
        name: "one_in_a_thousand",
        summary: "lets a bad signature in once in a thousand refusals",
        is: Trait::OneIn(1000, SIGNATURE_FAULTS),
        caught_by: &["wrong_key"],
    },
    Mutant {
        name: "refuses_long_tokens",
        summary: "refuses good tokens of more than 4 KiB",
        is: Trait::Refuses(|token| token.len() > 4096),
        caught_by: &["token_8k", "token_*"],
    },
    Mutant {
        name: "wrong_code",
        summary: "refuses expired tokens with the code of another reason",
        is: Trait::OtherCode(Some(Group::Time)),
        caught_by: &["expired*"],
    },
    Mutant {
        name: "closes_silently",
        summary: "closes the connection instead of refusing",
        is: Trait::Silent,
        caught_by: &["wrong_key", "expired", "*"],
    },
    Mutant {
        name: "stalls_first",
        summary: "takes 3 s for its first refusal",
        is: Trait::Stalls(Duration::from_secs(3)),
        caught_by: &["*"],
    },
    Mutant {
        name: "answers_overload",
        summary: "says that it is unavailable instead of refusing",
        is: Trait::Overloaded,
        caught_by: &["wrong_key", "expired", "*"],
    },
    Mutant {
        name: "dies_of_two_segments",
        summary: "aborts on a token of two segments",
        is: Trait::Dies(has_two_segments),
        caught_by: &["segments_2"],
    },
    Mutant {
        name: "dies_of_no_jwt",
        summary: "aborts on a token of two segments, and on whatever is no JWT",
        is: Trait::Dies(|connect| has_two_segments(connect) || segment(connect, 0).is_null()),
        caught_by: &["segments_2", "not_a_jwt"],
    },
    Mutant {
        name: "keeps_after_exp",
        summary: "does not end a connection whose token ends",
        is: Trait::Keeps,
        caught_by: &[],
    },
    Mutant {
        name: "ends_early",
        summary: "ends a connection 2 s before its token ends",
        is: Trait::EndsLater(-2),
        caught_by: &[],
    },
    Mutant {
        name: "ends_late",
        summary: "ends a connection 4 s after its token has ended",
        is: Trait::EndsLater(4),
        caught_by: &[],
    },
];

/// Whether a token has two segments.
fn has_two_segments(connect: &Presented<'_>) -> bool {
    let token = connect.password.unwrap_or_default();
    token.split(|byte| *byte == b'.').count() == 2
}

/// A segment of the token in the password, as JSON; null where there is none.
fn segment(connect: &Presented<'_>, at: usize) -> Value {
    let token = connect.password.unwrap_or_default();
    let segment = token.split(|byte| *byte == b'.').nth(at).unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(segment).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}

/// Whether a token's header names no key.
fn has_no_kid(connect: &Presented<'_>) -> bool {
    segment(connect, 0).as_object().is_some_and(|header| !header.contains_key("kid"))
}

/// Whether a claim is a number with a fraction.
fn has_fraction(connect: &Presented<'_>, claim: &str) -> bool {
    segment(connect, 1)[claim].as_f64().is_some_and(|number| number.fract() != 0.0)
}

/// The mutant of that name.
pub fn mutant(name: &str) -> Option<&'static Mutant> {
    MUTANTS.iter().find(|mutant| mutant.name == name)
}

/// On its way to the broker's process it is a name.
impl Serialize for &'static Mutant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for &'static Mutant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        mutant(&name).ok_or_else(|| D::Error::custom(format!("there is no mutant `{name}`")))
    }
}
