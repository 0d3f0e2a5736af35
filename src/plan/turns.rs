//! Later turns: when a client comes back whose connection ended, and when one renews its token. Pure: instants go in, due
//! times come out, and what is drawn follows from the seed, the client's number and the turn's.

use std::time::Duration;

use super::{Plan, expiry::shown, renewals::RenewsWith};
use crate::{
    base::{
        clock::{SECOND, nanoseconds, signed},
        error::{Error, Result},
    },
    scenario::{BackoffSettings, Jitter, Reconnect, Renew, Scenario, SessionSettings, TokenSource},
    token::{Kind, Must, recipe::Exp},
};

/// No wait is shorter: a broker that accepts and closes at once must not make a busy loop.
const LEAST_WAIT: Duration = Duration::from_millis(10);
/// A token is not renewed sooner after it came.
const SOONEST_RENEWAL: i64 = SECOND as i64;
/// Parts what is drawn for waits from all else that is drawn for a turn.
const BACKOFF_STREAM: u64 = 0x6261_636b;
/// Likewise for renewals.
const RENEW_STREAM: u64 = 0x7265_6e65;

/// What clients do beyond their first turn.
#[derive(Clone, Debug)]
pub struct Turns {
    /// With which token they come back.
    pub reconnect: Reconnect,
    /// What they do before their tokens end.
    pub renew: Renew,
    /// The kinds of token that they authenticate again with, where the scenario says.
    pub(super) renew_with: Vec<RenewsWith>,
    /// Failed attempts in a row after which a client gives up.
    pub tries: u32,
    /// Whether a token that is sent again has to be kept: a signature that is made anew differs.
    pub keeps_tokens: bool,
    pub(super) renew_before: i64,
    renew_jitter: i64,
    backoff: BackoffSettings,
}

/// When a token is renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Due {
    /// In nanoseconds of the run's clock.
    pub at: u64,
    /// Whether the token came with less life than twice `session.renew_before`, and is renewed when half of that is over.
    pub is_too_short: bool,
}

/// Resolves what `[session]` says of later turns; `None` where there are none.
///
/// # Errors
/// When a value is out of range, or nothing could come of it.
pub(super) fn resolve(
    scenario: &Scenario,
    kinds: &[Kind],
    renew_with: Vec<RenewsWith>,
    keeps: bool,
) -> Result<Option<Turns>> {
    let Some(session) = &scenario.session else { return Ok(None) };
    check(session)?;
    if session.renew == Renew::None && session.reconnect == Reconnect::None {
        return Ok(None);
    }
    check_tokens(scenario, session, kinds)?;
    let length = |time| signed(nanoseconds(time));
    Ok(Some(Turns {
        reconnect: session.reconnect,
        renew: session.renew,
        renew_with,
        tries: session.tries,
        keeps_tokens: keeps && session.reconnect == Reconnect::SameToken,
        renew_before: length(session.renew_before),
        renew_jitter: length(session.renew_jitter),
        backoff: session.backoff.clone(),
    }))
}

fn check(session: &SessionSettings) -> Result<()> {
    let backoff = &session.backoff;
    let hour = Duration::from_hours(1);
    for (key, value, least, most) in [
        ("session.backoff.first", backoff.first, Duration::ZERO, hour),
        ("session.backoff.most", backoff.most, backoff.first, hour * 24),
        ("session.renew_before", session.renew_before, Duration::ZERO, hour * 24),
        ("session.renew_jitter", session.renew_jitter, Duration::ZERO, hour * 24),
    ] {
        if value < least || value > most {
            return Err(Error::usage(format!(
                "`{key}` is {}, but must be {} to {}",
                shown(value),
                shown(least),
                shown(most)
            )));
        }
    }
    if !(1.0..=100.0).contains(&backoff.factor) {
        return Err(Error::usage(format!(
            "`session.backoff.factor` is {}, but must be 1 to 100",
            backoff.factor
        )));
    }
    if session.tries == 0 {
        return Err(Error::usage("`session.tries` is 0, but a client that comes back tries once")
            .hint("leave `session.reconnect` out where none is to come back"));
    }
    Ok(())
}

