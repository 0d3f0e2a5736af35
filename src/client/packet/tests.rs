use bytes::BytesMut;
use rumqttc::{mqttbytes::v4, v5::mqttbytes::v5};

use super::*;
use crate::scenario::Protocol;

mod incoming;

/// Longer than any packet here.
const LONGEST: usize = 1 << 20;

fn connect<'a>(
    protocol: Protocol,
    username: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
) -> Connect<'a> {
    Connect {
        protocol,
        clean_start: true,
        keep_alive: 60,
        client_id: b"storm-1",
        username,
        password,
        method: None,
        data: None,
        method_twice: false,
        property: None,
        will: None,
    }
}

#[test]
fn the_codec_reads_back_what_was_encoded() {
    for (username, password) in [(Some("user"), Some("token")), (Some("user"), None), (None, None)]
    {
        let mut out = Vec::new();
        let login = (username.map(str::as_bytes), password.map(str::as_bytes));
        connect(Protocol::V4, login.0, login.1).encode(&mut out).unwrap();
        let v4::Packet::Connect(read) =
            v4::Packet::read(&mut BytesMut::from(&out[..]), LONGEST).unwrap()
        else {
            panic!("not a CONNECT")
        };
        assert_eq!(read.client_id, "storm-1");
        assert_eq!(read.keep_alive, 60);
        let expected =
            username.map(|user| (user.to_owned(), password.unwrap_or_default().to_owned()));
        assert_eq!(read.login.map(|login| (login.username, login.password)), expected);

        out.clear();
        connect(Protocol::V5, login.0, login.1).encode(&mut out).unwrap();
        let v5::Packet::Connect(read, _, login) =
            v5::Packet::read(&mut BytesMut::from(&out[..]), None).unwrap()
        else {
            panic!("not a CONNECT")
        };
        assert_eq!((read.client_id.as_str(), read.clean_start), ("storm-1", true));
        assert_eq!(login.map(|login| (login.username, login.password)), expected);
    }
}

#[test]
fn an_empty_password_is_sent_with_its_flag_and_a_binary_one_as_it_is() {
    let mut out = Vec::new();
    connect(Protocol::V4, Some(b"u"), Some(b"")).encode(&mut out).unwrap();
    assert_eq!(out[9], 0b1100_0010, "user name, password, clean session");
    assert!(out.ends_with(&[0, 1, b'u', 0, 0]));
    out.clear();
    connect(Protocol::V5, Some(b"u"), Some(&[0xFF, 0x00])).encode(&mut out).unwrap();
    assert!(out.ends_with(&[0, 2, 0xFF, 0x00]));
}

#[test]
fn the_codec_reads_back_properties_and_a_will() {
    for length in [3, 200, 20_000] {
        let token = vec![b'x'; length];
        let odd = Connect {
            method: Some(b"M"),
            property: Some(&token),
            will: Some(&token),
            ..connect(Protocol::V5, Some(b"u"), Some(b"p"))
        };
        let mut out = Vec::new();
        odd.encode(&mut out).unwrap();
        let v5::Packet::Connect(read, Some(will), login) =
            v5::Packet::read(&mut BytesMut::from(&out[..]), None).unwrap()
        else {
            panic!("not a CONNECT with a will")
        };
        assert_eq!(will.message, token);
        assert_eq!(login.unwrap().password, "p");
        let properties = read.properties.unwrap();
        assert_eq!(properties.authentication_method.as_deref(), Some("M"));
        assert_eq!(properties.user_properties[0].1.as_bytes(), token);
        out.clear();
        Connect { protocol: Protocol::V4, ..odd }.encode(&mut out).unwrap();
        let v4::Packet::Connect(read) =
            v4::Packet::read(&mut BytesMut::from(&out[..]), LONGEST).unwrap()
        else {
            panic!("not a CONNECT")
        };
        assert_eq!(read.last_will.unwrap().message, token);
    }
}

