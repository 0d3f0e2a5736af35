use super::*;
use crate::{
    base::clock::SECOND,
    client::{
        outbox::Outbox,
        packet::{AGAIN, Authentication, Connack, PINGREQ, PINGRESP},
        session::{ExpiryWatch, Settings},
    },
    scenario::{EndsOn, Protocol},
};

const LEAVES_AT: u64 = 100 * SECOND;
const METHOD: &[u8] = b"JWT";

fn opened(leaves_at: u64) -> Session {
    let settings = Settings {
        protocol: Protocol::V5,
        keep_alive: 0,
        leaves_at,
        expiry: None,
        renews_at: None,
        salt: 7,
    };
    Session::new(settings, &Connack::default(), Outbox::default(), 0)
}

fn auth(code: u8, method: Option<&[u8]>) -> Vec<u8> {
    let mut packet = Vec::new();
    let data = Some(&b"token"[..]).filter(|_| code != SUCCESS);
    Authentication { method, method_twice: false, data }.put(code, &mut packet).unwrap();
    packet
}

/// A session that authenticates again, by an answer that is due at second 10.
fn asked(leaves_at: u64) -> Session {
    let mut session = opened(leaves_at);
    session.reauthenticate(auth(AGAIN, Some(METHOD)), Some("JWT".into()), 10 * SECOND);
    assert_eq!(said(&mut session), auth(AGAIN, Some(METHOD)));
    assert!(session.is_authenticating() && session.awaits_answer());
    session
}

fn said(session: &mut Session) -> Vec<u8> {
    let bytes = session.outbox().outgoing().to_vec();
    session.outbox().sent(bytes.len());
    bytes
}

fn hear(session: &mut Session, mut bytes: &[u8], now: u64) -> Option<Event> {
    session.handle(&mut bytes, now)
}

#[test]
fn success_renews_and_is_followed_by_a_ping_until_whose_answer_an_end_may_be_about_it() {
    // Some brokers leave the method out.
    for method in [Some(METHOD), None] {
        let mut session = asked(LEAVES_AT);
        let event = hear(&mut session, &auth(SUCCESS, method), SECOND);
        assert_eq!(event, Some(Event::Authenticated));
        assert!(!session.is_authenticating() && session.has_just_authenticated());
        assert_eq!(said(&mut session), PINGREQ);
        assert_eq!(hear(&mut session, &PINGRESP, 2 * SECOND), None);
        assert!(!session.has_just_authenticated() && !session.awaits_answer());
        assert_eq!(session.due(), Some(LEAVES_AT), "nothing is waited for any more");
    }
}

#[test]
fn a_challenge_is_answered_once_with_method_and_data_and_a_second_one_ends_the_session() {
    let mut session = asked(LEAVES_AT);
    let challenge = auth(CONTINUE, Some(METHOD));
    assert_eq!(hear(&mut session, &challenge, SECOND), None);
    assert_eq!(said(&mut session), challenge, "the same method and data");
    let wrong = Event::Ended(Ended::ProtocolError("auth_continue"));
    assert_eq!(hear(&mut session, &challenge, SECOND), Some(wrong));
    assert!(session.is_authenticating(), "it never had an answer");
    let mut answered = asked(LEAVES_AT);
    hear(&mut answered, &challenge, SECOND);
    let event = hear(&mut answered, &auth(SUCCESS, None), SECOND);
    assert_eq!(event, Some(Event::Authenticated));
}

#[test]
fn what_must_not_come_in_place_of_an_answer_ends_the_session_by_its_name() {
    for (packet, why) in [
        (auth(SUCCESS, Some(b"OTHER")), "auth_method"),
        (auth(CONTINUE, Some(b"OTHER")), "auth_method"),
        (auth(AGAIN, Some(METHOD)), "auth_code"),
        (auth(0x87, Some(METHOD)), "auth_code"),
        // 64 KB of it.
        ([&[0xF0, 0x80, 0x80, 4][..], &vec![0; 65_536]].concat(), "malformed"),
    ] {
        let ended = Some(Event::Ended(Ended::ProtocolError(why)));
        assert_eq!(hear(&mut asked(LEAVES_AT), &packet, SECOND), ended);
    }
    // Nobody had asked, or had its answer before.
    let unasked = Some(Event::Ended(Ended::ProtocolError("auth_unasked")));
    let success = auth(SUCCESS, Some(METHOD));
    assert_eq!(hear(&mut opened(LEAVES_AT), &success, SECOND), unasked);
    let mut twice = asked(LEAVES_AT);
    assert_eq!(hear(&mut twice, &success, SECOND), Some(Event::Authenticated));
    assert_eq!(hear(&mut twice, &success, SECOND), unasked);
}

