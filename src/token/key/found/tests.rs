use proptest::prelude::*;

use super::*;

fn labels(file: &[u8]) -> Vec<String> {
    match contents(file) {
        Contents::Blocks(blocks) => blocks
            .into_iter()
            .map(|block| format!("{} {:?}", block.label, block.der.map(|der| der.len())))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_block_is_found_however_it_was_copied() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPHh\n+XONsrJ7CGRUHvWe3JnJVfLDN8R9KHYBu14cFxtx\n-----END PRIVATE KEY-----\n";
    let right = ["PRIVATE KEY Some(48)".to_owned()];
    let lines = |before: &str, after: &str| {
        pem.lines().flat_map(|line| [before, line, after]).collect::<String>()
    };
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(pem.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(labels(&wide), right, "UTF-16, as PowerShell writes it");
    for text in [
        pem.to_owned(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', "\r"),
        pem.replace('\n', "  \n"),
        pem.replace('\n', "\n    "),
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        pem.replace('\n', "\n\n"),
        pem.replace('\n', "\\n"),
        pem.replace('\n', "\\r\\n"),
        pem.replace('\n', "\\\\n"),
        format!("\"{}\"", pem.replace('\n', "\\n")),
        format!("export KEY='{pem}'"),
        format!("key: |\n  {}", pem.replace('\n', "\n  ")),
        lines("\"", "\\n\"\n"),
        lines("> ", "\n"),
        format!("\u{feff}{pem}"),
        format!("Bag Attributes\n    friendlyName: Schl\u{fc}ssel\n{pem}after"),
        pem.trim_end().to_owned(),
        pem.replace("MC4C", "Comment: x\n\nMC4C"),
    ] {
        assert_eq!(labels(text.as_bytes()), right, "{text}");
    }
    let latin1 = [b"# Schl\xFCssel\n", pem.as_bytes()].concat();
    assert_eq!(labels(&latin1), right);
    let again = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
    assert_eq!(labels(again.as_bytes()), right, "base64 of PEM");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(labels(body.as_bytes()), [" Some(48)"], "without its first and last line");
}

#[test]
fn several_blocks_are_all_found_and_a_cut_one_is_told() {
    let one = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let all = one("CERTIFICATE") + "text\n" + &one("PRIVATE KEY") + &one("CERTIFICATE");
    assert_eq!(labels(all.as_bytes()).len(), 3);
    let cut = one("CERTIFICATE") + "-----BEGIN PRIVATE KEY-----\nAAAA\n";
    assert!(
        matches!(contents(cut.as_bytes()), Contents::Truncated(label) if label == "PRIVATE KEY")
    );
    assert!(matches!(contents(b" \n"), Contents::Empty));
    assert!(matches!(contents(b"# Read me\n"), Contents::Other));
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes: Vec<u8>, text in ".{0,200}") {
        let _ = contents(&bytes);
        let _ = contents(text.as_bytes());
        let _ = contents(format!("-----BEGIN {text}-----{text}-----END {text}-----").as_bytes());
    }
}
