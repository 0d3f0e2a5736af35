//! Private keys in their encodings: PKCS#8, PKCS#1, SEC1 and JWK in; PKCS#8 and public PEM out.

use aws_lc_rs::{
    agreement::{self, ECDH_P256, ECDH_P384},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use jsonwebtoken::EncodingKey;

use super::{
    der::{self, Content, Hash, Kind},
    found::{Block, Contents, contents},
    jwk::Jwk,
    nkey, refusal,
    rsa::{Numbers, RawRsa},
};
use crate::{
    base::error::{Error, Result},
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
            None if algorithm.is_ed25519() => {
                of_ed(&Ed25519KeyPair::generate().map_err(no_randomness)?)
            }
            None => of_rsa(&RsaKeyPair::generate(size).map_err(no_randomness)?),
        }
    }

    /// Reads a file: PEM or DER, with PKCS#8 for all algorithms, PKCS#1 for RSA, SEC1 for EC. Among several blocks it is
    /// the private key that the algorithm signs with.
    ///
    /// # Errors
    /// When the file holds none, several, or one that has to be converted: with the command that does.
    pub(super) fn from_file(file: &[u8], algorithm: Algorithm) -> Result<Self> {
        if algorithm == Algorithm::Nkey
            && let Some(seed) = nkey::seed_in(file)
        {
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed?);
            return of_ed(&pair.map_err(|_| torn("the seed"))?);
        }
        let contents = contents(file);
        if algorithm == Algorithm::Nkey && !matches!(contents, Contents::Blocks(_)) {
            return Err(Error::usage(
                "the file holds neither the seed of an account nor a private key in PEM",
            )
            .hint("a seed has 58 capitals and digits and begins with `SA`; `nsc export keys` writes it"));
        }
        let Contents::Blocks(blocks) = &contents else {
            return Err(refusal::of_contents(&contents));
        };
        let (mut keys, mut errors): (Vec<Self>, Vec<Error>) = (Vec::new(), Vec::new());
        for block in blocks.iter().filter(|block| is_private(block)) {
            let der = block.der.as_deref().unwrap_or_default();
            match refusal::of_block(block).map_or_else(|| Self::from_der(der, algorithm), Err) {
                // The same key twice is one key.
                Ok(key) if keys.iter().any(|known| known.public_pem == key.public_pem) => {}
                Ok(key) => keys.push(key),
                Err(error) => errors.push(error),
            }
        }
        let count = keys.len();
        match (keys.pop(), errors.into_iter().next()) {
            (Some(key), _) if count == 1 => Ok(key),
            (Some(_), _) => Err(refusal::of_several(count, algorithm)),
            (None, Some(error)) => Err(error),
            (None, None) => Err(refusal::of_contents(&contents)),
        }
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
        // Version, modulus, public exponent, private exponent (RFC 8017, A.1.2).
        let numbers = super::public::integers(&super::public::octets(&self.pkcs8)?)?;
        RawRsa::new(numbers.get(1)?, numbers.get(3)?, algorithm)
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
        let content = der::content(der);
        let made = match curve(algorithm) {
            Some(curve) => {
                EcdsaKeyPair::from_private_key_der(curve, der).ok().map(|pair| of_ec(&pair))
            }
            None if algorithm.is_ed25519() => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(|pair| of_ed(&pair))
            }
            None => rsa_pair(der, content, algorithm).map(|pair| of_rsa(&pair)),
        };
        made.unwrap_or_else(|| Err(refusal::of_key(content, algorithm)))
    }

    /// Reads a private JWK (RFC 7518, 6; RFC 8037, 2) whose kind fits the algorithm. What follows from other members may
    /// be missing: the public half of EC and Ed25519, the primes of RSA.
    ///
    /// # Errors
    /// When a member is missing or wrong, or members do not belong together.
    pub(super) fn from_jwk(jwk: &Jwk, algorithm: Algorithm) -> Result<Self> {
        if let Some(curve) = curve(algorithm) {
            let (length, agreement) =
                if algorithm == Algorithm::ES256 { (32, &ECDH_P256) } else { (48, &ECDH_P384) };
            let coordinate = |name| jwk.bytes(name).map(|bytes| of_length(&bytes, length));
            let scalar = coordinate("d")?.ok_or_else(|| torn("`d`"))?;
            let point = if jwk.has("x") || jwk.has("y") {
                let (x, y) = (coordinate("x")?, coordinate("y")?);
                [vec![4], x.ok_or_else(|| torn("`x`"))?, y.ok_or_else(|| torn("`y`"))?].concat()
            } else {
                let private = agreement::PrivateKey::from_private_key(agreement, &scalar);
                let public = private.ok().and_then(|key| key.compute_public_key().ok());
                public.ok_or_else(|| torn("`d`"))?.as_ref().to_vec()
            };
            let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &scalar, &point);
            return of_ec(&pair.map_err(|_| torn("`d`, `x` and `y`"))?);
        }
        if algorithm.is_ed25519() {
            // Some write the public half behind the seed, as libsodium does.
            let (d, x) = (jwk.bytes("d")?, jwk.has("x").then(|| jwk.bytes("x")).transpose()?);
            let (seed, public) = match d.len() {
                32 => (&d[..], x.as_deref()),
                64 => (&d[..32], Some(x.as_deref().unwrap_or(&d[32..]))),
                _ => return Err(torn("`d`")),
            };
            let pair = match public {
                Some(public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => Ed25519KeyPair::from_seed_unchecked(seed),
            };
            return of_ed(&pair.map_err(|_| torn("`d` and `x`"))?);
        }
        if jwk.has("oth") {
            return Err(Error::usage("the RSA key of the JWK has more than two primes (`oth`)")
                .hint("no library here signs with it (RFC 7518, 6.3.2.7)"));
        }
        let primes = (jwk.has("p") && jwk.has("q"))
            .then(|| Ok::<_, Error>((jwk.bytes("p")?, jwk.bytes("q")?)))
            .transpose()?;
        let numbers =
            Numbers { n: jwk.bytes("n")?, e: jwk.bytes("e")?, d: jwk.bytes("d")?, primes };
        let bits = numbers.bits();
        if bits == 0 {
            return Err(torn("`n`"));
        }
        if !(2048..=8192).contains(&bits) {
            return Err(refusal::of_key(Some(Content::Private(Kind::Rsa(bits))), algorithm));
        }
        let pair = numbers.complete().and_then(|all| RsaKeyPair::from_components(&all).ok());
        of_rsa(&pair.ok_or_else(|| torn("`n`, `e` and `d`"))?)
    }
}

