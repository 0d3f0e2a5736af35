use proptest::prelude::*;

use super::*;

fn site() -> Site {
    Site { broker: 0, address: SocketAddr::from(([127, 0, 0, 1], 1883)) }
}

fn note(signs: &mut Signs, (what, at, before): (u8, u64, u64)) {
    match what {
        0 => signs.alive(at),
        1 => signs.refused(at),
        2 => signs.answered(at.saturating_sub(before), at),
        3 => signs.ended(at),
        4 => signs.shuts_down(at),
        5 => signs.cut(at),
        6 => signs.over(at),
        7 => signs.left(at, at.saturating_sub(before)),
        _ => signs.holds(at, at.saturating_sub(before)),
    }
}

proptest! {
    #[test]
    fn what_lanes_have_seen_apart_merges_to_what_one_would_have_seen(
        seen in prop::collection::vec((0..9_u8, 0..5 * SECOND, 0..SECOND, 0..3_usize), 0..200)
    ) {
        let mut whole = Signs::new(site());
        let mut lanes = vec![Signs::new(site()); 3];
        for (what, at, before, lane) in seen {
            note(&mut whole, (what, at, before));
            note(&mut lanes[lane], (what, at, before));
        }
        let mut merged = Signs::new(site());
        for lane in lanes.iter().rev() {
            merged.merge(lane);
        }
        whole.held.sort_unstable_by_key(|held| (held.at, held.oldest));
        prop_assert_eq!(&merged, &whole);
        prop_assert!(whole.is_sound(1) && whole.ends_by(5 * SECOND));
    }
}
