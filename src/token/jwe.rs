//! Encrypted tokens (RFC 7516): anybody can make one, so a verifier must not take one for signed.

use std::{io::Write, sync::LazyLock};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{
        Algorithm as Curve, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey,
        agree_ephemeral,
    },
    digest, rand,
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::DeflateEncoder};
use serde_json::{Value, json};

use super::{encode::append_base64, recipe::Jwe};
use crate::{
    base::error::{Error, Result},
    token::key::{
        SigningKey,
        public::{self, Parts},
    },
};

/// What a bomb unpacks to.
const BOMB_MEBIBYTES: usize = 32;

/// Encrypts the claims of a kind of token.
pub(super) struct Envelope {
    how: Jwe,
    /// The public half of the key, where it is encrypted to that.
    to: Option<(Parts, Vec<u8>)>,
    kid: Option<String>,
}

/// A bomb, compressed once.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| bomb(BOMB_MEBIBYTES).unwrap_or_default());

impl Envelope {
    pub(super) fn new(how: Jwe, key: &SigningKey) -> Self {
        let parts = key.public_der().and_then(|der| Some((public::parts(&der)?, der)));
        // Nothing can be encrypted to a key that only signs.
        let to = parts.filter(|(parts, _)| !matches!(parts, Parts::Ed(_)));
        Self { how, to, kid: key.kid.clone() }
    }

    /// Appends the token with these claims.
    pub(super) fn seal(&self, claims: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut header = json!({ "typ": "JWT", "enc": "A256GCM" });
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let plain = match self.how {
            Jwe::Bomb => {
                header["zip"] = "DEF".into();
                BOMB.clone()
            }
            Jwe::PlainInside => {
                header["cty"] = "JWT".into();
                let mut inner = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#).into_bytes();
                inner.push(b'.');
                append_base64(claims, &mut inner);
                inner.push(b'.');
                inner
            }
            _ => claims.to_vec(),
        };
        let (content_key, wrapped) = match (self.how, &self.to) {
            (Jwe::ManyRounds, _) => {
                header["alg"] = "PBES2-HS256+A128KW".into();
                header["p2s"] = URL_SAFE_NO_PAD.encode(random::<16>()?).into();
                header["p2c"] = 2_147_483_647_u32.into();
                // Nobody will ever know whether this is the key: the price is paid before.
                (random()?, random::<40>()?.to_vec())
            }
            (Jwe::Direct, _) | (_, None) => {
                header["alg"] = "dir".into();
                ([0; 32], Vec::new())
            }
            (_, Some((Parts::Rsa(..), der))) => {
                header["alg"] = "RSA-OAEP-256".into();
                let key = random()?;
                (key, oaep(der, &key)?)
            }
            (_, Some((Parts::Ec(point) | Parts::Ed(point), _))) => {
                header["alg"] = "ECDH-ES".into();
                let (key, ephemeral) = agree(point)?;
                header["epk"] = ephemeral;
                (key, Vec::new())
            }
        };
        let start = out.len();
        append_base64(header.to_string().as_bytes(), out);
        let key = UnboundKey::new(&AES_256_GCM, &content_key).map_err(failed)?;
        let nonce: [u8; 12] = random()?;
        let mut sealed = plain;
        let additional = Aad::from(out[start..].to_vec());
        let tag = LessSafeKey::new(key)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                additional,
                &mut sealed,
            )
            .map_err(failed)?;
        for part in [&wrapped[..], &nonce, &sealed, tag.as_ref()] {
            out.push(b'.');
            append_base64(part, out);
        }
        Ok(())
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::not_measured(format!("a token can't be encrypted: {error}"))
}

/// So many MiB of spaces, compressed. Each is compressed like the one before it, so that the first is enough.
fn bomb(mebibytes: usize) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 1 << 20])?;
    // To the next whole byte, where the next may begin (RFC 1951, 3.2.4).
    encoder.flush()?;
    let mut packed = encoder.get_ref().repeat(mebibytes);
    // The last block, which is empty.
    packed.extend_from_slice(&[3, 0]);
    Ok(packed)
}

/// A content key, encrypted to an RSA key (RFC 7518, 4.3).
fn oaep(der: &[u8], key: &[u8]) -> Result<Vec<u8>> {
    let public = PublicEncryptingKey::from_der(der)
        .map_err(failed)
        .and_then(|public| OaepPublicEncryptingKey::new(public).map_err(failed))?;
    let mut wrapped = vec![0; public.ciphertext_size()];
    let length =
        public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).map_err(failed)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
}

/// A content key agreed with an EC key (RFC 7518, 4.6), and the ephemeral key that it takes.
fn agree(point: &[u8]) -> Result<([u8; 32], Value)> {
    let (curve, name): (&'static Curve, _) =
        if point.len() == 64 { (&ECDH_P256, "P-256") } else { (&ECDH_P384, "P-384") };
    let own = EphemeralPrivateKey::generate(curve, &rand::SystemRandom::new()).map_err(failed)?;
    let public = own.compute_public_key().map_err(failed)?;
    let (x, y) = public.as_ref()[1..].split_at(point.len() / 2);
    let ephemeral = json!({
        "kty": "EC", "crv": name,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    let peer = UnparsedPublicKey::new(curve, [&[4], point].concat());
    let key = agree_ephemeral(own, &peer, failed("no agreement"), |secret| Ok(concat_kdf(secret)))?;
    Ok((key, ephemeral))
}

/// The one round of Concat KDF that a key of 256 bits takes (RFC 7518, 4.6.2).
fn concat_kdf(secret: &[u8]) -> [u8; 32] {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let message = [
        1_u32.to_be_bytes().to_vec(),
        secret.to_vec(),
        field(b"A256GCM"),
        field(b""),
        field(b""),
        256_u32.to_be_bytes().to_vec(),
    ]
    .concat();
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, &message).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_bomb_is_small_on_the_way_and_unpacks_to_what_it_promises() {
        let packed = bomb(3).unwrap();
        assert!(packed.len() < 6000, "{}", packed.len());
        let mut plain = Vec::new();
        flate2::read::DeflateDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain.len(), 3 << 20);
        assert!(plain.iter().all(|byte| *byte == b' '));
    }
}
