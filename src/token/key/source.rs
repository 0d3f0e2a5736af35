//! Where a key of the scenario comes from: exactly one source, read and fitted to the algorithm.

use std::{env, path::Path, sync::Arc};

use super::{
    Material,
    jwk::Jwk,
    lenient::decoded,
    material::{self, PrivateKey},
};
use crate::{
    base::{
        error::{
            Error, Result,
            showable::{self, REDACTED},
        },
        host::reading::{self, LONGEST_TEXT},
    },
    scenario::{Algorithm, Held, Key},
};

/// Where relative paths start.
const BASE: &str = "relative paths start at the folder of the scenario file";

/// The key itself, and the `kid` that its file gives it.
pub(super) fn load(key: &Key, base: &Path) -> Result<(Material, Option<String>)> {
    let algorithm = key.algorithm;
    let private = |key| Material::Private(Arc::new(key));
    match &key.held {
        Some(Held::Secret(bytes)) if algorithm.is_hmac() => {
            return Ok((secret(bytes.clone(), algorithm)?, None));
        }
        Some(Held::Private(der)) => {
            return Ok((private(PrivateKey::from_der(der, algorithm)?), None));
        }
        _ => {}
    }
    let source = source(key)?;
    check(key, source)?;
    let naming_file = |file: &Path| {
        let place = format!("`{source}` ({})", showable::file(file, base));
        let name = file.to_string_lossy().into_owned();
        move |error: Error| naming(error, &name).within(place)
    };
    if let Some(text) = &key.secret {
        return Ok((secret(as_written(key, text.clone().into_bytes())?, algorithm)?, None));
    }
    if let Some(file) = &key.secret_file {
        let bytes = as_written(key, without_line_end(read(key, file, base, source)?))?;
        return Ok((secret(bytes, algorithm).map_err(naming_file(file))?, None));
    }
    if let Some(variable) = &key.secret_env {
        let value = env::var_os(variable).ok_or_else(|| {
            Error::usage(format!("`secret_env` names {}, which is not set", showable::variable(variable)))
                .hint("`secret_env` takes the name of an environment variable: `export NAME=...`, then `secret_env = \"NAME\"`")
        })?;
        return Ok((secret(as_written(key, value.into_encoded_bytes())?, algorithm)?, None));
    }
    if let Some(file) = key.private_key.as_ref().or(key.jwk.as_ref()) {
        let bytes = read(key, file, base, source)?;
        let kid = key.kid.as_deref();
        return of_file(&bytes, algorithm, kid, key.jwk.is_some()).map_err(naming_file(file));
    }
    if algorithm.is_hmac() {
        return Ok((secret(material::random_secret()?, algorithm)?, None));
    }
    let bits = key.bits.map_or(2048, usize::from);
    Ok((private(PrivateKey::of_size(algorithm, bits)?), None))
}

/// The key in a file, and the `kid` that it gives it where none is given: a JWK, of several the one with that `kid`, or PEM
/// or DER.
pub(super) fn of_file(
    file: &[u8],
    algorithm: Algorithm,
    kid: Option<&str>,
    is_jwk: bool,
) -> Result<(Material, Option<String>)> {
    let private = |key| Material::Private(Arc::new(key));
    if !is_jwk {
        return Ok((private(PrivateKey::from_file(file, algorithm)?), None));
    }
    let jwk = Jwk::read(file, algorithm, kid)?;
    let own = if kid.is_some() { None } else { jwk.kid()? };
    let material = if algorithm.is_hmac() {
        secret(jwk.secret()?, algorithm)?
    } else {
        private(PrivateKey::from_jwk(&jwk, algorithm)?)
    };
    Ok((material, own))
}

/// The one source that is given.
fn source(key: &Key) -> Result<&'static str> {
    let sources = [
        ("secret", key.secret.is_some()),
        ("secret_file", key.secret_file.is_some()),
        ("secret_env", key.secret_env.is_some()),
        ("private_key", key.private_key.is_some()),
        ("jwk", key.jwk.is_some()),
        ("generate", key.generate),
    ];
    let given: Vec<&str> =
        sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let [source] = given[..] else {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        return Err(Error::usage(format!("exactly one source of the key is needed, found {found}")).hint(
            "give one of `secret`, `secret_file`, `secret_env` (HMAC), `private_key` (PEM), `jwk`, or `generate = true`",
        ));
    };
    Ok(source)
}

/// Refuses a source that does not fit the algorithm, and switches that do not fit the source.
fn check(key: &Key, source: &str) -> Result<()> {
    let algorithm = key.algorithm;
    let hmac = algorithm.is_hmac();
    if source.starts_with("secret") && !hmac || source == "private_key" && hmac {
        return Err(Error::usage(format!("`{source}` does not fit the algorithm `{algorithm}`"))
            .hint("HS256, HS384 and HS512 take a secret, all others a private key"));
    }
    if let Some(bits) = key.bits
        && !(key.generate && algorithm.family() == "RSA" && matches!(bits, 2048 | 3072 | 4096))
    {
        return Err(Error::usage(format!("`bits` is {bits}"))
            .hint("2048, 3072 or 4096, for an RSA key with `generate = true`"));
    }
    if key.secret_base64 && !source.starts_with("secret") {
        return Err(Error::usage(format!("`secret_base64` is given beside `{source}`"))
            .hint("it says that `secret`, `secret_file` or `secret_env` holds base64"));
    }
    if key.secret.as_deref() == Some(REDACTED) {
        return Err(Error::usage(format!(
            "`secret` is `{REDACTED}`: it was taken out of this file"
        ))
        .hint("put the secret back, or name where it is: `secret_env = \"NAME\"`"));
    }
    Ok(())
}

/// The bytes of a secret: as they are, or those that base64 stands for.
fn as_written(key: &Key, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !key.secret_base64 {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).ok();
    // Editors put a byte order mark at the start, which base64 has not.
    text.map(|text| text.trim_start_matches('\u{feff}')).and_then(decoded).ok_or_else(|| {
        Error::usage("the secret is no base64, but `secret_base64` is true (it is not shown)")
            .hint("base64 or base64url, padded or not; leave `secret_base64` out for a secret that is text")
    })
}

/// A text without the line break at its end, which editors put there; what is no text is taken whole.
fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if std::str::from_utf8(&bytes).is_ok() && bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn secret(bytes: Vec<u8>, algorithm: Algorithm) -> Result<Material> {
    if bytes.is_empty() {
        // As long as the hash.
        let least = match algorithm {
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => 32,
        };
        return Err(Error::usage("the secret is empty")
            .hint(format!("{algorithm} wants at least {least} bytes (RFC 7518, 3.2)")));
    }
    Ok(Material::Secret(bytes))
}

fn read(key: &Key, file: &Path, base: &Path, source: &str) -> Result<Vec<u8>> {
    if let Some(Held::File(bytes)) = &key.held {
        return Ok(bytes.clone());
    }
    reading::read(&base.join(file), LONGEST_TEXT).map_err(|error| {
        Error::usage(format!(
            "`{source}` names {}, which can't be read: {error}",
            showable::file(file, base)
        ))
        .hint(format!("{BASE}; `{source}` takes the path of a file, not what is in it"))
    })
}

/// The same error with the file's name in the commands of its way out, where no shell would take that apart.
fn naming(error: Error, file: &str) -> Error {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    match error.way_out() {
        Some(hint) if file.chars().all(is_plain) && !file.starts_with('-') => {
            let hint = hint.replace("FILE", file);
            error.hint(hint)
        }
        _ => error,
    }
}
