//! The verdict: what had to happen to a token, against what did.

pub mod foreign;
pub mod standing;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::base::words::{Expected, Verdict};

use self::standing::Standing;
use crate::{
    base::clock::{nanoseconds, signed},
    client::attempt::{Close, Outcome},
    scenario::{Check, Group, Protocol, SilentClose},
    token::{
        Must,
        policy::Policy,
        recipe::{Also, Refusal},
    },
};

/// Codes that say "your credentials are not good", whatever the policy names: 4 and 5 of MQTT
/// 3.1.1; 0x86, 0x87 and 0x8C of MQTT 5.0.
const AUTHENTICATION_CODES: [u8; 5] = [4, 5, 0x86, 0x87, 0x8C];

/// What must happen to a token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Expectation {
    /// It must be accepted.
    Accept,
    /// It must be refused, and the refusal look so.
    Refuse(Refusal),
    /// Both answers are right, by the leeway or since nothing is promised; a refusal has to look so.
    Either(Refusal),
    /// Its boundary falls within the attempt.
    Indeterminate,
}

impl Expectation {
    /// What had to happen, without how a refusal has to look.
    pub fn kind(self) -> Expected {
        match self {
            Self::Accept => Expected::Accept,
            Self::Refuse(_) => Expected::Refuse,
            Self::Either(_) => Expected::Either,
            Self::Indeterminate => Expected::Indeterminate,
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }
}

/// When a token is good by its own claims, in nanoseconds of the run's clock; a bound that it does
/// not have is infinite. Which of them count, and the leeway, are the judge's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// `nbf`: from here on.
    pub from: i64,
    /// `exp`: until before here.
    pub until: i64,
}

impl Validity {
    /// A token without time.
    pub const ALWAYS: Self = Self { from: i64::MIN, until: i64::MAX };
}

/// Judges answers by a policy.
#[derive(Clone, Debug)]
pub struct Judge {
    leeway: i64,
    uncertainty: i64,
    checks_exp: bool,
    /// Whether the start of a token counts: its `nbf`, or its `iat` where that is checked instead.
    checks_start: bool,
    silent_close: SilentClose,
    refusal_delay: u64,
    new_key_within: Option<i64>,
    old_key_within: Option<i64>,
    verdict_cache: i64,
    protocol: Protocol,
    /// Is a code one of the policy's for a group? Indexed by group, then code.
    codes: Vec<[bool; 256]>,
    /// Is a code an authentication code at all?
    authentication: [bool; 256],
}

impl Judge {
    /// A judge of this policy; `uncertainty` is how far the broker's clock may be from ours.
    pub fn new(policy: &Policy, protocol: Protocol, uncertainty: Duration) -> Self {
        let table = |holds: &dyn Fn(u8) -> bool| -> [bool; 256] {
            std::array::from_fn(|code| holds(code as u8))
        };
        Self {
            leeway: signed(nanoseconds(policy.leeway)),
            uncertainty: signed(nanoseconds(uncertainty)),
            checks_exp: policy.checks(Check::Exp),
            checks_start: policy.checks(Check::Nbf) || policy.checks(Check::Iat),
            silent_close: policy.silent_close,
            refusal_delay: nanoseconds(policy.refusal_delay),
            new_key_within: policy.new_key_within.map(|within| signed(nanoseconds(within))),
            old_key_within: policy.old_key_within.map(|within| signed(nanoseconds(within))),
            verdict_cache: signed(nanoseconds(policy.verdict_cache)),
            protocol,
            codes: Group::ALL
                .iter()
                .map(|group| table(&|code| policy.codes(*group, protocol).contains(&code)))
                .collect(),
            authentication: table(&|code| {
                AUTHENTICATION_CODES.contains(&code) || policy.names_code(code, protocol)
            }),
        }
    }

    /// From when to when, by the broker's clock, an answer may have been decided.
    fn span(&self, sent: u64, decided: u64) -> (i64, i64) {
        let (sent, decided) = (signed(sent), signed(decided));
        (sent.saturating_sub(self.uncertainty), decided.saturating_add(self.uncertainty))
    }

    /// When the broker had decided at the latest: what the policy has it delay a refusal by is taken off the end of that. One
    /// that was not delayed after all was decided after CONNECT was sent, too.
    pub fn decided(&self, outcome: Outcome, sent: u64, ended: u64) -> u64 {
        match outcome {
            Outcome::Refused(_) => sent.max(ended.saturating_sub(self.refusal_delay)),
            _ => ended,
        }
    }

    /// The same for a token whose key came or went meanwhile: one that the issuer had not published can't be known, and
    /// one that it has just published or removed may be known or not, as long as the policy allows. The keys that were
    /// there from the start are as new as the rest to a broker that can't have read the set before the run; where the
    /// policy does not say how soon it reads, they have to be known all the same, or nothing good could be judged.
    pub fn by_key(
        &self,
        expected: Expectation,
        key: Standing,
        sent: u64,
        decided: u64,
    ) -> Expectation {
        if matches!(expected, Expectation::Refuse(_)) {
            return expected;
        }
        let refusal = Refusal::from(Group::Signature);
        let (earliest, latest) = self.span(sent, decided);
        if latest < key.published {
            return Expectation::Refuse(refusal);
        }
        let after = |at: i64, within: Option<i64>| within.map(|within| at.saturating_add(within));
        let is_over = |end: Option<i64>| end.is_some_and(|end| earliest >= end);
        if earliest < key.published {
            return Expectation::Indeterminate;
        }
        if earliest >= key.removed {
            // While the key set is away nobody can see that it is gone.
            let seen = match key.away {
                Some((since, until)) if until > key.removed && earliest >= since => until,
                _ => key.removed,
            };
            let is_gone = is_over(after(seen, self.old_key_within));
            return if is_gone {
                Expectation::Refuse(refusal)
            } else {
                Expectation::Either(refusal)
            };
        }
        if latest >= key.fading {
            return Expectation::Indeterminate;
        }
        let shown = key.published.max(key.readable);
        let is_known = is_over(after(shown, self.new_key_within));
        let was_away = key.away.is_some_and(|(since, until)| {
            latest >= since && !is_over(after(until, self.new_key_within))
        });
        let was_revoked = latest >= key.revoked;
        let may_be_unread =
            after(key.readable, self.new_key_within).is_some_and(|known| earliest < known);
        match expected {
            Expectation::Accept
                if !is_known && key.published != i64::MIN
                    || may_be_unread
                    || was_away
                    || was_revoked =>
            {
                Expectation::Either(refusal)
            }
            expected => expected,
        }
    }

