//! Private keys in their encodings: PKCS#8, PKCS#1, SEC1 and JWK in; PKCS#8 and public PEM out.

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use num_bigint::BigUint;
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    scenario::Algorithm,
};

/// A private key, ready to sign, and its public half.
pub struct PrivateKey {
    /// As the signer wants it.
    pub encoding: EncodingKey,
    /// `SubjectPublicKeyInfo` as PEM.
    pub public_pem: String,
    /// PKCS #8, in DER.
    pkcs8: Vec<u8>,
}

/// An RSA key as numbers, to sign what no library signs.
#[derive(Clone)]
pub struct RawRsa {
    modulus: BigUint,
    exponent: BigUint,
    hash: &'static digest::Algorithm,
    /// What PKCS #1 puts before the hash (RFC 8017, 9.2).
    prefix: &'static [u8],
}

impl RawRsa {
    /// Signs a block that `change` makes of the one that PKCS #1 wants for the message: without the leading 0 byte.
    pub fn sign(&self, message: &[u8], change: fn(&mut Vec<u8>)) -> Vec<u8> {
        let length = self.modulus.bits().div_ceil(8) as usize;
        let tail = [&[0], self.prefix, digest::digest(self.hash, message).as_ref()].concat();
        let mut block = vec![1];
        block.resize(length - 1 - tail.len(), 0xFF);
        block.extend_from_slice(&tail);
        change(&mut block);
        let signed = BigUint::from_bytes_be(&block).modpow(&self.exponent, &self.modulus);
        let bytes = signed.to_bytes_be();
        [vec![0; length - bytes.len()], bytes].concat()
    }
}

