//! What a CONNECT costs to encode, and a CONNACK to read.

use criterion::{Criterion, criterion_group, criterion_main};
use tokenstorm::{
    client::packet::{Connect, FirstPacket},
    scenario::Protocol,
};

fn packets(criterion: &mut Criterion) {
    let token = vec![b'x'; 380];
    for (name, protocol) in [("3.1.1", Protocol::V4), ("5.0", Protocol::V5)] {
        let connect = Connect {
            protocol,
            clean_start: true,
            keep_alive: 60,
            client_id: b"storm-12345",
            username: Some(b"user-12345"),
            password: Some(&token),
            method: None,
            data: None,
            method_twice: false,
            property: None,
            will: None,
        };
        let mut out = Vec::with_capacity(1024);
        criterion.bench_function(&format!("encode CONNECT {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                connect.encode(&mut out)
            });
        });
    }
    criterion.bench_function("read CONNACK 3.1.1", |bencher| {
        bencher.iter(|| FirstPacket::read(&[0x20, 2, 0, 0], Protocol::V4));
    });
    // Session expiry, receive maximum and server keep alive, as brokers send them.
    let long = [0x20, 14, 0, 0, 11, 0x11, 0, 0, 0, 60, 0x21, 0, 16, 0x13, 0, 60];
    criterion.bench_function("read CONNACK 5.0 with properties", |bencher| {
        bencher.iter(|| FirstPacket::read(&long, Protocol::V5));
    });
}

criterion_group!(benches, packets);
criterion_main!(benches);
