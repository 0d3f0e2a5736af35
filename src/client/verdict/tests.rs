use proptest::prelude::*;

use self::standing::Standing;
use super::*;
use crate::{base::clock::SECOND, client::attempt::Phase, scenario::PolicySettings};

fn judge(settings: &str) -> Judge {
    let settings: PolicySettings = toml::from_str(settings).unwrap();
    Judge::new(
        &Policy::resolve("strict", std::path::Path::new("."), &settings, vec![]).unwrap(),
        Protocol::V5,
        Duration::from_millis(100),
    )
}

const SIGNATURE: Expectation = refuse(Group::Signature);

const fn refuse(group: Group) -> Expectation {
    Expectation::Refuse(Refusal { group, also: Also::Nothing })
}

const EITHER: Expectation =
    Expectation::Either(Refusal { group: Group::Time, also: Also::Nothing });

#[test]
fn each_row_of_the_verdict_table_holds() {
    let judge = judge("");
    let verdict = |expected, outcome| judge.verdict(expected, outcome);
    assert_eq!(verdict(Expectation::Accept, Outcome::Accepted), Verdict::Correct);
    assert_eq!(verdict(SIGNATURE, Outcome::Refused(0x87)), Verdict::Correct);
    assert_eq!(verdict(SIGNATURE, Outcome::Accepted), Verdict::FalseAccept);
    for code in [4, 5, 0x86, 0x87, 0x8C] {
        assert_eq!(
            verdict(Expectation::Accept, Outcome::Refused(code)),
            Verdict::FalseReject,
            "{code}"
        );
    }
    assert_eq!(verdict(SIGNATURE, Outcome::Refused(0x8C)), Verdict::WrongReason);
    assert_eq!(verdict(SIGNATURE, Outcome::Closed(Close::Fin)), Verdict::WrongReason);
    assert_eq!(verdict(Expectation::Indeterminate, Outcome::Accepted), Verdict::Indeterminate);
    assert_eq!(verdict(EITHER, Outcome::Accepted), Verdict::Correct);
    assert_eq!(verdict(EITHER, Outcome::Refused(0x86)), Verdict::Correct);
}

#[test]
fn overload_and_failures_are_never_a_correct_refusal() {
    let judge = judge("");
    for outcome in [
        Outcome::Refused(3),
        Outcome::Refused(0x88),
        Outcome::Refused(0x89),
        Outcome::Refused(0x97),
        Outcome::Refused(0x9F),
        Outcome::Refused(0xFF),
        Outcome::Closed(Close::Rst),
        Outcome::Closed(Close::FinInPacket),
        Outcome::Timeout(Phase::Connack),
        Outcome::TcpFailed("ECONNREFUSED"),
        Outcome::ProtocolError("garbage"),
        Outcome::LocalError("EMFILE"),
    ] {
        for expected in [Expectation::Accept, SIGNATURE, EITHER, Expectation::Indeterminate] {
            assert_eq!(
                judge.verdict(expected, outcome),
                Verdict::NotJudged,
                "{expected:?} {outcome:?}"
            );
        }
    }
}

#[test]
fn closing_silently_is_a_refusal_where_it_is_promised() {
    let judge = judge("silent_close = \"correct\"");
    assert_eq!(judge.verdict(SIGNATURE, Outcome::Closed(Close::Fin)), Verdict::Correct);
    assert_eq!(
        judge.verdict(Expectation::Accept, Outcome::Closed(Close::Fin)),
        Verdict::FalseReject
    );
    assert_eq!(judge.verdict(SIGNATURE, Outcome::Closed(Close::Rst)), Verdict::NotJudged);
}

#[test]
fn what_mqtt_asks_for_is_right_as_well() {
    let judge = judge("");
    let refuse = |also| Expectation::Refuse(Refusal { group: Group::Placement, also });
    let (method, close) = (refuse(Also::BadMethod), refuse(Also::Close));
    assert_eq!(judge.verdict(method, Outcome::Refused(0x8C)), Verdict::Correct);
    assert_eq!(judge.verdict(close, Outcome::Refused(0x8C)), Verdict::WrongReason);
    assert_eq!(judge.verdict(close, Outcome::Closed(Close::Fin)), Verdict::Correct);
    assert_eq!(judge.verdict(method, Outcome::Closed(Close::Fin)), Verdict::Correct, "4.12");
    let id = refuse(Also::ClientId);
    assert_eq!(judge.verdict(id, Outcome::Refused(0x85)), Verdict::Correct);
    assert_eq!(judge.verdict(method, Outcome::Refused(0x85)), Verdict::NotJudged);
}