#[test]
fn an_answer_may_name_the_method_of_the_connection_or_that_of_the_auth_or_none() {
    let unknown: &[u8] = b"UNKNOWN";
    for (sent, answered) in [
        (Some(unknown), Some(METHOD)),
        (Some(unknown), Some(unknown)),
        (None, Some(METHOD)),
        (None, None),
    ] {
        let mut session = opened(LEAVES_AT);
        session.reauthenticate(auth(AGAIN, sent), Some("JWT".into()), 10 * SECOND);
        let event = hear(&mut session, &auth(SUCCESS, answered), SECOND);
        assert_eq!(event, Some(Event::Authenticated), "{sent:?} {answered:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_is_told_once_and_passed_over_when_it_comes_late() {
    let mut session = asked(LEAVES_AT);
    assert_eq!(session.due(), Some(10 * SECOND));
    assert_eq!(session.on_due(10 * SECOND, false), Some(Event::Unanswered));
    assert!(!session.is_authenticating() && session.has_unanswered_auth());
    assert!(session.awaits_answer(), "it is no witness of its broker");
    assert_eq!(session.due(), Some(LEAVES_AT));
    assert_eq!(hear(&mut session, &auth(CONTINUE, Some(METHOD)), 11 * SECOND), None);
    assert_eq!(hear(&mut session, &auth(SUCCESS, Some(METHOD)), 11 * SECOND), None);
    assert!(said(&mut session).is_empty(), "nothing is answered any more");
    assert!(!session.has_unanswered_auth());
    let unasked = Some(Event::Ended(Ended::ProtocolError("auth_unasked")));
    assert_eq!(hear(&mut session, &auth(SUCCESS, Some(METHOD)), 12 * SECOND), unasked);
}

#[test]
fn a_client_whose_time_is_up_waits_for_the_answer_and_leaves_then() {
    let mut session = asked(5 * SECOND);
    assert_eq!(session.on_due(5 * SECOND, false), None);
    assert_eq!(session.due(), Some(10 * SECOND), "for as long as the answer is waited for");
    let event = hear(&mut session, &auth(SUCCESS, None), 6 * SECOND);
    assert_eq!(event, Some(Event::Authenticated));
    assert_eq!(session.due(), Some(6 * SECOND));
    assert_eq!(session.on_due(6 * SECOND, false), Some(Event::Leaves));
    let mut unanswered = asked(5 * SECOND);
    assert_eq!(unanswered.on_due(5 * SECOND, false), None);
    assert_eq!(unanswered.on_due(10 * SECOND, false), Some(Event::Unanswered));
    assert_eq!(unanswered.on_due(10 * SECOND, false), Some(Event::Leaves));
}

#[test]
fn what_is_due_goes_by_the_token_that_was_taken_last() {
    let mut session = asked(LEAVES_AT);
    let watch = |probes_at, ends_on| {
        Some(ExpiryWatch { probes_at, outlived_at: probes_at + 5 * SECOND, ends_on })
    };
    session.go_by(watch(20 * SECOND, EndsOn::Publish), Some(15 * SECOND), SECOND);
    hear(&mut session, &auth(SUCCESS, None), SECOND);
    assert!(!session.is_on_trial(), "that publishes are taken was seen before");
    assert_eq!(session.due(), Some(15 * SECOND));
    assert_eq!(session.on_due(15 * SECOND, false), Some(Event::Renews(15 * SECOND)));
    session.go_by(watch(40 * SECOND, EndsOn::Time), None, 16 * SECOND);
    assert_eq!(session.due(), Some(45 * SECOND));
    assert_eq!(session.on_due(45 * SECOND, false), Some(Event::Outlived));
    session.go_by(None, None, 46 * SECOND);
    assert_eq!(session.due(), Some(LEAVES_AT));
}
