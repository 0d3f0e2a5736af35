use super::*;
use crate::{
    base::clock::SECOND,
    scenario::{ByVersion, EndsWith, PolicySettings},
};

/// A judge of these settings, with 10 ms of uncertainty and 5 s of grace.
fn judge(settings: &PolicySettings, protocol: Protocol) -> EndJudge {
    let base = PolicySettings {
        refuses_with: Some(crate::scenario::RefusesWith {
            v4: Some(vec![5]),
            v5: Some(vec![0x87]),
            ..Default::default()
        }),
        ..PolicySettings::default()
    };
    let policy = Policy::over("x".into(), base, settings, Vec::new()).unwrap();
    EndJudge::new(&policy, protocol, Duration::from_millis(10), Duration::from_secs(5))
}

fn promising(on: Option<OnExpiry>, ends_on: EndsOn, v5: Option<Vec<End>>) -> EndJudge {
    let settings = PolicySettings {
        on_expiry: Some(ByVersion { v4: on, v5: on }),
        ends_on: Some(ByVersion { v4: Some(ends_on), v5: Some(ends_on) }),
        ends_with: Some(EndsWith { v4: None, v5 }),
        ..PolicySettings::default()
    };
    judge(&settings, Protocol::V5)
}

const MS: i64 = SECOND as i64 / 1000;
/// The deadline of all connections here.
const DEADLINE: i64 = 100_000 * MS;

/// What a judge makes of a connection that met something so many milliseconds after its deadline; nothing where that has
/// nothing to do with its token.
fn at(judge: &EndJudge, met: Met, after_ms: i64) -> Option<(Fate, Verdict)> {
    let ended = (DEADLINE + after_ms * MS) as u64;
    let fate = judge.fate(DEADLINE, 1, met, ended)?;
    Some((fate, judge.verdict(fate, met, after_ms * MS, false)))
}

const NOT_AUTHORIZED: Met = Met::End(Ended::Disconnect(Some(0x87)));
const MAXIMUM_TIME: Met = Met::End(Ended::Disconnect(Some(0xA0)));
const TAKEN_OVER: Met = Met::End(Ended::Disconnect(Some(0x8E)));
const FIN: Met = Met::End(Ended::Closed(Close::Fin));
const RST: Met = Met::End(Ended::Closed(Close::Rst));
const PING_TIMEOUT: Met = Met::End(Ended::PingTimeout);

#[test]
fn every_row_of_the_table_gives_its_verdict_at_both_sides_of_its_bounds() {
    use Verdict::{Correct, FalseAccept, FalseReject, Indeterminate, WrongReason};
    let code = Some(vec![End::Code(0x87)]);
    let judges = [OnExpiry::Disconnect, OnExpiry::Keep, OnExpiry::Starve]
        .map(|promise| promising(Some(promise), EndsOn::Time, code.clone()));
    for (met, after_ms, ends, stays) in [
        (NOT_AUTHORIZED, -50_000, FalseReject, FalseReject),
        (NOT_AUTHORIZED, -11, FalseReject, FalseReject),
        (MAXIMUM_TIME, -11, FalseReject, FalseReject),
        (NOT_AUTHORIZED, -10, Correct, Indeterminate),
        (NOT_AUTHORIZED, 0, Correct, Indeterminate),
        (NOT_AUTHORIZED, 10, Correct, Indeterminate),
        (NOT_AUTHORIZED, 11, Correct, WrongReason),
        (NOT_AUTHORIZED, 2_000, Correct, WrongReason),
        (NOT_AUTHORIZED, 2_001, WrongReason, WrongReason),
        (NOT_AUTHORIZED, 4_999, WrongReason, WrongReason),
        (MAXIMUM_TIME, 0, WrongReason, WrongReason),
        (FIN, 500, WrongReason, WrongReason),
        (RST, 500, WrongReason, WrongReason),
        (Met::Outlived, 5_000, FalseAccept, Correct),
        (NOT_AUTHORIZED, 5_000, FalseAccept, Correct),
        (Met::Us(HOLD), -10, Indeterminate, Indeterminate),
        (Met::Us(HOLD), 4_000, Indeterminate, Indeterminate),
        (PING_TIMEOUT, 1_000, Indeterminate, Indeterminate),
        (Met::End(Ended::Disconnect(Some(SHUTTING_DOWN))), 100, Indeterminate, Indeterminate),
    ] {
        for (judge, wanted) in judges.iter().zip([ends, stays, stays]) {
            let (_, verdict) = at(judge, met, after_ms).unwrap();
            assert_eq!(verdict, wanted, "{met:?} at {after_ms} ms by {:?}", judge.promise);
        }
    }
}