/// Whether a block is, or should be, a private key.
fn is_private(block: &Block) -> bool {
    let is_key = || {
        let content = block.der.as_deref().and_then(der::content);
        matches!(content, Some(Content::Private(_)))
    };
    block.label.ends_with("PRIVATE KEY") || block.label.is_empty() && is_key()
}

/// An RSA key: PKCS #8, PKCS #1, or PKCS #8 that says that it is for PSS, where that is what the algorithm does.
fn rsa_pair(der: &[u8], content: Option<Content>, algorithm: Algorithm) -> Option<RsaKeyPair> {
    if let Some(Content::Private(Kind::RsaPss(_, hash))) = content {
        let is_bound_to = |allowed| hash.is_none() || hash == Some(allowed);
        let is_allowed = match algorithm {
            Algorithm::PS256 => is_bound_to(Hash::Sha256),
            Algorithm::PS384 => is_bound_to(Hash::Sha384),
            Algorithm::PS512 => is_bound_to(Hash::Sha512),
            _ => false,
        };
        return RsaKeyPair::from_der(der::inner(der)?).ok().filter(|_| is_allowed);
    }
    RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok()
}

/// A number with zeros before it, or without; `None` where it is longer than that.
fn of_length(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    Some([vec![0; length.checked_sub(number.len())?], number.to_vec()].concat())
}

/// Members of a JWK that make no key.
fn torn(members: &str) -> Error {
    let what = if members.contains(' ') {
        "are no key: cut, or not of one key"
    } else {
        "is no part of a key of that kind: it is cut, or too long"
    };
    Error::usage(format!("{members} of the JWK {what}"))
        .hint("take the JWK from where it was made, whole")
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

fn no_randomness(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::not_measured("the system gave no randomness for a new key")
}

fn no_encoding(error: impl std::fmt::Display) -> Error {
    Error::usage(format!("the key can't be encoded again: {error}"))
}
