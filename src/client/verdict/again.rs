//! The verdict on a client that authenticates again: what its token and the broker's promise ask for, against what came.
//!
//! Pure. The rules are those of docs/reauthentication.md, "Verdicts".

use super::Expectation;
use crate::{
    base::words::Verdict,
    client::attempt::{Close, Outcome},
    scenario::{Reauthentication, SilentClose},
    token::{policy::Policy, recipe::Also},
};

/// Codes of a DISCONNECT that say "your credentials are not good", whatever the policy names (MQTT 5.0, 3.14.2.1): not
/// authorized, and bad authentication method.
const OF_CREDENTIALS: [u8; 2] = [0x87, BAD_METHOD];
const BAD_METHOD: u8 = 0x8C;
/// Server shutting down: it says nothing of a token, whatever is promised.
const SHUTTING_DOWN: u8 = 0x8B;
const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;

/// Judges what brokers do with AUTH by a policy.
#[derive(Clone, Debug)]
pub struct ReauthJudge {
    promise: Option<Reauthentication>,
    codes: Vec<u8>,
    silent_close: SilentClose,
}

impl ReauthJudge {
    /// A judge of this policy.
    pub fn new(policy: &Policy) -> Self {
        Self {
            promise: policy.reauth.promise,
            codes: policy.reauth.codes().to_vec(),
            silent_close: policy.silent_close,
        }
    }

    /// The verdict on an outcome, where the token had to meet this.
    pub fn verdict(&self, expected: Expectation, outcome: Outcome) -> Verdict {
        match (self.promise, outcome, expected) {
            (_, Outcome::Accepted, Expectation::Refuse(_)) => Verdict::FalseAccept,
            (None, ..) | (_, Outcome::Refused(SHUTTING_DOWN), _) => Verdict::NotJudged,
            (_, Outcome::Accepted, Expectation::Indeterminate) => Verdict::Indeterminate,
            (Some(Reauthentication::Accept), Outcome::Accepted, _) => Verdict::Correct,
            (Some(Reauthentication::Refuse), Outcome::Accepted, _) => Verdict::WrongReason,
            (Some(Reauthentication::Refuse), Outcome::Refused(_) | Outcome::Closed(_), _) => {
                Verdict::Correct
            }
            (Some(Reauthentication::Accept), Outcome::Refused(code), _) => {
                self.refused(expected, code)
            }
            (Some(Reauthentication::Accept), Outcome::Closed(Close::Fin), _) => {
                self.closed(expected)
            }
            _ => Verdict::NotJudged,
        }
    }

    fn refused(&self, expected: Expectation, code: u8) -> Verdict {
        let is_promised = self.codes.contains(&code);
        let also = match expected {
            Expectation::Refuse(refusal) | Expectation::Either(refusal) => Some(refusal.also),
            Expectation::Accept | Expectation::Indeterminate => None,
        };
        if also.is_some_and(|also| is_also(also, code)) {
            return Verdict::Correct;
        }
        if !is_promised && !OF_CREDENTIALS.contains(&code) {
            return Verdict::NotJudged;
        }
        match expected {
            Expectation::Accept => Verdict::FalseReject,
            Expectation::Indeterminate => Verdict::Indeterminate,
            Expectation::Refuse(_) | Expectation::Either(_) if is_promised => Verdict::Correct,
            Expectation::Refuse(_) | Expectation::Either(_) => Verdict::WrongReason,
        }
    }

    /// An orderly end in place of an answer. A good client loses its connection by it, whatever that is worth to CONNECT.
    fn closed(&self, expected: Expectation) -> Verdict {
        match (expected, self.silent_close) {
            (Expectation::Accept, _) => Verdict::FalseReject,
            (Expectation::Indeterminate, _) => Verdict::Indeterminate,
            (Expectation::Refuse(refusal) | Expectation::Either(refusal), _)
                if refusal.also.may_close() =>
            {
                Verdict::Correct
            }
            (_, SilentClose::Correct) => Verdict::Correct,
            (Expectation::Refuse(_), SilentClose::WrongReason) => Verdict::WrongReason,
            (Expectation::Either(_), SilentClose::WrongReason) => Verdict::NotJudged,
        }
    }
}

