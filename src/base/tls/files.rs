//! Files of certificates and private keys. What can't be used is named, with the command that converts it; nothing of what is
//! in a file is shown.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::certificate::is_readable;
use crate::base::{
    error::{Error, Result, showable},
    host::reading::{self, LONGEST_TEXT},
    shell::quoted,
};

/// Where a block begins and ends (RFC 7468, 2).
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A file that a key of the scenario names.
pub(super) struct File {
    key: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A block of a PEM file.
struct Block {
    label: String,
    /// `None` where what is between the lines is no base64.
    der: Option<Vec<u8>>,
    /// Whether it has the header of a private key with a passphrase (RFC 1421, 4.6.1.1).
    is_encrypted: bool,
}

/// What somebody looks for in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    Certificate,
    PrivateKey,
    RevocationList,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate",
            Self::PrivateKey => "a private key",
            Self::RevocationList => "a revocation list",
        })
    }
}

impl File {
    /// Reads the file that `key` names.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn read(key: &str, path: &Path) -> Result<Self> {
        let bytes = reading::read(path, LONGEST_TEXT).map_err(|error| {
            Error::usage(format!(
                "`{key}` can't be read: {}: {error}",
                showable::file(path, Path::new(""))
            ))
            .hint("relative paths start from the scenario's folder")
        })?;
        Ok(Self { key: key.to_owned(), path: path.to_owned(), bytes })
    }

    /// What was read already of the file that `key` names.
    pub(super) fn held(key: &str, path: &Path, text: &str) -> Self {
        Self { key: key.to_owned(), path: path.to_owned(), bytes: text.into() }
    }

    /// What somebody else read, from the file that `key` names.
    pub(super) fn of_bytes(key: &str, bytes: &[u8]) -> Self {
        Self { key: key.to_owned(), path: "FILE".into(), bytes: bytes.to_vec() }
    }

    /// The key that names it.
    pub(super) fn name(&self) -> &str {
        &self.key
    }

    /// Its certificates; private keys and text between are passed over.
    ///
    /// # Errors
    /// When there is none, or one can't be read.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let blocks = self.blocks();
        let is_it =
            |block: &&Block| matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE");
        let found: Vec<&Block> = blocks.iter().filter(is_it).collect();
        if found.is_empty() {
            return Err(self.unusable(&blocks, Wanted::Certificate));
        }
        let read = |(at, block): (usize, &&Block)| {
            let certificate = block.der.clone().map(CertificateDer::from);
            certificate.filter(is_readable).ok_or_else(|| {
                Error::usage(format!(
                    "certificate {} of {} in `{}` can't be read (`{}`)",
                    at + 1,
                    found.len(),
                    shown(&self.path),
                    self.key
                ))
                .hint("it was cut off or changed: take it out, or copy it once more")
            })
        };
        found.iter().enumerate().map(read).collect()
    }

    /// Its lists of revoked certificates.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>> {
        let blocks = self.blocks();
        let lists = blocks.iter().filter(|block| block.label == "X509 CRL");
        let lists: Vec<_> = lists.filter_map(|block| block.der.clone()).map(Into::into).collect();
        if lists.is_empty() {
            return Err(self.unusable(&blocks, Wanted::RevocationList));
        }
        Ok(lists)
    }

    /// Whether a private key is in it, whatever its form.
    pub(super) fn has_private_key(&self) -> bool {
        self.blocks().iter().any(|block| block.label.ends_with("PRIVATE KEY"))
    }

    /// Its first private key that can be used.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>> {
        let blocks = self.blocks();
        let found = blocks.iter().find_map(|block| {
            let der = block.der.clone().filter(|_| !block.is_encrypted)?;
            Some(match block.label.as_str() {
                "PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.into()),
                "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
                "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
                _ => return None,
            })
        });
        found.ok_or_else(|| self.unusable(&blocks, Wanted::PrivateKey))
    }

    /// The blocks between lines of dashes; text outside, line ends and blanks before lines do not matter.
    fn blocks(&self) -> Vec<Block> {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut blocks = Vec::new();
        let mut open: Option<(String, String, bool)> = None;
        for line in text.lines().map(|line| line.trim_matches(['\u{feff}', ' ', '\t', '\r'])) {
            let label = |start: &str| line.strip_prefix(start)?.strip_suffix(DASHES);
            if let Some(label) = label(BEGIN) {
                open = Some((label.to_owned(), String::new(), false));
            } else if label(END).is_some() {
                blocks.extend(open.take().map(|(label, body, is_encrypted)| Block {
                    label,
                    der: STANDARD.decode(body).ok().filter(|der| !der.is_empty()),
                    is_encrypted,
                }));
            } else if let Some((_, body, is_encrypted)) = &mut open {
                *is_encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
                if !line.contains(':') {
                    body.push_str(line);
                }
            }
        }
        blocks
    }

    /// The error of a file without what is wanted of it.
    fn unusable(&self, blocks: &[Block], wanted: Wanted) -> Error {
        let (key, path) = (&self.key, shown(&self.path));
        let (is, hint) = self.told(blocks, wanted, &quoted(&path));
        let message = match is {
            Some(is) => format!(
                "`{key}` holds no plain {} that can be used: `{path}` is {is}",
                wanted.noun()
            ),
            None => format!("`{key}` holds nothing that is {wanted}: `{path}`"),
        };
        Error::usage(message).hint(hint)
    }

    /// What a file is, as far as it can be told, and what turns it into what is wanted.
    fn told(&self, blocks: &[Block], wanted: Wanted, path: &str) -> (Option<&'static str>, String) {
        let has = |label: &str| blocks.iter().any(|block| block.label == label);
        let is_encrypted =
            has("ENCRYPTED PRIVATE KEY") || blocks.iter().any(|block| block.is_encrypted);
        let is_damaged = blocks.iter().any(|block| block.der.is_none() && !block.is_encrypted);
        let out = if wanted == Wanted::PrivateKey { "key.pem" } else { "cert.pem" };
        let advised = |is, hint: &str| (Some(is), hint.to_owned());
        let converted = |is, command: String| (Some(is), format!("convert it: `{command}`"));
        match wanted {
            Wanted::PrivateKey if is_encrypted => {
                let hint = format!("take that off: `openssl pkey -in {path} -out {out}`");
                advised("encrypted with a passphrase", &hint)
            }
            Wanted::PrivateKey if has("OPENSSH PRIVATE KEY") => converted(
                "a key in the format of OpenSSH",
                format!("cp {path} {out} && ssh-keygen -p -N '' -m PEM -f {out}"),
            ),
            Wanted::PrivateKey if has("PUBLIC KEY") || has("RSA PUBLIC KEY") => {
                advised("a public key", "give the file of the private key")
            }
            Wanted::PrivateKey if has("CERTIFICATE") => advised(
                "a certificate",
                "give the file of its private key; both may stand in one file",
            ),
            Wanted::Certificate if has("PKCS7") || has("PKCS #7 SIGNED DATA") => {
                converted("PKCS#7", format!("openssl pkcs7 -print_certs -in {path} -out {out}"))
            }
            Wanted::Certificate if has("TRUSTED CERTIFICATE") => converted(
                "a certificate in OpenSSL's own format (TRUSTED CERTIFICATE)",
                format!("openssl x509 -in {path} -out {out}"),
            ),
            Wanted::Certificate if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") => {
                advised(
                    "a request for a certificate",
                    "have it signed by an authority, and give the certificate that comes of it",
                )
            }
            Wanted::Certificate if self.has_private_key() => {
                advised("a private key", "give the file of the certificate")
            }
            _ if is_damaged => {
                advised("a PEM file whose base64 is damaged", "copy the file once more")
            }
            _ => self.told_by_bytes(wanted, path, out),
        }
    }

    /// The same of a file without lines of dashes.
    fn told_by_bytes(
        &self,
        wanted: Wanted,
        path: &str,
        out: &str,
    ) -> (Option<&'static str>, String) {
        let bytes = self.bytes.as_slice();
        let converted = |command: &str| format!("convert it: `{command}`");
        match bytes {
            [] => return (Some("empty"), "is it the right file?".into()),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                let command = format!("iconv -f UTF-16 -t UTF-8 {path} > {out}");
                return (Some("text in UTF-16"), converted(&command));
            }
            [0xFE, 0xED, 0xFE, 0xED, ..] => {
                let command = format!(
                    "keytool -importkeystore -srckeystore {path} -destkeystore store.p12 -deststoretype PKCS12"
                );
                let hint =
                    converted(&command) + ", then give what `openssl pkcs12` writes of store.p12";
                return (Some("a Java keystore"), hint);
            }
            _ => {}
        }
        if let Some(content) = der(bytes) {
            let (what, command) = match content {
                // PFX: the version, 3 (RFC 7292, 4).
                [2, 1, 3, ..] => {
                    let part = match wanted {
                        Wanted::PrivateKey => "-nocerts -nodes",
                        _ if self.key.ends_with("ca") => "-nokeys",
                        _ => "-clcerts -nokeys",
                    };
                    ("PKCS#12", format!("openssl pkcs12 -in {path} {part} -out {out}"))
                }
                // The identifier of signed data (RFC 5652, 5).
                [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2, ..] => (
                    "PKCS#7 in DER",
                    format!("openssl pkcs7 -inform DER -print_certs -in {path} -out {out}"),
                ),
                _ => (
                    "in DER, not in PEM",
                    format!("openssl {} -inform DER -in {path} -out {out}", wanted.tool()),
                ),
            };
            return (Some(what), converted(&command));
        }
        let text = String::from_utf8_lossy(bytes);
        let joined: String = text.split_whitespace().collect();
        if STANDARD.decode(joined).is_ok_and(|bytes| der(&bytes).is_some()) {
            let command = format!(
                "base64 -d {path} > der && openssl {} -inform DER -in der -out {out}",
                wanted.tool()
            );
            return (Some("base64 without the lines of dashes"), converted(&command));
        }
        if text.contains(BEGIN) {
            let hint = "each line of dashes stands alone, and each BEGIN has its END: copy the file once more";
            return (Some("PEM that lacks lines or line breaks"), hint.into());
        }
        let hint =
            "a PEM file has `-----BEGIN ...-----` lines; `openssl` converts DER with `-inform DER`";
        (None, hint.into())
    }
}

impl Wanted {
    /// The command of `openssl` that reads it.
    fn tool(self) -> &'static str {
        match self {
            Self::PrivateKey => "pkey",
            Self::Certificate => "x509",
            Self::RevocationList => "crl",
        }
    }

    /// The same without its article.
    fn noun(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
            Self::RevocationList => "revocation list",
        }
    }
}

/// What is in a sequence of DER that is as long as the bytes (X.690, 8.1.3).
fn der(bytes: &[u8]) -> Option<&[u8]> {
    let (length, content) = match bytes {
        [0x30, 0x82, a, b, content @ ..] => (usize::from(*a) << 8 | usize::from(*b), content),
        [0x30, 0x81, a, content @ ..] | [0x30, a @ 0..=0x7F, content @ ..] => {
            (usize::from(*a), content)
        }
        _ => return None,
    };
    // A line break may have got behind it.
    (content.len().saturating_sub(length) <= 2 && content.len() >= length).then_some(content)
}

/// A path, unless it is what should be in the file.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains("-----") || text.contains('\n') {
        "(not shown, as it is no path)".into()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
