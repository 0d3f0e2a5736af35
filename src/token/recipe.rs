//! How a kind of token is built, and what a verifier must do with it.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{scenario::Group, token::key::public::PublicForm};

/// How a kind of token, and the CONNECT that carries it, differ from good ones. [`GOOD`] is the good one.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What CONNECT carries.
    pub form: Form,
    /// Its `exp`.
    pub exp: Exp,
    /// Its `nbf`, so far after the moment of use; `None` for no `nbf` at all.
    pub nbf_after: Option<Duration>,
    /// Who signs it.
    pub signer: Signer,
    /// Its `kid`.
    pub kid: Kid,
    /// Header parameters as JSON texts, in place of those of the same name; an empty text takes one out. `$jwk`, `$x5c`
    /// and `$canary` stand for the stranger's key, its certificate, and the address of the canary.
    pub header: &'static [(&'static str, &'static str)],
    /// Claims as JSON texts, in place of those of the same name; an empty text takes one out. `$iss` and `$aud` stand for
    /// the right ones, `$ISS` for the former in capitals, `$now+60` for a second a minute after the moment of use, `$n`
    /// for the client's number. A name after a `+` is another one where the scenario has a claim of that name.
    pub claims: &'static [(&'static str, &'static str)],
    /// A claim so many seconds from the moment of use, in place of the one of that name and of `iat`.
    pub dated: Option<(&'static str, i64)>,
    /// A JSON text in place of every claim that is the client's own.
    pub bound: Option<&'static str>,
    /// Whose claims are in it.
    pub bearer: Bearer,
    /// What else is done to it.
    pub twist: Twist,
    /// Where CONNECT has it.
    pub placing: Placing,
    /// The certificate that the client comes with.
    pub certificate: Certificate,
    /// CONNECT has a good one, and this comes in an AUTH on the connection that stands then.
    pub again: bool,
}

/// A good token where it belongs.
pub const GOOD: Recipe = Recipe {
    form: Form::Jwt,
    exp: Exp::Ttl,
    nbf_after: None,
    signer: Signer::Own,
    kid: Kid::Own,
    header: &[],
    claims: &[],
    dated: None,
    bound: None,
    bearer: Bearer::Own,
    twist: Twist::None,
    placing: Placing::Own,
    certificate: Certificate::Own,
    again: false,
};

impl Recipe {
    /// What stands in place of claims, by name, as [`Recipe::claims`] writes it.
    pub fn edits(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let fixed = self.claims.iter().map(|(name, text)| (*name, Cow::Borrowed(*text)));
        fixed.chain(self.dated.into_iter().flat_map(|(name, seconds)| {
            // An `iat` after `exp` would be another defect.
            [("iat", Cow::Borrowed("")), (name, Cow::Owned(format!("$now{seconds:+}")))]
        }))
    }

    /// How far the moment of use may be from the one that a token was minted for, before what its
    /// kind says of time is blurred: a tenth of the time that it speaks of, 10 s at most.
    pub fn shelf_life(&self, ttl: Duration) -> Duration {
        let span = match (self.exp, self.nbf_after) {
            // What it says of time is true at one moment only.
            (Exp::Ago(Duration::ZERO), _) => return LONGEST_SHELF_LIFE,
            (Exp::Ttl, Some(after)) if after > Duration::ZERO => after.min(ttl),
            (Exp::Ttl, _) => ttl,
            (_, after) => after.unwrap_or(LONGEST_SHELF_LIFE * 10),
        };
        (span / 10).min(LONGEST_SHELF_LIFE)
    }

    /// From when to when a token for the moment `at` is good by its time, in the unit of `at`
    /// (nanoseconds), without the rounding to seconds.
    pub fn good_in(&self, at: i64, ttl: Duration) -> (i64, i64) {
        let from = self.nbf_after.map_or(i64::MIN, |after| at.saturating_add(span(after)));
        let until = match self.exp {
            Exp::Absent => i64::MAX,
            Exp::Ago(ago) => at.saturating_sub(span(ago)),
            Exp::In(after) => at.saturating_add(span(after)),
            Exp::Ttl => from.max(at).saturating_add(span(ttl)),
        };
        (from, until)
    }
}

/// A duration in nanoseconds; what is longer than 292 years is that long.
pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Tokens that wait for their use for longer are minted again, however long they last.
const LONGEST_SHELF_LIFE: Duration = Duration::from_secs(10);

/// What CONNECT carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// A token of three segments.
    Jwt,
    /// An encrypted one (RFC 7516), with the claims of a good one inside.
    Jwe(Jwe),
    /// Other bytes.
    Bytes(Cow<'static, [u8]>),
    /// Neither user name nor password.
    Nothing,
}

/// How a token is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Jwe {
    /// With a key that all can know: zeros.
    Direct,
    /// To the broker's public key: RSA-OAEP-256 or ECDH-ES.
    ToPublicKey,
    /// The same, with a token of `alg: none` inside.
    PlainInside,
    /// Compressed: little on the way, much when it is unpacked.
    Bomb,
    /// With a password that takes 2^31 - 1 rounds to derive a key from.
    ManyRounds,
}

/// The `exp` of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exp {
    /// The scenario's `ttl` after `iat`.
    Ttl,
    /// So long before the moment of use.
    Ago(Duration),
    /// So long after the second of the moment of use.
    In(Duration),
    /// No `exp`, or one among `claims`.
    Absent,
}

/// Who signs a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// The key of the scenario.
    Own,
    /// A new key under the same `kid`.
    Stranger,
    /// HMAC keyed with a form of the public key.
    Confused(PublicForm),
    /// HMAC keyed with these bytes.
    Secret(&'static [u8]),
    /// The key of the scenario by an algorithm with another hash.
    OtherHash,
    /// The key of the scenario by the other padding of RSA.
    OtherPadding,
    /// A new key of the other curve.
    OtherCurve,
    /// Nobody: `alg` is `none` and the signature empty.
    None,
}

