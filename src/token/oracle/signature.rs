//! Whether a signature is a key's, and if not, which trick made it.

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey, VerificationAlgorithm},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use serde_json::Value;

use super::{Fault, Faults, Key, Oracle, json::Object};
use crate::{
    scenario::Algorithm,
    token::key::{
        VerifyingKey,
        public::{self, Parts, PublicForm},
    },
};

/// Secrets of documentation and examples: `"secret"` everywhere, the defaults of EMQX and rmqtt, and a word of guides.
const WEAK_SECRETS: [&str; 4] = ["secret", "emqxsecret", "rmqttsecret", "public"];

/// The orders of P-256 and P-384 (FIPS 186-4, D.1.2.3 and D.1.2.4).
const ORDERS: [&str; 2] = [
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
];

/// What verifies.
pub(super) enum Material {
    Secret(Vec<u8>),
    Public(Box<Public>),
}

/// A public key, with what its misuse needs.
pub(super) struct Public {
    parts: Parts,
    der: Vec<u8>,
    /// Every form that a confused verifier may take for a secret.
    forms: Vec<Vec<u8>>,
    /// Parsed for its own algorithm, which is asked most.
    own: (Algorithm, ParsedPublicKey),
}

impl Material {
    pub(super) fn parse(key: &VerifyingKey, algorithm: Algorithm) -> Option<Self> {
        match key {
            VerifyingKey::Secret(secret) => Some(Self::Secret(secret.clone())),
            VerifyingKey::PublicPem(pem) => {
                let der = pem::parse(pem).ok()?.into_contents();
                let parts = public::parts(&der)?;
                let own = (algorithm, ParsedPublicKey::new(verification(algorithm)?, &der).ok()?);
                let forms =
                    PublicForm::ALL.iter().filter_map(|form| public::form(pem, *form)).collect();
                Some(Self::Public(Box::new(Public { parts, der, forms, own })))
            }
        }
    }

    /// Whether the signature is this key's by the algorithm.
    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(secret) => is_hmac(secret, algorithm, message, signature),
            Self::Public(key) if key.own.0 == algorithm => {
                key.own.1.verify_sig(message, signature).is_ok()
            }
            Self::Public(key) => verification(algorithm)
                .and_then(|algorithm| ParsedPublicKey::new(algorithm, &key.der).ok())
                .is_some_and(|key| key.verify_sig(message, signature).is_ok()),
        }
    }
}

fn is_hmac(secret: &[u8], algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let hash = match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return false,
    };
    hmac::verify(&hmac::Key::new(hash, secret), message, signature).is_ok()
}

fn verification(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return None,
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA | Algorithm::Nkey => &signature::ED25519,
    })
}

/// A signature, and what it is over.
#[derive(Clone, Copy)]
struct Signed<'a> {
    message: &'a [u8],
    signature: &'a [u8],
}

impl Oracle {
    pub(super) fn check_signature(
        &self,
        header: &Object,
        message: &str,
        signature: &[u8],
        faults: &mut Faults,
    ) {
        let signed = Signed { message: message.as_bytes(), signature };
        let (chosen, is_named) = self.chosen(header);
        if !is_named {
            faults.add(Fault::Kid);
        }
        let all: Vec<&Key> = self.keys.iter().collect();
        let by_own = |keys: &[&Key]| {
            keys.iter()
                .any(|key| key.material.verifies(key.algorithm, signed.message, signed.signature))
        };
        let Some(Value::String(named)) = header.get("alg") else {
            faults.add(Fault::AlgMissing);
            if !by_own(&all) {
                faults.add(Fault::Signature);
            }
            return;
        };
        if named.trim().eq_ignore_ascii_case("none") {
            faults.add(Fault::AlgNone);
            return;
        }
        let Some(algorithm) = Algorithm::named(named) else {
            faults.add(Fault::AlgUnknown);
            if !by_own(&all) {
                faults.add(Fault::Signature);
            }
            return;
        };
        let verifies = |key: &&Key| {
            key.algorithm == algorithm
                && self.policy.algorithms.contains(&algorithm)
                && key.material.verifies(algorithm, signed.message, signed.signature)
        };
        if chosen.iter().any(verifies) {
            return;
        }
        if is_named && all.iter().any(verifies) {
            // Another key than the one that `kid` names.
            faults.add(Fault::Kid);
        } else if is_named || !all.iter().any(verifies) {
            faults.add(self.trick(&chosen, header, algorithm, signed));
        }
    }