impl std::fmt::Debug for RawRsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawRsa").field("modulus", &self.modulus).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("public_pem", &self.public_pem).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Makes a key for the algorithm; RSA keys have 2048 bits.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        Self::of_size(algorithm, 2048)
    }

    /// Makes a key for the algorithm; an RSA key with so many bits, or the next size that there is.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn of_size(algorithm: Algorithm, bits: usize) -> Result<Self> {
        let size = match bits {
            0..=2048 => KeySize::Rsa2048,
            2049..=3072 => KeySize::Rsa3072,
            3073..=4096 => KeySize::Rsa4096,
            _ => KeySize::Rsa8192,
        };
        match curve(algorithm) {
            Some(curve) => of_ec(&EcdsaKeyPair::generate(curve).map_err(no_randomness)?),
            None if algorithm == Algorithm::EdDSA => {
                of_ed(&Ed25519KeyPair::generate().map_err(no_randomness)?)
            }
            None => of_rsa(&RsaKeyPair::generate(size).map_err(no_randomness)?),
        }
    }

    /// Reads a PEM file: PKCS#8 for all algorithms, PKCS#1 for RSA, SEC1 for EC.
    ///
    /// # Errors
    /// When it is no PEM, is encrypted, holds no private key, or one of another kind.
    pub fn from_pem(text: &[u8], algorithm: Algorithm) -> Result<Self> {
        let pem = pem::parse(text).map_err(|_| unfit("the file holds no PEM block", algorithm))?;
        if !pem.tag().ends_with("PRIVATE KEY") || pem.tag().starts_with("ENCRYPTED") {
            return Err(unfit(
                &format!("the file holds `{}`, not a plain private key", pem.tag()),
                algorithm,
            ));
        }
        Self::from_der(pem.contents(), algorithm)
    }

    /// The key as certificates are made with.
    ///
    /// # Errors
    /// When that library does not know its kind.
    pub fn pair(&self) -> std::result::Result<rcgen::KeyPair, rcgen::Error> {
        rcgen::KeyPair::try_from(&self.pkcs8[..])
    }

    /// The key as numbers, where it is an RSA key of PKCS #1's signatures.
    pub fn raw_rsa(&self, algorithm: Algorithm) -> Option<RawRsa> {
        let (hash, prefix): (_, &[u8]) = match algorithm {
            Algorithm::RS256 => (
                &digest::SHA256,
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
            Algorithm::RS384 => (
                &digest::SHA384,
                b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            ),
            Algorithm::RS512 => (
                &digest::SHA512,
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            ),
            _ => return None,
        };
        // Version, modulus, public exponent, private exponent (RFC 8017, A.1.2).
        let numbers = super::public::integers(&super::public::octets(&self.pkcs8)?)?;
        let number = |at: usize| numbers.get(at).map(|bytes| BigUint::from_bytes_be(bytes));
        Some(RawRsa { modulus: number(1)?, exponent: number(3)?, hash, prefix })
    }

    /// The key as PKCS #8 (RFC 5208).
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Reads PKCS #8, or the older forms of RSA and EC.
    ///
    /// # Errors
    /// When it is no key of the algorithm.
    pub(super) fn from_der(der: &[u8], algorithm: Algorithm) -> Result<Self> {
        let rejected = |error: aws_lc_rs::error::KeyRejected| unfit(&error.to_string(), algorithm);
        match curve(algorithm) {
            Some(curve) => {
                of_ec(&EcdsaKeyPair::from_private_key_der(curve, der).map_err(rejected)?)
            }
            None if algorithm == Algorithm::EdDSA => {
                of_ed(&Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected)?)
            }
            None => of_rsa(
                &RsaKeyPair::from_pkcs8(der)
                    .or_else(|_| RsaKeyPair::from_der(der))
                    .map_err(rejected)?,
            ),
        }
    }

    /// Reads a private JWK (RFC 7518, 6; RFC 8037, 2).
    ///
    /// # Errors
    /// When a member is missing or the key is of another kind than the algorithm.
    pub fn from_jwk(jwk: &Jwk, algorithm: Algorithm) -> Result<Self> {
        let rejected = |error: aws_lc_rs::error::KeyRejected| unfit(&error.to_string(), algorithm);
        match (curve(algorithm), jwk.kty.as_str()) {
            (Some(curve), "EC") => {
                let point =
                    [vec![4], jwk.member("x", jwk.x.as_ref())?, jwk.member("y", jwk.y.as_ref())?]
                        .concat();
                let scalar = jwk.member("d", jwk.d.as_ref())?;
                of_ec(
                    &EcdsaKeyPair::from_private_key_and_public_key(curve, &scalar, &point)
                        .map_err(rejected)?,
                )
            }
            (None, "OKP") if algorithm == Algorithm::EdDSA => {
                let (seed, public) =
                    (jwk.member("d", jwk.d.as_ref())?, jwk.member("x", jwk.x.as_ref())?);
                of_ed(&Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(rejected)?)
            }
            (None, "RSA") if algorithm != Algorithm::EdDSA => {
                let components = rsa::KeyPairComponents {
                    public_key: rsa::PublicKeyComponents {
                        n: jwk.member("n", jwk.n.as_ref())?,
                        e: jwk.member("e", jwk.e.as_ref())?,
                    },
                    d: jwk.member("d", jwk.d.as_ref())?,
                    p: jwk.member("p", jwk.p.as_ref())?,
                    q: jwk.member("q", jwk.q.as_ref())?,
                    dP: jwk.member("dp", jwk.dp.as_ref())?,
                    dQ: jwk.member("dq", jwk.dq.as_ref())?,
                    qInv: jwk.member("qi", jwk.qi.as_ref())?,
                };
                of_rsa(&RsaKeyPair::from_components(&components).map_err(rejected)?)
            }
            (_, kty) => Err(unfit(&format!("the JWK has `kty` `{kty}`"), algorithm)),
        }
    }
}

/// A private or symmetric JSON Web Key (RFC 7517); members that are not needed here are passed over.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the members are those of RFC 7518, 6")]
pub struct Jwk {
    pub kty: String,
    pub k: Option<String>,
    pub n: Option<String>,
    pub e: Option<String>,
    pub d: Option<String>,
    pub p: Option<String>,
    pub q: Option<String>,
    pub dp: Option<String>,
    pub dq: Option<String>,
    pub qi: Option<String>,
    pub x: Option<String>,
    pub y: Option<String>,
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwk").field("kty", &self.kty).finish_non_exhaustive()
    }
}

