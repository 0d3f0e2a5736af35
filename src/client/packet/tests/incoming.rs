//! Packets of a broker, held against `rumqttc`'s codec.

use bytes::BytesMut;
use proptest::prelude::*;
use rumqttc::{mqttbytes::v4, v5::mqttbytes::v5};

use crate::{
    client::packet::{Ack, Auth, FirstPacket, Packet, Publish},
    scenario::Protocol,
};

/// The longest packet here: its length takes one byte.
const LONGEST: usize = 127;

/// Bytes that are often those of a packet.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[
        &[0, 0],
        &[0, 7],
        &[0, 1, b'a'],
        &[0, 2, 0xFF, 0xFE],
        &[3, 0x13, 0, 9],
        &[3, 0x21, 0, 9],
        &[2, 0x24, 1],
        &[4, 0x12, 0, 1, b'x'],
        &[4, 0x1F, 0, 1, b'r'],
        &[7, 0x26, 0, 1, b'k', 0, 1, b'v'],
        &[3, 0x23, 0, 1],
        &[5, 0x11, 0, 0, 0, 1],
        &[5, 0x02, 0, 0, 0, 1],
        &[2, 0x01, 1],
        &[2, 0x29, 1],
        &[4, 0x09, 0, 1, 0xFF],
        &[4, 0x15, 0, 1, b'm'],
        &[4, 0x16, 0, 1, 0xFF],
        &[0],
        &[1],
        &[0x80],
        &[0x87],
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let pieces = prop::collection::vec(piece, 0..5);
    pieces.prop_map(|pieces| pieces.concat().into_iter().take(LONGEST).collect())
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, body.len() as u8][..], body].concat()
}

/// What `rumqttc` reads in 3.1.1, in our words; `None` where it reads nothing.
fn of_v4(packet: &[u8]) -> Option<String> {
    Some(match v4::Packet::read(&mut BytesMut::from(packet), LONGEST).ok()? {
        v4::Packet::Publish(it) => {
            publish(it.qos as u8, (it.dup, it.retain), it.pkid, it.topic.as_bytes(), &it.payload)
        }
        v4::Packet::PubAck(it) => format!("{:?}", Packet::PubAck(Ack { id: it.pkid, code: 0 })),
        v4::Packet::PubRec(it) => format!("{:?}", Packet::PubRec(Ack { id: it.pkid, code: 0 })),
        v4::Packet::PubRel(it) => format!("{:?}", Packet::PubRel(Ack { id: it.pkid, code: 0 })),
        v4::Packet::PubComp(it) => format!("{:?}", Packet::PubComp(Ack { id: it.pkid, code: 0 })),
        v4::Packet::SubAck(it) => format!("SubAck {}", it.pkid),
        v4::Packet::UnsubAck(it) => format!("UnsubAck {}", it.pkid),
        v4::Packet::PingResp => "PingResp".into(),
        _ => return None,
    })
}

fn publish(qos: u8, (dup, retain): (bool, bool), id: u16, topic: &[u8], payload: &[u8]) -> String {
    let packet = Publish { qos, is_duplicate: dup, is_retained: retain, id, topic, payload };
    format!("{:?}", Packet::Publish(packet))
}

/// The same in 5.0. Acknowledgements are named by their ids: codes are taken as they are here, and by name there.
fn of_v5(packet: &[u8]) -> Option<String> {
    Some(match v5::Packet::read(&mut BytesMut::from(packet), None).ok()? {
        v5::Packet::Publish(it) => {
            publish(it.qos as u8, (it.dup, it.retain), it.pkid, &it.topic, &it.payload)
        }
        v5::Packet::PubAck(it) => format!("PubAck {}", it.pkid),
        v5::Packet::PubRec(it) => format!("PubRec {}", it.pkid),
        v5::Packet::PubRel(it) => format!("PubRel {}", it.pkid),
        v5::Packet::PubComp(it) => format!("PubComp {}", it.pkid),
        v5::Packet::SubAck(it) => format!("SubAck {}", it.pkid),
        v5::Packet::UnsubAck(it) => format!("UnsubAck {}", it.pkid),
        v5::Packet::PingResp(_) => "PingResp".into(),
        _ => return None,
    })
}

