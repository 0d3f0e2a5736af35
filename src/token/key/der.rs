//! What a DER holds, told without using it: enough to say why it can't be used, and what converts it.
//!
//! A reader of our own: one level at a time, without recursion, so that no file can exhaust the stack.

/// The content of a DER.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// A private key: PKCS #8, PKCS #1 or SEC 1.
    Private(Kind),
    /// A public key: `SubjectPublicKeyInfo` or PKCS #1.
    Public(Kind),
    /// PKCS #8 under a passphrase.
    Encrypted,
    /// PKCS #12.
    Pkcs12,
    /// PKCS #7.
    Pkcs7,
    /// A certificate.
    Certificate,
    /// A request for one (PKCS #10).
    Request,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// RSA, with so many bits.
    Rsa(usize),
    /// RSA for PSS only (RFC 4055, 1.2), with the hash that it is bound to.
    RsaPss(usize, Option<Hash>),
    /// EC on this curve; `None` where it is not named.
    Ec(Option<Curve>),
    /// Ed25519.
    Ed25519,
    /// Another, by its name.
    Other(&'static str),
}

/// A hash that a key for PSS can be bound to; SHA-1 is the default of the structure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Other,
}

/// An elliptic curve.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
    /// One whose parameters are written out in place of its name.
    Explicit,
    Other,
}

impl Curve {
    /// Its name, with the algorithm that belongs to it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::P256 => "P-256 (ES256)",
            Self::P384 => "P-384 (ES384)",
            Self::P521 => "P-521 (ES512)",
            Self::Secp256k1 => "secp256k1 (ES256K)",
            Self::Explicit => "written out in numbers",
            Self::Other => "without a JOSE algorithm",
        }
    }
}

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
const CONTEXT_0: u8 = 0xA0;

