//! The public half of a key in the forms in which it lies around: what a verifier that confuses algorithms takes for
//! an HMAC secret, and what a header can carry.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use num_bigint::{BigInt, Sign};
use serde_json::{Value, json};
use simple_asn1::{ASN1Block, from_der, oid, to_der};

/// A form of a public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PublicForm {
    /// PEM of `SubjectPublicKeyInfo`, as tools write it.
    Pem,
    /// The same without the line break at its end.
    PemTrimmed,
    /// The same after a line break (CVE-2023-48223).
    PemSpaced,
    /// PEM of PKCS #1 (RSA only).
    Pkcs1Pem,
    /// DER of `SubjectPublicKeyInfo` (CVE-2024-33663).
    Der,
    /// JWK as JSON.
    Jwk,
    /// A line of OpenSSH's `.pub` files (CVE-2022-29217).
    OpenSsh,
    /// The bare point: `x || y` of an EC key, `x` of an Ed25519 key.
    Point,
}

impl PublicForm {
    /// All forms.
    pub const ALL: [Self; 8] = [
        Self::Pem,
        Self::PemTrimmed,
        Self::PemSpaced,
        Self::Pkcs1Pem,
        Self::Der,
        Self::Jwk,
        Self::OpenSsh,
        Self::Point,
    ];
}

/// A public key, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Parts {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
    /// `x || y`; 64 bytes for P-256, 96 for P-384.
    Ec(Vec<u8>),
    /// `x` of Ed25519.
    Ed(Vec<u8>),
}

/// A public key as this form; `None` where its kind has no such form.
pub fn form(pem: &str, form: PublicForm) -> Option<Vec<u8>> {
    let der = pem::parse(pem).ok()?.into_contents();
    Some(match form {
        PublicForm::Pem => pem.as_bytes().to_vec(),
        PublicForm::PemTrimmed => pem.trim_end().as_bytes().to_vec(),
        PublicForm::PemSpaced => [b"\n", pem.as_bytes()].concat(),
        PublicForm::Pkcs1Pem => match parts(&der)? {
            Parts::Rsa(..) => {
                let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
                let pkcs1 = pem::Pem::new("RSA PUBLIC KEY", bits(&der)?);
                pem::encode_config(&pkcs1, config).into_bytes()
            }
            _ => return None,
        },
        PublicForm::Der => der,
        PublicForm::Jwk => jwk(pem)?.to_string().into_bytes(),
        PublicForm::OpenSsh => openssh(&parts(&der)?).into_bytes(),
        PublicForm::Point => match parts(&der)? {
            Parts::Ec(point) | Parts::Ed(point) => point,
            Parts::Rsa(..) => return None,
        },
    })
}

/// A public key as a JWK (RFC 7518, 6; RFC 8037, 2).
pub fn jwk(pem: &str) -> Option<Value> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(match parts(pem::parse(pem).ok()?.contents())? {
        Parts::Rsa(n, e) => json!({ "kty": "RSA", "n": text(&n), "e": text(&e) }),
        Parts::Ec(point) => {
            let (x, y) = point.split_at(point.len() / 2);
            let curve = if x.len() == 32 { "P-256" } else { "P-384" };
            json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
        }
        Parts::Ed(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&x) }),
    })
}

