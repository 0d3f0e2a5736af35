//! Why a file gives no key for an algorithm, and the command that makes one of it that does.
//!
//! Nothing here advises a new key: the broker has the public half of the one that is meant. `FILE` stands for the file.

use super::{
    der::{Content, Curve, Hash, Kind},
    found::{Block, Contents},
    jwk::service_account,
};
use crate::{base::error::Error, scenario::Algorithm};

/// The way out where the file has no private key at all.
const NAME_THE_PRIVATE: &str = "name the file with the private half of the key that the broker verifies by: it is where the pair was made, and can't be worked out of the public half";
/// The way out for a key under a passphrase.
const DECRYPT: &str =
    "`openssl pkey -in FILE -out key.pem` asks for the passphrase and writes the key without it";

/// What is wrong with a file that has no private key block which could be tried.
pub(super) fn of_contents(contents: &Contents) -> Error {
    match contents {
        Contents::Empty => {
            Error::usage("the file is empty").hint("a private key in PEM begins with `-----BEGIN PRIVATE KEY-----`")
        }
        Contents::Truncated(label) => Error::usage(format!(
            "the block `{label}` does not end: there is no `-----END {label}-----`"
        ))
        .hint("copy the file whole, from the `-----BEGIN` to the `-----END` line"),
        Contents::Json(json) => of_json(json),
        Contents::SshPublic => Error::usage("the file holds the public half of an SSH key")
            .hint("the private half is in the file of the same name without `.pub`"),
        Contents::Putty => Error::usage("the file holds a private key of PuTTY").hint(
            "`puttygen FILE -O private-openssh -o key.pem`, then `ssh-keygen -p -m PEM -N '' -f key.pem`",
        ),
        Contents::JavaStore => Error::usage("the file is a key store of Java").hint(
            "`keytool -importkeystore -srckeystore FILE -destkeystore key.p12 -deststoretype PKCS12`, then `openssl pkcs12 -in key.p12 -nocerts -nodes -out key.pem`",
        ),
        Contents::Other => Error::usage("the file holds no private key: neither PEM nor DER").hint(
            "a private key in PEM begins with `-----BEGIN PRIVATE KEY-----`; `openssl pkey -in FILE -out key.pem` writes it",
        ),
        Contents::Blocks(blocks) => of_public(blocks),
    }
}

fn of_json(json: &serde_json::Value) -> Error {
    let members = json.as_object();
    if let Some(members) = members.filter(|members| members.contains_key("private_key")) {
        return service_account(members);
    }
    if members.is_some_and(|members| members.contains_key("kty") || members.contains_key("keys")) {
        return Error::usage("the file holds a JWK, not PEM")
            .hint("write `jwk` in place of `private_key`");
    }
    Error::usage("the file is JSON, not PEM")
        .hint("where the key is a member of it, `jq -r .NAME FILE > key.pem` takes it out")
}

/// What the blocks are, where none is a private key.
fn of_public(blocks: &[Block]) -> Error {
    let labels = || {
        let mut labels: Vec<String> =
            blocks.iter().map(|block| format!("`{}`", block.label)).collect();
        labels.dedup();
        labels.truncate(5);
        labels.join(", ")
    };
    let contents: Vec<_> =
        blocks.iter().filter_map(|block| super::der::content(block.der.as_deref()?)).collect();
    if contents.contains(&Content::Pkcs12) {
        return Error::usage("the file is PKCS #12").hint(
            "`openssl pkcs12 -in FILE -nocerts -nodes -out key.pem` takes the private key out",
        );
    }
    if contents.contains(&Content::Encrypted) {
        return Error::usage("the private key is encrypted").hint(
            "`openssl pkey -in FILE -inform DER -out key.pem` asks for the passphrase and writes the key without it",
        );
    }
    let what = match contents.first() {
        Some(Content::Certificate) => "a certificate".to_owned(),
        Some(Content::Request) => "a request for a certificate".to_owned(),
        Some(Content::Public(_)) => "a public key, which verifies and can't sign".to_owned(),
        Some(Content::Pkcs7) => "certificates (PKCS #7)".to_owned(),
        _ => labels(),
    };
    Error::usage(format!("the file holds no private key, but {what}")).hint(NAME_THE_PRIVATE)
}

/// What is wrong with a private block before what is in it is looked at; `None` where nothing is.
pub(super) fn of_block(block: &Block) -> Option<Error> {
    if block.label == "OPENSSH PRIVATE KEY" {
        // The name of the kind stands in the clear, also where the key is encrypted.
        let is_ed = block.der.as_deref().is_some_and(|der| {
            der.windows(b"ssh-ed25519".len()).any(|window| window == b"ssh-ed25519")
        });
        let hint = if is_ed {
            "`ssh-keygen` writes Ed25519 in this form only; `python3 -c \"from cryptography.hazmat.primitives.serialization import *; print(load_ssh_private_key(open('FILE','rb').read(), None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())\" > key.pem` converts it"
        } else {
            "`cp FILE key.pem && ssh-keygen -p -m PEM -N '' -f key.pem` converts a copy"
        };
        return Some(
            Error::usage("the private key is in the form that only OpenSSH reads").hint(hint),
        );
    }
    if block.is_encrypted || block.label.starts_with("ENCRYPTED") {
        return Some(Error::usage("the private key is encrypted").hint(DECRYPT));
    }
    if block.der.is_none() {
        return Some(
            Error::usage(format!("what is in the block `{}` is no base64", block.label)).hint(
                "copy the file whole; `openssl pkey -in FILE -noout` says whether it can be read",
            ),
        );
    }
    None
}

