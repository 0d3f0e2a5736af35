use super::*;

#[test]
fn what_lies_beyond_the_timeout_is_a_gap_and_of_several_runs_the_middle_one_counts() {
    let us = |us: f64| Some(Percentile::Number(us));
    let beyond = || Some(Percentile::Beyond(5_000_000.0));
    let mut line = Line::default();
    for (at, values) in (0..).map(f64::from).zip([
        vec![us(3.0)],
        vec![beyond()],
        vec![us(9.0), us(1.0), us(2.0)],
        vec![us(9.0), beyond(), us(2.0)],
        vec![us(9.0), beyond()],
        vec![us(9.0), None, us(2.0)],
    ]) {
        middle(&mut line, at, &values);
    }
    assert_eq!(line.points, [(0.0, 3.0), (2.0, 2.0), (3.0, 9.0)]);
    let missing: Vec<(f64, &str)> =
        line.missing.iter().map(|(at, words)| (*at, words.as_str())).collect();
    assert_eq!(missing, [(1.0, "> 5.00 s"), (4.0, "> 5.00 s"), (5.0, "-")]);
}

#[test]
fn a_combination_of_a_sweep_beyond_the_timeout_is_not_bridged() {
    let run = |bytes: u32, p99: Percentile| SweepRun {
        algorithm: "RS256".into(),
        token_bytes: Some(bytes),
        good_connack_p99_us: Some(p99),
        ..SweepRun::default()
    };
    let runs = [
        run(500, Percentile::Number(1e3)),
        run(1000, Percentile::Beyond(5_000_000.0)),
        run(2000, Percentile::Number(3e3)),
    ];
    let (_, places, _) = placed(&runs);
    let p99: Measured = |run| in_ms(run.good_connack_p99_us.as_ref());
    let lines = lines(&runs, &places, &[("p99", p99)]);
    assert_eq!(lines[0].points, [(500.0, 1.0), (2000.0, 3.0)]);
    assert_eq!(lines[0].missing, [(1000.0, "> 5.00 s".to_owned())]);
}