#[test]
fn a_field_that_is_too_long_is_refused_and_the_longest_is_not() {
    let longest = vec![b'x'; 65_535];
    let mut out = Vec::new();
    connect(Protocol::V5, Some(b"u"), Some(&longest)).encode(&mut out).unwrap();
    out.clear();
    let too_long = vec![b'x'; 65_536];
    let encoded = connect(Protocol::V5, Some(b"u"), Some(&too_long)).encode(&mut out);
    assert_eq!(encoded, Err(TooLong::Password));
    let named = Connect { client_id: &too_long, ..connect(Protocol::V5, None, None) };
    assert_eq!(named.encode(&mut out), Err(TooLong::ClientId));
    assert!(out.is_empty());
}

/// A whole CONNACK with this code and nothing else.
fn bare(code: u8, length: usize) -> FirstPacket<'static> {
    FirstPacket::Connack(Connack { code, ..Connack::default() }, length)
}

#[test]
fn codes_come_through_as_they_were_sent() {
    for code in 0..=255 {
        assert_eq!(FirstPacket::read(&[0x20, 2, 0, code], Protocol::V4), bare(code, 4));
        assert_eq!(FirstPacket::read(&[0x20, 3, 0, code, 0], Protocol::V5), bare(code, 5));
        // Server Keep Alive 300, then a byte of the session.
        let long = [0x20, 6, 0, code, 3, 0x13, 1, 44, 0xD0];
        let connack = Connack { code, server_keep_alive: Some(300), ..Connack::default() };
        let read = FirstPacket::read(&long, Protocol::V5);
        assert_eq!(read, FirstPacket::Connack(connack, 8));
    }
}

#[test]
fn what_a_broker_says_in_connack_is_read() {
    let properties = [
        &[0x21, 0, 16][..],
        &[0x24, 1],
        &[0x12, 0, 2, b'i', b'd'],
        &[0x1F, 0, 3, b'w', b'h', b'y'],
        &[0x13, 0, 60],
        &[0x15, 0, 1, b'M'],
        &[0x16, 0, 2, 0xFF, 0],
        // Session Expiry Interval and a user property, which nobody asks for.
        &[0x11, 0, 0, 0, 9, 0x26, 0, 1, b'a', 0, 1, b'b'],
    ]
    .concat();
    let length = properties.len() as u8;
    let packet = [&[0x20, length + 3, 1, 0, length][..], &properties].concat();
    let connack = Connack {
        code: 0,
        session_present: true,
        receive_maximum: Some(16),
        maximum_qos: Some(1),
        assigned_client_identifier: Some("id"),
        reason_string: Some("why"),
        server_keep_alive: Some(60),
        authentication_method: Some("M"),
        authentication_data: Some(&[0xFF, 0]),
    };
    let read = FirstPacket::read(&packet, Protocol::V5);
    assert_eq!(read, FirstPacket::Connack(connack, packet.len()));
    let present = Connack { session_present: true, ..Connack::default() };
    let read = FirstPacket::read(&[0x20, 2, 1, 0], Protocol::V4);
    assert_eq!(read, FirstPacket::Connack(present, 4));
}

#[test]
fn every_beginning_of_a_connack_asks_for_more() {
    let whole = [0x20, 6, 0, 0, 3, 0x13, 1, 44];
    for end in 0..whole.len() {
        let read = FirstPacket::read(&whole[..end], Protocol::V5);
        assert_eq!(read, FirstPacket::Incomplete, "{end}");
    }
}

