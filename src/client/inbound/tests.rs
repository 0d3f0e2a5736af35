use proptest::prelude::*;

use super::*;
use crate::client::packet::Connack;

/// A packet in a word.
fn word(incoming: Incoming<'_>) -> String {
    match incoming {
        Incoming::Packet(Packet::PingResp) => "pong".into(),
        Incoming::Packet(Packet::Publish(_)) | Incoming::Long => "message".into(),
        Incoming::Wrong(_) => "wrong".into(),
        Incoming::Packet(other) => format!("{other:?}"),
    }
}

/// What is read of bytes that come in pieces of this size, and what is kept of them at most.
fn in_pieces(bytes: &[u8], size: usize, protocol: Protocol) -> (Vec<String>, usize, Inbound) {
    let (mut inbound, mut read, mut most) = (Inbound::default(), Vec::new(), 0);
    for mut piece in bytes.chunks(size) {
        while let Some(incoming) = inbound.next(&mut piece, protocol) {
            let ends =
                matches!(incoming, Incoming::Wrong(_) | Incoming::Packet(Packet::Disconnect(_)));
            read.push(word(incoming));
            if ends {
                return (read, most, inbound);
            }
        }
        assert!(piece.is_empty(), "all is taken");
        most = most.max(inbound.kept());
    }
    (read, most, inbound)
}

/// A message of 5.0 with so many bytes in its payload.
fn publish(payload: usize) -> Vec<u8> {
    let mut packet = vec![0x30];
    let mut length = payload + 4;
    while length > 127 {
        packet.push((length % 128) as u8 | 128);
        length /= 128;
    }
    packet.push(length as u8);
    packet.extend_from_slice(&[0, 1, b'a', 0]);
    packet.resize(packet.len() + payload, b'x');
    packet
}

#[test]
fn a_session_takes_pongs_disconnects_and_nothing_twice() {
    let bytes = [0xD0, 0, 0xE0, 1, 0x8E];
    let (read, ..) = in_pieces(&bytes, bytes.len(), Protocol::V5);
    assert_eq!(read, ["pong", "Disconnect(142)"]);
    let (read, ..) = in_pieces(&[0xD0, 0, 0x20, 3, 0, 0, 0, 0xD0], 8, Protocol::V5);
    assert_eq!(read, ["pong", "wrong"], "a second CONNACK");
    let (read, _, half) = in_pieces(&[0xD0], 1, Protocol::V5);
    assert!(read.is_empty() && half.is_in_packet(), "half a PINGRESP");
    let (read, ..) = in_pieces(&[0xE0, 0], 1, Protocol::V4);
    assert_eq!(read, ["Disconnect(0)"], "a DISCONNECT of 3.1.1");
    let (read, ..) = in_pieces(&[0xE0, 1, 0x87], 1, Protocol::V4);
    assert_eq!(read, ["wrong"], "a DISCONNECT of 3.1.1 has no body");
    // A long reason does not hide the code, and is not waited for.
    let (read, ..) = in_pieces(&[0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 0x8B, 1, 2], 3, Protocol::V5);
    assert_eq!(read, ["Disconnect(139)"]);
}

#[test]
fn messages_of_every_length_are_passed_over_in_any_pieces_and_not_kept() {
    let mut bytes = Vec::new();
    for payload in [0, 1, 100, 122, 123, 1_000, 1_020, 1_021, 20_000] {
        bytes.extend(publish(payload));
        bytes.extend([0xD0, 0]);
    }
    let wanted = ["message", "pong"].repeat(9);
    for size in [1, 2, 5, 1_023, 1_024, 16_384, bytes.len()] {
        let (read, most, inbound) = in_pieces(&bytes, size, Protocol::V5);
        assert_eq!(read, wanted, "{size}");
        assert!(most <= LONGEST_KEPT && !inbound.is_in_packet(), "{size}: {most}");
    }
}

#[test]
fn what_is_announced_takes_no_memory_before_it_comes_and_after() {
    let mut inbound = Inbound::default();
    // The longest packet that there is: 256 MiB.
    let mut head = &[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..];
    assert_eq!(inbound.next(&mut head, Protocol::V5), None);
    let chunk = vec![0; 16_384];
    let mut left = 268_435_455_usize;
    while left > 0 {
        let mut here = &chunk[..chunk.len().min(left)];
        left -= here.len();
        let read = inbound.next(&mut here, Protocol::V5);
        assert_eq!(read, (left == 0).then_some(Incoming::Long));
    }
    assert!(inbound.kept.capacity() < 100 && !inbound.is_in_packet());
    // A head of five bytes is none (MQTT 5.0, 1.5.5).
    let (read, ..) = in_pieces(&[0x30, 255, 255, 255, 255, 1], 1, Protocol::V5);
    assert_eq!(read, ["wrong"]);
}

#[test]
fn a_connack_in_pieces_is_kept_and_what_follows_it_is_not_its_own() {
    let whole = [0x20, 6, 0, 0, 3, 0x13, 1, 44, 0xD0, 0];
    let mut inbound = Inbound::default();
    for byte in &whole[..7] {
        assert_eq!(inbound.connack(&[*byte], Protocol::V5), FirstPacket::Incomplete);
    }
    let connack = Connack { server_keep_alive: Some(300), ..Connack::default() };
    let complete = FirstPacket::Connack(connack, 8);
    assert_eq!(inbound.connack(&whole[7..], Protocol::V5), complete);
    assert_eq!(inbound.kept() - 8, 2);
}

proptest! {
    // For all bytes, in all pieces: the same, and no panic.
    #[test]
    fn pieces_do_not_matter(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0xD0), Just(0x30), Just(0), Just(5)], 0..200
        ),
        size in 1_usize..20,
        is_v5: bool,
    ) {
        let protocol = if is_v5 { Protocol::V5 } else { Protocol::V4 };
        let whole = in_pieces(&bytes, bytes.len().max(1), protocol);
        prop_assert_eq!(whole.0, in_pieces(&bytes, size, protocol).0);
    }
}
