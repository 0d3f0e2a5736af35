//! What signs tokens, and what is trusted and shown in TLS, told apart without being told: whatever an agent takes from its
//! own host must be what the coordinator has, or its verdicts are about something else.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::name::Name;
use crate::{
    base::tls::settings::TlsFiles,
    scenario::Held,
    token::key::{SigningKey, VerifyingKey},
};

/// Bytes of a mark: beyond any chance.
const LENGTH: usize = 16;

/// Marks by the keys of the scenario that what they are of stands under.
pub(super) type Marks = BTreeMap<String, String>;

/// The marks of a run's keys and of its TLS files. Secrets mark the run with themselves (HMAC), so that nothing
/// is said of them that holds for another run.
pub(super) fn of(keys: &[SigningKey], tls: Option<&TlsFiles>, run: &Name) -> Marks {
    let mut marks = Marks::new();
    for key in keys {
        let kid = key.kid.as_deref().unwrap_or_default();
        // Of a private key its public half, which has one form whatever file the key came from.
        let mark = match (key.verifying(), key.held()) {
            (VerifyingKey::PublicPem(pem), _) => public(format!("{run} {kid} {pem}").as_bytes()),
            (_, Held::Secret(bytes) | Held::Private(bytes) | Held::File(bytes)) => {
                secret(&bytes, run, kid)
            }
        };
        marks.insert(format!("keys.{}", key.name), mark);
    }
    for (name, text) in ["ca", "crl", "cert", "key", "client_ca", "client_ca_key"]
        .into_iter()
        .filter_map(|name| Some((name, tls.and_then(|tls| tls.of(name))?)))
    {
        // Line ends differ from host to host, and mean nothing.
        let text: String = text.split_whitespace().collect();
        let mark = match name {
            "key" | "client_ca_key" => secret(text.as_bytes(), run, ""),
            _ => public(text.as_bytes()),
        };
        marks.insert(format!("target.tls.{name}"), mark);
    }
    marks
}

/// What stands under the first key of the scenario that differs.
pub(super) fn difference<'a>(own: &'a Marks, other: &'a Marks) -> Option<&'a str> {
    own.keys().chain(other.keys()).find(|key| own.get(*key) != other.get(*key)).map(String::as_str)
}

fn public(bytes: &[u8]) -> String {
    short(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn secret(bytes: &[u8], run: &Name, more: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
    short(hmac::sign(&key, format!("{run} {more}").as_bytes()).as_ref())
}

fn short(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&bytes[..LENGTH])
}

#[cfg(test)]
mod tests;