#[test]
fn what_is_no_connack_is_named() {
    for (bytes, protocol, why) in [
        (&b"HTTP/1.1 400"[..], Protocol::V5, "http"),
        (&[21, 3, 1, 0, 2, 2, 10], Protocol::V5, "tls"),
        (&[0xD0, 0], Protocol::V5, "another_packet"),
        (&[0, 0, 0, 0], Protocol::V4, "garbage"),
        (&[0x20, 2, 7, 0], Protocol::V4, "malformed_connack"),
        (&[0x20, 255, 255, 255, 255, 1], Protocol::V4, "malformed_connack"),
        // 8 KB are read, and not a byte more.
        (&[0x20, 0x81, 0x40], Protocol::V5, "connack_too_long"),
        (&[0x20, 255, 255, 255, 127], Protocol::V5, "connack_too_long"),
        // It accepts in 3.1.1, or what it does not speak.
        (&[0x20, 2, 0, 0], Protocol::V5, "malformed_connack"),
        (&[0x20, 3, 0, 0, 0], Protocol::V4, "malformed_connack"),
        // A property of PUBLISH, and one that the packet does not hold.
        (&[0x20, 6, 0, 0, 3, 0x23, 0, 1], Protocol::V5, "malformed_connack"),
        (&[0x20, 5, 0, 0, 3, 0x13, 0], Protocol::V5, "malformed_connack"),
    ] {
        assert_eq!(FirstPacket::read(bytes, protocol), FirstPacket::Wrong(why), "{bytes:?}");
    }
    let read = FirstPacket::read(&[0x20, 0x80, 0x40], Protocol::V5);
    assert_eq!(read, FirstPacket::Incomplete, "8 KB");
    assert_eq!(FirstPacket::read(&[0x20, 2, 0, 1], Protocol::V5), bare(1, 4));
    // A broker that speaks 5.0 alone says so in the format of 5.0.
    for code in [1, 0x84] {
        assert_eq!(FirstPacket::read(&[0x20, 3, 0, code, 0], Protocol::V4), bare(code, 5));
    }
}

#[test]
fn method_and_data_stand_in_connect_as_an_answer_to_a_challenge_takes_them_over() {
    for length in [0, 3, 200, 20_000] {
        let token = vec![b'x'; length];
        let given = Connect {
            method: Some(b"JWT"),
            data: Some(&token),
            property: Some(b"more"),
            ..connect(Protocol::V5, Some(b"u"), None)
        };
        let mut out = Vec::new();
        given.encode(&mut out).unwrap();
        let mut expected = b"\x15\x00\x03JWT\x16".to_vec();
        expected.extend_from_slice(&(length as u16).to_be_bytes());
        expected.extend_from_slice(&token);
        assert_eq!(authentication_of(&out), expected);
        let (mut answer, mut same) = (Vec::new(), Vec::new());
        put_auth(CONTINUE, authentication_of(&out), &mut answer);
        let whole =
            Authentication { method: Some(b"JWT"), method_twice: false, data: Some(&token) };
        whole.put(CONTINUE, &mut same).unwrap();
        assert_eq!(answer, same);
        let FirstPacket::Auth(auth, read) = FirstPacket::read(&answer, Protocol::V5) else {
            assert!(length > LONGEST_CONNACK, "{length}");
            continue;
        };
        assert_eq!((auth.code, auth.method, auth.data), (CONTINUE, Some("JWT"), Some(&token[..])));
        assert_eq!(read, answer.len());
    }
    let mut out = Vec::new();
    connect(Protocol::V5, Some(b"u"), None).encode(&mut out).unwrap();
    assert!(authentication_of(&out).is_empty());
    for end in 0..out.len() {
        assert!(authentication_of(&out[..end]).is_empty());
    }
}

#[test]
fn what_comes_before_connack_is_read_as_it_is() {
    let read = |bytes: &'static [u8]| FirstPacket::read(bytes, Protocol::V5);
    assert_eq!(read(&[0xE0, 1, 0x87]), FirstPacket::Disconnect(0x87));
    assert_eq!(read(&[0xE0, 0]), FirstPacket::Disconnect(0));
    // What it says besides its code is not waited for.
    assert_eq!(read(&[0xE0, 9, 0x8C]), FirstPacket::Disconnect(0x8C));
    let plain = Auth { code: 0x18, method: None, data: None };
    assert_eq!(read(&[0xF0, 2, 0x18, 0]), FirstPacket::Auth(plain, 4));
    assert_eq!(read(&[0xF0, 2, 0x18]), FirstPacket::Incomplete);
    assert_eq!(read(&[0xF0, 3, 0x18, 1, 9]), FirstPacket::Wrong("malformed_auth"));
    assert_eq!(read(&[0xF0, 0xFF, 0xFF, 3]), FirstPacket::Wrong("auth_too_long"));
    for first in [[0xE0, 1, 0x87, 0], [0xF0, 2, 0x18, 0]] {
        let read = FirstPacket::read(&first, Protocol::V4);
        assert_eq!(read, FirstPacket::Wrong("another_packet"), "MQTT 3.1.1 has none");
    }
}
