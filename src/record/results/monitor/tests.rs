use super::*;

fn reading(second: Option<u64>, ms: u64, cpu_s: f64, rss_bytes: u64) -> Reading {
    let usage = Usage { cpu_s: Some(cpu_s), rss_bytes: Some(rss_bytes), ..Usage::default() };
    let at = ms * SECOND / 1000;
    Reading { at, cpu_at: at, second, side: Side::Broker, usage }
}

#[test]
fn cpu_is_that_of_the_storm_alone_and_a_connection_costs_what_memory_grew_by_until_the_peak() {
    let readings = [
        reading(Some(0), 90, 10.0, 1_000_000),
        reading(Some(1), 1090, 10.4, 1_500_000),
        reading(Some(2), 2090, 10.9, 3_000_000),
        reading(None, 2500, 11.0, 2_900_000),
        reading(Some(3), 3090, 17.0, 1_000_000),
    ];
    let readings: Vec<&Reading> = readings.iter().collect();
    let span = Span {
        stretches: vec![(SECOND / 10, SECOND * 24 / 10)],
        storm: 0,
        accepted: 600,
        refused: 400,
        peak: (1000, 1),
    };
    let used = Used::of(Vec::new(), &readings, &span);
    assert!((used.cpu_s.unwrap() - 1.0).abs() < 1e-9, "{used:?}");
    assert!((used.cpu_us_per_verdict.unwrap() - 1000.0).abs() < 1e-9, "{used:?}");
    assert_eq!((used.cpu_us_per_accept, used.cpu_us_per_refusal), (None, None), "mixed");
    assert!((used.bytes_per_connection.unwrap() - 2000.0).abs() < 1e-9, "{used:?}");
    let all_refused = Span { accepted: 0, refused: 1000, ..span };
    assert!(Used::of(Vec::new(), &readings, &all_refused).cpu_us_per_refusal.is_some());
}

#[test]
fn a_counter_that_goes_back_tells_nothing_even_where_it_has_caught_up() {
    let span = |stretches: &[(u64, u64)]| Span {
        stretches: stretches.iter().map(|(from, to)| (from * SECOND, to * SECOND)).collect(),
        accepted: 10,
        ..Span::default()
    };
    let readings = [10.0, 11.0, 0.5, 12.0, 13.0];
    let readings: Vec<Reading> = (0..)
        .zip(readings)
        .map(|(second, cpu)| reading(Some(second), second * 1000, cpu, 1))
        .collect();
    let cpu = |stretches: &[(u64, u64)]| {
        Used::of(Vec::new(), &readings.iter().collect::<Vec<_>>(), &span(stretches)).cpu_s
    };
    assert_eq!(cpu(&[(0, 4)]), None, "it was 3 s at least, and not 3");
    assert_eq!(cpu(&[(0, 1), (1, 2), (3, 4)]), None);
    assert_eq!(cpu(&[(0, 1), (3, 4)]), Some(2.0));
}

#[test]
fn what_is_no_number_of_its_kind_is_no_value() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e308, 1e308] {
        assert_eq!((cpu_time(odd), count(odd)), (None, None), "{odd}");
    }
    assert_eq!((cpu_time(0.5), count(1_048_576.0)), (Some(0.5), Some(1_048_576)));
}

#[test]
fn what_grows_every_second_drifts_and_what_only_trembles_does_not() {
    let growing: Vec<(f64, f64)> =
        (0..700).map(|at| (f64::from(at), 1e6 + f64::from(at) * 100.0)).collect();
    let (per_hour, drifts) = drift(&growing);
    assert!((per_hour.unwrap() - 360_000.0).abs() < 1.0 && drifts == Some(true), "{per_hour:?}");
    let with_gaps: Vec<(f64, f64)> =
        growing.iter().copied().filter(|(at, _)| at % 2.0 == 0.0).collect();
    assert!((drift(&with_gaps).0.unwrap() - 360_000.0).abs() < 1.0, "seconds that are missing");
    let trembling: Vec<(f64, f64)> =
        (0..700).map(|at| (f64::from(at), 1e6 + f64::from(at * 7919 % 13))).collect();
    assert_eq!(drift(&trembling).1, Some(false));
    assert_eq!(drift(&growing[..299]), (None, None), "too short to tell");
}
