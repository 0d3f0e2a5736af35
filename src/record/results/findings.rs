//! `findings.csv`: what was not as it had to be, a row each, with the command that mints its token again.

use serde::Serialize;

use super::time::microseconds;
use crate::{
    base::{clock::SECOND, shell::quoted, words::Operation},
    client::{attempt::Attempt, expire::Expire},
    plan::Plan,
    record::measure::{Finding, operations::Operated},
    token::Bearer,
};

/// The `operation` of the row that no finding is: how many findings the file has no row for stands in it as `code`.
pub const LEFT_OUT: &str = "left_out";

/// The last row of a file that has no room for so many findings; all its other cells are empty.
pub fn left_out(count: u64) -> impl Serialize {
    const NOTHING: &str = "";
    let place = [NOTHING; 3];
    let times = [NOTHING; 3];
    (place, times, (NOTHING, count, NOTHING), NOTHING, (NOTHING, LEFT_OUT))
}

/// When a storm started: by the run's clock, and in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// By the run's clock.
    pub at: u64,
    /// In nanoseconds since 1970.
    pub wall: i64,
}

impl Start {
    /// An instant as an offset from it, in microseconds: times of day are for people.
    fn offset(self, at: i64) -> String {
        format!("{:.3}", microseconds(at as f64 - self.at as f64))
    }
}

/// The row of an attempt.
pub fn of_attempt(plan: &Plan, start: Start, finding: &Finding) -> impl Serialize {
    let attempt = &finding.attempt;
    let token = &plan.mould.kinds[attempt.kind].label;
    let place = (attempt.client, token, &plan.brokers[attempt.broker].label);
    let times =
        [attempt.scheduled, attempt.started, attempt.ended].map(|at| start.offset(at as i64));
    let seen = (attempt.outcome.name(), attempt.outcome.code().to_string(), finding.verdict);
    let replay = replay_of(plan, start, &Token::of(attempt));
    (place, times, seen, replay, (attempt.turn, Operation::Connect))
}

/// The row of what a connected client did or met. The end of a token was due at the deadline, and its connection was there
/// since it was accepted.
pub fn of_operation(plan: &Plan, start: Start, operated: &Operated) -> impl Serialize {
    let (client, turn, instants, token, verdict) = match operated {
        Operated::Expire(expire) => {
            let &Expire { bearer, token_turn, kind, key, minted_for, .. } = expire;
            let of = Bearer { turn: token_turn, ..bearer };
            let instants = [expire.deadline, expire.accepted as i64, expire.ended as i64];
            let token = Token { bearer: of, kind, key, minted_for };
            (bearer.client, bearer.turn, instants, token, expire.verdict)
        }
        Operated::Reauth(reauth) => {
            let attempt = &reauth.attempt;
            let instants = [attempt.scheduled, attempt.started, attempt.ended].map(|at| at as i64);
            (attempt.client, attempt.turn, instants, Token::of(attempt), reauth.verdict)
        }
    };
    let tally = operated.tally(verdict);
    let label = &plan.mould.kinds[tally.kind].label;
    let place = (client, label, &plan.brokers[tally.broker].label);
    let times = instants.map(|at| start.offset(at));
    let seen = (tally.outcome, tally.code.to_string(), verdict);
    (place, times, seen, replay_of(plan, start, &token), (turn, tally.operation))
}

/// What it takes to mint a token again.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    bearer: Bearer,
    kind: usize,
    key: Option<u16>,
    minted_for: i64,
}

impl Token {
    /// That of an attempt.
    pub fn of(attempt: &Attempt) -> Self {
        let &Attempt { client, token_turn, kind, key, minted_for, .. } = attempt;
        Self { bearer: Bearer { client, turn: token_turn }, kind, key, minted_for }
    }
}

/// The command that mints a token again; none of one that was fetched.
pub fn replay_of(plan: &Plan, start: Start, token: &Token) -> String {
    let kind = &plan.mould.kinds[token.kind];
    // No command mints what was asked in passing.
    if plan.is_fetched(token.kind) || plan.rows.is_some() || plan.is_aside(token.kind) {
        return String::new();
    }
    let is_in_mix = plan.is_in_mix(token.kind);
    let command = replay(plan, start, kind.named(), token);
    let key = token.key.filter(|_| !kind.later.is_empty() && is_in_mix);
    match key.and_then(|key| plan.mould.keys.get(usize::from(key))).map(|key| &key.name) {
        // Which key signed follows from the moment in the run, which the command does not know.
        Some(name) => {
            format!("{command} --set {}", quoted(&format!("mix.{}.key={name}", token.kind)))
        }
        None => command,
    }
}

/// Secrets that were given with `--set` are not in it, nor is a key that the run made for itself.
fn replay(plan: &Plan, start: Start, label: &str, token: &Token) -> String {
    // A scenario that is built in is no file that `token mint` could read.
    if !plan.path.is_file() && plan.cells.is_some() {
        return format!("tokenstorm matrix --only {label}");
    }
    let Bearer { client, turn } = token.bearer;
    let words = ["tokenstorm", "token", "mint"].map(str::to_owned).into_iter();
    let of = [plan.path.display().to_string(), "--token".into(), label.to_owned()];
    // To the nanosecond: claims are rounded up or down from it.
    let at = ["--client".into(), client.to_string(), "--at".into(), seconds(token.minted_for)];
    let of_turn = (turn > 0).then(|| ["--turn".into(), turn.to_string()]);
    let is_dated = plan.mould.exp_at.is_some() && turn == 0;
    let of_start = is_dated.then(|| ["--start".into(), seconds(start.wall)]);
    let more = of_turn.into_iter().chain(of_start).flatten();
    let words = words.chain(of).chain(at).chain(more).chain(plan.overrides.iter().cloned());
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// Nanoseconds as a decimal number of seconds, without zeros that say nothing.
fn seconds(nanoseconds: i64) -> String {
    let second = SECOND as i64;
    let text = format!("{}.{:09}", nanoseconds.div_euclid(second), nanoseconds.rem_euclid(second));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