/// Whether MQTT itself asks for this code.
fn is_also(also: Also, code: u8) -> bool {
    match also {
        Also::BadMethod => matches!(code, BAD_METHOD | PROTOCOL_ERROR),
        Also::Malformed => matches!(code, MALFORMED | PROTOCOL_ERROR | BAD_METHOD),
        Also::AnyReason => OF_CREDENTIALS.contains(&code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        scenario::{Group, PolicySettings, RefusesWith},
        token::recipe::Refusal,
    };

    fn judge(
        promise: Option<Reauthentication>,
        codes: &[u8],
        silent_close: SilentClose,
    ) -> ReauthJudge {
        let settings = PolicySettings {
            reauthentication: promise,
            silent_close: Some(silent_close),
            refuses_with: Some(RefusesWith {
                reauth: Some(codes.to_vec()),
                ..RefusesWith::default()
            }),
            ..PolicySettings::default()
        };
        let policy =
            Policy::resolve("strict", std::path::Path::new("."), &settings, Vec::new()).unwrap();
        ReauthJudge::new(&policy)
    }

    /// The verdicts on a good token, a bad one, one of which nothing is promised, and one at a boundary of time.
    fn verdicts(judge: &ReauthJudge, outcome: Outcome) -> [Verdict; 4] {
        let refusal = Refusal::from(Group::Time);
        [
            Expectation::Accept,
            Expectation::Refuse(refusal),
            Expectation::Either(refusal),
            Expectation::Indeterminate,
        ]
        .map(|expected| judge.verdict(expected, outcome))
    }

    const FIN: Outcome = Outcome::Closed(Close::Fin);
    const RST: Outcome = Outcome::Closed(Close::Rst);

    #[test]
    fn what_a_broker_does_that_promises_to_take_good_tokens_is_judged_as_a_connect_with_that_token()
    {
        use Verdict::{Correct, FalseAccept, FalseReject, Indeterminate, NotJudged, WrongReason};
        let accept = Some(Reauthentication::Accept);
        let by = judge(accept, &[0x87], SilentClose::WrongReason);
        for (outcome, expected) in [
            (Outcome::Accepted, [Correct, FalseAccept, Correct, Indeterminate]),
            (Outcome::Refused(0x87), [FalseReject, Correct, Correct, Indeterminate]),
            (Outcome::Refused(0x8C), [FalseReject, WrongReason, WrongReason, Indeterminate]),
            // A code of CONNACK, a quota, and an end that says nothing.
            (Outcome::Refused(0x86), [NotJudged; 4]),
            (Outcome::Refused(0x97), [NotJudged; 4]),
            (Outcome::Refused(0x00), [NotJudged; 4]),
            (FIN, [FalseReject, WrongReason, NotJudged, Indeterminate]),
            (RST, [NotJudged; 4]),
            (Outcome::Timeout(crate::base::words::Phase::Reauth), [NotJudged; 4]),
            (Outcome::ProtocolError("auth_continue"), [NotJudged; 4]),
        ] {
            assert_eq!(verdicts(&by, outcome), expected, "{outcome:?}");
        }
        let quietly = judge(accept, &[0x83], SilentClose::Correct);
        assert_eq!(verdicts(&quietly, FIN), [FalseReject, Correct, Correct, Indeterminate]);
        assert_eq!(
            verdicts(&quietly, Outcome::Refused(0x83)),
            [FalseReject, Correct, Correct, Indeterminate]
        );
        assert_eq!(
            verdicts(&quietly, Outcome::Refused(0x87)),
            [FalseReject, WrongReason, WrongReason, Indeterminate]
        );
    }

    #[test]
    fn a_broker_that_promises_to_refuse_may_end_the_connection_anyhow_and_must_renew_nobody() {
        use Verdict::{Correct, FalseAccept, Indeterminate, NotJudged, WrongReason};
        let by = judge(Some(Reauthentication::Refuse), &[0x87], SilentClose::WrongReason);
        for end in [FIN, RST, Outcome::Refused(0x82), Outcome::Refused(0)] {
            assert_eq!(verdicts(&by, end), [Correct; 4], "{end:?}");
        }
        assert_eq!(verdicts(&by, Outcome::Refused(0x8B)), [NotJudged; 4]);
        let renewed = [WrongReason, FalseAccept, WrongReason, Indeterminate];
        assert_eq!(verdicts(&by, Outcome::Accepted), renewed);
        let late = Outcome::Timeout(crate::base::words::Phase::Reauth);
        assert_eq!(verdicts(&by, late), [NotJudged; 4]);
    }

    #[test]
    fn where_nothing_is_promised_only_a_bad_token_that_was_taken_is_judged() {
        use Verdict::{FalseAccept, NotJudged};
        let by = judge(None, &[0x87], SilentClose::Correct);
        for end in [FIN, RST, Outcome::Refused(0x87)] {
            assert_eq!(verdicts(&by, end), [NotJudged; 4], "{end:?}");
        }
        let renewed = [NotJudged, FalseAccept, NotJudged, NotJudged];
        assert_eq!(verdicts(&by, Outcome::Accepted), renewed);
    }
}