#[test]
fn a_group_with_codes_of_its_own_is_judged_by_them() {
    let judge = judge("refuses_with = { time = { v5 = [0x8A] } }");
    let time = refuse(Group::Time);
    assert_eq!(judge.verdict(time, Outcome::Refused(0x8A)), Verdict::Correct);
    assert_eq!(judge.verdict(time, Outcome::Refused(0x87)), Verdict::WrongReason);
    assert_eq!(judge.verdict(SIGNATURE, Outcome::Refused(0x8A)), Verdict::WrongReason);
}

#[test]
fn time_decides_by_the_boundary_the_leeway_and_the_uncertainty() {
    let judge = judge("leeway = \"10s\"");
    let second = SECOND as i64;
    let until = |seconds: i64| Validity { from: i64::MIN, until: seconds * second };
    let at = |validity, sent: f64| {
        let sent = (sent * SECOND as f64) as u64;
        judge.expectation(Must::AcceptInTime, validity, sent, sent + 1_000_000)
    };
    assert_eq!(at(until(100), 50.0), Expectation::Accept);
    assert_eq!(at(until(100), 99.95), Expectation::Indeterminate, "within the clock's uncertainty");
    assert_eq!(at(until(100), 105.0), EITHER, "inside the leeway");
    assert_eq!(at(until(100), 110.0), Expectation::Indeterminate);
    assert_eq!(at(until(100), 110.2), refuse(Group::Time));
    let from = Validity { from: 100 * second, until: i64::MAX };
    assert_eq!(at(from, 80.0), refuse(Group::Time));
    assert_eq!(at(from, 95.0), EITHER);
    assert_eq!(at(from, 101.0), Expectation::Accept);
    assert_eq!(
        judge.expectation(Must::Refuse(Group::Header.into()), until(100), 0, 1),
        refuse(Group::Header)
    );
}

#[test]
fn a_key_decides_by_what_could_be_known_of_it() {
    let lax = judge("");
    let judge = judge("new_key_within = \"10s\"\nold_key_within = \"20s\"");
    let second = SECOND as i64;
    let standing = |published: i64, removed: i64, away: Option<(i64, i64)>| Standing {
        published: if published == 0 { i64::MIN } else { published * second },
        readable: i64::MIN,
        fading: if removed == 0 { i64::MAX } else { removed * second },
        removed: if removed == 0 { i64::MAX } else { removed * second },
        revoked: i64::MAX,
        away: away.map(|(since, until)| (since * second, until * second)),
    };
    let at = |judge: &Judge, standing, seconds: u64| {
        let sent = seconds * SECOND;
        judge.by_key(Expectation::Accept, standing, sent, sent + SECOND / 1000)
    };
    let either = Expectation::Either(Group::Signature.into());
    let gone = refuse(Group::Signature);
    let new = standing(100, 0, None);
    assert_eq!(at(&judge, new, 50), gone, "nobody can know it");
    assert_eq!(at(&judge, new, 100), Expectation::Indeterminate, "published in this moment");
    assert_eq!(at(&judge, new, 105), either);
    assert_eq!(at(&judge, new, 111), Expectation::Accept);
    assert_eq!(at(&lax, new, 5000), either, "nothing is promised");
    let old = standing(0, 100, None);
    assert_eq!(at(&judge, old, 50), Expectation::Accept, "known from the start");
    assert_eq!(at(&judge, old, 110), either);
    assert_eq!(at(&judge, old, 121), gone);
    assert_eq!(at(&lax, old, 5000), either);
    let away = standing(0, 0, Some((100, 120)));
    assert_eq!(at(&judge, away, 50), Expectation::Accept);
    for seconds in [101, 119, 129] {
        assert_eq!(at(&judge, away, seconds), either, "away, or just back");
    }
    assert_eq!(at(&judge, away, 131), Expectation::Accept);
    let unseen = standing(0, 110, Some((100, 200)));
    assert_eq!(at(&judge, unseen, 150), either, "gone while nobody could see it");
    assert_eq!(at(&judge, unseen, 215), either);
    assert_eq!(at(&judge, unseen, 221), gone);
    let revoked = Standing { revoked: 100 * second, ..standing(0, 0, None) };
    assert_eq!(at(&judge, revoked, 50), Expectation::Accept);
    assert_eq!(at(&judge, revoked, 150), either, "a broker may ask");
    // A broker that the run did not start can't have read the set before 30 s.
    let unread = Standing { readable: 30 * second, ..standing(0, 0, None) };
    assert_eq!(at(&judge, unread, 30), either, "it may not have read it yet");
    assert_eq!(at(&judge, unread, 39), either);
    assert_eq!(at(&judge, unread, 41), Expectation::Accept);
    assert_eq!(at(&lax, unread, 31), Expectation::Accept, "no time is promised");
    let removed = Standing { fading: 35 * second, removed: 35 * second, ..unread };
    assert_eq!(at(&judge, removed, 56), gone, "whether it was ever read or not");
    let later = Standing { published: 50 * second, ..unread };
    assert_eq!((at(&judge, later, 55), at(&judge, later, 61)), (either, Expectation::Accept));
    // Of another server: it came at some time before it was seen at 30 s, or was never seen.
    let seen = Standing { published: i64::MIN + 1, ..unread };
    assert_eq!((at(&judge, seen, 20), at(&judge, seen, 39)), (either, either));
    assert_eq!(at(&judge, seen, 41), Expectation::Accept);
    assert_eq!(at(&lax, seen, 1000), either, "no time is promised");
    let unseen = Standing { readable: i64::MAX, ..seen };
    assert_eq!(at(&judge, unseen, 1000), either);
    // It was seen last at 100 s, and missed at 110 s.
    let left = Standing { fading: 100 * second, removed: 110 * second, ..standing(0, 0, None) };
    assert_eq!(at(&judge, left, 99), Expectation::Accept);
    assert_eq!(at(&judge, left, 105), Expectation::Indeterminate);
    assert_eq!((at(&judge, left, 115), at(&judge, left, 131)), (either, gone));
    // What is wrong for another reason stays wrong.
    let bad = refuse(Group::Time);
    assert_eq!(judge.by_key(bad, unread, 31 * SECOND, 31 * SECOND), bad);
    assert_eq!(judge.by_key(bad, new, 50 * SECOND, 50 * SECOND), bad);
}

