//! The keys that tokens are signed with: from PEM, JWK, a secret, or made for this run.

mod der;
mod found;
mod jwk;
mod lenient;
pub mod material;
pub mod nkey;
pub mod public;
mod refusal;
pub mod rsa;
mod source;

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    crypto::{JwtSigner, JwtVerifier, aws_lc::DEFAULT_PROVIDER},
};

use self::{material::PrivateKey, nkey::Role, public::PublicForm, rsa::RawRsa};
use crate::{
    base::error::{Error, Result},
    scenario::{self, Algorithm, Held},
};

/// A key with its algorithm and `kid`, ready to sign.
pub struct SigningKey {
    /// Its name under `[keys]`.
    pub name: String,
    /// The algorithm it signs with.
    pub algorithm: Algorithm,
    /// The `kid` header parameter, where one was given.
    pub kid: Option<String>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Vec<u8>),
    Private(Arc<PrivateKey>),
}

/// What a verifier needs of a key.
#[derive(Clone)]
pub enum VerifyingKey {
    /// The HMAC secret itself.
    Secret(Vec<u8>),
    /// A public key as PEM (SPKI).
    PublicPem(String),
}

impl SigningKey {
    /// The key in a file with these bytes: a JWK or a set of them, or PEM or DER.
    ///
    /// # Errors
    /// When there is none of the algorithm in it.
    pub(crate) fn of_bytes(file: &[u8], algorithm: Algorithm, is_jwk: bool) -> Result<Self> {
        let (material, kid) = source::of_file(file, algorithm, None, is_jwk)?;
        Ok(Self { name: String::new(), algorithm, kid, material })
    }

    /// Loads or makes the key of `[keys.NAME]`; relative paths start at `base`.
    ///
    /// # Errors
    /// When not exactly one source is given, the source can't be read, or does not fit the algorithm.
    pub fn load(name: &str, key: &scenario::Key, base: &Path) -> Result<Self> {
        let place = format!("`keys.{name}`");
        let (material, kid) = source::load(key, base).map_err(|error| error.within(place))?;
        let kid = key.kid.clone().or(kid);
        Ok(Self { name: name.to_owned(), algorithm: key.algorithm, kid, material })
    }

    /// The key as another process can be sent it.
    pub fn held(&self) -> Held {
        match &self.material {
            Material::Secret(secret) => Held::Secret(secret.clone()),
            Material::Private(key) => Held::Private(key.pkcs8().to_vec()),
        }
    }

