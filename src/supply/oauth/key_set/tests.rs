use super::*;
use crate::client::verdict::standing::{Reader, Standing};

fn kids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A set that was not looked at yet.
fn unseen() -> KeySet {
    KeySet::new(Url::parse("http://127.0.0.1:9/").unwrap(), Clock::start())
}

fn standing(set: &KeySet, kid: &str) -> Standing {
    let number = set.number_of(kid).unwrap();
    set.times().of(usize::from(number), Reader::External)
}

#[test]
fn keys_come_and_go_as_the_set_shows_them() {
    let set = unseen();
    assert_eq!(set.number_of("a"), None, "nothing is known of a set that was never had");
    set.note(&kids(&["a", "b"]), 90, 100);
    let standing = |kid: &str| standing(&set, kid);
    let old = standing("a");
    assert_eq!((old.published, old.readable, old.removed), (i64::MIN, i64::MIN, i64::MAX));
    // A token came before the set showed its key.
    let coming = standing("c");
    assert!(coming.published > i64::MIN && coming.published < 0);
    assert_eq!((coming.readable, coming.removed), (i64::MAX, i64::MAX));
    set.note(&kids(&["a", "c"]), 190, 200);
    assert_eq!(standing("c").readable, 200);
    assert_eq!((standing("b").fading, standing("b").removed), (90, 200));
    // It is back, and one that was never seen in a token is new.
    set.note(&kids(&["b", "d"]), 290, 300);
    assert_eq!((standing("b").readable, standing("b").removed), (300, i64::MAX));
    assert_eq!((standing("a").removed, standing("d").readable), (300, 300));
    let seen = set.seen();
    assert_eq!((seen.fetched, seen.appeared, seen.withdrawn), (3, 3, 3));
}

#[test]
fn of_more_keys_than_are_told_apart_nothing_is_said() {
    let set = unseen();
    let many: Vec<String> = (0..MOST_KEYS + 5).map(|number| number.to_string()).collect();
    set.note(&many, 0, 1);
    let standing = |kid: &str| standing(&set, kid);
    assert_eq!(standing("0").published, i64::MIN);
    // Not that nobody published it, nor that it was always there: that it may come.
    let other = standing("1026");
    assert!(other.published > i64::MIN && other.published < 0);
    assert_eq!((other.readable, other.removed), (i64::MAX, i64::MAX));
}

#[test]
fn a_set_that_is_empty_for_a_while_is_away_and_withdraws_nothing() {
    let set = unseen();
    set.note(&kids(&["a", "b"]), 90, 100);
    set.note(&[], 190, 200);
    set.note(&[], 290, 300);
    let standing = |kid: &str| standing(&set, kid);
    assert_eq!((standing("a").removed, standing("a").away), (i64::MAX, Some((90, i64::MAX))));
    set.note(&kids(&["a"]), 390, 400);
    assert_eq!((standing("a").removed, standing("a").away), (i64::MAX, Some((90, 400))));
    assert_eq!(standing("b").removed, 400, "it did not come back");
    let seen = set.seen();
    assert_eq!((seen.fetched, seen.withdrawn, seen.failed["no_keys"]), (2, 1, 2));
}

#[test]
fn tokens_are_counted_whose_key_the_set_never_had() {
    let set = unseen();
    set.note(&kids(&["a", "b"]), 90, 100);
    for kid in ["a", "c", "c", "b"] {
        set.number_of(kid);
    }
    set.note(&kids(&["b", "c"]), 190, 200);
    // Withdrawn is another matter.
    for kid in ["a", "c"] {
        set.number_of(kid);
    }
    assert_eq!(set.seen().unlisted, 2);
}