#[test]
fn a_refusal_that_is_delayed_is_judged_by_when_it_was_decided() {
    let judge = judge("refusal_delay = \"3s\"\nnew_key_within = \"1s\"\nold_key_within = \"0s\"");
    let (refused, second) = (Outcome::Refused(0x87), SECOND as i64);
    assert_eq!(judge.decided(refused, 9 * SECOND, 13 * SECOND), 10 * SECOND);
    assert_eq!(judge.decided(refused, 9 * SECOND, 10 * SECOND), 9 * SECOND, "not delayed");
    assert_eq!(judge.decided(Outcome::Accepted, 9 * SECOND, 13 * SECOND), 13 * SECOND);
    // Good for a second more when it was refused, whatever it was when that was told.
    let decided = judge.decided(refused, 9 * SECOND, 12 * SECOND);
    let until = |until| Validity { from: i64::MIN, until };
    let expected = |until| judge.expectation(Must::AcceptInTime, until, 9 * SECOND, decided);
    assert_eq!(expected(until(10 * second)), Expectation::Accept);
    assert_eq!(expected(until(9 * second)), Expectation::Indeterminate);
    let removed = Standing {
        published: i64::MIN,
        readable: i64::MIN,
        fading: 10 * second,
        removed: 10 * second,
        revoked: i64::MAX,
        away: None,
    };
    let by_key = judge.by_key(Expectation::Accept, removed, 9 * SECOND, decided);
    assert_eq!(by_key, Expectation::Accept, "the key was there when it was refused");
}

#[test]
fn a_slow_answer_across_the_boundary_is_indeterminate() {
    let judge = judge("");
    let validity = Validity { from: i64::MIN, until: 10 * SECOND as i64 };
    let expected = judge.expectation(Must::AcceptInTime, validity, 9 * SECOND, 11 * SECOND);
    assert_eq!(expected, Expectation::Indeterminate);
}

proptest! {
    // For all instants: without leeway and uncertainty of clocks an instant answer is either
    // before `exp`, and must be accepted, or at or after it, and must be refused.
    #[test]
    fn an_instant_answer_is_always_on_one_side(until in 0..1_000_000_i64, sent in 0..1_000_000_u64) {
        let policy = Policy::resolve("strict", std::path::Path::new("."), &PolicySettings::default(), vec![]).unwrap();
        let judge = Judge::new(&policy, Protocol::V4, Duration::ZERO);
        let expected = judge.expectation(Must::AcceptInTime, Validity { from: i64::MIN, until }, sent, sent);
        let right = if (sent as i64) < until { Expectation::Accept } else { refuse(Group::Time) };
        prop_assert_eq!(expected, right);
    }
}