    /// Which trick made a signature that is no key's by its own algorithm.
    fn trick(
        &self,
        chosen: &[&Key],
        header: &Object,
        algorithm: Algorithm,
        signed: Signed<'_>,
    ) -> Fault {
        let Signed { message, signature } = signed;
        let with = |secret: &[u8]| is_hmac(secret, algorithm, message, signature);
        // Before all tricks: the right key's own secret may be one of those that tricks use.
        let is_by_other = |key: &&Key| key.material.verifies(algorithm, message, signature);
        if chosen.iter().any(is_by_other) {
            return Fault::AlgOther;
        }
        if algorithm.is_hmac() && with(b"") {
            return Fault::EmptySecret;
        }
        if algorithm.is_hmac() && WEAK_SECRETS.iter().any(|secret| with(secret.as_bytes())) {
            return Fault::WeakSecret;
        }
        let publics = || {
            self.keys.iter().filter_map(|key| match &key.material {
                Material::Public(public) => Some((key.algorithm, public)),
                Material::Secret(_) => None,
            })
        };
        if publics().any(|(_, key)| key.forms.iter().any(|form| with(form))) {
            return Fault::PublicKeyAsSecret;
        }
        if ["jwk", "jku", "x5u", "x5c"].iter().any(|name| header.contains_key(*name)) {
            // What a URL names can't be looked at; a key that is brought must have made the signature.
            return if header.get("jwk").is_none_or(|jwk| is_by_jwk(jwk, algorithm, signed)) {
                Fault::OwnKey
            } else {
                Fault::Signature
            };
        }
        if !self.keys.iter().any(|key| key.algorithm == algorithm) {
            return Fault::AlgOther;
        }
        match signature {
            [] => return Fault::SignatureMissing,
            _ if signature.iter().all(|byte| *byte == 0) => return Fault::ZeroSignature,
            _ => {}
        }
        let mut tricks = publics().filter(|(own, _)| *own == algorithm);
        tricks
            .find_map(|(_, key)| match &key.parts {
                Parts::Ec(_) => ecdsa_trick(key, algorithm, signed),
                Parts::Rsa(n, e) => rsa_trick(n, e, algorithm, signed),
                Parts::Ed(_) => (signature.len() != 64).then_some(Fault::SignatureLength),
            })
            .unwrap_or_else(|| match hmac_length(algorithm) {
                Some(length) if length != signature.len() => Fault::SignatureLength,
                _ => Fault::Signature,
            })
    }
}

fn hmac_length(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}

/// Whether a key that the token brought made its signature.
fn is_by_jwk(jwk: &Value, algorithm: Algorithm, signed: Signed<'_>) -> bool {
    let member = |name: &str| {
        jwk[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default()
    };
    let verified = |key: Option<ParsedPublicKey>| {
        key.is_some_and(|key| key.verify_sig(signed.message, signed.signature).is_ok())
    };
    match jwk["kty"].as_str() {
        Some("oct") => is_hmac(&member("k"), algorithm, signed.message, signed.signature),
        Some("RSA") => {
            let key = signature::RsaPublicKeyComponents { n: member("n"), e: member("e") };
            let with = |parameters| key.verify(parameters, signed.message, signed.signature);
            match algorithm {
                Algorithm::RS256 => with(&signature::RSA_PKCS1_2048_8192_SHA256),
                Algorithm::RS384 => with(&signature::RSA_PKCS1_2048_8192_SHA384),
                Algorithm::RS512 => with(&signature::RSA_PKCS1_2048_8192_SHA512),
                Algorithm::PS256 => with(&signature::RSA_PSS_2048_8192_SHA256),
                Algorithm::PS384 => with(&signature::RSA_PSS_2048_8192_SHA384),
                _ => with(&signature::RSA_PSS_2048_8192_SHA512),
            }
            .is_ok()
        }
        Some("EC") => {
            let point = [vec![4], member("x"), member("y")].concat();
            verified(verification(algorithm).and_then(|by| ParsedPublicKey::new(by, point).ok()))
        }
        _ => verified(
            verification(algorithm).and_then(|by| ParsedPublicKey::new(by, member("x")).ok()),
        ),
    }
}

fn ecdsa_trick(key: &Public, algorithm: Algorithm, signed: Signed<'_>) -> Option<Fault> {
    let half = if algorithm == Algorithm::ES256 { 32 } else { 48 };
    let order = BigUint::parse_bytes(ORDERS[usize::from(half == 48)].as_bytes(), 16)?;
    let signature = signed.signature;
    if signature.len() == 2 * half {
        let (r, s) = signature.split_at(half);
        let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
        let one = BigUint::from(1_u8);
        // Values at the edge of the range, which signers do not meet by chance.
        let is_edge = |x: &BigUint| *x <= one || *x >= &order - &one;
        return (is_edge(&r) || is_edge(&s)).then_some(Fault::EcdsaRange);
    }
    let by: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_ASN1,
        _ => &signature::ECDSA_P384_SHA384_ASN1,
    };
    let is_der = ParsedPublicKey::new(by, &key.der)
        .is_ok_and(|key| key.verify_sig(signed.message, signature).is_ok());
    Some(match signature.len() {
        _ if is_der => Fault::DerSignature,
        64 | 96 => Fault::CurveMismatch,
        _ => Fault::SignatureLength,
    })
}

/// Whether an RSA signature holds the right hash between paddings that are not PKCS #1's (RFC 8017, 9.2).
fn rsa_trick(n: &[u8], e: &[u8], algorithm: Algorithm, signed: Signed<'_>) -> Option<Fault> {
    // By a key of another size it is far from the length; a byte that is lost or added makes one.
    match signed.signature.len().abs_diff(n.len()) {
        0 => {}
        1 => return Some(Fault::SignatureLength),
        _ => return Some(Fault::Signature),
    }
    let number = BigUint::from_bytes_be;
    let opened = number(signed.signature).modpow(&number(e), &number(n)).to_bytes_be();
    let hash = aws_lc_rs::digest::digest(
        match algorithm {
            Algorithm::RS256 => &aws_lc_rs::digest::SHA256,
            Algorithm::RS384 => &aws_lc_rs::digest::SHA384,
            Algorithm::RS512 => &aws_lc_rs::digest::SHA512,
            _ => return None,
        },
        signed.message,
    );
    let hash = hash.as_ref();
    opened.windows(hash.len()).any(|window| window == hash).then_some(Fault::RsaPadding)
}
