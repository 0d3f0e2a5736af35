//! Sessions without sockets: any bytes in any pieces, timers in any order.

use proptest::prelude::*;

use super::*;
use crate::scenario::EndsOn;

const LEAVES_AT: u64 = 100 * SECOND;

fn opened(keep_alive: u16, connack: &Connack<'_>) -> Session {
    let settings = Settings {
        protocol: Protocol::V5,
        keep_alive,
        leaves_at: LEAVES_AT,
        expiry: None,
        renews_at: None,
        salt: 7,
    };
    Session::new(settings, connack, Outbox::default(), 0)
}

fn plain(keep_alive: u16) -> Session {
    opened(keep_alive, &Connack::default())
}

/// What a session has to say, which a socket takes.
fn said(session: &mut Session) -> Vec<u8> {
    let bytes = session.outbox().outgoing().to_vec();
    session.outbox().sent(bytes.len());
    bytes
}

fn hear(session: &mut Session, mut bytes: &[u8], now: u64) -> Option<Event> {
    let event = session.handle(&mut bytes, now);
    assert!(event.is_some() || bytes.is_empty(), "without an event, all is taken");
    event
}

/// Has the first ping sent; when its answer is due.
fn pinged(session: &mut Session) -> u64 {
    let at = session.due().unwrap();
    assert_eq!(session.on_due(at, false), None);
    assert_eq!(said(session), PINGREQ);
    assert!(session.awaits_answer());
    session.due().unwrap()
}

#[test]
fn a_client_pings_within_the_keep_alive_and_again_once_it_was_answered() {
    let mut session = plain(10);
    let first = session.due().unwrap();
    assert!((5 * SECOND..9 * SECOND).contains(&first), "{first}");
    assert_eq!(session.on_due(first - 1, false), None);
    assert!(said(&mut session).is_empty());
    let due = pinged(&mut session);
    assert_eq!(hear(&mut session, &PINGRESP, first + 1), None);
    assert!(!session.awaits_answer());
    assert_eq!(session.due(), Some(due), "the next ping, when its answer would have been due");
    pinged(&mut session);
}

#[test]
fn a_ping_without_an_answer_ends_the_session_unless_something_lies_unread() {
    let mut session = plain(10);
    let due = pinged(&mut session);
    assert_eq!(session.on_due(due, true), None);
    let again = session.due().unwrap();
    assert!(again > due, "it is looked again soon, and not at once");
    let ended = Event::Ended(Ended::PingTimeout);
    assert_eq!(session.on_due(again, false), Some(ended));
    assert_eq!((session.due(), session.on_due(LEAVES_AT, false)), (None, None));
}

#[test]
fn a_client_leaves_when_its_time_is_up_whatever_else_is_due() {
    let mut session = plain(10);
    pinged(&mut session);
    assert_eq!(session.on_due(LEAVES_AT, false), Some(Event::Leaves));
    assert_eq!(said(&mut session), DISCONNECT);
    assert_eq!(session.due(), None);
    assert_eq!(hear(&mut session, &[0xE0, 0], LEAVES_AT), None, "nothing ends it twice");
    session.leave();
    assert!(said(&mut session).is_empty(), "nobody leaves twice");
}

#[test]
fn a_client_without_keep_alive_only_leaves() {
    let mut session = plain(0);
    assert_eq!(session.due(), Some(LEAVES_AT));
    let server = Connack { server_keep_alive: Some(10), ..Connack::default() };
    let mut other = opened(0, &server);
    assert!(other.due().unwrap() < 9 * SECOND, "the broker's keep alive goes before its own");
    pinged(&mut other);
    assert_eq!(hear(&mut session, &PINGRESP, 1), None, "an answer to nothing");
}

