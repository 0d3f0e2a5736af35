use super::*;

fn file(key: &str, bytes: &[u8]) -> File {
    File { key: key.into(), path: "a/file".into(), bytes: bytes.to_vec() }
}

fn block(label: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(label, der))
}

fn certificate() -> Vec<u8> {
    let authority = crate::base::tls::made::authority().unwrap();
    authority.der().to_vec()
}

#[test]
fn certificates_are_found_between_whatever_else_is_in_a_file() {
    let der = certificate();
    let (cert, key) = (block("CERTIFICATE", &der), block("PRIVATE KEY", &[1, 2, 3]));
    let old = block("X509 CERTIFICATE", &der);
    let indented = cert.replace('\n', "\n   ");
    for (text, count) in [
        (cert.clone(), 1),
        (format!("junk\nSubject: CN=x\n{cert}more: junk\n{cert}"), 2),
        (format!("{key}{cert}{key}"), 1),
        (format!("\u{feff}{cert}"), 1),
        (cert.replace('\n', "\r\n"), 1),
        (format!("   {indented}"), 1),
        (format!("{old}{cert}"), 2),
        (format!("{}{cert}", block("DH PARAMETERS", &[1])), 1),
    ] {
        let found = file("ca", text.as_bytes()).certificates().unwrap();
        assert_eq!(found, vec![CertificateDer::from(der.clone()); count], "{text}");
    }
    let broken = format!("{cert}{}{cert}", block("CERTIFICATE", &[0x30, 0]));
    let error = file("ca", broken.as_bytes()).certificates().unwrap_err().to_string();
    assert!(error.contains("certificate 2 of 3 in `a/file`"), "{error}");
}

#[test]
fn private_keys_are_found_by_their_kind_in_any_order() {
    let (cert, params) = (block("CERTIFICATE", &certificate()), block("EC PARAMETERS", &[6, 1]));
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        let key = block(label, &[0x30, 1, 2]);
        for text in [format!("{params}{key}"), format!("{cert}{key}"), format!("{key}{cert}")] {
            let found = file("key", text.as_bytes()).private_key().unwrap();
            assert_eq!(found.secret_der(), [0x30, 1, 2], "{label}");
        }
    }
}

#[test]
fn what_can_not_be_used_is_named_with_the_command_that_converts_it() {
    let der = certificate();
    let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,63\n\n\
                     AAAA\n-----END RSA PRIVATE KEY-----\n";
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(b"-\0-\0".iter().copied()).collect();
    let signed = [&[0x30, 11, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2][..]].concat();
    let of_ca = |bytes: &[u8]| file("target.tls.ca", bytes).certificates().unwrap_err();
    let of_cert = |bytes: &[u8]| file("target.tls.cert", bytes).certificates().unwrap_err();
    let of_key = |bytes: &[u8]| file("target.tls.key", bytes).private_key().unwrap_err();
    let of_crl = |bytes: &[u8]| file("target.tls.crl", bytes).revocation_lists().unwrap_err();
    for (error, is, way_out) in [
        (of_ca(&der), "in DER", "openssl x509 -inform DER -in a/file -out cert.pem"),
        (of_ca(&[0x30, 3, 2, 1, 3]), "PKCS#12", "openssl pkcs12 -in a/file -nokeys"),
        (of_cert(&[0x30, 3, 2, 1, 3]), "PKCS#12", "-clcerts -nokeys -out cert.pem"),
        (of_key(&[0x30, 3, 2, 1, 3]), "PKCS#12", "-nocerts -nodes -out key.pem"),
        (of_ca(&signed), "PKCS#7", "openssl pkcs7 -inform DER -print_certs"),
        (of_ca(block("PKCS7", &[1]).as_bytes()), "PKCS#7", "openssl pkcs7 -print_certs -in a/file"),
        (
            of_ca(block("TRUSTED CERTIFICATE", &der).as_bytes()),
            "TRUSTED",
            "openssl x509 -in a/file",
        ),
        (
            of_ca(block("CERTIFICATE REQUEST", &[1]).as_bytes()),
            "a request",
            "signed by an authority",
        ),
        (of_ca(block("PRIVATE KEY", &[1]).as_bytes()), "a private key", "file of the certificate"),
        (of_ca(&[0xFE, 0xED, 0xFE, 0xED, 0]), "Java keystore", "keytool -importkeystore"),
        (of_ca(&utf16), "UTF-16", "iconv -f UTF-16 -t UTF-8 a/file"),
        (of_ca(b""), "empty", "the right file"),
        (of_ca(STANDARD.encode(&der).as_bytes()), "base64 without", "base64 -d a/file"),
        (of_ca(b"-----BEGIN CERTIFICATE-----\\nMII"), "lacks lines", "copy the file"),
        (of_ca(b"hello"), "nothing that is a certificate", "-----BEGIN ...-----"),
        (of_key(encrypted.as_bytes()), "encrypted", "openssl pkey -in a/file -out key.pem"),
        (of_key(block("ENCRYPTED PRIVATE KEY", &[1]).as_bytes()), "encrypted", "openssl pkey -in"),
        (of_key(block("OPENSSH PRIVATE KEY", &[1]).as_bytes()), "OpenSSH", "ssh-keygen -p"),
        (of_key(block("PUBLIC KEY", &[1]).as_bytes()), "a public key", "the private key"),
        (of_key(block("CERTIFICATE", &der).as_bytes()), "a certificate", "its private key"),
        (of_key(&[0x30, 3, 2, 1, 0]), "in DER", "openssl pkey -inform DER"),
        (of_crl(&[0x30, 2, 0x30, 0]), "in DER", "openssl crl -inform DER"),
    ] {
        let message = error.to_string();
        assert!(message.contains(is) && message.contains("`a/file`"), "{message}");
        let hint = error.way_out().unwrap();
        assert!(hint.contains(way_out), "{message}: {hint}");
    }
}

#[test]
fn a_key_in_the_place_of_a_path_is_not_shown() {
    let path = Path::new("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----");
    let error = File::read("target.tls.key", path).err().unwrap().to_string();
    assert!(!error.contains("c2VjcmV0"), "{error}");
    assert_eq!(quoted("a b/it's"), "'a b/it'\\''s'");
}
