use proptest::prelude::*;

use super::*;
use crate::{
    base::words::Phase,
    client::attempt::{Close, Step, Steps},
};

fn attempts() -> impl Strategy<Value = (Attempt, Expectation, Verdict)> {
    let outcomes = prop_oneof![
        Just(Outcome::Accepted),
        any::<u8>().prop_map(Outcome::Refused),
        Just(Outcome::Closed(Close::Fin)),
        Just(Outcome::Timeout(Phase::Connack)),
        Just(Outcome::TcpFailed("ECONNREFUSED")),
        Just(Outcome::LocalError("EMFILE")),
    ];
    let expected = prop_oneof![Just(Expectation::Accept), Just(Expectation::Indeterminate)];
    let verdicts = prop::sample::select(Verdict::ALL.to_vec());
    let numbers = (0..3_usize, 0..2_usize, 0..10 * SECOND, 0..SECOND, 0..SECOND);
    (outcomes, expected, verdicts, numbers).prop_map(|(outcome, expected, verdict, numbers)| {
        let (kind, broker, scheduled, late, took) = numbers;
        let started = scheduled + late;
        let ended = started + took;
        let answered = outcome.is_answer();
        let tcp = match outcome {
            Outcome::LocalError(_) => Step::NotEntered,
            Outcome::TcpFailed(_) => Step::Unfinished,
            _ => Step::At(started + took / 2),
        };
        let connack = match tcp {
            Step::At(_) if answered => Step::At(ended),
            Step::At(_) => Step::Unfinished,
            _ => Step::NotEntered,
        };
        let attempt = Attempt {
            kind,
            broker,
            scheduled,
            steps: Steps { tcp, connack, ..Steps::default() },
            sent: started + took / 2,
            ended,
            ..Attempt::example(started, outcome)
        };
        (attempt, expected, verdict)
    })
}

fn recorded(attempts: &[(Attempt, Expectation, Verdict)]) -> Measurements {
    let mut all = Measurements::new(3, 2);
    for (attempt, expected, verdict) in attempts {
        all.start(attempt.started, attempt.scheduled);
        all.record(attempt, *expected, *verdict, 0, SECOND);
    }
    all
}

fn seen(all: &Measurements) -> impl PartialEq + std::fmt::Debug {
    let times: Vec<Option<(u64, u64, u64)>> = all
        .times
        .cells
        .iter()
        .flat_map(|cell| &cell.times)
        .map(|times| {
            let times = times.as_ref().filter(|times| !times.is_empty())?;
            Some((times.len(), times.max(), times.value_at_quantile(0.5)))
        })
        .collect();
    let cells = all.times.cells.iter();
    let unfinished: Vec<(u64, u64)> = cells.map(|cell| (cell.unfinished, cell.timed_out)).collect();
    let sums = (all.sums.clone(), all.marks.clone(), all.findings.len());
    (times, unfinished, all.tallies(), all.slots.clone(), sums)
}