/// The elements of a DER, one after the other: tag and content.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let more = usize::from(first & 0x7F);
        let (length, rest) = match (first & 0x80 != 0, more) {
            (false, length) => (length, rest),
            // Without bytes it is a length of BER that is not known; more than four are no length of a file.
            (true, 1..=4) => {
                let (length, rest) = rest.split_at_checked(more)?;
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            (true, _) => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

/// The elements of the sequence at the beginning.
fn sequence(der: &[u8]) -> Option<Elements<'_>> {
    match Elements(der).next()? {
        (SEQUENCE, content) => Some(Elements(content)),
        _ => None,
    }
}

/// What a DER holds; `None` where it is none, or none that is known.
pub(super) fn content(der: &[u8]) -> Option<Content> {
    // PKCS #12 in BER, as Java writes it: a sequence of no known length, then version 3.
    if der.starts_with(&[SEQUENCE, 0x80, INTEGER, 1, 3]) {
        return Some(Content::Pkcs12);
    }
    let mut elements = sequence(der)?;
    let (first, second, third) = (elements.next()?, elements.next()?, elements.next());
    let more = elements.count();
    Some(match (first, second, third) {
        ((INTEGER, [3]), (SEQUENCE, _), _) => Content::Pkcs12,
        ((INTEGER, [0 | 1]), (SEQUENCE, algorithm), Some((OCTETS, key))) => {
            Content::Private(kind(algorithm, key)?)
        }
        ((INTEGER, [1]), (OCTETS, key), parameters) => {
            Content::Private(Kind::Ec(curve_of(key, parameters)))
        }
        // Of RSA there are nine numbers, or two of the public key; of DSA six.
        ((INTEGER, [0 | 1]), (INTEGER, modulus), Some((INTEGER, _))) if more >= 6 => {
            Content::Private(Kind::Rsa(bits(modulus)))
        }
        ((INTEGER, [0]), (INTEGER, _), Some((INTEGER, _))) => Content::Private(Kind::Other("DSA")),
        ((INTEGER, modulus), (INTEGER, _), None) => Content::Public(Kind::Rsa(bits(modulus))),
        ((SEQUENCE, algorithm), (BITS, key), None) => {
            Content::Public(kind(algorithm, key.get(1..).unwrap_or_default())?)
        }
        ((SEQUENCE, algorithm), (OCTETS, _), None) if is_encryption(algorithm) => {
            Content::Encrypted
        }
        ((OID, _), (CONTEXT_0, _), _) => Content::Pkcs7,
        ((SEQUENCE, told), (SEQUENCE, _), Some((BITS, _))) => signed(told)?,
        _ => return None,
    })
}

/// A certificate or a request, by what is signed in it: only a request has a name as its second element.
fn signed(told: &[u8]) -> Option<Content> {
    let mut elements = Elements(told);
    let (first, second) = (elements.next()?, elements.next()?);
    let begins_with_oid = |content| matches!(Elements(content).next(), Some((OID, _)));
    Some(match (first, second) {
        // Of version 1 there is no version: the number comes first, then the algorithm.
        ((CONTEXT_0, _), _) => Content::Certificate,
        ((INTEGER, _), (SEQUENCE, algorithm)) if begins_with_oid(algorithm) => Content::Certificate,
        _ => Content::Request,
    })
}

/// The kind of a key by its `AlgorithmIdentifier`; `key` is what stands beside it.
fn kind(algorithm: &[u8], key: &[u8]) -> Option<Kind> {
    let mut elements = Elements(algorithm);
    let (OID, oid) = elements.next()? else { return None };
    let parameters = elements.next();
    Some(match oid {
        // 1.2.840.113549.1.1.1 and .10
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" => Kind::Rsa(rsa_bits(key)),
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" => Kind::RsaPss(rsa_bits(key), hash(parameters)),
        // 1.2.840.10045.2.1
        b"\x2a\x86\x48\xce\x3d\x02\x01" => Kind::Ec(parameters.map(curve)),
        // 1.3.101.110 to .113
        b"\x2b\x65\x6e" => Kind::Other("X25519"),
        b"\x2b\x65\x6f" => Kind::Other("X448"),
        b"\x2b\x65\x70" => Kind::Ed25519,
        b"\x2b\x65\x71" => Kind::Other("Ed448"),
        // 1.2.840.10040.4.1 and 1.2.840.113549.1.3.1
        b"\x2a\x86\x48\xce\x38\x04\x01" => Kind::Other("DSA"),
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01" => Kind::Other("Diffie-Hellman"),
        _ => Kind::Other("of an algorithm that is not known here"),
    })
}

/// The hash in the parameters of a key for PSS (RFC 4055, 3.1).
fn hash(parameters: Option<(u8, &[u8])>) -> Option<Hash> {
    let (SEQUENCE, parameters) = parameters? else { return None };
    let Some((CONTEXT_0, named)) = Elements(parameters).next() else { return Some(Hash::Sha1) };
    let oid = sequence(named).and_then(|mut elements| elements.next());
    // 2.16.840.1.101.3.4.2.1 to .3
    Some(match oid {
        Some((OID, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01")) => Hash::Sha256,
        Some((OID, b"\x60\x86\x48\x01\x65\x03\x04\x02\x02")) => Hash::Sha384,
        Some((OID, b"\x60\x86\x48\x01\x65\x03\x04\x02\x03")) => Hash::Sha512,
        _ => Hash::Other,
    })
}

/// A curve by the parameters of a key (RFC 5480, 2.1.1).
fn curve((tag, parameters): (u8, &[u8])) -> Curve {
    match (tag, parameters) {
        // 1.2.840.10045.3.1.7, 1.3.132.0.34, .35 and .10
        (OID, b"\x2a\x86\x48\xce\x3d\x03\x01\x07") => Curve::P256,
        (OID, b"\x2b\x81\x04\x00\x22") => Curve::P384,
        (OID, b"\x2b\x81\x04\x00\x23") => Curve::P521,
        (OID, b"\x2b\x81\x04\x00\x0a") => Curve::Secp256k1,
        (SEQUENCE, _) => Curve::Explicit,
        _ => Curve::Other,
    }
}

/// The curve of a SEC 1 key: by its parameters, or by its length where they are left out.
fn curve_of(key: &[u8], parameters: Option<(u8, &[u8])>) -> Option<Curve> {
    match (parameters, key.len()) {
        (Some((CONTEXT_0, parameters)), _) => Elements(parameters).next().map(curve),
        (_, 48) => Some(Curve::P384),
        (_, 65 | 66) => Some(Curve::P521),
        // Two curves have keys of this length.
        _ => None,
    }
}

/// Whether an algorithm is one of PKCS #5 or PKCS #12, which encrypt by a passphrase.
fn is_encryption(algorithm: &[u8]) -> bool {
    // 1.2.840.113549.1.5 and .12
    matches!(Elements(algorithm).next(), Some((OID, oid))
        if oid.starts_with(b"\x2a\x86\x48\x86\xf7\x0d\x01\x05")
            || oid.starts_with(b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c"))
}

/// Bits of the modulus of an RSA key, private or public.
fn rsa_bits(key: &[u8]) -> usize {
    let modulus = sequence(key).and_then(|elements| {
        let mut numbers = elements.filter(|(tag, _)| *tag == INTEGER).map(|(_, number)| number);
        // A private key begins with its version.
        let first = numbers.next()?;
        if matches!(first, [0 | 1]) { numbers.next() } else { Some(first) }
    });
    modulus.map_or(0, bits)
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    ((number.len() - zeros) * 8).saturating_sub(first)
}

/// The key within a PKCS #8.
pub(super) fn inner(der: &[u8]) -> Option<&[u8]> {
    let mut elements = sequence(der)?;
    match (elements.next()?, elements.next()?, elements.next()?) {
        ((INTEGER, _), (SEQUENCE, _), (OCTETS, key)) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
