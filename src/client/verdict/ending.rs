//! The verdict on a live connection whose token ends: what the broker promised, against what became of it.
//!
//! Pure: instants and what was seen go in. The table is that of docs/expiry.md.

use std::time::Duration;

use crate::{
    base::{
        clock::{nanoseconds, signed},
        words::{ExpectedEnd, Verdict},
    },
    client::{
        attempt::{Close, Code},
        expire::Fate,
        session::{Ended, ExpiryWatch},
    },
    scenario::{End, EndsOn, OnExpiry, Protocol},
    token::policy::{Policy, SECOND_PROBE},
};

/// Codes by which a broker says that a client is not authorized any more, or that its time is up (MQTT 5.0, 3.14.2.1):
/// where they come too early, that is still about the token.
const OF_TOKENS: [u8; 2] = [0x87, 0xA0];
/// DISCONNECT: server shutting down.
const SHUTTING_DOWN: u8 = 0x8B;
/// Why a connection has no end of its own: its broker was away.
pub const GAP: Code = Code::Word("gap");
/// The client went on with another token.
pub const RENEWED: Code = Code::Word("renewed");
/// The client left when its time was up.
pub const HOLD: Code = Code::Word("hold");
/// The run was interrupted.
pub const INTERRUPTED: Code = Code::Word("interrupted");

/// What happened to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Met {
    /// It ended before its client wanted.
    End(Ended),
    /// It was ended here, for this reason.
    Us(Code),
    /// It was still open when it should long have ended.
    Outlived,
}

/// Judges the ends of connections by a policy, in one version of MQTT. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub struct EndJudge {
    promise: Option<OnExpiry>,
    ends_on: EndsOn,
    /// How an end has to look; `None` where any will do.
    ends_with: Option<Vec<End>>,
    leeway: i64,
    /// How long after the deadline an end may come, leeway and probes included.
    until: i64,
    grace: i64,
    uncertainty: i64,
}

impl EndJudge {
    /// A judge of this policy; `uncertainty` is how far the broker's clock may be from ours, `grace` that of `[session]`.
    pub fn new(
        policy: &Policy,
        protocol: Protocol,
        uncertainty: Duration,
        grace: Duration,
    ) -> Self {
        let (expiry, length) = (&policy.expiry, |time| signed(nanoseconds(time)));
        let (leeway, ends_on) = (length(expiry.leeway), expiry.ends_on(protocol));
        let probes = if ends_on == EndsOn::Time { 0 } else { length(SECOND_PROBE) };
        Self {
            promise: expiry.on_expiry(protocol),
            ends_on,
            ends_with: expiry.ends_with(protocol).map(<[End]>::to_vec),
            leeway,
            until: leeway.saturating_add(probes).saturating_add(length(expiry.within)),
            grace: length(grace),
            uncertainty: length(uncertainty),
        }
    }

    /// What has to become of a connection.
    pub fn expected(&self) -> ExpectedEnd {
        match self.promise {
            Some(OnExpiry::Disconnect) => ExpectedEnd::End,
            Some(OnExpiry::Keep | OnExpiry::Starve) => ExpectedEnd::Stay,
            None => ExpectedEnd::None,
        }
    }

    /// When a connection that was accepted at an instant is looked at; `None` where its token has no end, or had one for too
    /// long.
    pub fn watch(&self, deadline: i64, accepted: u64) -> Option<ExpiryWatch> {
        let ends = deadline.saturating_add(self.leeway);
        let at = |at: i64| u64::try_from(at).unwrap_or_default();
        self.concerns(deadline, accepted).then(|| ExpiryWatch {
            probes_at: at(ends),
            outlived_at: at(ends.saturating_add(self.grace)),
            ends_on: self.ends_on,
        })
    }

    fn concerns(&self, deadline: i64, accepted: u64) -> bool {
        let has_end = deadline != i64::MIN && deadline != i64::MAX;
        has_end && signed(accepted) <= deadline.saturating_add(self.leeway)
    }

