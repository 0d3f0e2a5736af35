use super::*;

fn stats(count: u64, unfinished: u64) -> PhaseStats {
    let us = |us: f64| Percentile::Number(us);
    PhaseStats {
        count,
        unfinished,
        min_us: Some(50.0),
        mean_us: Some(200.0),
        p50_us: us(150.0),
        p90_us: us(300.0),
        p95_us: us(400.0),
        p99_us: us(1000.0),
        p999_us: Percentile::Beyond(10_000_000.0),
        p9999_us: Percentile::Beyond(10_000_000.0),
        max_us: Percentile::Beyond(10_000_000.0),
    }
}

#[test]
fn a_percentile_needs_attempts_enough_and_one_beyond_the_timeout_is_told_and_not_drawn() {
    for (count, points, missing) in
        [(0, 0, 0), (5, 2, 0), (150, 5, 0), (999, 5, 0), (1000, 5, 1), (10_000, 5, 2)]
    {
        let line = line("one", 0, &stats(count, 0));
        assert_eq!((line.points.len(), line.missing.len()), (points, missing), "{count}");
    }
    assert_eq!(line("one", 0, &stats(999, 1)).missing.len(), 1, "unfinished ones count");
    let (one, two) = (stats(20_000, 50), stats(500, 0));
    let figure = figure("Both", &[("baseline".into(), &one), ("candidate".into(), &two)]);
    let page = figure.render().unwrap().unwrap().into_string();
    assert_eq!(page.matches("<circle class=\"hover\"").count(), 10);
    assert!(page.contains("&gt; 10.00 s") && page.contains("beyond the timeout"), "{page}");
    assert!(page.contains("<title>candidate, 99 %: 1 ms</title>"), "{page}");
}