    /// A new key of the same algorithm and `kid`: the key of an attacker who knows all but the key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn stranger(&self) -> Result<Self> {
        let material = match &self.material {
            Material::Secret(_) => Material::Secret(material::random_secret()?),
            Material::Private(_) => {
                // Of the same size, so that nothing but the key is another.
                let bits = self.signature_length() * 8;
                Material::Private(Arc::new(PrivateKey::of_size(self.algorithm, bits)?))
            }
        };
        Ok(Self {
            name: format!("{} of a stranger", self.name),
            algorithm: self.algorithm,
            kid: self.kid.clone(),
            material,
        })
    }

    /// An HMAC key with a form of this key's public half as its secret, as a confused verifier would use it
    /// (CVE-2015-9235). `None` for a key that is HMAC already, or has no such form.
    pub fn confused(&self, form: PublicForm) -> Option<Self> {
        let VerifyingKey::PublicPem(pem) = self.verifying() else { return None };
        let secret = public::form(&pem, form)?;
        Some(Self { algorithm: Algorithm::HS256, ..self.with(Material::Secret(secret)) })
    }

    /// An HMAC key with this secret: by the same algorithm where this is one.
    #[must_use]
    pub fn with_secret(&self, secret: &[u8]) -> Self {
        let algorithm = if self.algorithm.is_hmac() { self.algorithm } else { Algorithm::HS256 };
        Self { algorithm, ..self.with(Material::Secret(secret.to_vec())) }
    }

    /// This key with another algorithm of its family.
    #[must_use]
    pub fn with_algorithm(&self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self.with(self.material.clone()) }
    }

    /// An algorithm of the same family and padding with another hash.
    pub fn other_hash(algorithm: Algorithm) -> Option<Algorithm> {
        Some(match algorithm {
            Algorithm::HS256 => Algorithm::HS512,
            Algorithm::HS384 | Algorithm::HS512 => Algorithm::HS256,
            Algorithm::RS256 => Algorithm::RS512,
            Algorithm::RS384 | Algorithm::RS512 => Algorithm::RS256,
            Algorithm::PS256 => Algorithm::PS512,
            Algorithm::PS384 | Algorithm::PS512 => Algorithm::PS256,
            _ => return None,
        })
    }

    /// The algorithm with the other padding of RSA and the same hash.
    pub fn other_padding(algorithm: Algorithm) -> Option<Algorithm> {
        Some(match algorithm {
            Algorithm::RS256 => Algorithm::PS256,
            Algorithm::RS384 => Algorithm::PS384,
            Algorithm::RS512 => Algorithm::PS512,
            Algorithm::PS256 => Algorithm::RS256,
            Algorithm::PS384 => Algorithm::RS384,
            Algorithm::PS512 => Algorithm::RS512,
            _ => return None,
        })
    }

    /// A new key of the other curve, under this key's `kid`. `None` where it is no EC key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn of_other_curve(&self) -> Result<Option<Self>> {
        let algorithm = match self.algorithm {
            Algorithm::ES256 => Algorithm::ES384,
            Algorithm::ES384 => Algorithm::ES256,
            _ => return Ok(None),
        };
        let material = Material::Private(Arc::new(PrivateKey::generate(algorithm)?));
        Ok(Some(Self { algorithm, ..self.with(material) }))
    }

    fn with(&self, material: Material) -> Self {
        Self { name: self.name.clone(), algorithm: self.algorithm, kid: self.kid.clone(), material }
    }

    /// The key as a header can carry it: a JWK of its public half, or of the secret itself.
    pub fn public_jwk(&self) -> serde_json::Value {
        match self.verifying() {
            VerifyingKey::Secret(secret) => {
                serde_json::json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret) })
            }
            VerifyingKey::PublicPem(pem) => public::jwk(&pem).unwrap_or_default(),
        }
    }

    /// The key as NATS names it: that of an account. `None` where it signs no user JWTs.
    pub fn nkey(&self) -> Option<String> {
        let is_nkey = self.algorithm == Algorithm::Nkey;
        let der = self.public_der().filter(|_| is_nkey)?;
        // An Ed25519 key is the end of its `SubjectPublicKeyInfo` (RFC 8410, 4).
        let raw: [u8; 32] = der.last_chunk().copied()?;
        Some(String::from_utf8_lossy(&nkey::public(Role::Account, &raw)).into_owned())
    }

    /// DER of the public half. `None` for a secret.
    pub fn public_der(&self) -> Option<Vec<u8>> {
        match self.verifying() {
            VerifyingKey::Secret(_) => None,
            VerifyingKey::PublicPem(pem) => Some(pem::parse(pem).ok()?.into_contents()),
        }
    }

    /// A certificate of the key, signed by itself, in DER. For a secret, that of a key made for it.
    ///
    /// # Errors
    /// When the key can't sign a certificate.
    pub fn self_signed(&self) -> Result<Vec<u8>> {
        let failed = |error: rcgen::Error| {
            Error::not_measured(format!("no certificate can be made of a key: {error}"))
        };
        let pair = match &self.material {
            Material::Private(key) => key.pair().map_err(failed)?,
            Material::Secret(_) => rcgen::KeyPair::generate().map_err(failed)?,
        };
        let parameters = rcgen::CertificateParams::new(Vec::new()).map_err(failed)?;
        Ok(parameters.self_signed(&pair).map_err(failed)?.der().to_vec())
    }

    /// The key as numbers, where it is an RSA key of PKCS #1's signatures.
    pub fn raw_rsa(&self) -> Option<RawRsa> {
        match &self.material {
            Material::Private(key) => key.raw_rsa(self.algorithm),
            Material::Secret(_) => None,
        }
    }

    /// How many bytes its signatures have.
    pub fn signature_length(&self) -> usize {
        match self.algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 | Algorithm::ES256 | Algorithm::EdDSA | Algorithm::Nkey => 64,
            Algorithm::ES384 => 96,
            _ => match self.public_der().and_then(|der| public::parts(&der)) {
                Some(public::Parts::Rsa(modulus, _)) => modulus.len(),
                _ => 0,
            },
        }
    }

    /// The secret, where it is one.
    pub fn secret(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Secret(secret) => Some(secret),
            Material::Private(_) => None,
        }
    }

    /// The bytes of a secret that is shorter than the hash of its algorithm, and the bytes that it should have at least
    /// (RFC 7518, 3.2); `None` of any other key.
    pub fn too_short(&self) -> Option<(usize, usize)> {
        let least = match self.algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => return None,
        };
        self.secret().map(|secret| (secret.len(), least)).filter(|(own, least)| own < least)
    }

    /// What a verifier needs of it.
    pub fn verifying(&self) -> VerifyingKey {
        match &self.material {
            Material::Secret(secret) => VerifyingKey::Secret(secret.clone()),
            Material::Private(key) => VerifyingKey::PublicPem(key.public_pem.clone()),
        }
    }

    /// A signer that has parsed the key; each thread makes its own.
    ///
    /// # Errors
    /// When the key does not fit the algorithm.
    pub fn signer(&self) -> Result<Box<dyn JwtSigner>> {
        let algorithm = jwt_algorithm(self.algorithm);
        let made = match &self.material {
            Material::Secret(secret) => {
                (DEFAULT_PROVIDER.signer_factory)(&algorithm, &EncodingKey::from_secret(secret))
            }
            Material::Private(key) => (DEFAULT_PROVIDER.signer_factory)(&algorithm, &key.encoding),
        };
        made.map_err(|error| {
            Error::usage(format!("`keys.{}` can't sign {algorithm:?}: {error}", self.name))
        })
    }

    /// A token of these claims and nothing else.
    ///
    /// # Errors
    /// When the key does not fit the algorithm, or can't sign.
    pub fn compact(&self, claims: &serde_json::Map<String, serde_json::Value>) -> Result<String> {
        let mut header = serde_json::json!({ "alg": self.algorithm.to_string(), "typ": "JWT" });
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        let claims = serde_json::Value::Object(claims.clone()).to_string();
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signer()?.try_sign(token.as_bytes()).map_err(|error| {
            Error::not_measured(format!("`keys.{}` can't sign: {error}", self.name))
        })?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// A verifier of this key's signatures.
    ///
    /// # Errors
    /// When the public key can't be used.
    pub fn verifier(&self) -> Result<Box<dyn JwtVerifier>> {
        let algorithm = jwt_algorithm(self.algorithm);
        decoding(&self.verifying(), self.algorithm)
            .and_then(|key| (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key))
            .map_err(|error| {
                Error::usage(format!("`keys.{}` can't verify {algorithm:?}: {error}", self.name))
            })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, algorithm, kid, material: _ } = self;
        f.debug_struct("SigningKey")
            .field("name", name)
            .field("algorithm", algorithm)
            .field("kid", kid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "VerifyingKey::Secret",
            Self::PublicPem(_) => "VerifyingKey::PublicPem",
        })
    }
}