proptest! {
    // For all attempts: merge(a, b) = recording all.
    #[test]
    fn merging_two_recorders_is_recording_all_in_one(
        a in prop::collection::vec(attempts(), 0..40),
        b in prop::collection::vec(attempts(), 0..40),
    ) {
        let mut merged = recorded(&a);
        merged.merge(&recorded(&b));
        let all = recorded(&[a, b].concat());
        prop_assert_eq!(seen(&merged), seen(&all));
    }

    // For all attempts and all splits of them: recorded apart, sent, read and merged is recorded in one.
    #[test]
    fn recorders_that_were_sent_merge_as_if_all_were_recorded_in_one(
        all in prop::collection::vec((attempts(), 0..5_usize), 0..60),
        starts in prop::collection::vec(0..10 * SECOND, 5),
    ) {
        let (mut encoder, mut decoder) = (wire::Encoder::default(), wire::Decoder::default());
        let of = |segment: Option<usize>| -> Vec<_> {
            let own = all.iter().filter(|(_, of)| segment.is_none_or(|segment| segment == *of));
            own.map(|(attempt, _)| *attempt).collect()
        };
        let whole = recorded(&of(None));
        let mut merged = whole.alike();
        for (segment, start) in starts.iter().enumerate() {
            let mut sent = recorded(&of(Some(segment)));
            // Each has another clock.
            sent.moved(-(*start as i64));
            let bytes = encoder.encode(&sent).unwrap();
            let mut read = merged.alike();
            decoder.decode(&bytes, &mut read).unwrap();
            read.moved(*start as i64);
            merged.merge(&read);
        }
        prop_assert_eq!(seen(&merged), seen(&whole));
        let counts = |of: &Measurements| -> Vec<Vec<(u64, u32)>> {
            of.times.cells.iter().flat_map(|cell| &cell.times).map(|times| times.as_deref().map(|times| times.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect()).unwrap_or_default()).collect()
        };
        prop_assert_eq!(counts(&merged), counts(&whole), "bucket for bucket");
        let found = |of: &Measurements| {
            let mut found: Vec<String> = of.findings.iter().map(|finding| format!("{finding:?}")).collect();
            found.sort();
            found
        };
        prop_assert_eq!(found(&merged), found(&whole));
    }

    // For all bytes: damage is noticed or harmless, and never more than that.
    #[test]
    fn damaged_bytes_are_refused_or_read_and_never_a_panic(
        all in prop::collection::vec(attempts(), 1..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = wire::Encoder::default().encode(&recorded(&all)).unwrap();
        bytes.truncate(cut.index(bytes.len()) + 1);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut read = Measurements::new(3, 2);
        if wire::Decoder::default().decode(&bytes, &mut read).is_ok() && read.lies_within(0, 20 * SECOND, 0) {
            let mut merged = Measurements::new(3, 2);
            merged.merge(&read);
        }
    }

    // For all attempts: nothing is lost on the way from attempts to outcomes, verdicts and phases.
    #[test]
    fn attempts_outcomes_verdicts_and_phases_are_conserved(all in prop::collection::vec(attempts(), 0..60)) {
        let measured = recorded(&all);
        let started = all.len() as u64;
        prop_assert_eq!((measured.attempts(), measured[Count::Started]), (started, started));
        let counted = |is_it: &dyn Fn(&Tally) -> bool| -> usize {
            let tallies = measured.tallies();
            tallies.iter().filter(|(tally, _)| is_it(tally)).map(|(_, count)| *count as usize).sum()
        };
        for (attempt, _, verdict) in &all {
            let is_outcome = |tally: &Tally| tally.outcome == attempt.outcome;
            let outcomes = all.iter().filter(|(other, ..)| other.outcome == attempt.outcome).count();
            prop_assert_eq!(counted(&is_outcome), outcomes);
            let verdicts = all.iter().filter(|(.., other)| other == verdict).count();
            prop_assert_eq!(counted(&|tally| tally.verdict == *verdict), verdicts);
        }
        for phase in Phase::ALL {
            let entered = all.iter().filter(|(attempt, ..)| {
                attempt.scheduled >= SECOND && attempt.phases().any(|(entered, _)| entered == phase)
            }).count() as u64;
            let latency = measured.latency(phase, None, None, None);
            prop_assert_eq!(latency.times.map_or(0, |times| times.len()) + latency.unfinished, entered);
        }
    }

    // For all recorders: one that was cleared records as a new one does.
    #[test]
    fn a_cleared_recorder_is_as_new(
        a in prop::collection::vec(attempts(), 0..20),
        b in prop::collection::vec(attempts(), 1..20),
    ) {
        let mut used = recorded(&a);
        for count in Count::ALL {
            used[count] = 3;
        }
        used.count_drop(0, Code::Word("fin"));
        used.clear();
        for (attempt, expected, verdict) in &b {
            used.start(attempt.started, attempt.scheduled);
            used.record(attempt, *expected, *verdict, 0, SECOND);
        }
        let fresh = recorded(&b);
        prop_assert_eq!(seen(&used), seen(&fresh));
        prop_assert_eq!(&used.dropped, &fresh.dropped);
    }
}

#[test]
fn every_number_of_a_recorder_is_sent_moved_and_merged() {
    let mut sent = Measurements::new(1, 1);
    for (number, count) in Count::ALL.into_iter().enumerate() {
        // No attempt has an outcome: what comes of attempts can't have come. What has times has them below.
        let has_a_bound = matches!(
            count,
            Count::Untimed
                | Count::Held
                | Count::LaterEnded
                | Count::EndedAfter
                | Count::Back
                | Count::Renewed
                | Count::RenewalsLate
                | Count::RenewalsLateBy100Ms
                | Count::RenewalsLateBy1S
                | Count::RenewalsAtHalf
                | Count::AuthMethodMissing
                | Count::RowsEnded
                | Count::Drops
                | Count::GaveUp
                | Count::StillAway
        );
        if !has_a_bound {
            sent[count] = number as u64 + 1;
        }
    }
    for why in [Count::GaveUp, Count::StillAway] {
        sent.dropped_at(5 * SECOND, 0);
        sent.stays_away(why, (0, 0));
    }
    for mark in Mark::ALL {
        sent.marks.note(mark, 5 * SECOND);
    }
    let bytes = wire::Encoder::default().encode(&sent).unwrap();
    let mut read = sent.alike();
    wire::Decoder::default().decode(&bytes, &mut read).unwrap();
    assert_eq!((&read.sums, &read.marks), (&sent.sums, &sent.marks));
    read.moved(SECOND as i64);
    let mut merged = sent.alike();
    merged.merge(&sent);
    merged.merge(&read);
    for (count, number) in sent.sums.iter() {
        assert_eq!(merged[count], 2 * number, "{count}");
    }
    let marks = Mark::ALL.map(|mark| merged.mark(mark));
    assert_eq!(marks, [Some(5 * SECOND), Some(6 * SECOND), Some(6 * SECOND)]);
}
