//! What a session costs that is held: its timers, from CONNACK to the client's leaving.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tokenstorm::{
    base::clock::SECOND,
    client::{
        outbox::Outbox,
        packet::{Connack, FirstPacket, PINGRESP},
        session::{ExpiryWatch, Session, Settings},
    },
    scenario::{EndsOn, Protocol},
};

fn connack() -> Connack<'static> {
    match FirstPacket::read(&[0x20, 3, 0, 0, 0], Protocol::V5) {
        FirstPacket::Connack(connack, _) => connack,
        other => panic!("{other:?}"),
    }
}

/// Clients that stay for a minute; the end of a token is watched where `ends`.
fn settings(ends: bool) -> Settings {
    Settings {
        protocol: Protocol::V5,
        keep_alive: 60,
        leaves_at: 60 * SECOND,
        expiry: ends.then_some(ExpiryWatch {
            probes_at: 31 * SECOND,
            outlived_at: 40 * SECOND,
            ends_on: EndsOn::Packet,
        }),
        renews_at: ends.then_some(25 * SECOND),
        salt: 1,
    }
}

fn sessions(criterion: &mut Criterion) {
    for (name, ends) in
        [("a session without an end of its token", false), ("a session with one", true)]
    {
        criterion.bench_function(&format!("open {name}"), |bencher| {
            bencher
                .iter(|| Session::new(black_box(settings(ends)), &connack(), Outbox::default(), 0));
        });
        criterion.bench_function(&format!("when the next timer is due: {name}"), |bencher| {
            let session = Session::new(settings(ends), &connack(), Outbox::default(), 0);
            bencher.iter(|| black_box(&session).due());
        });
        criterion.bench_function(
            &format!("all timers, from CONNACK to leaving: {name}"),
            |bencher| {
                bencher.iter(|| {
                    let mut session =
                        Session::new(settings(ends), &connack(), Outbox::default(), 0);
                    let mut events = 0_u32;
                    while let Some(due) = session.due() {
                        // Whatever it sends is taken, and each ping answered.
                        while session.on_due(due, false).is_some() {
                            events += 1;
                        }
                        let sent = session.outbox().outgoing().len();
                        session.outbox().sent(sent);
                        if session.awaits_answer() {
                            session.handle(&mut &PINGRESP[..], due);
                        }
                    }
                    events
                });
            },
        );
    }
}

criterion_group!(benches, sessions);
criterion_main!(benches);
