//! What can be wrong with a CONNECT that should carry a token.

use crate::scenario::Group;

/// One thing that is wrong. In the order in which a verifier meets them: its refusal names the first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Fault {
    /// The packet that should bring a token breaks a rule of MQTT.
    Packet,
    /// There is no token where it is looked for, or an empty one.
    NoToken,
    /// A password without a user name, which MQTT 3.1.1 forbids (3.1.2-22).
    NoUsername,
    /// An authentication method that is not the right one, or data without any.
    Method,
    /// Bytes beyond ASCII.
    NotAscii,
    /// White space around it.
    OuterSpace,
    /// `Bearer ` before it.
    Prefix,
    /// Quotation marks around it.
    Quoted,
    /// Percent-encoded, as in a URL.
    PercentEncoded,
    /// The JSON serialization of a JWS (RFC 7515, 7.2).
    JsonSerialization,
    /// Not three segments.
    Segments,
    /// A JWE: encrypted, which proves nothing of who did it.
    Encrypted,
    /// `=` at the end of a segment.
    Padding,
    /// `+` or `/`, which base64url has not.
    Alphabet,
    /// White space in a segment.
    Space,
    /// Another character that base64url has not.
    Character,
    /// Bits set at the end of a segment that carry nothing.
    LooseBits,
    /// A header that is no JSON object, or a payload that is none.
    NotJson,
    /// A number too large for a parser.
    NumberRange,
    /// JSON nested deeper than anybody needs.
    TooDeep,
    /// Not UTF-8, or half a surrogate pair.
    Utf8,
    /// A member twice in one object.
    Duplicate,
    /// `alg` is `none`, in whatever spelling.
    AlgNone,
    /// `alg` is missing, or no string.
    AlgMissing,
    /// `alg` is none that is known.
    AlgUnknown,
    /// `alg` is known, but not the key's, though the key made the signature.
    AlgOther,
    /// The signature is of another curve.
    CurveMismatch,
    /// An HMAC keyed with a form of the public key.
    PublicKeyAsSecret,
    /// An HMAC keyed with nothing.
    EmptySecret,
    /// An HMAC keyed with a word that examples use.
    WeakSecret,
    /// `kid` names no key, or not the one that signed.
    Kid,
    /// The key that signed is brought or named by the token itself.
    OwnKey,
    /// `crit` names what is not understood, or is malformed.
    Crit,
    /// `b64` is false.
    Unencoded,
    /// `typ` is of another kind of token.
    Typ,
    /// There is no signature.
    SignatureMissing,
    /// All bytes of the signature are 0.
    ZeroSignature,
    /// `r` or `s` is out of range, or a value that no signer makes.
    EcdsaRange,
    /// The signature is in DER.
    DerSignature,
    /// The padding of an RSA signature is not PKCS #1's.
    RsaPadding,
    /// The signature is not of its algorithm's length.
    SignatureLength,
    /// The signature is not of these bytes by a key that is known.
    Signature,
    /// `exp` has passed.
    Expired,
    /// There is no `exp`.
    NoExp,
    /// `exp` is no number.
    ExpType,
    /// `exp` is beyond the year 9999.
    ExpTooFar,
    /// `nbf` lies ahead.
    NotYetValid,
    /// `nbf` is no number.
    NbfType,
    /// `iat` lies ahead.
    IatFuture,
    /// `exp` is too long after `iat`.
    Lifetime,
    /// `exp` is before `nbf`.
    ExpBeforeNbf,
    /// `exp` is before `iat`.
    ExpBeforeIat,
    /// `iss` is not ours.
    Issuer,
    /// `aud` does not hold us.
    Audience,
    /// A claim is not the client id.
    ClientId,
    /// A claim is not the user name.
    Username,
    /// The certificate is not the one that the token is bound to, or there is none.
    Confirmation,
    /// Another claim that is required is missing.
    ClaimMissing,
}

impl Fault {
    /// All faults, in order.
    pub const ALL: [Self; 58] = [
        Self::Packet,
        Self::NoToken,
        Self::NoUsername,
        Self::Method,
        Self::NotAscii,
        Self::OuterSpace,
        Self::Prefix,
        Self::Quoted,
        Self::PercentEncoded,
        Self::JsonSerialization,
        Self::Segments,
        Self::Encrypted,
        Self::Padding,
        Self::Alphabet,
        Self::Space,
        Self::Character,
        Self::LooseBits,
        Self::NotJson,
        Self::NumberRange,
        Self::TooDeep,
        Self::Utf8,
        Self::Duplicate,
        Self::AlgNone,
        Self::AlgMissing,
        Self::AlgUnknown,
        Self::AlgOther,
        Self::CurveMismatch,
        Self::PublicKeyAsSecret,
        Self::EmptySecret,
        Self::WeakSecret,
        Self::Kid,
        Self::OwnKey,
        Self::Crit,
        Self::Unencoded,
        Self::Typ,
        Self::SignatureMissing,
        Self::ZeroSignature,
        Self::EcdsaRange,
        Self::DerSignature,
        Self::RsaPadding,
        Self::SignatureLength,
        Self::Signature,
        Self::Expired,
        Self::NoExp,
        Self::ExpType,
        Self::ExpTooFar,
        Self::NotYetValid,
        Self::NbfType,
        Self::IatFuture,
        Self::Lifetime,
        Self::ExpBeforeNbf,
        Self::ExpBeforeIat,
        Self::Issuer,
        Self::Audience,
        Self::ClientId,
        Self::Username,
        Self::Confirmation,
        Self::ClaimMissing,
    ];

    /// The group of defects that a verifier which meets it first refuses.
    pub fn group(self) -> Group {
        match self {
            Self::Packet | Self::NoToken | Self::NoUsername | Self::Method => Group::Placement,
            Self::Encrypted => Group::Encrypted,
            fault if fault <= Self::Duplicate => Group::Structure,
            fault if fault <= Self::PublicKeyAsSecret => Group::Algorithm,
            Self::EmptySecret | Self::WeakSecret => Group::Signature,
            fault if fault <= Self::Typ => Group::Header,
            fault if fault <= Self::Signature => Group::Signature,
            fault if fault <= Self::ExpBeforeIat => Group::Time,
            _ => Group::Identity,
        }
    }
}

/// A set of faults.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Faults(u64);

impl Faults {
    /// These.
    pub fn of(faults: &[Fault]) -> Self {
        let mut set = Self::default();
        for fault in faults {
            set.add(*fault);
        }
        set
    }

    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u8;
    }

    /// The same without these.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether one is in it.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u8 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
