//! Signatures over tokens, which a client shows beside its token: custom authorizers of AWS ask for one.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::crypto::JwtSigner;

use super::key::SigningKey;
use crate::base::error::{Error, Result};

/// Signs tokens: RSASSA-PKCS1-v1_5 with SHA-256 over their text.
pub(super) struct Countersigner(Box<dyn JwtSigner>);

impl Countersigner {
    /// One with this key, which is of the algorithm RS256.
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn new(key: &SigningKey) -> Result<Self> {
        key.signer().map(Self)
    }

    /// Appends the signature over the token that stands in `out` from `start` on, in base64 (RFC 4648, 4).
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn sign(&self, start: usize, out: &mut Vec<u8>) -> Result<()> {
        let signature = self.0.try_sign(&out[start..]).map_err(|error| {
            Error::not_measured(format!("`identity.signature_key` can't sign: {error}"))
        })?;
        let end = out.len();
        out.resize(end + length(signature.len()), 0);
        // It is as long as that.
        let _ = STANDARD.encode_slice(&signature, &mut out[end..]);
        Ok(())
    }
}

/// By what tokens are signed for templates.
#[derive(Clone, Debug)]
pub struct Countersigned {
    /// The key.
    pub key: Arc<SigningKey>,
    /// How many characters a signature has.
    pub length: usize,
}

impl Countersigned {
    /// By this key.
    pub fn by(key: SigningKey) -> Self {
        Self { length: length(key.signature_length()), key: Arc::new(key) }
    }
}

fn length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