/// The library's name of an algorithm.
pub fn jwt_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    use jsonwebtoken::Algorithm as Jwt;
    match algorithm {
        Algorithm::HS256 => Jwt::HS256,
        Algorithm::HS384 => Jwt::HS384,
        Algorithm::HS512 => Jwt::HS512,
        Algorithm::RS256 => Jwt::RS256,
        Algorithm::RS384 => Jwt::RS384,
        Algorithm::RS512 => Jwt::RS512,
        Algorithm::PS256 => Jwt::PS256,
        Algorithm::PS384 => Jwt::PS384,
        Algorithm::PS512 => Jwt::PS512,
        Algorithm::ES256 => Jwt::ES256,
        Algorithm::ES384 => Jwt::ES384,
        Algorithm::EdDSA | Algorithm::Nkey => Jwt::EdDSA,
    }
}

/// A key as `jsonwebtoken` verifies with it.
///
/// # Errors
/// When it is none for the algorithm.
pub fn decoding(
    key: &VerifyingKey,
    algorithm: Algorithm,
) -> jsonwebtoken::errors::Result<DecodingKey> {
    match key {
        VerifyingKey::Secret(secret) => Ok(DecodingKey::from_secret(secret)),
        VerifyingKey::PublicPem(pem) => match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA | Algorithm::Nkey => DecodingKey::from_ed_pem(pem.as_bytes()),
            _ => DecodingKey::from_rsa_pem(pem.as_bytes()),
        },
    }
}

#[cfg(test)]
mod tests;
