use super::*;

fn stats(p50: Percentile) -> PhaseStats {
    let one = Percentile::Number(1.0);
    PhaseStats {
        count: 10,
        unfinished: 1,
        min_us: Some(1.0),
        mean_us: None,
        p50_us: p50,
        p90_us: one,
        p95_us: one,
        p99_us: one,
        p999_us: one,
        p9999_us: one,
        max_us: one,
    }
}

#[test]
fn the_middle_of_runs_is_a_timeout_only_where_most_of_them_have_one() {
    let (number, beyond) = (Percentile::Number, Percentile::Beyond(5.0));
    let of = |all: &[Percentile]| {
        middle(&all.iter().map(|p50| stats(*p50)).collect::<Vec<_>>()).unwrap()
    };
    let one = of(&[number(1.0), number(3.0), beyond]);
    assert_eq!((one.p50_us, one.count, one.unfinished), (number(3.0), 10, 1));
    assert_eq!(of(&[number(1.0), beyond, beyond]).p50_us, beyond);
    assert!(middle(&[]).is_none());
}
