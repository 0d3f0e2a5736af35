use super::{super::axis::Axis, *};

fn figure(lines: Vec<Line>) -> Figure {
    Figure::new("Title", Axis::seconds(), Axis::linear("rate", "/s"), lines, "timeline.csv")
}

#[test]
fn every_point_says_its_values_and_stands_in_the_table() {
    let one = Line::new("one & only", 0, vec![(0.0, 5.0), (1.0, 7.0), (2.0, 0.0)]);
    let two = Line::new("two", 1, vec![(1.0, 30.0)]);
    let page = figure(vec![one, two]).render().unwrap().unwrap().into_string();
    assert_eq!(page.matches("<circle class=\"hover\"").count(), 4);
    assert!(page.contains("<title>one &amp; only, at 1 s: 7/s</title>"), "{page}");
    assert!(page.contains("data-h=\"two\">30/s</td>"), "{page}");
    assert!(page.contains("role=\"img\"") && page.contains("aria-label=\"Title: rate by"));
}

#[test]
fn a_line_has_a_gap_where_a_value_is_missing() {
    let points = vec![(0.0, 1.0), (1.0, 2.0), (3.0, 2.0), (4.0, 1.0)];
    let missing = vec![(2.0, "> 10 s".to_owned())];
    let line = Line { missing, ..Line::new("one", 0, points) };
    let page = figure(vec![line]).render().unwrap().unwrap().into_string();
    let drawn = page.split("<polyline").filter(|one| one.contains("stroke=\"#0072B2\""));
    assert_eq!(drawn.count(), 2, "one path on each side");
    assert!(page.contains("\">&gt; 10 s</td>"), "{page}");
}

#[test]
fn of_many_points_the_highest_can_be_pointed_at_and_the_file_with_all_is_named() {
    let points: Vec<(f64, f64)> = (0..1000).map(|at| (f64::from(at), 1.0)).collect();
    let mut line = Line::new("one", 0, points);
    line.points[333].1 = 99.0;
    let page = figure(vec![line]).render().unwrap().unwrap().into_string();
    assert_eq!(page.matches("<circle class=\"hover\"").count(), 200);
    assert!(page.contains("at 333 s: 99/s") && page.contains("timeline.csv"));
}

#[test]
fn a_row_of_many_places_has_their_highest_value_though_some_have_none() {
    let points: Vec<(f64, f64)> = (0..1000).map(|at| (f64::from(at), f64::from(at))).collect();
    let mut line = Line::new("one", 0, points);
    // Five places a row: one without a value, one beyond the timeout, five without.
    line.points.retain(|(at, _)| ![7.0, 13.0].contains(at) && !(20.0..25.0).contains(at));
    line.missing = vec![(7.0, NOTHING.to_owned()), (13.0, "> 10 s".to_owned())];
    line.missing.extend((20..25).map(|at| (f64::from(at), NOTHING.to_owned())));
    let cell = |from: u32| {
        let places: Vec<f64> = (from..from + 5).map(f64::from).collect();
        figure(Vec::new()).cell(&line, &places)
    };
    assert_eq!([cell(5), cell(10), cell(20)], ["9/s", "> 10 s", "-"]);
}

#[test]
fn a_figure_without_a_point_is_none() {
    assert!(figure(vec![Line::new("one", 0, Vec::new())]).render().unwrap().is_none());
}
