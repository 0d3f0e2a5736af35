//! What a comparison decides: how often it cries wolf, how often it sees a wolf, and what it refuses to compare. Runs are
//! made up here, from one that was measured, so that thousands of contests take seconds.

use std::path::{Path, PathBuf};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal, StudentT};
use tokenstorm::{
    base::{
        error::Exit,
        words::{self, Conclusion, Phase, Validity},
    },
    campaign::ab::{Which, order},
    record::results::{
        Percentile, Summary,
        ruling::{Failure, decide::told},
        summary::Part,
    },
    report::compare::{
        Compared, Comparison, Design, Role, Rule, Seen, Verdict, compare,
        looks::Looks,
        record::{Record, Side},
        thresholds::Thresholds,
    },
};

/// A run folder of 1 000 attempts.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/1-2026-11-25")
}

/// A run in which only what decides is left: median and tail of `connack`, and the CPU of a verdict.
fn template() -> Record {
    let mut record = Record::read(&fixture()).unwrap();
    let summary = &mut record.summary;
    summary.phases.retain(|phase, _| *phase == Phase::Connack);
    let fresh: Part = summary.by_token.remove("fresh").unwrap();
    summary.by_token =
        [("fresh".to_owned(), Part { phases: summary.phases.clone(), ..fresh })].into();
    record
}

fn with(template: &Record, p50: f64, p99: f64, cpu: f64) -> Record {
    let mut record = template.clone();
    let connack = record.summary.phases.get_mut(&Phase::Connack).unwrap();
    (connack.p50_us, connack.p99_us) = (Percentile::Number(p50), Percentile::Number(p99));
    record.summary.monitor.as_mut().unwrap().broker.cpu_us_per_verdict = Some(cpu);
    record
}

fn rule() -> Rule {
    Rule {
        alpha: 0.05,
        thresholds: Thresholds::default(),
        gate: Vec::new(),
        allow_different: false,
        // Coarser than what users get, so that thousands of contests take seconds.
        resamples: 200,
    }
}

fn side(name: &str, runs: Vec<Record>) -> Side {
    Side { name: name.to_owned(), runs, lost: 0 }
}

/// How runs of a host scatter.
#[derive(Clone, Copy)]
struct Host {
    /// Standard deviation of a run's logarithms.
    noise: f64,
    /// Whether outliers come more often than a normal distribution has them.
    has_outliers: bool,
    /// By how much everything gets slower from one trial to the next, as a host does that gets warm.
    drift: f64,
}

/// What came of a contest.
struct Ended {
    comparison: Comparison,
    pairs: usize,
    /// Whether any look called a gated metric better or worse, the last or one before.
    has_alarm: bool,
    /// Whether any look called the median equivalent.
    has_equivalence: bool,
}