#[test]
fn what_ends_too_early_is_about_the_token_only_where_it_says_so() {
    let code = promising(Some(OnExpiry::Disconnect), EndsOn::Time, Some(vec![End::Code(0x98)]));
    let administrative = Met::End(Ended::Disconnect(Some(0x98)));
    assert_eq!(at(&code, administrative, -60_000).unwrap().1, Verdict::FalseReject);
    for met in [FIN, RST, TAKEN_OVER, PING_TIMEOUT, Met::Us(HOLD), Met::Us(INTERRUPTED)] {
        assert_eq!(at(&code, met, -11), None, "{met:?}");
    }
    let fin = promising(Some(OnExpiry::Disconnect), EndsOn::Time, Some(vec![End::Fin]));
    assert_eq!(at(&fin, FIN, -5_000).unwrap().1, Verdict::FalseReject);
    assert_eq!(at(&fin, FIN, -5_001), None, "more than the grace before");
    assert_eq!(at(&fin, RST, -20), None, "not as it was promised to end");
    let word = promising(None, EndsOn::Time, Some(vec![End::Disconnect]));
    assert_eq!(at(&word, TAKEN_OVER, -100).unwrap().1, Verdict::NotJudged);
    assert_eq!(at(&word, TAKEN_OVER, -5_001), None);
}

#[test]
fn a_broker_that_waits_for_a_packet_has_its_time_from_the_second_probe_on() {
    let judge = promising(Some(OnExpiry::Disconnect), EndsOn::Packet, None);
    assert_eq!(at(&judge, FIN, 3_100).unwrap().1, Verdict::Correct);
    assert_eq!(at(&judge, FIN, 3_101).unwrap().1, Verdict::WrongReason);
    let watch = judge.watch(DEADLINE, 1).unwrap();
    assert_eq!(watch.probes_at, DEADLINE as u64);
    assert_eq!(watch.outlived_at, DEADLINE as u64 + 5 * SECOND);
}

#[test]
fn the_leeway_moves_all_but_what_is_too_early() {
    let settings = PolicySettings {
        on_expiry: Some(ByVersion {
            v4: Some(OnExpiry::Disconnect),
            v5: Some(OnExpiry::Disconnect),
        }),
        expiry_leeway: Some(Duration::from_mins(1)),
        ..PolicySettings::default()
    };
    let judge = judge(&settings, Protocol::V4);
    assert_eq!(at(&judge, FIN, 62_000).unwrap().1, Verdict::Correct);
    assert_eq!(at(&judge, FIN, 62_001).unwrap().1, Verdict::WrongReason);
    assert_eq!(at(&judge, FIN, 65_000).unwrap().1, Verdict::FalseAccept);
    assert_eq!(at(&judge, NOT_AUTHORIZED, -11).unwrap().1, Verdict::FalseReject);
    // Accepted within the leeway it has an end, after that it has none.
    let leeway = 60 * SECOND;
    assert!(judge.watch(DEADLINE, DEADLINE as u64 + leeway).is_some());
    assert!(judge.watch(DEADLINE, DEADLINE as u64 + leeway + 1).is_none());
    let late =
        judge.fate(DEADLINE, DEADLINE as u64 + leeway + 1, FIN, DEADLINE as u64 + leeway + 2);
    assert_eq!(late, None);
}

#[test]
fn a_token_without_end_has_none_and_a_stepped_clock_decides_nothing() {
    let judge = promising(Some(OnExpiry::Disconnect), EndsOn::Time, None);
    for deadline in [i64::MIN, i64::MAX] {
        assert!(judge.watch(deadline, 1).is_none());
        assert_eq!(judge.fate(deadline, 1, FIN, 5), None);
    }
    let fate = Fate::Ended(Code::Word("fin"));
    assert_eq!(judge.verdict(fate, FIN, -50_000 * MS, true), Verdict::Indeterminate);
    let silent = promising(None, EndsOn::Time, None);
    assert_eq!(silent.verdict(fate, FIN, 0, true), Verdict::NotJudged);
    assert_eq!(silent.expected(), ExpectedEnd::None);
}

#[test]
fn an_end_while_the_broker_is_away_is_nobodys_but_that_of_a_connection_past_its_deadline() {
    assert_eq!(EndJudge::fate_in_gap(DEADLINE, DEADLINE as u64 - 1), None);
    assert_eq!(EndJudge::fate_in_gap(DEADLINE, DEADLINE as u64), Some(Fate::Left(GAP)));
}