/// What is wrong with a private key for an algorithm; `content` is what it is known to be.
pub(super) fn of_key(content: Option<Content>, algorithm: Algorithm) -> Error {
    let kind = match content {
        Some(Content::Private(kind)) => kind,
        Some(Content::Encrypted) => {
            return Error::usage("the private key is encrypted").hint(DECRYPT);
        }
        _ => return invalid("private key"),
    };
    let is = |what: &str| format!("the private key is {what}, which is none for {algorithm}");
    let write = |names: &str| {
        format!(
            "write `algorithm = {names}`, or name the private key that the broker verifies {algorithm} by"
        )
    };
    match (kind, algorithm.family()) {
        (Kind::Rsa(bits) | Kind::RsaPss(bits, _), "RSA") if bits > 0 && bits < 2048 => {
            Error::usage(format!(
                "the RSA key has {bits} bits, and 2048 is the least (RFC 7518, 3.3 and 3.5)"
            ))
            .hint("a broker that keeps to the standard verifies by none so short: give both sides a pair of 2048 bits or more")
        }
        (Kind::Rsa(bits) | Kind::RsaPss(bits, _), "RSA") if bits > 8192 => {
            Error::usage(format!("the RSA key has {bits} bits, and 8192 is the most that is signed with"))
                .hint("give both sides a pair of 2048 to 8192 bits")
        }
        (Kind::RsaPss(_, hash), "RSA") => {
            let names = match hash {
                None => "\"PS256\"`, `\"PS384\"` or `\"PS512\"",
                Some(Hash::Sha256) => "\"PS256\"",
                Some(Hash::Sha384) => "\"PS384\"",
                Some(Hash::Sha512) => "\"PS512\"",
                Some(Hash::Sha1 | Hash::Other) => {
                    return Error::usage(is("RSA for PSS with a hash that JOSE has not"))
                        .hint("`openssl pkey -in FILE -noout -text` shows it; no algorithm of RFC 7518 signs with it");
                }
            };
            Error::usage(is("RSA for PSS only, as its file says")).hint(write(names))
        }
        (Kind::Rsa(_), "RSA") => invalid("RSA key"),
        (Kind::Rsa(_), _) => Error::usage(is("an RSA key"))
            .hint(write("\"RS256\"`, or another of RS and PS, such as `\"PS256\"")),
        (Kind::RsaPss(..), _) => {
            Error::usage(is("an RSA key for PSS")).hint(write("\"PS256\""))
        }
        (Kind::Ec(Some(Curve::Explicit)), "EC") => {
            Error::usage("the EC key has its curve written out in numbers in place of its name")
                .hint("`openssl ec -in FILE -param_enc named_curve -out key.pem` puts the name there")
        }
        (Kind::Ec(Some(curve)), _) => {
            let hint = match (curve, algorithm) {
                (Curve::P256, Algorithm::ES256) | (Curve::P384, Algorithm::ES384) => {
                    return invalid("EC key");
                }
                (Curve::P256, _) => write("\"ES256\""),
                (Curve::P384, _) => write("\"ES384\""),
                _ => "tokenstorm signs by P-256 (ES256) and P-384 (ES384) only".into(),
            };
            Error::usage(is(&format!("an EC key of the curve {}", curve.words()))).hint(hint)
        }
        (Kind::Ec(None), "EC") => invalid("EC key"),
        (Kind::Ec(None), _) => Error::usage(is("an EC key")).hint(write("\"ES256\"")),
        (Kind::Ed25519, "Ed25519") => invalid("Ed25519 key"),
        (Kind::Ed25519, _) => Error::usage(is("an Ed25519 key")).hint(write("\"EdDSA\"")),
        (Kind::Other(name), _) => Error::usage(is(&format!("a key of another kind: {name}")))
            .hint("tokenstorm signs by RSA, P-256, P-384 and Ed25519; no command makes one of these of it"),
    }
}

/// A key that is of the right kind, and yet none.
fn invalid(what: &str) -> Error {
    Error::usage(format!(
        "the file holds no valid {what}: its numbers are cut, or do not belong together"
    ))
    .hint("`openssl pkey -in FILE -check -noout` says what is wrong with it")
}

/// Several keys, and nothing says which is meant.
pub(super) fn of_several(count: usize, algorithm: Algorithm) -> Error {
    Error::usage(format!("the file holds {count} private keys for {algorithm}"))
        .hint("keep the one that the broker verifies by; `openssl pkey -in FILE -out key.pem` takes the first one out")
}
