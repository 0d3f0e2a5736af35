use super::*;
use crate::{
    client::{
        attempt::{Close, Code, Step, Steps},
        verdict::Expectation,
    },
    record::measure::{KeyAnswer, Session, pending::Pending, signs::Site},
};

/// What is forged of it.
type Forge = fn(&mut Sheet<Measurements>);

/// A recorder of two kinds of token and one broker, with one attempt that was accepted, whose session ended early, and one that
/// the broker closed.
fn recorded() -> Measurements {
    let attempt = |outcome, connack| Attempt {
        scheduled: 0,
        steps: Steps { tcp: Step::At(2), connack, ..Steps::default() },
        sent: 3,
        ended: 5,
        ..Attempt::example(1, outcome)
    };
    let mut seen = Measurements::new(2, 1);
    let good = attempt(Outcome::Accepted, Step::At(5));
    let closed = attempt(Outcome::Closed(Close::Fin), Step::Unfinished);
    for of in [&good, &closed] {
        seen.start(of.started, of.scheduled);
    }
    seen.record(&good, Expectation::Accept, Verdict::Correct, 0, 0);
    seen.count_held(0);
    seen.count_drop(0, Code::Word("fin"));
    let site = Site { broker: 0, address: ([127, 0, 0, 1], 1883).into() };
    let (expected, verdict) = (Expectation::Accept, Verdict::FalseReject);
    seen.record_closed(Pending { attempt: closed, site, expected, verdict, in_time: true }, 0);
    seen
}

/// Whether a recorder of that shape takes what was recorded, after this was done to it on the way.
fn is_taken(forge: impl FnOnce(&mut Sheet<Measurements>)) -> bool {
    let bytes = Encoder::default().encode(&recorded()).unwrap();
    let mut sheet: Sheet<Measurements> = postcard::from_bytes(&bytes).unwrap();
    forge(&mut sheet);
    let bytes = postcard::to_stdvec(&sheet).unwrap();
    let mut into = recorded().alike();
    Decoder::default().decode(&bytes, &mut into).is_ok()
}

#[test]
fn what_does_not_add_up_within_itself_is_refused() {
    assert!(is_taken(|_| {}), "as it was sent");
    let forged: [(&str, Forge); 15] = [
        ("attempts that entered no phase", |of| of.rest.tallies.0[0].1 += 1),
        ("a phase that was entered more often than there were attempts", |of| {
            let times = of.cells[0].1.times.clone();
            of.cells
                .push((Phase::Token as usize, CellSheet { times, unfinished: 2, timed_out: 0 }));
        }),
        ("phases that no attempt entered", |of| of.rest.tallies.0[0].1 = 0),
        ("attempts whose sum wraps", |of| {
            of.rest.tallies.0[0].1 = u64::MAX;
            let again = of.rest.tallies.0[0];
            of.rest.tallies.0.push(again);
        }),
        ("more judged in a slot than attempts", |of| of.rest.slots.counts = vec![u32::MAX; 10]),
        ("more untimed than attempts", |of| of.rest[Count::Untimed] = 1 << 39),
        ("an unsettled attempt that is not counted", |of| {
            let again = of.rest.pending[0];
            of.rest.pending.push(again);
        }),
        ("an unsettled attempt that was answered", |of| {
            of.rest.pending[0].attempt.outcome = Outcome::Accepted;
        }),
        ("more sessions than attempts", |of| (0..2).for_each(|_| of.rest.count_held(0))),
        ("a session at a broker that is none of the run's", |of| {
            of.rest.count_drop(99, Code::Status(1));
        }),
        ("sessions that hold at no broker", |of| of.rest[Count::Held] += 1),
        ("sessions that hold at brokers and not in the run", |of| {
            of.rest.sessions.add((0, Session::Held), 1);
        }),
        ("sessions that ended at brokers and of nothing", |of| {
            of.rest.sessions.add((0, Session::Dropped), 1 << 39);
        }),
        ("sessions that ended at no broker", |of| of.rest.dropped.add(Code::Status(1), 1)),
        ("answers that nobody asked for", |of| {
            of.rest.answers.push(KeyAnswer {
                sent: 0,
                ended: 0,
                kind: 0,
                broker: 0,
                key: Some(9),
                accepted: true,
                in_time: true,
            });
        }),
    ];
    for (what, forge) in forged {
        assert!(!is_taken(forge), "{what}");
    }
}

#[test]
fn more_is_not_listed_than_attempts_can_bring_about() {
    let forged: [(&str, Forge); 4] = [
        ("histograms", |of| {
            let again = |cell: &CellSheet| CellSheet { times: cell.times.clone(), ..*cell };
            of.cells = (0..100).map(|_| (of.cells[0].0, again(&of.cells[0].1))).collect();
        }),
        ("outcomes", |of| of.rest.tallies.0 = vec![of.rest.tallies.0[0]; 10_000]),
        ("handshakes", |of| {
            of.rest.handshakes.0 = vec![((0, (false, 1, 1).into()), 1); 1000];
        }),
        ("ends of sessions", |of| {
            (0..2000).for_each(|code| of.rest.count_drop(0, Code::Status(code)));
        }),
    ];
    for (what, forge) in forged {
        assert!(!is_taken(forge), "{what}");
    }
}