/// A public JWK (RFC 7518, 6; RFC 8037, 2) as PEM of `SubjectPublicKeyInfo`; `None` where it is none that is known.
pub fn pem_of_jwk(jwk: &Value) -> Option<String> {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    let key = |algorithm: Vec<ASN1Block>, bits: Vec<u8>| {
        let length = bits.len() * 8;
        ASN1Block::Sequence(
            0,
            vec![ASN1Block::Sequence(0, algorithm), ASN1Block::BitString(0, length, bits)],
        )
    };
    let named = |oid| ASN1Block::ObjectIdentifier(0, oid);
    let spki = match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
        ("EC", Some(curve)) => {
            let (curve, length) = match curve {
                "P-256" => (oid!(1, 2, 840, 10045, 3, 1, 7), 32),
                "P-384" => (oid!(1, 3, 132, 0, 34), 48),
                _ => return None,
            };
            let (x, y) = (member("x")?, member("y")?);
            if x.len() != length || y.len() != length {
                return None;
            }
            let ec = oid!(1, 2, 840, 10045, 2, 1);
            key(vec![named(ec), named(curve)], [vec![4], x, y].concat())
        }
        ("OKP", Some("Ed25519")) => key(vec![named(oid!(1, 3, 101, 112))], member("x")?),
        ("RSA", _) => {
            let number = |name: &str| {
                Some(ASN1Block::Integer(0, BigInt::from_bytes_be(Sign::Plus, &member(name)?)))
            };
            let pkcs1 = ASN1Block::Sequence(0, vec![number("n")?, number("e")?]);
            let rsa = named(oid!(1, 2, 840, 113_549, 1, 1, 1));
            key(vec![rsa, ASN1Block::Null(0)], to_der(&pkcs1).ok()?)
        }
        _ => return None,
    };
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Some(pem::encode_config(&pem::Pem::new("PUBLIC KEY", to_der(&spki).ok()?), config))
}

/// Takes a `SubjectPublicKeyInfo` apart.
pub fn parts(spki: &[u8]) -> Option<Parts> {
    let bits = bits(spki)?;
    match bits[..] {
        [4, ref point @ ..] if matches!(point.len(), 64 | 96) => Some(Parts::Ec(point.to_vec())),
        _ if bits.len() == 32 => Some(Parts::Ed(bits)),
        _ => match integers(&bits)?.as_slice() {
            [n, e] => Some(Parts::Rsa(n.clone(), e.clone())),
            _ => None,
        },
    }
}

/// The integers of a DER sequence, big-endian without leading zeros.
pub fn integers(der: &[u8]) -> Option<Vec<Vec<u8>>> {
    let [ASN1Block::Sequence(_, members)] = &from_der(der).ok()?[..] else { return None };
    let numbers = members.iter().filter_map(|member| match member {
        ASN1Block::Integer(_, number) => Some(number.magnitude().to_bytes_be()),
        _ => None,
    });
    Some(numbers.collect())
}

/// The octet string of a DER sequence: the key in a PKCS #8 (RFC 5208, 5).
pub fn octets(der: &[u8]) -> Option<Vec<u8>> {
    let [ASN1Block::Sequence(_, members)] = &from_der(der).ok()?[..] else { return None };
    members.iter().find_map(|member| match member {
        ASN1Block::OctetString(_, octets) => Some(octets.clone()),
        _ => None,
    })
}

/// The key itself: the bit string of a `SubjectPublicKeyInfo`.
fn bits(spki: &[u8]) -> Option<Vec<u8>> {
    let [ASN1Block::Sequence(_, members)] = &from_der(spki).ok()?[..] else { return None };
    members.iter().find_map(|member| match member {
        ASN1Block::BitString(_, _, bits) => Some(bits.clone()),
        _ => None,
    })
}

/// The line of a `.pub` file (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4).
fn openssh(parts: &Parts) -> String {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let integer = |bytes: &[u8]| match bytes {
        [0x80..=0xFF, ..] => field(&[&[0], bytes].concat()),
        _ => field(bytes),
    };
    let (name, fields) = match parts {
        Parts::Rsa(n, e) => ("ssh-rsa".to_owned(), vec![integer(e), integer(n)]),
        Parts::Ec(point) => {
            let curve = if point.len() == 64 { "nistp256" } else { "nistp384" };
            let point = [&[4], &point[..]].concat();
            (format!("ecdsa-sha2-{curve}"), vec![field(curve.as_bytes()), field(&point)])
        }
        Parts::Ed(x) => ("ssh-ed25519".to_owned(), vec![field(x)]),
    };
    let blob = [vec![field(name.as_bytes())], fields].concat().concat();
    format!("{name} {}", STANDARD.encode(blob))
}

#[cfg(test)]
mod tests;
