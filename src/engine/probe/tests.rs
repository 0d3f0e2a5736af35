use super::{Watched, has_turned, samples, spread};
use crate::{
    base::clock::SECOND,
    record::{
        measure::{KeyAnswer, empty_times},
        results::edges::Turn,
    },
};

#[test]
fn a_time_is_known_to_its_bucket() {
    let mut times = empty_times(3);
    times.record_n(3_000_000_000, 2).unwrap();
    times.record(1500).unwrap();
    let samples = samples(&times);
    assert_eq!(samples.len(), 3);
    let widths: Vec<f64> = samples.iter().map(|at| at.to_us - at.from_us).collect();
    assert!((widths[0] - 0.001).abs() < 1e-9, "a nanosecond, never nothing: {widths:?}");
    assert!((1000.0..4200.0).contains(&widths[1]), "1 to 4 ms at 3 s: {widths:?}");
    let is_in = |us: f64| samples[1].from_us <= us && us < samples[1].to_us;
    assert!(is_in(3e6), "{samples:?}");
}

#[test]
fn candidates_reach_from_bound_to_bound_and_get_nearer_until_a_step_is_left() {
    let first = spread(0, 86_400, 1);
    assert_eq!((first[0], *first.last().unwrap()), (0, 86_400));
    assert!(first.contains(&60) && first.contains(&61));
    assert_eq!(spread(301, 600, 1).len(), 21);
    assert_eq!(spread(60, 61, 1), [60, 61]);
    assert_eq!(spread(1024, 65_535, 4).len(), 21);
    assert_eq!(spread(1024, 1040, 4), [1024, 1028, 1032, 1036, 1040]);
}

fn answer(at_ms: u64, accepted: bool) -> KeyAnswer {
    let sent = at_ms * SECOND / 1000;
    KeyAnswer { sent, ended: sent, kind: 0, broker: 0, key: None, accepted, in_time: true }
}

#[test]
fn a_token_has_turned_once_it_has_stayed_so_and_its_last_turn_counts() {
    let mut answers: Vec<KeyAnswer> = (0..40).map(|at| answer(at * 50, at < 20)).collect();
    assert!(!has_turned(&answers, false), "for one second only");
    let turned = Turn { turned_s: Some(0.0), watched_s: Some(0.95), accepted_s: Some(-0.05) };
    assert_eq!(Watched::new(&answers, SECOND as i64).turn(false), turned);
    // A verifier beside it has kept its verdict.
    answers.push(answer(2_000, true));
    answers.extend((41..90).map(|at| answer(at * 50, false)));
    assert!(has_turned(&answers, false));
    let turn = Watched::new(&answers, SECOND as i64).turn(false);
    assert_eq!((turn.turned_s, turn.accepted_s), (Some(1.05), Some(1.0)));
}

#[test]
fn a_token_that_does_not_turn_while_it_is_watched_has_no_turn() {
    let accepted: Vec<KeyAnswer> = (0..40).map(|at| answer(at * 50, true)).collect();
    let turn = Watched::new(&accepted, 0).turn(false);
    assert_eq!(turn, Turn { turned_s: None, watched_s: Some(1.95), accepted_s: Some(1.95) });
    assert!(!has_turned(&accepted, false));
    let refused: Vec<KeyAnswer> = (0..40).map(|at| answer(at * 50, false)).collect();
    let turn = Watched::new(&refused, 0).turn(false);
    assert_eq!(turn, Turn { turned_s: None, watched_s: Some(1.95), accepted_s: None });
    assert!(!has_turned(&refused, false), "it was never good");
    assert_eq!(Watched::new(&[], 0).turn(true), Turn::default());
}