/// The `kid` of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kid {
    /// The key's own.
    Own,
    /// One that names no key.
    Unknown,
    /// This one.
    Text(&'static str),
    /// One of so many bytes.
    Long(usize),
    /// That of another key of the scenario.
    OfAnother,
    /// None.
    Absent,
}

/// Whose claims are in a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bearer {
    /// The client that brings it.
    Own,
    /// Another client.
    Another,
    /// Another client by its client id.
    AnotherClientId,
    /// Another client by its user name.
    AnotherUsername,
    /// The client, with the certificate of another.
    AnotherCertificate,
    /// The client, in capitals.
    Capitals,
    /// The client, with this after its client id.
    With(&'static str),
    /// The client, with its client id for a user name.
    UsernameIsClientId,
    /// The client, with its user name and number for a client id, as [`Placing::ClientIdIs`] has them.
    ClientIdIsUsername,
}

/// The certificate that a client comes with, where each has one of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// Its own.
    Own,
    /// None.
    Absent,
}

/// What is done to a token besides.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    /// Nothing.
    None,
    /// The JSON of the header is changed before it is signed.
    Header(fn(&mut Vec<u8>)),
    /// The JSON of the payload is.
    Payload(fn(&mut Vec<u8>)),
    /// The payload becomes as long as makes a token of this length, or a few bytes less.
    Length(usize),
    /// The payload becomes a token of its own.
    Nested,
    /// The segment of the header is changed before it is signed.
    HeaderText(fn(&mut Vec<u8>)),
    /// The segment of the payload is.
    PayloadText(fn(&mut Vec<u8>)),
    /// The JSON of the header is changed after it was signed.
    TamperHeader(fn(&mut Vec<u8>)),
    /// The JSON of the payload is.
    TamperPayload(fn(&mut Vec<u8>)),
    /// The signature is another one's of the same key.
    Spliced,
    /// The signature is changed.
    Signature(fn(&mut Vec<u8>)),
    /// The segment of the signature is.
    SignatureText(fn(&mut Vec<u8>)),
    /// The RSA signature is over a block that this makes of the block it should be over.
    Block(fn(&mut Vec<u8>)),
    /// The whole token is changed.
    Token(fn(&mut Vec<u8>)),
}

/// Where CONNECT has the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placing {
    /// In the field of the scenario.
    Own,
    /// In the password, without a user name.
    NoUsername,
    /// In the password, with a user name of length 0.
    EmptyUsername,
    /// Nowhere: there is a user name of length 0, and a password only where the token is the user name.
    EmptyUsernameAlone,
    /// Nowhere: there is a user name, and no password.
    NoPassword,
    /// In the password instead of the user name, or the other way round.
    OtherField,
    /// In the client id.
    ClientId,
    /// In a user property (MQTT 5.0).
    UserProperty,
    /// In the payload of the will.
    Will,
    /// Where it belongs, but there is no client id.
    NoClientId,
    /// Where it belongs, with this after the client id.
    ClientIdWith(&'static str),
    /// Where it belongs, with this client id, a hyphen and the client's number: two clients of one id would throw each
    /// other out (MQTT 3.1.1, 3.1.4-2).
    ClientIdIs(&'static str),
    /// Where it belongs, with this user name.
    UsernameIs(&'static str),
    /// Where it belongs, with an authentication method that nobody knows (MQTT 5.0).
    UnknownMethod,
    /// Where it belongs, and no authentication method beside it.
    NoMethod,
    /// Nowhere: there is an authentication method, and no data.
    NoData,
    /// Where it belongs, with the authentication method twice.
    MethodTwice,
    /// In an AUTH, which comes in place of CONNECT.
    AuthFirst,
}

/// What a verifier that keeps its promise must do with a kind of token, time apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Must {
    /// Accept it while `exp` and `nbf` allow.
    AcceptInTime,
    /// Refuse it, whatever the time.
    Refuse(Refusal),
    /// Either: nothing is promised. Why, in words.
    Unpromised(Refusal, &'static str),
}

/// How a refusal has to look.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Refusal {
    /// The group of the defect, which has its codes.
    pub group: Group,
    /// What is right as well.
    pub also: Also,
}

/// What is right besides the codes of the group, because MQTT itself asks for it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Also {
    /// Nothing.
    Nothing,
    /// Closing without CONNACK: the packet breaks a rule of MQTT, or is too large.
    Close,
    /// 0x8C, bad authentication method, or closing without CONNACK (MQTT 5.0, 4.12.0-1).
    BadMethod,
    /// 0x81, malformed packet, and 0x82, protocol error, or closing without CONNACK (MQTT 5.0, 4.13): the packet breaks a
    /// rule of MQTT that has codes of its own.
    Malformed,
    /// 2 and 0x85, client identifier not valid (MQTT 3.1.1, 3.2.2.3; MQTT 5.0, 3.2.2.2).
    ClientId,
    /// A TLS handshake that fails for want of a certificate (RFC 8446, 4.4.2.4; RFC 5246, 7.4.6).
    NoCertificate,
    /// Every code by which the broker refuses anything: what is wrong with the token is not known.
    AnyReason,
}

impl Also {
    /// Whether closing without CONNACK is right.
    pub const fn may_close(self) -> bool {
        matches!(self, Self::Close | Self::BadMethod | Self::Malformed)
    }
}

impl From<Group> for Refusal {
    fn from(group: Group) -> Self {
        Self { group, also: Also::Nothing }
    }
}
