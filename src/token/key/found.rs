//! What a key file holds, however it was copied: PEM among other text, with other line ends, indented, on one line,
//! quoted, with `\n` written out, in base64 once more; DER; JSON.
//!
//! The blocks are found by our own scan: the `pem` crate wants them as RFC 7468 has them, and files are not.

use serde_json::Value;

use super::{der, lenient::decoded};

/// What a file holds.
pub(super) enum Contents {
    /// Blocks of PEM, or one DER, in their order; one at least.
    Blocks(Vec<Block>),
    /// PEM whose last block does not end, by its label.
    Truncated(String),
    /// JSON.
    Json(Value),
    /// The public half of an SSH key.
    SshPublic,
    /// A private key of `PuTTY`.
    Putty,
    /// A key store of Java.
    JavaStore,
    /// Nothing.
    Empty,
    /// None of these.
    Other,
}

/// A block of PEM.
pub(super) struct Block {
    /// What stands after `BEGIN`; empty for a DER without PEM around it.
    pub(super) label: String,
    /// Whether its headers say that it is encrypted (RFC 1421, 4.6.1.1).
    pub(super) is_encrypted: bool,
    /// What is in it; `None` where that is no base64.
    pub(super) der: Option<Vec<u8>>,
}

/// Finds out what a file holds.
pub(super) fn contents(file: &[u8]) -> Contents {
    if file.starts_with(b"\xFE\xED\xFE\xED") || file.starts_with(b"\xCE\xCE\xCE\xCE") {
        return Contents::JavaStore;
    }
    if der::content(file).is_some() {
        let der = Some(file.to_vec());
        return Contents::Blocks(vec![Block { label: String::new(), is_encrypted: false, der }]);
    }
    let text = text_of(file);
    match of_text(&text) {
        // A secret of Kubernetes, or a key without its first and last line.
        Contents::Other => match decoded(text.trim().trim_matches(['"', '\''])) {
            Some(bytes) if der::content(&bytes).is_some() => Contents::Blocks(vec![Block {
                label: String::new(),
                is_encrypted: false,
                der: Some(bytes),
            }]),
            Some(bytes) => of_text(&text_of(&bytes)),
            None => Contents::Other,
        },
        found => found,
    }
}

fn of_text(text: &str) -> Contents {
    let plain = text.trim();
    if plain.is_empty() {
        return Contents::Empty;
    }
    if plain.starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str(plain)
    {
        return Contents::Json(json);
    }
    if plain.starts_with("PuTTY-User-Key-File") {
        return Contents::Putty;
    }
    let is_ssh = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2"];
    if is_ssh.iter().any(|start| plain.starts_with(start)) {
        return Contents::SshPublic;
    }
    blocks(plain)
}

/// A file as text: UTF-16 where a mark at its beginning says so, else UTF-8. What is neither may stand in a comment.
fn text_of(file: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            file[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match file {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(file).into_owned(),
    }
}

/// The blocks of PEM in a text, whatever stands between them.
fn blocks(text: &str) -> Contents {
    // Line ends that were written out: in JSON, in a shell's variable, or in both.
    let text = text.replace("\\\\n", "\n").replace("\\r", "").replace("\\n", "\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = after.split_once("-----") else { break };
        let is_label = label.len() <= 40
            && label.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
        if !is_label {
            rest = body;
            continue;
        }
        let Some((body, behind)) = body.split_once(&format!("-----END {label}-----")) else {
            return Contents::Truncated(label.to_owned());
        };
        found.push(block(label, body));
        rest = behind;
    }
    if found.is_empty() { Contents::Other } else { Contents::Blocks(found) }
}

fn block(label: &str, body: &str) -> Block {
    let is_encrypted = body.contains("ENCRYPTED");
    // Headers have a colon, which base64 has not.
    let lines = body.lines().filter(|line| !line.contains(':'));
    // What was put around the lines: indentation, quotation marks, the sign of a quoted mail.
    let is_base64 = |c: &char| !matches!(c, '"' | '\'' | '>' | '|' | ',' | '\\');
    let base64: String = lines.flat_map(str::chars).filter(is_base64).collect();
    let der = if is_encrypted { None } else { decoded(&base64) };
    Block { label: label.to_owned(), is_encrypted, der }
}

#[cfg(test)]
mod tests;