/// What is read here, in the same words, and the reason codes in it.
fn ours(read: Packet<'_>, protocol: Protocol) -> (String, Vec<u8>) {
    let ack = |name: &str, ack: Ack| (format!("{name} {}", ack.id), vec![ack.code]);
    match read {
        Packet::SubAck(it) => (format!("SubAck {}", it.id), it.codes.to_vec()),
        Packet::UnsubAck(it) => (format!("UnsubAck {}", it.id), it.codes.to_vec()),
        Packet::PubAck(it) if protocol == Protocol::V5 => ack("PubAck", it),
        Packet::PubRec(it) if protocol == Protocol::V5 => ack("PubRec", it),
        Packet::PubRel(it) if protocol == Protocol::V5 => ack("PubRel", it),
        Packet::PubComp(it) if protocol == Protocol::V5 => ack("PubComp", it),
        Packet::PingResp => ("PingResp".into(), Vec::new()),
        other => (format!("{other:?}"), Vec::new()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever the codec reads is read here, and the same; and nothing else but codes that it does not know.
    #[test]
    fn packets_are_read_as_the_codec_reads_them(
        kind in prop::sample::select(&[3_u8, 4, 5, 6, 7, 9, 11, 13][..]),
        flags in 0_u8..16,
        body in body(),
        is_v5: bool,
    ) {
        let protocol = if is_v5 { Protocol::V5 } else { Protocol::V4 };
        // The codec takes a ping's answer for one whatever it holds (MQTT 5.0, 3.13).
        let (flags, body) = if kind == 13 { (0, Vec::new()) } else { (flags, body) };
        // And it counts a Subscription Identifier twice.
        let body: Vec<u8> = body.into_iter().filter(|byte| *byte != 0x0B).collect();
        let packet = packet(kind << 4 | flags, &body);
        let theirs = if is_v5 { of_v5(&packet) } else { of_v4(&packet) };
        let read = Packet::read(&packet, 2, protocol).map(|read| ours(read, protocol));
        match (theirs, read) {
            (Some(theirs), Some((ours, _))) => prop_assert_eq!(theirs, ours),
            (None, Some((_, codes))) => {
                let is_unknown = |code: &u8| {
                    let read = |code| if is_v5 {
                        of_v5(&with_code(kind, code))
                    } else {
                        of_v4(&with_code(kind, code))
                    };
                    read(0).is_some() && read(*code).is_none()
                };
                prop_assert!(codes.iter().any(is_unknown), "{:?}: {:?}", packet, codes);
            }
            (theirs, None) => prop_assert_eq!(theirs, None),
        }
    }

    /// CONNACK, too: whatever the codec reads is read here, and the same.
    #[test]
    fn connack_is_read_as_the_codec_reads_it(flags in 0_u8..3, body in body()) {
        let packet = packet(0x20, &[&[flags, 0][..], &body].concat());
        let theirs = match v5::Packet::read(&mut BytesMut::from(&packet[..]), None) {
            Ok(v5::Packet::ConnAck(it)) if flags < 2 => Some(it),
            _ => None,
        };
        let FirstPacket::Connack(ours, length) = FirstPacket::read(&packet, Protocol::V5) else {
            prop_assert_eq!(theirs, None);
            return Ok(());
        };
        // In a hurry it is not looked at what follows.
        prop_assert!(length == packet.len() || (packet[1], length) == (3, 5));
        let theirs = theirs.expect("the codec reads it, too");
        prop_assert_eq!(ours.session_present, theirs.session_present);
        let theirs = theirs.properties;
        let theirs = theirs.as_ref();
        prop_assert_eq!(ours.receive_maximum, theirs.and_then(|it| it.receive_max));
        prop_assert_eq!(ours.maximum_qos, theirs.and_then(|it| it.max_qos));
        prop_assert_eq!(ours.server_keep_alive, theirs.and_then(|it| it.server_keep_alive));
        let id = theirs.and_then(|it| it.assigned_client_identifier.as_deref());
        prop_assert_eq!(ours.assigned_client_identifier, id);
        let method = theirs.and_then(|it| it.authentication_method.as_deref());
        prop_assert_eq!(ours.authentication_method, method);
        let data = theirs.and_then(|it| it.authentication_data.as_deref());
        prop_assert_eq!(ours.authentication_data, data);
    }

    /// For all bytes: nothing that a broker sends makes a reader panic.
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), first: u8) {
        for protocol in [Protocol::V4, Protocol::V5] {
            let _ = FirstPacket::read(&bytes, protocol);
            let _ = FirstPacket::read(&[&[0x20][..], &bytes].concat(), protocol);
            let _ = Packet::read(&[&[first][..], &bytes].concat(), 2, protocol);
        }
    }
}

/// An acknowledgement with this code.
fn with_code(kind: u8, code: u8) -> Vec<u8> {
    let first = kind << 4;
    match kind {
        9 | 11 => packet(first, &[0, 1, 0, code]),
        _ => packet(first, &[0, 1, code]),
    }
}

#[test]
fn a_step_of_authentication_is_read_with_what_the_broker_left_out() {
    let read = |packet: &'static [u8]| Packet::read(packet, 2, Protocol::V5);
    let auth = |code, method, data| Some(Packet::Auth(Auth { code, method, data }));
    assert_eq!(read(&[0xF0, 0]), auth(0, None, None));
    assert_eq!(read(&[0xF0, 1, 0x18]), auth(0x18, None, None));
    assert_eq!(read(&[0xF0, 2, 0, 0]), auth(0, None, None));
    let long = [0xF0, 12, 0x18, 10, 0x15, 0, 1, b'M', 0x16, 0, 3, 1, 2, 3];
    let long: &'static [u8] = long.to_vec().leak();
    assert_eq!(read(long), auth(0x18, Some("M"), Some(&[1, 2, 3])));
    // A property of CONNACK alone.
    assert_eq!(read(&[0xF0, 5, 0, 3, 0x13, 0, 1]), None);
    assert_eq!(Packet::read(&[0xF0, 0], 2, Protocol::V4), None, "3.1.1 has none");
}
