use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::*;

#[test]
fn each_version_gets_its_connack_and_the_log_has_the_delay_that_was_asked_for() {
    let delay = Duration::from_millis(30);
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let answers = Pattern::Constant(delay);
    let behaviour = Behaviour { answers, auths: answers, ends: None };
    let responder = Responder::start(at, behaviour, Clock::start()).unwrap();
    let connects: [(&[u8], &[u8]); 3] = [
        (b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a", &[0x20, 2, 0, 0]),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", &[0x20, 2, 0, 0]),
        (b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a", &[0x20, 3, 0, 0, 0]),
    ];
    for (connect, connack) in connects {
        let mut stream = TcpStream::connect(responder.address()).unwrap();
        let (first, rest) = connect.split_at(5);
        stream.write_all(first).unwrap();
        stream.write_all(rest).unwrap();
        let mut answer = vec![0; connack.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, connack);
        stream.write_all(&[0xC0, 0]).unwrap();
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong, [0xD0, 0]);
    }
    let log = responder.stop().unwrap();
    assert_eq!(log.exchanges.len(), 3);
    for exchange in log.exchanges {
        assert!(exchange.delay() >= delay.as_nanos() as u64, "{exchange:?}");
    }
}