/// Trials of one contest in the order of `ab`, with the candidate's median times `shift`.
fn contest(template: &Record, host: Host, shift: f64, rule: &Rule, seed: u64) -> Ended {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let student = StudentT::new(3.0).unwrap();
    let scatter = |random: &mut ChaCha8Rng| -> f64 {
        let value: f64 = if host.has_outliers {
            // Of variance 3.
            student.sample(random) / 3_f64.sqrt()
        } else {
            StandardNormal.sample(random)
        };
        value * host.noise
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let looks = Looks::plan(3, rule.alpha, 20).unwrap();
    let (mut has_alarm, mut has_equivalence) = (false, false);
    let mut trial = 0.0;
    loop {
        for which in order(seed, before.len().max(after.len())) {
            trial += 1.0;
            let (factor, side) = match which {
                Which::Baseline => (1.0, &mut before),
                Which::Candidate => (shift, &mut after),
            };
            // What one run's host does to one metric it does to the others as well, in part.
            let common = scatter(&mut random) * 0.7 + host.drift * trial;
            let mut value = |middle: f64| middle * (common + scatter(&mut random) * 0.7).exp();
            side.push(with(template, value(200.0 * factor), value(900.0), value(350.0)));
        }
        let pairs = before.len();
        if !looks.at.contains(&pairs) {
            continue;
        }
        let (baseline, candidate) = (side("A", before.clone()), side("B", after.clone()));
        let rule = Rule { alpha: looks.alpha, ..rule.clone() };
        let comparison = compare(&baseline, &candidate, Design::Paired, &rule).unwrap();
        assert_eq!(comparison.gate.len(), 3, "{:?}", comparison.gate);
        has_alarm |= comparison.metrics.iter().any(is_alarm);
        has_equivalence |= median_of(&comparison).verdict == Verdict::Equivalent;
        if looks.is_over(pairs, &comparison) || pairs == *looks.at.last().unwrap() {
            return Ended { comparison, pairs, has_alarm, has_equivalence };
        }
    }
}

fn median_of(comparison: &Comparison) -> &Compared {
    comparison.metrics.iter().find(|metric| metric.metric == "connack.p50").unwrap()
}

fn is_alarm(metric: &Compared) -> bool {
    metric.role == Role::Gate && matches!(metric.verdict, Verdict::Better | Verdict::Worse)
}

/// The most that a share of 5 % may come to in so many contests: three standard errors more. Fails by chance once in 700
/// times, and the seeds are fixed.
fn most(contests: u64) -> f64 {
    0.05 + 3.0 * (0.05_f64 * 0.95 / contests as f64).sqrt()
}

#[test]
fn builds_that_do_not_differ_raise_no_more_false_alarms_than_asked_over_all_metrics_and_looks() {
    const CONTESTS: u64 = 600;
    let template = template();
    // No threshold hides an alarm here: what is left is the error rate of the tests themselves.
    let strict =
        Rule { thresholds: Thresholds { asked: Some(1e-9), ..Thresholds::default() }, ..rule() };
    for (name, rule, host) in [
        ("no threshold", &strict, Host { noise: 0.05, has_outliers: false, drift: 0.0 }),
        ("outliers", &strict, Host { noise: 0.20, has_outliers: true, drift: 0.0 }),
        ("getting slower", &strict, Host { noise: 0.05, has_outliers: false, drift: 0.01 }),
        ("as users run it", &rule(), Host { noise: 0.10, has_outliers: true, drift: 0.0 }),
    ] {
        let ends = (0..CONTESTS).map(|seed| contest(&template, host, 1.0, rule, seed));
        let share = ends.filter(|ended| ended.has_alarm).count() as f64 / CONTESTS as f64;
        println!("{name}: {share}");
        assert!(share <= most(CONTESTS), "{name}: {share}");
    }
}

#[test]
fn a_change_as_large_as_the_threshold_is_seldom_called_equivalent() {
    const CONTESTS: u64 = 400;
    let template = template();
    for noise in [0.02, 0.05] {
        let host = Host { noise, has_outliers: false, drift: 0.0 };
        let ends = (0..CONTESTS).map(|seed| contest(&template, host, 1.05, &rule(), seed));
        let share = ends.filter(|ended| ended.has_equivalence).count() as f64 / CONTESTS as f64;
        println!("noise {noise}: {share}");
        assert!(share <= most(CONTESTS), "noise {noise}: {share}");
    }
}

#[test]
fn a_median_that_is_a_tenth_slower_is_found_as_often_as_the_docs_say() {
    const CONTESTS: u64 = 300;
    let template = template();
    for (noise, power) in [(0.05, 0.95), (0.10, 0.4)] {
        let host = Host { noise, has_outliers: false, drift: 0.0 };
        let (mut found, mut pairs) = (0, 0);
        for seed in 0..CONTESTS {
            let ended = contest(&template, host, 1.10, &rule(), seed);
            found += u64::from(median_of(&ended.comparison).verdict == Verdict::Worse);
            pairs += ended.pairs as u64;
        }
        let share = found as f64 / CONTESTS as f64;
        println!("noise {noise}: found {share}, {} pairs", pairs as f64 / CONTESTS as f64);
        assert!(share >= power, "noise {noise}: {share}");
    }
}

#[test]
fn a_candidate_that_does_not_get_so_far_is_worse_and_one_that_sometimes_does_not_is_undecided() {
    let template = template();
    let runs = |lacking: usize| -> Vec<Record> {
        let mut runs: Vec<Record> =
            (0..9).map(|at| with(&template, 200.0 + f64::from(at), 900.0, 350.0)).collect();
        for run in &mut runs[..lacking] {
            run.summary.phases.remove(&Phase::Connack);
        }
        runs
    };
    let decide = |lacking| {
        let (before, after) = (side("A", runs(0)), side("B", runs(lacking)));
        compare(&before, &after, Design::Paired, &rule()).unwrap()
    };
    assert_eq!(decide(0).verdict, Verdict::Equivalent);
    assert_eq!(
        decide(1).verdict,
        Verdict::Inconclusive,
        "one run is no reason to leave a metric out"
    );
    assert_eq!(decide(9).verdict, Verdict::Worse);
    assert!(median_of(&decide(9)).why.contains("no run of the candidate gets so far"));
}

#[test]
fn a_candidate_that_turns_clients_away_is_neither_better_nor_equivalent() {
    let template = template();
    let runs = |p50: f64, unjudged: u64| -> Vec<Record> {
        (0..9)
            .map(|at| {
                let mut run = with(&template, p50 + f64::from(at), 900.0, 350.0);
                let verdicts = &mut run.summary.verdicts;
                verdicts[words::Verdict::NotJudged] = unjudged;
                verdicts[words::Verdict::Correct] = run.summary.attempts - unjudged;
                run
            })
            .collect()
    };
    let attempts = template.summary.attempts;
    let decide = |unjudged| {
        let (before, after) = (side("A", runs(200.0, 0)), side("B", runs(100.0, unjudged)));
        compare(&before, &after, Design::Paired, &rule()).unwrap().verdict
    };
    assert_eq!(decide(0), Verdict::Better);
    assert_eq!(decide(attempts / 20), Verdict::Inconclusive, "one in twenty says nothing any more");
    assert_eq!(decide(attempts / 2), Verdict::Worse, "half of them");
}

#[test]
fn a_timeout_leaves_open_what_would_have_taken_longer() {
    let template = template();
    let runs = |p99: f64, beyond: usize| -> Vec<Record> {
        let mut runs: Vec<Record> =
            (0..9).map(|at| with(&template, 200.0, p99 + f64::from(at), 350.0)).collect();
        for run in &mut runs[..beyond] {
            let connack = run.summary.phases.get_mut(&Phase::Connack).unwrap();
            connack.p99_us = Percentile::Beyond(5_000_000.0);
        }
        runs
    };
    let decide = |before: Vec<Record>, after: Vec<Record>| {
        let compared =
            compare(&side("A", before), &side("B", after), Design::Paired, &rule()).unwrap();
        let p99 = compared.metrics.iter().find(|metric| metric.metric == "connack.p99").unwrap();
        p99.verdict
    };
    let slow = 4_950_000.0;
    assert_eq!(decide(runs(slow, 0), runs(slow, 0)), Verdict::Equivalent);
    assert_eq!(decide(runs(slow, 0), runs(slow, 9)), Verdict::Inconclusive, "1 % more, or an hour");
    assert_eq!(decide(runs(900.0, 0), runs(900.0, 9)), Verdict::Worse);
    assert_eq!(
        decide(runs(900.0, 1), runs(900.0, 9)),
        Verdict::Worse,
        "one timeout excuses no nine"
    );
    assert_eq!(decide(runs(900.0, 9), runs(900.0, 9)), Verdict::Inconclusive);
}

#[test]
fn wrong_verdicts_that_both_sides_have_decide_nothing() {
    let template = template();
    let runs = |wrong: u64| -> Vec<Record> {
        (0..9)
            .map(|at| {
                let mut run = with(&template, 200.0, 900.0, 350.0);
                run.summary.verdicts[words::Verdict::FalseAccept] = wrong + at;
                run
            })
            .collect()
    };
    let compared =
        compare(&side("A", runs(10)), &side("B", runs(30)), Design::Paired, &rule()).unwrap();
    let count = compared.metrics.iter().find(|it| it.metric == "verdict.false_accept").unwrap();
    assert_eq!((count.role, count.verdict), (Role::Reading, Verdict::Worse));
    assert!(!compared.has_new_false_accept(), "the baseline lets in as well");
    assert_eq!(compared.verdict, Verdict::Equivalent);
}

#[test]
fn five_runs_a_side_decide_what_three_can_not() {
    let template = template();
    let runs = |count: usize, factor: f64| -> Vec<Record> {
        let value = |at: usize| factor * (1.0 + at as f64 / 200.0);
        (0..count).map(|at| with(&template, 200.0 * value(at), 900.0, 350.0 + at as f64)).collect()
    };
    let decide = |count| {
        let (before, after) = (side("A", runs(count, 1.0)), side("B", runs(count, 1.3)));
        compare(&before, &after, Design::Unpaired, &rule()).unwrap()
    };
    assert_eq!(decide(5).verdict, Verdict::Worse, "{:?}", decide(5).metrics);
    let few = decide(3);
    assert_eq!(few.verdict, Verdict::Inconclusive);
    assert!(few.remarks.iter().any(|remark| remark.contains("3 runs against 3 can't decide")));
    let one = decide(1);
    assert_eq!((one.design, one.verdict), (Design::Single, Verdict::Inconclusive));
    assert!(
        one.remarks[0].contains("one run can't tell a change from chance"),
        "{:?}",
        one.remarks
    );
}

#[test]
fn a_new_false_accept_is_worse_whatever_the_times_are() {
    let before = template();
    let mut after = with(&before, 20.0, 90.0, 35.0);
    let fresh = after.summary.by_token.get_mut("fresh").unwrap();
    for counts in [&mut fresh.verdicts, &mut after.summary.verdicts] {
        counts[words::Verdict::FalseAccept] = 1;
    }
    let compared =
        compare(&side("A", vec![before]), &side("B", vec![after]), Design::Unpaired, &rule())
            .unwrap();
    assert_eq!(compared.verdict, Verdict::Worse);
    assert!(compared.has_new_false_accept());
    let count = compared.metrics.iter().find(|it| it.metric == "verdict.false_accept").unwrap();
    assert_eq!((count.verdict, count.role), (Verdict::Worse, Role::Count));
    assert_eq!(count.candidate, Some(Seen::Number(1.0)));
}

#[test]
fn what_ends_early_decides_nothing_by_statistics() {
    let template = template();
    let runs = |factor: f64| -> Vec<Record> {
        (0..9).map(|at| with(&template, 200.0 * factor + f64::from(at), 900.0, 350.0)).collect()
    };
    let (before, after) = (side("A", runs(1.0)), side("B", runs(2.0)));
    let mut compared = compare(&before, &after, Design::Paired, &rule()).unwrap();
    assert_eq!(compared.verdict, Verdict::Worse);
    compared.end_early("interrupted");
    assert_eq!((compared.verdict, compared.partial), (Verdict::Inconclusive, true));
    assert!(compared.remarks[0].contains("interrupted"));
}

#[test]
fn most_runs_that_the_harness_slowed_down_decide_nothing_about_times() {
    let template = template();
    let runs = |factor: f64| -> Vec<Record> {
        let mut runs: Vec<Record> = (0..9)
            .map(|at| with(&template, 200.0 * factor + f64::from(at), 900.0, 350.0))
            .collect();
        for run in &mut runs[..5] {
            run.summary.validity.verdict = Validity::GeneratorLimited;
        }
        runs
    };
    let (before, after) = (side("A", runs(1.0)), side("B", runs(2.0)));
    let compared = compare(&before, &after, Design::Paired, &rule()).unwrap();
    assert_eq!(compared.verdict, Verdict::Inconclusive, "{:?}", compared.remarks);
}

#[test]
fn sides_that_did_not_do_the_same_are_refused_with_what_differs() {
    let before = template();
    let mut after = template();
    after.scenario.insert("seed".into(), 7.into());
    after.environment.as_mut().unwrap().host = "another".into();
    let (before, after) = (side("A", vec![before]), side("B", vec![after]));
    let error = compare(&before, &after, Design::Unpaired, &rule()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("seed: 42 against 7"), "{text}");
    assert!(text.contains("host: fixture against another"), "{text}");
    assert!(error.way_out().unwrap().contains("--allow-different"));
    let allowed = Rule { allow_different: true, ..rule() };
    let compared = compare(&before, &after, Design::Unpaired, &allowed).unwrap();
    assert_eq!(compared.differences.len(), 2);
}

#[test]
fn every_format_that_was_ever_written_is_read_and_compared() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let mut read = 0;
    for entry in std::fs::read_dir(formats).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("summary.json").is_file() {
            let old = Side::read(&folder).unwrap();
            let new = Side::read(&fixture()).unwrap();
            let rule = Rule { allow_different: true, ..rule() };
            let compared = compare(&old, &new, Design::Unpaired, &rule).unwrap();
            assert!(compared.metrics.iter().any(|metric| metric.metric == "connack.p50"));
            let has_cells = compared.metrics.iter().any(|it| it.metric.starts_with("matrix."));
            assert_eq!(has_cells, folder.join("matrix.json").is_file());
        } else {
            assert!(!Comparison::read(&folder).unwrap().metrics.is_empty(), "{}", folder.display());
        }
        read += 1;
    }
    assert!(read >= 5, "{read} formats");
}

#[test]
fn what_a_run_came_to_is_read_from_its_folder_and_decided_where_it_is_older() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let missed = Failure::Missed { metric: "connack".into(), condition: "p99 < 1us".into() };
    let mut summary = Summary::read(&formats.join("1-2026-11-29")).unwrap();
    let ruling = told(&summary, None);
    assert_eq!((ruling.exit, ruling.failed.as_slice()), (Exit::Failed, [missed].as_slice()));
    assert_eq!(summary.ruling, Some(ruling.clone()));
    summary.ruling = None;
    assert_eq!(told(&summary, None), ruling, "decided again by what is there");
    let older = Summary::read(&formats.join("1-2026-11-25")).unwrap();
    assert!(older.ruling.is_none());
    assert_eq!(told(&older, None).conclusion, Conclusion::AsPromised);
}