    /// What became of a connection because its token ended; `None` where what happened has nothing to do with that.
    pub fn fate(&self, deadline: i64, accepted: u64, met: Met, at: u64) -> Option<Fate> {
        if !self.concerns(deadline, accepted) {
            return None;
        }
        let is_due = self.is_due(deadline, at);
        let outlived = deadline.saturating_add(self.leeway).saturating_add(self.grace);
        let ended = match met {
            // Whatever happened, it happened before anybody looked whether the connection was still open then.
            _ if signed(at) >= outlived => return Some(Fate::Open),
            Met::Outlived => return Some(Fate::Open),
            Met::Us(why) => return is_due.then_some(Fate::Left(why)),
            Met::End(ended) => ended,
        };
        let is_named = self.ends_with.as_ref().is_some_and(|ends| looks_so(ends, ended));
        match ended {
            Ended::PingTimeout | Ended::ProtocolError(_) | Ended::Flood => {
                is_due.then_some(Fate::Left(ended.code()))
            }
            Ended::Disconnect(Some(SHUTTING_DOWN)) if !is_named => {
                is_due.then_some(Fate::Left(GAP))
            }
            Ended::Disconnect(_) | Ended::Closed(_) => {
                let is_about_it = is_due || self.is_early(deadline, ended, at);
                is_about_it.then_some(Fate::Ended(ended.code()))
            }
        }
    }

    /// Whether the token of a connection has ended, or may have: an end is about that.
    pub fn is_due(&self, deadline: i64, at: u64) -> bool {
        let has_end = deadline != i64::MIN && deadline != i64::MAX;
        has_end && signed(at) >= deadline.saturating_sub(self.uncertainty)
    }

    /// The same as [`Self::fate`] of a connection on which an AUTH has no answer yet, or has just had it: an end before the
    /// deadline is about that, and one after it only where the broker promised to end the connection then.
    pub fn fate_of_asked(
        &self,
        (deadline, accepted): (i64, u64),
        ended: Ended,
        at: u64,
        is_answered: bool,
    ) -> Option<Fate> {
        let fate = self.fate(deadline, accepted, Met::End(ended), at)?;
        match fate {
            Fate::Ended(_) if !self.is_due(deadline, at) => None,
            Fate::Ended(code) if !is_answered && self.promise != Some(OnExpiry::Disconnect) => {
                Some(Fate::Left(code))
            }
            fate => Some(fate),
        }
    }

    /// Whether an end that came too early is one because of the token all the same.
    fn is_early(&self, deadline: i64, ended: Ended, at: u64) -> bool {
        let ends = self.ends_with.as_deref().unwrap_or_default();
        if let Ended::Disconnect(Some(code)) = ended
            && (OF_TOKENS.contains(&code) || ends.contains(&End::Code(code)))
        {
            return true;
        }
        // A word fits whatever else may end a connection, too.
        signed(at) >= deadline.saturating_sub(self.grace) && looks_so(ends, ended)
    }

    /// What became of a connection that ended by FIN or RST while its broker was away: it has no end of its own.
    pub fn fate_in_gap(deadline: i64, at: u64) -> Option<Fate> {
        (signed(at) >= deadline).then_some(Fate::Left(GAP))
    }

    /// What that is worth. `is_stepped`: the wall clock was stepped since the deadline was worked out.
    pub fn verdict(&self, fate: Fate, met: Met, delay: i64, is_stepped: bool) -> Verdict {
        let Some(promise) = self.promise else { return Verdict::NotJudged };
        let must_end = promise == OnExpiry::Disconnect;
        let either = |ends: Verdict, stays: Verdict| if must_end { ends } else { stays };
        if is_stepped {
            return Verdict::Indeterminate;
        }
        let looks_right = match (met, &self.ends_with) {
            (Met::End(ended), Some(ends)) => looks_so(ends, ended),
            _ => true,
        };
        match fate {
            Fate::Ended(_) if delay < -self.uncertainty => Verdict::FalseReject,
            Fate::Ended(_) if looks_right && delay <= self.uncertainty => {
                either(Verdict::Correct, Verdict::Indeterminate)
            }
            Fate::Ended(_) if looks_right && delay <= self.until => {
                either(Verdict::Correct, Verdict::WrongReason)
            }
            Fate::Ended(_) => Verdict::WrongReason,
            Fate::Open => either(Verdict::FalseAccept, Verdict::Correct),
            Fate::Left(_) => Verdict::Indeterminate,
        }
    }
}

/// Whether an end is one of these.
fn looks_so(ends: &[End], ended: Ended) -> bool {
    ends.iter().any(|end| match (end, ended) {
        (End::Code(code), Ended::Disconnect(Some(sent))) => *code == sent,
        (End::Disconnect, Ended::Disconnect(_))
        | (End::Fin, Ended::Closed(Close::Fin | Close::FinInPacket))
        | (End::Rst, Ended::Closed(Close::Rst)) => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests;