#[test]
fn a_session_ends_by_what_the_broker_sends() {
    for (bytes, ended) in [
        (&[0xE0, 1, 0x8E][..], Ended::Disconnect(Some(0x8E))),
        (&[0xD0, 0, 0xE0, 0], Ended::Disconnect(Some(0))),
        (&[0x20, 3, 0, 0, 0], Ended::ProtocolError("second_connack")),
        // AUTH where no authentication was begun.
        (&[0xF0, 0], Ended::ProtocolError("auth_unasked")),
    ] {
        let mut session = plain(10);
        assert_eq!(hear(&mut session, bytes, 1), Some(Event::Ended(ended)), "{bytes:?}");
        assert_eq!(session.due(), None);
    }
    let mut session = plain(10);
    let flood = PINGRESP.repeat(2_000);
    assert_eq!(hear(&mut session, &flood, 1), Some(Event::Ended(Ended::Flood)));
    let mut session = plain(10);
    let closed = Event::Ended(Ended::Closed(Close::Fin));
    assert_eq!(session.on_close(Close::Fin), Some(closed));
    assert_eq!(session.on_close(Close::Rst), None, "it ends once");
    let mut session = plain(10);
    assert_eq!(hear(&mut session, &[0x30], 1), None);
    let cut = Event::Ended(Ended::Closed(Close::FinInPacket));
    assert_eq!(session.on_close(Close::Fin), Some(cut));
}

#[test]
fn what_a_broker_says_in_connack_holds_for_the_session() {
    let connack = Connack {
        code: 0,
        session_present: true,
        receive_maximum: Some(16),
        maximum_qos: Some(1),
        assigned_client_identifier: Some("auto-1"),
        reason_string: None,
        server_keep_alive: Some(30),
        authentication_method: Some("OAUTH2-JWT"),
        authentication_data: Some(&[1, 2]),
    };
    let session = opened(60, &connack);
    let agreed = session.agreed();
    assert!(agreed.session_present);
    assert_eq!((agreed.receive_maximum, agreed.maximum_qos, agreed.keep_alive), (16, 1, 30));
    assert_eq!(agreed.assigned_client_identifier(), Some("auto-1"));
    assert_eq!(agreed.authentication_method(), Some("OAUTH2-JWT"));
    assert_eq!(agreed.authentication_data(), Some(&[1, 2][..]));
    let session = plain(60);
    let silent = session.agreed();
    assert_eq!((silent.receive_maximum, silent.maximum_qos, silent.keep_alive), (65_535, 2, 60));
    assert_eq!(silent.assigned_client_identifier(), None);
}

#[test]
fn what_is_left_of_connect_goes_before_all_else() {
    let settings = Settings {
        protocol: Protocol::V5,
        keep_alive: 10,
        leaves_at: LEAVES_AT,
        expiry: None,
        renews_at: None,
        salt: 7,
    };
    let rest = Outbox::of(b"CONNECT".to_vec(), 3);
    let mut session = Session::new(settings, &Connack::default(), rest, 0);
    let at = session.due().unwrap();
    session.outbox().sent(1);
    assert_eq!(session.on_due(at, false), None);
    assert_eq!(said(&mut session), [b"ECT", &PINGREQ[..]].concat());
}

/// What can happen to a session.
#[derive(Clone, Debug)]
enum Happening {
    Bytes(Vec<u8>),
    /// So many nanoseconds pass, and what is due is done.
    Time(u64, bool),
    /// The socket takes so many bytes at most.
    Room(usize),
    Leave,
    Close(Close),
}

fn packets() -> impl Strategy<Value = Vec<u8>> {
    let packet = prop_oneof![
        4 => Just(PINGRESP.to_vec()),
        2 => Just(vec![0x30, 4, 0, 1, b'a', 0]),
        1 => Just(vec![0x40, 2, 0, 1]),
        1 => Just(vec![0x90, 4, 0, 1, 0, 0]),
        1 => Just(vec![0xE0, 1, 0x87]),
        1 => Just(vec![0xF0, 0]),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(packet, 0..12).prop_map(|packets| packets.concat())
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => packets().prop_map(Happening::Bytes),
        4 => (0..20 * SECOND, any::<bool>()).prop_map(|(ns, unread)| Happening::Time(ns, unread)),
        4 => (0_usize..5).prop_map(Happening::Room),
        1 => Just(Happening::Leave),
        1 => prop_oneof![Just(Close::Fin), Just(Close::Rst)].prop_map(Happening::Close),
    ]
}

