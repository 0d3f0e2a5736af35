use super::*;

fn sample(time_us: f64, width_us: f64) -> Sample {
    Sample { from_us: time_us, to_us: time_us + width_us }
}

#[test]
fn edges_that_are_both_late_or_both_early_are_a_clock_and_others_are_a_leeway() {
    let edge = |accepted: Option<u64>, refused: Option<u64>| Edge { accepted, refused };
    let behind = Edges {
        leeway_exp_s: edge(Some(39), Some(40)),
        leeway_nbf_s: edge(None, Some(1)),
        late_nbf_s: edge(Some(21), Some(20)),
        ..Edges::default()
    };
    assert_eq!(
        behind.clock_offset(),
        Some(ClockOffset { ahead_s: -30.0, leeway_s: 9.5, is_certain: true })
    );
    let ahead = Edges {
        leeway_exp_s: edge(None, Some(0)),
        early_exp_s: edge(Some(31), Some(30)),
        leeway_nbf_s: edge(Some(30), Some(31)),
        ..Edges::default()
    };
    assert_eq!(
        ahead.clock_offset(),
        Some(ClockOffset { ahead_s: 30.5, leeway_s: 0.0, is_certain: true })
    );
    let leeway = Edges {
        leeway_exp_s: edge(Some(60), Some(61)),
        leeway_nbf_s: edge(Some(60), Some(61)),
        ..Edges::default()
    };
    assert_eq!(leeway.clock_offset(), None);
    let both = Edges {
        leeway_exp_s: edge(Some(20), Some(21)),
        leeway_nbf_s: edge(Some(100), Some(101)),
        ..Edges::default()
    };
    let offset = ClockOffset { ahead_s: 40.0, leeway_s: 60.5, is_certain: false };
    assert_eq!(both.clock_offset(), Some(offset));
    let of_exp_alone = Edges {
        leeway_exp_s: edge(Some(60), Some(61)),
        leeway_nbf_s: edge(None, Some(1)),
        late_nbf_s: edge(Some(1), None),
        ..Edges::default()
    };
    assert_eq!(of_exp_alone.clock_offset(), None);
}

#[test]
fn a_shift_is_found_with_its_interval_and_none_where_there_is_none() {
    let usual: Vec<Sample> = (0..60).map(|at| sample(100.0 + f64::from(at % 10), 0.1)).collect();
    let later: Vec<Sample> = usual.iter().map(|time| sample(time.from_us + 25.0, 0.1)).collect();
    let found = shift(&usual, &later, 11).unwrap();
    assert!((found.us - 25.0).abs() < 1e-9 && found.tells(), "{found:?}");
    assert!(found.low_us < 25.0 && found.high_us > 25.0, "{found:?}");
    let none = shift(&usual, &usual, 11).unwrap();
    assert!(!none.tells() && none.us == 0.0, "{none:?}");
    assert_eq!(shift(&usual[..5], &later, 1), None, "too few");
}

#[test]
fn a_shift_is_known_no_better_than_the_buckets_that_its_times_lie_in() {
    // All in one bucket of 2 ms at 3 s: they may be up to 2 ms apart, either way.
    let same = vec![sample(3_000_000.0, 2048.0); 60];
    let found = shift(&same, &same, 11).unwrap();
    assert_eq!((found.us, found.low_us, found.high_us), (0.0, -2048.0, 2048.0));
    assert!(!found.tells());
    // The next bucket may hold times that are a moment later only.
    let next = vec![sample(3_002_048.0, 2048.0); 60];
    let found = shift(&same, &next, 11).unwrap();
    assert_eq!((found.us, found.low_us, found.high_us), (2048.0, 0.0, 4096.0));
    assert!(!found.tells());
    let far = vec![sample(3_004_096.0, 2048.0); 60];
    let found = shift(&same, &far, 11).unwrap();
    assert_eq!((found.low_us, found.high_us), (2048.0, 6144.0));
    assert!(found.tells());
}

#[test]
fn a_turn_that_there_is_not_is_not_watched_and_why_is_known() {
    let edge = |accepted, refused| Edge { accepted, refused };
    let nbf = |edge: Edge| edge.lead(edge.accepted);
    assert_eq!(nbf(edge(None, Some(1))), Ok(0));
    assert_eq!(nbf(edge(Some(600), Some(601))), Ok(600));
    assert_eq!(nbf(edge(Some(601), Some(602))), Err(Unwatched::LongLeeway));
    assert_eq!(nbf(edge(Some(86_400), None)), Err(Unwatched::NotChecked));
    assert_eq!(nbf(Edge::default()), Err(Unwatched::NotFound));
    assert!(Unwatched::NotChecked.words("nbf").contains("`nbf` is not checked"));
}
