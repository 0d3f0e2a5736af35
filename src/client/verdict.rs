//! The verdict: what had to happen to a token, against what did.

pub mod again;
pub mod ending;
pub mod foreign;
pub mod standing;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::base::words::{Expected, Verdict};

use self::standing::Standing;
use crate::{
    base::{
        clock::{nanoseconds, signed},
        tls::failure,
    },
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
    /// The statuses that refuse an upgrade.
    http: Vec<u16>,
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
            http: policy.http.statuses().to_vec(),
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
            refused if refused.is_refusal() => sent.max(ended.saturating_sub(self.refusal_delay)),
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
            (Outcome::Accepted, Expectation::Accept | Expectation::Either(_)) => Verdict::Correct,
            (
                Outcome::Closed(Close::Fin),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) if refusal.also.may_close() => Verdict::Correct,
            (Outcome::Accepted, Expectation::Refuse(_)) => Verdict::FalseAccept,
            (
                Outcome::Refused(code),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) if self.is_also(refusal.also, code) => Verdict::Correct,
            (Outcome::Refused(code), _) if !self.authentication[usize::from(code)] => {
                Verdict::NotJudged
            }
            (Outcome::Refused(_) | Outcome::UpgradeRefused(_), Expectation::Accept) => {
                Verdict::FalseReject
            }
            (
                Outcome::Refused(code),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) => {
                let is_promised = self.codes[refusal.group as usize][usize::from(code)];
                if is_promised { Verdict::Correct } else { Verdict::WrongReason }
            }
            (
                Outcome::UpgradeRefused(status),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) => {
                let is_right = refusal.also == Also::AnyReason || self.http.contains(&status);
                if is_right { Verdict::Correct } else { Verdict::WrongReason }
            }
            (Outcome::Closed(Close::Fin), _) => self.silent(expected),
            (
                Outcome::TlsFailed(word),
                Expectation::Refuse(refusal) | Expectation::Either(refusal),
            ) if refusal.also == Also::NoCertificate && failure::wants_certificate(word) => {
                Verdict::Correct
            }
            (
                Outcome::Accepted | Outcome::Refused(_) | Outcome::UpgradeRefused(_),
                Expectation::Indeterminate,
            ) => Verdict::Indeterminate,
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
            (Also::Malformed, Protocol::V5) => matches!(code, 0x81 | 0x82 | 0x8C),
            (Also::ClientId, Protocol::V4) => code == 2,
            (Also::ClientId, Protocol::V5) => code == 0x85,
            (Also::AnyReason, _) => self.authentication[usize::from(code)],
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