/// Whether bytes are whole packets of a client, each after the other.
fn are_whole(mut bytes: &[u8]) -> bool {
    while let [first, second, rest @ ..] = bytes {
        if ![PINGREQ, DISCONNECT].contains(&[*first, *second]) {
            return false;
        }
        bytes = rest;
    }
    bytes.is_empty()
}

proptest! {
    /// In whatever pieces bytes come, the same happens.
    #[test]
    fn pieces_do_not_matter(bytes in packets(), cuts in prop::collection::vec(0_usize..40, 0..8)) {
        let ends = |pieces: &[&[u8]]| {
            let mut session = plain(10);
            pinged(&mut session);
            let ended = pieces.iter().find_map(|piece| hear(&mut session, piece, 1));
            (ended, session.awaits_answer(), session.due(), said(&mut session))
        };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let ends_at = [bytes.len()];
        let to = cuts.iter().chain(&ends_at);
        let from = [0].iter().chain(&cuts);
        let pieces: Vec<&[u8]> = from.zip(to).map(|(from, to)| &bytes[*from..*to]).collect();
        prop_assert_eq!(ends(&[&bytes]), ends(&pieces));
    }

    /// Whatever happens in whatever order: no panic, whole packets in their order, few of them at a time, never due in
    /// the past, one end, and silence after it.
    #[test]
    fn any_order_of_bytes_timers_and_room_keeps_a_session_whole(
        happenings in prop::collection::vec(happening(), 0..60),
        keep_alive in 0_u16..20,
    ) {
        let mut session = plain(keep_alive);
        let (mut now, mut sent, mut ends) = (0, Vec::new(), 0);
        let mut is_over = false;
        for happening in happenings {
            let event = match happening {
                Happening::Bytes(bytes) => hear(&mut session, &bytes, now),
                Happening::Time(ns, is_unread) => {
                    now += ns;
                    let event = session.on_due(now, is_unread);
                    prop_assert!(event.is_some() || session.due().is_none_or(|due| due > now));
                    event
                }
                Happening::Room(count) => {
                    let outgoing = session.outbox().outgoing();
                    let count = count.min(outgoing.len());
                    sent.extend_from_slice(&outgoing[..count]);
                    session.outbox().sent(count);
                    None
                }
                Happening::Leave => {
                    session.leave();
                    is_over = true;
                    None
                }
                Happening::Close(close) => {
                    let event = session.on_close(close);
                    prop_assert!(event.is_some() || is_over);
                    event
                }
            };
            prop_assert!(event.is_none() || !is_over, "{:?} after its end", event);
            ends += usize::from(event.is_some());
            is_over |= event.is_some();
            prop_assert_eq!(is_over, session.due().is_none());
            // One ping without an answer, and DISCONNECT.
            prop_assert!(session.outbox().outgoing().len() <= PINGREQ.len() + DISCONNECT.len());
            let all = [&sent[..], session.outbox().outgoing()].concat();
            prop_assert!(are_whole(&all), "{all:?}");
        }
        prop_assert!(ends <= 1);
    }
}

/// A session whose token ends at ten seconds, and which has outlived it at fifteen.
fn expiring(ends_on: EndsOn) -> Session {
    let watch = ExpiryWatch { probes_at: 10 * SECOND, outlived_at: 15 * SECOND, ends_on };
    let settings = Settings {
        protocol: Protocol::V5,
        keep_alive: 0,
        leaves_at: LEAVES_AT,
        expiry: Some(watch),
        renews_at: None,
        salt: 7,
    };
    Session::new(settings, &Connack::default(), Outbox::default(), 0)
}

