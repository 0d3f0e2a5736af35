use proptest::prelude::*;

use super::*;

#[test]
fn a_length_that_lies_and_a_sequence_without_end_are_nothing() {
    assert_eq!(content(b""), None);
    assert_eq!(content(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]), None);
    assert_eq!(content(&[0x30, 0x85, 0, 0, 0, 0, 1, 2]), None);
    assert_eq!(content(&vec![0x30; 100_000]), None);
    assert_eq!(content(b"0123456789"), None);
}

#[test]
fn a_certificate_is_told_from_a_key() {
    let made = rcgen::generate_simple_self_signed(vec!["a.example".into()]).unwrap();
    assert_eq!(content(made.cert.der()), Some(Content::Certificate));
    let key = made.signing_key;
    assert_eq!(content(&key.serialize_der()), Some(Content::Private(Kind::Ec(Some(Curve::P256)))));
    assert_eq!(
        content(&rcgen::PublicKeyData::subject_public_key_info(&key)),
        Some(Content::Public(Kind::Ec(Some(Curve::P256))))
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes: Vec<u8>) {
        let _ = content(&bytes);
        let _ = content(&[&[SEQUENCE, bytes.len() as u8], &bytes[..]].concat());
        let _ = inner(&bytes);
    }
}