fn check_tokens(scenario: &Scenario, session: &SessionSettings, kinds: &[Kind]) -> Result<()> {
    if !kinds.iter().any(may_return) {
        return Err(Error::usage(
            "`[session]` has clients come back or renew their tokens, but all tokens of the mix must be refused: none was ever accepted",
        )
        .hint("add `fresh` to the mix, or leave `session.reconnect` and `session.renew` out"));
    }
    if session.renew == Renew::None {
        return Ok(());
    }
    let token = &scenario.token;
    let life = token.exp_at.unwrap_or_else(|| token.ttl());
    if token.source == TokenSource::Mint && session.renew_before >= life {
        return Err(Error::usage(format!(
            "`session.renew_before` is {}, but tokens last for {}: they would have to be renewed before they come",
            shown(session.renew_before),
            shown(life)
        ))
        .hint("lower `session.renew_before`, or raise `token.ttl`"));
    }
    Ok(())
}

/// Whether clients of a kind come back once they were accepted: not those whose token must be refused.
fn may_return(kind: &Kind) -> bool {
    !matches!(kind.must, Must::Refuse(_)) && !matches!(kind.recipe.exp, Exp::Ago(_))
}

impl Plan {
    /// What clients of a kind do beyond their first turn, where they do anything.
    pub fn turns_of(&self, kind: usize) -> Option<&Turns> {
        self.turns.as_ref().filter(|_| may_return(&self.mould.kinds[kind]))
    }

    /// Whether clients renew their tokens.
    pub fn renews(&self) -> bool {
        self.turns.as_ref().is_some_and(Turns::renews)
    }

    /// Whether clients of a kind fetch tokens for later turns.
    pub fn fetches_later(&self, kind: usize) -> bool {
        let wants = |turns: &Turns| turns.renews() || turns.reconnect == Reconnect::FreshToken;
        self.is_fetched(kind) && self.turns_of(kind).is_some_and(wants)
    }
}

impl Turns {
    /// Whether clients renew their tokens.
    pub fn renews(&self) -> bool {
        self.renew != Renew::None
    }

    /// How long a client waits before its next attempt, after so many that failed since its connection ended; `drawn` is a
    /// fraction of 1.
    pub fn wait(&self, failures: u32, drawn: f64) -> Duration {
        let BackoffSettings { first, factor, most, jitter } = &self.backoff;
        let grown = first.as_secs_f64() * factor.powi(failures.min(1_000).cast_signed());
        // Nothing remains nothing, however often it grows: 0 times infinity is no number.
        let grown = if first.is_zero() { 0.0 } else { grown };
        let whole = grown.min(most.as_secs_f64());
        let wait = match jitter {
            Jitter::Full => whole * drawn,
            Jitter::Equal => whole / 2.0 * (1.0 + drawn),
            Jitter::None => whole,
        };
        Duration::from_secs_f64(wait).max(LEAST_WAIT)
    }

    /// When a token is renewed that came at an instant and ends at another, both by the run's clock; `None` where it never is.
    /// `drawn` is a fraction of 1.
    pub fn renewal(&self, came: u64, ends: i64, drawn: f64) -> Option<Due> {
        let came = signed(came);
        if !self.renews() || ends == i64::MAX || ends <= came {
            return None;
        }
        let life = ends - came;
        let (half, latest) = (came + life / 2, ends.saturating_sub(self.renew_before));
        let is_too_short = latest < half;
        let (from, to) = if is_too_short {
            // Servers shorten tokens towards the end of a session.
            (half, half.saturating_add(self.renew_jitter).min(came + life / 4 * 3))
        } else {
            (latest.saturating_sub(self.renew_jitter).max(half), latest)
        };
        let due = from + ((to - from) as f64 * drawn) as i64;
        let due = due.max(came + SOONEST_RENEWAL);
        let at = u64::try_from(due).unwrap_or_default();
        (due < ends).then_some(Due { at, is_too_short })
    }
}

impl super::life::Life {
    /// How long this client waits before a turn, after so many attempts that failed.
    pub fn wait(&self, turns: &Turns, turn: u32, failures: u32) -> Duration {
        turns.wait(failures, self.drawn(turn, BACKOFF_STREAM))
    }

    /// When it renews the token that it brought to a turn.
    pub fn renewal(&self, turns: &Turns, turn: u32, came: u64, ends: i64) -> Option<Due> {
        turns.renewal(came, ends, self.drawn(turn, RENEW_STREAM))
    }
}

#[cfg(test)]
mod tests;