    /// What had to happen to a token whose CONNECT was sent and decided at these instants.
    pub fn expectation(
        &self,
        must: Must,
        validity: Validity,
        sent: u64,
        decided: u64,
    ) -> Expectation {
        match must {
            Must::Refuse(refusal) => return Expectation::Refuse(refusal),
            Must::Unpromised(refusal, _) => return Expectation::Either(refusal),
            Must::AcceptInTime => {}
        }
        let (earliest, latest) = self.span(sent, decided);
        let until = if self.checks_exp { validity.until } else { i64::MAX };
        let from = if self.checks_start { validity.from } else { i64::MIN };
        let (last, first) = (until.saturating_add(self.leeway), from.saturating_sub(self.leeway));
        // A boundary at `b` parts "before b" from "at b or after": it falls within when both can be.
        let within = |boundary: i64| earliest < boundary && boundary <= latest;
        if earliest >= last || latest < first {
            Expectation::Refuse(Group::Time.into())
        } else if [until, last, from, first].into_iter().any(within) {
            Expectation::Indeterminate
        } else if earliest >= from && latest < until {
            Expectation::Accept
        } else {
            Expectation::Either(Group::Time.into())
        }
    }

    /// The same for a token that was accepted before: a broker that keeps its verdicts may accept it again until so long after
    /// `last`, its last acceptance that was right without that.
    pub fn by_cache(&self, expected: Expectation, last: Option<u64>, sent: u64) -> Expectation {
        match (expected, last) {
            (Expectation::Refuse(refusal), Some(last)) if self.keeps_verdicts() => {
                let until = signed(last).saturating_add(self.verdict_cache);
                if self.span(sent, sent).0 <= until {
                    return Expectation::Either(refusal);
                }
                expected
            }
            _ => expected,
        }
    }

    /// Whether the policy lets the broker keep its verdicts.
    pub fn keeps_verdicts(&self) -> bool {
        self.verdict_cache > 0
    }

    /// The verdict on an outcome.
    pub fn verdict(&self, expected: Expectation, outcome: Outcome) -> Verdict {
        match (outcome, expected) {
            (Outcome::Accepted, Expectation::Accept | Expectation::Either(_))
            | (
                Outcome::Closed(Close::Fin),
                Expectation::Refuse(Refusal { also: Also::Close | Also::BadMethod, .. })
                | Expectation::Either(Refusal { also: Also::Close | Also::BadMethod, .. }),
            ) => Verdict::Correct,
            (Outcome::Accepted, Expectation::Refuse(_)) => Verdict::FalseAccept,
            (
                Outcome::Refused(code),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) if self.is_also(refusal.also, code) => Verdict::Correct,
            (Outcome::Refused(code), _) if !self.authentication[usize::from(code)] => {
                Verdict::NotJudged
            }
            (Outcome::Refused(_), Expectation::Accept) => Verdict::FalseReject,
            (
                Outcome::Refused(code),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) => {
                let is_promised = self.codes[refusal.group as usize][usize::from(code)];
                if is_promised { Verdict::Correct } else { Verdict::WrongReason }
            }
            (Outcome::Closed(Close::Fin), _) => self.silent(expected),
            (Outcome::Accepted | Outcome::Refused(_), Expectation::Indeterminate) => {
                Verdict::Indeterminate
            }
            _ => Verdict::NotJudged,
        }
    }

    /// The verdict on an orderly end without CONNACK.
    fn silent(&self, expected: Expectation) -> Verdict {
        match (expected, self.silent_close) {
            (Expectation::Refuse(_) | Expectation::Either(_), SilentClose::Correct) => {
                Verdict::Correct
            }
            (Expectation::Accept, SilentClose::Correct) => Verdict::FalseReject,
            (Expectation::Indeterminate, SilentClose::Correct) => Verdict::Indeterminate,
            (Expectation::Refuse(_), SilentClose::WrongReason) => Verdict::WrongReason,
            (_, SilentClose::WrongReason) => Verdict::NotJudged,
        }
    }

    /// Whether MQTT itself asks for this code.
    fn is_also(&self, also: Also, code: u8) -> bool {
        match (also, self.protocol) {
            (Also::BadMethod, Protocol::V5) => code == 0x8C,
            (Also::ClientId, Protocol::V4) => code == 2,
            (Also::ClientId, Protocol::V5) => code == 0x85,
            (Also::AnyReason, _) => self.authentication[usize::from(code)],
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            at(until(100), 99.95),
            Expectation::Indeterminate,
            "within the clock's uncertainty"
        );
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
        let judge =
            judge("refusal_delay = \"3s\"\nnew_key_within = \"1s\"\nold_key_within = \"0s\"");
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
}
