use proptest::prelude::*;

use super::*;

/// A frame of a server with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65_536 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// What comes of bytes that arrive in pieces of this size: MQTT, frames that carry nothing, and the end.
fn in_pieces(bytes: &[u8], size: usize) -> (Vec<u8>, u32, Option<End>, Frames) {
    let (mut frames, mut mqtt, mut empty) = (Frames::default(), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let taken = frames.take(&mut piece);
        mqtt.extend_from_slice(&piece[..taken.bytes]);
        empty += taken.empty;
        if taken.end.is_some() {
            return (mqtt, empty, taken.end, frames);
        }
    }
    (mqtt, empty, None, frames)
}

#[test]
fn messages_come_through_whatever_frames_and_pieces_they_come_in() {
    let long = vec![7; 70_000];
    let mut bytes = frame(0x82, &[1, 2]);
    bytes.extend(frame(0x02, &[3]));
    bytes.extend(frame(0x89, b"hi"));
    bytes.extend(frame(0x00, &[]));
    bytes.extend(frame(0x80, &[4]));
    bytes.extend(frame(0x8A, b"who asked?"));
    bytes.extend(frame(0x82, &long));
    let wanted = [&[1, 2, 3, 4], &long[..]].concat();
    for size in [1, 2, 3, 7, 16_384, bytes.len()] {
        let (mqtt, empty, end, mut frames) = in_pieces(&bytes, size);
        assert_eq!((mqtt == wanted, empty, end), (true, 3, None), "{size}");
        assert_eq!(frames.asked().as_deref(), Some(&b"hi"[..]), "{size}");
        assert_eq!(frames.asked(), None);
    }
}

#[test]
fn what_a_server_must_not_send_has_its_word_and_what_came_before_is_kept() {
    let masked = [0x82, 0x81, 0, 0, 0, 0, 1];
    let length_of_64_bits = [0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0];
    for (bytes, end) in [
        (frame(0x81, b"hello"), End::Wrong("ws_text")),
        (frame(0xC2, &[1]), End::Wrong("ws_frame")),
        (frame(0x83, &[1]), End::Wrong("ws_frame")),
        (frame(0x8B, &[1]), End::Wrong("ws_frame")),
        (frame(0x80, &[1]), End::Wrong("ws_frame")),
        (frame(0x09, &[1]), End::Wrong("ws_frame")),
        (frame(0x89, &[1; 126]), End::Wrong("ws_frame")),
        (frame(0x88, &[1]), End::Wrong("ws_frame")),
        (masked.to_vec(), End::Wrong("ws_frame")),
        (length_of_64_bits.to_vec(), End::Wrong("ws_frame")),
        ([frame(0x02, &[1]), frame(0x82, &[1])].concat(), End::Wrong("ws_frame")),
        (frame(0x88, &[3, 0xE8]), End::Closed),
        (frame(0x88, &[]), End::Closed),
    ] {
        let whole = [frame(0x82, &[9]), bytes].concat();
        let (mqtt, _, found, _) = in_pieces(&whole, whole.len());
        assert_eq!((mqtt[0], found), (9, Some(end)), "{whole:?}");
    }
}

#[test]
fn a_message_that_never_ends_is_not_kept() {
    let mut frames = Frames::default();
    // 2^62 bytes are announced.
    let mut head = [0x82, 0x7F, 0x40, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(frames.take(&mut head), Taken::default());
    for _ in 0..100 {
        let mut more = [1; 10_000];
        assert_eq!(frames.take(&mut more).bytes, 10_000);
    }
    assert!(frames.head.capacity() + frames.ping.capacity() < 1_000);
    let mut nothing = [0x00, 0x00].repeat(1_000);
    let mut started = Frames::default();
    started.take(&mut frame(0x02, &[1]));
    assert_eq!(started.take(&mut nothing).empty, 1_000);
}

proptest! {
    // For all bytes, in all pieces: the same, and no panic.
    #[test]
    fn pieces_do_not_matter(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x82), Just(0)], 0..300),
        size in 1_usize..40,
    ) {
        let (whole, parts) = (in_pieces(&bytes, bytes.len().max(1)), in_pieces(&bytes, size));
        prop_assert_eq!((whole.0, whole.1, whole.2), (parts.0, parts.1, parts.2));
    }
}
