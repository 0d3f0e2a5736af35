//! What of a value may stand in an error: a path or a name, but not the secret that was pasted in its place.

use std::path::{Component, Path};

/// The longest name that is taken for one: secrets are longer, and names of files and variables hardly ever.
const LONGEST_NAME: usize = 64;

/// What stands in the place of a secret wherever a scenario is shown.
pub const REDACTED: &str = "<redacted>";

/// Endings of files that people keep keys, certificates, secrets and tables in.
const ENDINGS: [&str; 30] = [
    "asc", "bin", "cer", "conf", "crl", "crt", "creds", "csv", "der", "env", "gz", "jks", "json",
    "jsonl", "jwk", "jwks", "key", "nk", "p12", "p8", "pem", "pfx", "pk8", "pub", "seed", "secret",
    "toml", "token", "txt", "yaml",
];

/// What a text turned out to be that stands where a path or a name belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pasted {
    /// A private key in PEM.
    PrivateKey,
    /// Another block of PEM.
    Pem,
    /// JSON, such as a JWK.
    Json,
    /// A token of three segments, or of five.
    Token,
    /// A key in base64.
    Base64,
    /// A text of several lines.
    Lines,
}

impl Pasted {
    /// What it is, as the end of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::Pem => "PEM",
            Self::Json => "JSON",
            Self::Token => "a token",
            Self::Base64 => "a key in base64",
            Self::Lines => "a text of several lines",
        }
    }
}

/// What was pasted, where a text can't be a path or a name. `None` does not mean that it is one: a short secret looks
/// like a name.
pub fn pasted(text: &str) -> Option<Pasted> {
    let plain = text.trim_start_matches('\u{feff}').trim();
    let has = |part: &str| plain.contains(part);
    Some(match plain {
        _ if has("PRIVATE KEY") || has("PuTTY-User-Key-File") => Pasted::PrivateKey,
        _ if has("-----BEGIN") || has("---- BEGIN") => Pasted::Pem,
        _ if plain.starts_with(['{', '[']) => Pasted::Json,
        _ if is_token(plain) => Pasted::Token,
        _ if is_key_in_base64(plain) => Pasted::Base64,
        _ if plain.contains(['\n', '\r', '\0']) => Pasted::Lines,
        _ => return None,
    })
}

/// Whether a text holds a private key, wherever it stands: PEM, a private JWK, or its DER in base64.
pub fn holds_private_key(text: &str) -> bool {
    // Members of a private JWK (RFC 7518, 6.2.2, 6.3.2 and 6.4.1), in whatever quotes.
    let is_jwk = text.contains("kty")
        && ["\"d\"", "\"k\"", "'d'", "'k'"].iter().any(|name| text.contains(name));
    text.contains("PRIVATE KEY")
        || text.contains("PuTTY-User-Key-File")
        || is_jwk
        || text
            .split([' ', '\n', '"', '\'', '\\', ','])
            .any(|word| is_key_in_base64(word.trim_matches(|c: char| !is_base64(c))))
}

/// A path in backticks; where it may be a secret, words in its place. `base` is what relative paths start from.
pub fn file(path: &Path, base: &Path) -> String {
    certain_file(path, base)
        .unwrap_or_else(|| "a file (its name may be a secret and is not shown)".into())
}

/// The same; nothing where it may be a secret.
///
/// A path is shown that is there, has an ending of files that hold keys, or begins with a folder that is there.
pub fn certain_file(path: &Path, base: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    let is_plain = pasted(&text).is_none()
        && !text.chars().any(char::is_control)
        && path.components().all(|part| match part {
            Component::Normal(name) => name.len() <= LONGEST_NAME,
            _ => true,
        });
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let has_ending = ENDINGS.contains(&ending.to_ascii_lowercase().as_str());
    let begins_with_folder = || {
        // Of an absolute path the root is there always.
        let depth = if path.is_absolute() { 2 } else { 1 };
        let first: std::path::PathBuf = path.components().take(depth).collect();
        path.components().count() > depth && base.join(first).is_dir()
    };
    (is_plain && (has_ending || begins_with_folder() || base.join(path).exists()))
        .then(|| format!("`{text}`"))
}

/// Whether a text looks like the name of an environment variable: capitals, and parts or letters only.
pub fn is_variable(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        // A key in base32 or hexadecimal is of capitals and digits too, but of one piece.
        && (name.contains('_') || name.len() <= 16 && !name.contains(|c: char| c.is_ascii_digit()))
}

/// The name of an environment variable in backticks; where it may be a secret, words in its place.
pub fn variable(name: &str) -> String {
    if is_variable(name) {
        format!("`{name}`")
    } else {
        "a variable (its name may be the secret itself and is not shown)".into()
    }
}

/// Whether a line, a key or a command may hold what must never be shown.
pub(crate) fn holds_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    url_may_hold_secret(&text)
        || ["secret", "password =", "password=", "refresh_token =", "private"]
            .iter()
            .any(|word| text.contains(word))
}

/// Whether a text has a URL in it that may hold a secret: a token in its query, a password before its host.
pub(crate) fn url_may_hold_secret(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains(['?', '@']))
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=')
}

/// The compact serialization of a JWS or a JWE (RFC 7515, 7.1; RFC 7516, 7.1); all headers begin with `{"`.
fn is_token(text: &str) -> bool {
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    text.starts_with("eyJ")
        && matches!(text.split('.').count(), 3 | 5)
        && text.chars().all(|c| is_base64(c) || c == '.')
}

/// DER in base64: a sequence (0x30) whose length takes a byte or more, so long that it may be a key. Or PEM in base64.
fn is_key_in_base64(text: &str) -> bool {
    // The shortest private key, of Ed25519 as PKCS #8, is 48 bytes: 64 characters.
    let is_long = text.len() >= 60;
    let first = text.as_bytes().first().copied().unwrap_or_default();
    let second = text.as_bytes().get(1).copied().unwrap_or_default();
    let is_sequence = first == b'M' && matches!(second, b'A'..=b'P');
    is_long
        && (is_sequence || text.starts_with("LS0tLS1CRUdJTi"))
        && text.chars().all(|c| is_base64(c) || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests;
