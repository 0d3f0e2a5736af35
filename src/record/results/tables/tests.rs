use super::*;
use crate::{
    client::attempt::{Attempt, Outcome, Step, Steps},
    record::results::fixture,
};

const STORM: u64 = 7 * SECOND;
const MS: u64 = SECOND / 1000;

fn plan(load: &str) -> Plan {
    fixture::plan(&format!(
        "name = \"tables\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\n{load}\n\
             [[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n"
    ))
}

/// Attempts, each with its start and end in milliseconds of the storm, its code, and its verdict.
fn measured(attempts: &[(u64, u64, u8, Verdict)]) -> Measurements {
    let mut all = Measurements::new(1, 1);
    for (start, end, code, verdict) in attempts {
        let (started, ended) = (STORM + start * MS, STORM + end * MS);
        let attempt = Attempt {
            steps: Steps { tcp: Step::At(started), connack: Step::At(ended), ..Steps::default() },
            ended,
            ..Attempt::example(started, Outcome::Refused(*code))
        };
        all.start(started, started);
        all.record(&attempt, Expectation::Accept, *verdict, STORM, 0);
    }
    all
}

#[test]
fn verdicts_a_second_run_from_the_first_start_to_the_last_connack_overload_included() {
    let plan = plan("stages = [{ rate = 10, for = \"10s\" }]");
    let good = (100, 400, 0x87, Verdict::Correct);
    let one = throughput(&plan, &measured(&[good, (300, 600, 0x87, Verdict::Correct)]), STORM, 0);
    assert!((one.verdicts_per_s - 2.0 / 0.5).abs() < 1e-9, "{one:?}");
    let overload = (300, 2100, 0x97, Verdict::NotJudged);
    let two = throughput(&plan, &measured(&[good, overload]), STORM, 0);
    assert!((two.verdicts_per_s - 1.0 / 2.0).abs() < 1e-9, "{two:?}");
}

#[test]
fn the_offered_rate_is_that_of_the_arrivals_so_far_and_the_closed_model_has_none() {
    let attempts = [0, 500, 1000].map(|start| (start, start + 1, 0x87, Verdict::Correct));
    let open = plan("stages = [{ rate = 10, for = \"10s\" }]");
    let offered = throughput(&open, &measured(&attempts), STORM, 0).offered_per_s.unwrap();
    assert!((offered - 2.0).abs() < 1e-9, "three arrivals part two gaps of 500 ms: {offered}");
    let closed = plan("clients = 3\nconcurrency = 1");
    assert_eq!(throughput(&closed, &measured(&attempts), STORM, 0).offered_per_s, None);
}

#[test]
fn verdicts_are_counted_in_each_100_ms_and_those_without_count_as_well() {
    let plan = plan("stages = [{ rate = 10, for = \"10s\" }]");
    // Slots 0 to 4: 0, 2, 0, 1, and overload alone in the last, which is not over.
    let attempts = [
        (50, 110, 0x87, Verdict::Correct),
        (60, 199, 0x87, Verdict::FalseReject),
        (60, 300, 0x87, Verdict::Correct),
        (60, 450, 0x97, Verdict::NotJudged),
    ];
    let per = throughput(&plan, &measured(&attempts), STORM, 0).per_100ms;
    assert_eq!((per.p1, per.p50, per.p99, per.max), (0, 0, 2, 2));
    let per = throughput(&plan, &measured(&attempts[..2]), STORM, 0).per_100ms;
    assert_eq!((per.p1, per.max), (0, 0), "the slot of both is not over: {per:?}");
    let overload = (900, 1100, 0x97, Verdict::NotJudged);
    let busy = [0, 100, 200].map(|start| (start, start + 50, 0x87, Verdict::Correct));
    let per = throughput(&plan, &measured(&[&busy[..], &[overload]].concat()), STORM, 0).per_100ms;
    assert_eq!((per.p50, per.max), (0, 1), "a second of overload has no verdicts: {per:?}");
    let none = throughput(&plan, &measured(&[]), STORM, 0);
    assert_eq!((none.per_100ms.max, none.offered_per_s), (0, None));
}