#[test]
fn a_session_says_once_that_it_outlived_its_token_and_goes_on() {
    let mut session = expiring(EndsOn::Time);
    assert_eq!(session.due(), Some(15 * SECOND));
    assert_eq!(session.on_due(15 * SECOND - 1, false), None);
    assert_eq!(session.on_due(15 * SECOND, false), Some(Event::Outlived));
    assert!(said(&mut session).is_empty() && !session.has_pinged_after());
    assert_eq!(session.due(), Some(LEAVES_AT));
}

#[test]
fn a_broker_that_looks_at_packets_is_pinged_at_the_end_and_once_more_after_it() {
    let mut session = expiring(EndsOn::Packet);
    assert_eq!(session.due(), Some(10 * SECOND));
    assert_eq!(session.on_due(10 * SECOND + 7, false), None);
    assert_eq!(said(&mut session), PINGREQ);
    assert!(session.has_pinged_after() && !session.was_answered_after() && session.awaits_answer());
    assert_eq!(hear(&mut session, &PINGRESP, 10 * SECOND + 8), None);
    assert!(session.was_answered_after() && !session.awaits_answer());
    // From the instant at which the first was due, whenever it was sent.
    assert_eq!(session.due(), Some(11_100_000_000));
    assert_eq!(session.on_due(11_100_000_000, false), None);
    assert_eq!(said(&mut session), PINGREQ);
    assert!(!session.was_answered_after() || session.awaits_answer());
    assert_eq!(session.due(), Some(15 * SECOND));
}

#[test]
fn a_broker_that_looks_at_publishes_is_shown_one_at_once_and_two_at_the_end() {
    let mut session = expiring(EndsOn::Publish);
    assert!(session.is_on_trial(), "nobody knows whether it may publish at all");
    assert_eq!(session.on_due(0, false), Some(Event::Publishes));
    session.publish(b"t", 0);
    let publish = [0x30, 4, 0, 1, b't', 0];
    assert_eq!(said(&mut session), [&publish[..], &PINGREQ[..]].concat());
    assert!(session.is_on_trial());
    assert_eq!(hear(&mut session, &PINGRESP, 1), None);
    assert!(!session.is_on_trial(), "what came before the ping was taken");
    for at in [10 * SECOND, 11_100_000_000] {
        assert_eq!(session.due(), Some(at));
        assert_eq!(session.on_due(at, false), Some(Event::Publishes));
        session.publish(b"t", at);
        assert_eq!(said(&mut session), publish);
    }
    assert_eq!(session.due(), Some(15 * SECOND));
}

#[test]
fn who_leaves_before_its_token_ends_probes_nothing() {
    let watch = ExpiryWatch {
        probes_at: LEAVES_AT,
        outlived_at: LEAVES_AT + SECOND,
        ends_on: EndsOn::Publish,
    };
    let settings = Settings {
        protocol: Protocol::V4,
        keep_alive: 0,
        leaves_at: LEAVES_AT,
        expiry: Some(watch),
        renews_at: None,
        salt: 7,
    };
    let session = Session::new(settings, &Connack::default(), Outbox::default(), 0);
    assert_eq!(session.due(), Some(LEAVES_AT));
    assert!(!session.is_on_trial());
}

#[test]
fn a_disconnect_in_3_1_1_ends_the_session_without_a_code() {
    let settings = Settings {
        protocol: Protocol::V4,
        keep_alive: 0,
        leaves_at: LEAVES_AT,
        expiry: None,
        renews_at: None,
        salt: 7,
    };
    let mut session = Session::new(settings, &Connack::default(), Outbox::default(), 0);
    let ended = Ended::Disconnect(None);
    assert_eq!(hear(&mut session, &DISCONNECT, 1), Some(Event::Ended(ended)));
    assert_eq!(ended.code().to_string(), "disconnect");
}
