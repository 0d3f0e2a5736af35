use std::path::Path;

use super::*;
use crate::scenario::{Algorithm, Key};

fn key(name: &str, secret: &str, kid: &str) -> SigningKey {
    let held = Held::Secret(secret.repeat(4).into_bytes());
    let key = Key::made(Algorithm::HS256, kid).holding(held);
    SigningKey::load(name, &key, Path::new("")).unwrap()
}

#[test]
fn what_differs_is_named_and_nothing_is_told_of_it_that_holds_for_another_run() {
    let run = |name: &str| Name::of(name).unwrap();
    let own = [key("main", "0123456789", "a"), key("next", "abcdefghij", "b")];
    let marks = of(&own, None, &run("one"));
    assert_eq!(difference(&marks, &of(&own, None, &run("one"))), None);
    for other in [key("next", "another-one", "b"), key("next", "abcdefghij", "c")] {
        let other = of(&[key("main", "0123456789", "a"), other], None, &run("one"));
        assert_eq!(difference(&marks, &other), Some("keys.next"));
    }
    assert_eq!(difference(&marks, &of(&own[..1], None, &run("one"))), Some("keys.next"));
    assert_eq!(difference(&of(&own[..1], None, &run("one")), &marks), Some("keys.next"));
    assert!(of(&own, None, &run("two")).values().all(|mark| !marks.values().any(|it| it == mark)));
    let told = format!("{marks:?}");
    assert!(!told.contains("0123456789") && !told.contains("abcdefghij"), "{told}");
}

#[test]
fn files_of_tls_are_compared_by_what_is_in_them_and_not_by_their_line_ends() {
    let run = Name::of("one").unwrap();
    let files = |ca: &str, key: &str| TlsFiles {
        ca: Some(ca.into()),
        key: Some(key.into()),
        ..TlsFiles::default()
    };
    let marks = of(&[], Some(&files("a\nb\n", "k")), &run);
    assert_eq!(difference(&marks, &of(&[], Some(&files("a\r\nb", "k\n")), &run)), None);
    assert_eq!(
        difference(&marks, &of(&[], Some(&files("a\nc", "k")), &run)),
        Some("target.tls.ca")
    );
    assert_eq!(
        difference(&marks, &of(&[], Some(&files("a\nb", "l")), &run)),
        Some("target.tls.key")
    );
    assert_eq!(difference(&marks, &of(&[], None, &run)), Some("target.tls.ca"));
}
