use super::*;

#[test]
fn of_a_long_line_as_much_is_drawn_as_can_be_seen_and_what_stands_out_stays() {
    let points: Vec<(f64, f64)> = (0..100_000).map(|at| (f64::from(at), 5.0)).collect();
    let mut line = Line::new("one", 0, points);
    (line.points[777].1, line.points[60_001].1) = (99.0, 0.5);
    let drawn = drawable(&line);
    assert!(drawn[0].len() <= 1200, "{}", drawn[0].len());
    assert!(drawn[0].contains(&(777.0, 99.0)) && drawn[0].contains(&(60_001.0, 0.5)));
    assert!(drawn[0].is_sorted_by(|one, next| one.0 < next.0), "from left to right");
    line.points.retain(|(at, _)| *at as u64 != 50_000);
    line.missing = vec![(50_000.0, "-".into())];
    let ends: Vec<f64> = drawable(&line).iter().map(|run| run[0].0).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends[1] > 50_000.0, "{ends:?}");
    line.points.truncate(100);
    assert_eq!(drawable(&line)[0].len(), 100, "of a short line all");
}

#[test]
fn gaps_are_found_in_a_line_of_a_day_before_anybody_waits() {
    // Each second second has no value: a search through all gaps for each point takes minutes.
    let points = (0..100_000).map(|at| (f64::from(2 * at), 1.0)).collect();
    let missing = (0..100_000).map(|at| (f64::from(2 * at + 1), "-".to_owned())).rev();
    let line = Line { missing: missing.collect(), ..Line::new("one", 0, points) };
    assert_eq!(runs(&line).len(), 100_000);
}

#[test]
fn the_pointer_finds_the_nearest_of_points_that_are_close() {
    let places = [(0, 0), (100, 0), (120, 0), (122, 0)];
    let all: Vec<f64> = (0..places.len()).map(|index| reach(&places, index)).collect();
    assert_eq!(all, [16.0, 10.0, 4.0, 4.0]);
}