impl Jwk {
    /// Reads a JWK from JSON.
    ///
    /// # Errors
    /// When it is not one; the text is not shown.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|error| {
            Error::usage(format!(
                "`jwk` names a file that is no JWK (line {}, column {})",
                error.line(),
                error.column()
            ))
            .hint("a key set has `keys`: take one key out of it")
        })
    }

    /// The secret of a symmetric key.
    ///
    /// # Errors
    /// When it is not one.
    pub fn secret(&self) -> Result<Vec<u8>> {
        self.member("k", self.k.as_ref())
    }

    fn member(&self, name: &str, value: Option<&String>) -> Result<Vec<u8>> {
        value.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or_else(|| {
            Error::usage(format!("the JWK of `kty` `{}` has no usable member `{name}`", self.kty))
                .hint("a private JWK is needed, with the members of RFC 7518, section 6")
        })
    }
}

/// A new HMAC secret of 64 random bytes, as long as the longest hash used here (RFC 7518, 3.2).
///
/// # Errors
/// When the system has no randomness.
pub fn random_secret() -> Result<Vec<u8>> {
    let mut secret = vec![0; 64];
    rand::fill(&mut secret).map_err(no_randomness)?;
    Ok(secret)
}

/// 128 random bits, in hexadecimal.
///
/// # Errors
/// When the system has no randomness.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(no_randomness)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn curve(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    }
}

fn of_rsa(pair: &RsaKeyPair) -> Result<PrivateKey> {
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(no_encoding)?;
    // The signer wants PKCS#1, which the library takes out of a PKCS#8 PEM.
    let encoding = EncodingKey::from_rsa_pem(to_pem("PRIVATE KEY", pkcs8.as_ref()).as_bytes())
        .map_err(no_encoding)?;
    public(pair.public_key(), encoding, pkcs8.as_ref())
}

fn of_ec(pair: &EcdsaKeyPair) -> Result<PrivateKey> {
    let pkcs8 = pair.to_pkcs8v1().map_err(no_encoding)?;
    public(pair.public_key(), EncodingKey::from_ec_der(pkcs8.as_ref()), pkcs8.as_ref())
}

fn of_ed(pair: &Ed25519KeyPair) -> Result<PrivateKey> {
    let pkcs8 = pair.to_pkcs8v1().map_err(no_encoding)?;
    public(pair.public_key(), EncodingKey::from_ed_der(pkcs8.as_ref()), pkcs8.as_ref())
}

fn public<'a>(
    key: &impl AsDer<PublicKeyX509Der<'a>>,
    encoding: EncodingKey,
    pkcs8: &[u8],
) -> Result<PrivateKey> {
    let spki = key.as_der().map_err(no_encoding)?;
    let public_pem = to_pem("PUBLIC KEY", spki.as_ref());
    Ok(PrivateKey { encoding, public_pem, pkcs8: pkcs8.to_vec() })
}

fn to_pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

fn unfit(what: &str, algorithm: Algorithm) -> Error {
    let hint = match curve(algorithm) {
        Some(_) if algorithm == Algorithm::ES256 => {
            "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`"
        }
        Some(_) => {
            "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem`"
        }
        None if algorithm == Algorithm::EdDSA => {
            "make one with `openssl genpkey -algorithm ed25519 -out key.pem`"
        }
        None => {
            "make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem`"
        }
    };
    Error::usage(format!("no key for {algorithm}: {what}")).hint(hint)
}

fn no_randomness(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::not_measured("the system gave no randomness for a new key")
}

fn no_encoding(error: impl std::fmt::Display) -> Error {
    Error::usage(format!("the key can't be encoded again: {error}"))
}
