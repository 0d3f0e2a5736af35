//! Tokens of a file, as clients ask for them: a client's first row first, a further one for each token that it asks for later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::Ready;
use crate::{
    base::{
        clock::of_date,
        error::{Error, Result},
        host::cpus,
    },
    client::verdict::foreign::{ForeignJudge, Said},
    plan::{Plan, token_file::is_users_word},
    scenario::Group,
    token::{
        Bearer, Password, Times,
        oracle::foreign::{Alg, Foreign},
        recipe::{Also, Refusal},
        rows::{Row, Rows, Word},
    },
};

/// What is known of a row's token.
#[derive(Clone, Copy, Debug)]
struct Known {
    said: Said,
    times: Times,
    is_jwt: bool,
}

/// A token that was taken.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    pub(super) ready: Ready,
    pub(super) bytes: &'a [u8],
    pub(super) said: Said,
    pub(super) is_jwt: bool,
    /// Whether it has to be accepted because its user says so.
    pub(super) is_word: bool,
    /// Whether nobody had it before.
    pub(super) is_new: bool,
}

impl std::fmt::Debug for Taken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("ready", &self.ready).finish_non_exhaustive()
    }
}

/// The tokens of a file, and which of them are taken.
#[derive(Debug)]
pub struct Shelf {
    plan: Arc<Plan>,
    rows: Arc<Rows>,
    /// By the number of the row.
    known: Vec<Known>,
    /// How many rows of each client are taken.
    taken: Vec<AtomicU32>,
    /// Names of algorithms that no policy can speak of.
    unnamed: Vec<String>,
}

impl Shelf {
    /// The tokens of a plan's file; `None` where they come from elsewhere.
    ///
    /// # Errors
    /// When an exception of the policy names no entry of the catalogue.
    pub fn of(plan: &Arc<Plan>) -> Result<Option<Arc<Self>>> {
        let Some(rows) = plan.rows.clone() else { return Ok(None) };
        let judge = ForeignJudge::of(plan)?;
        let all: Vec<(u64, &Row)> = rows.all().collect();
        let share = all.len().div_ceil(cpus()).max(1);
        let parts: Vec<(Vec<Known>, Vec<String>)> = thread::scope(|scope| {
            let (judge, rows) = (&judge, &rows);
            let parts = all.chunks(share);
            let threads: Vec<_> = parts
                .map(|part| scope.spawn(move || judged_all(judge, plan, rows, part)))
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let (mut known, mut unnamed) = (Vec::with_capacity(rows.count()), Vec::new());
        for (mut of_part, names) in parts {
            known.append(&mut of_part);
            for name in &names {
                note(&mut unnamed, name);
            }
        }
        if known.len() != rows.count() {
            return Err(Error::not_measured(
                "a token of `token.file` could not be judged: this is a bug of tokenstorm",
            )
            .hint("please report it, without the file"));
        }
        let taken = (0..rows.clients()).map(|_| AtomicU32::new(0)).collect();
        Ok(Some(Arc::new(Self { plan: Arc::clone(plan), rows, known, taken, unnamed })))
    }

    /// Names of algorithms that no policy can speak of, as far as tokens of this file have any.
    pub fn unnamed(&self) -> &[String] {
        &self.unnamed
    }

    /// Whether a client has a row that it has not taken.
    pub fn has_more(&self, client: u64) -> bool {
        self.next_of(client).is_some()
    }

    /// The number of the row that a client takes next, among its own.
    fn next_of(&self, client: u64) -> Option<usize> {
        let group = client / self.plan.reuse;
        let taken = self.taken.get(usize::try_from(group).ok()?)?.load(Ordering::Relaxed) as usize;
        (taken < self.rows.of(group).len()).then_some(taken)
    }

    /// Index of the kind of the token that a client takes next.
    pub fn next_kind(&self, client: u64) -> Option<usize> {
        self.plan.kind_of_row(client, self.next_of(client)?)
    }

    /// Takes the token of a client's turn, at a wall time; `None` where no row is left.
    pub(super) fn take(&self, bearer: Bearer, at: i64) -> Option<Taken<'_>> {
        let group = bearer.client / self.plan.reuse;
        let counter = self.taken.get(usize::try_from(group).ok()?)?;
        // A client's turns follow one another, so nobody else counts there meanwhile; clients that share a token bring the
        // first alone.
        let taken = counter.load(Ordering::Relaxed);
        let row = if bearer.turn == 0 { 0 } else { taken as usize };
        let own = self.rows.of(group).get(row)?;
        let before = counter.fetch_max(row as u32 + 1, Ordering::Relaxed);
        let is_new = row >= before as usize;
        let known = self.known[self.rows.place_of(group, row)?];
        let ready = Ready {
            bearer,
            kind: own.kind,
            password: Password::Given,
            key: None,
            times: known.times,
            minted_for: at,
        };
        let bytes = self.rows.token(own);
        let is_word = is_users_word(own.word);
        Some(Taken { ready, bytes, said: known.said, is_jwt: known.is_jwt, is_word, is_new })
    }
}

/// What is known of the tokens of these rows, and names of algorithms among them that no policy can speak of.
fn judged_all(
    judge: &ForeignJudge,
    plan: &Plan,
    rows: &Rows,
    part: &[(u64, &Row)],
) -> (Vec<Known>, Vec<String>) {
    let mut unnamed = Vec::new();
    let known = part.iter().map(|(client, row)| {
        let foreign = Foreign::read(rows.token(row));
        let own = judged(judge, plan, (*client, row), &foreign);
        if let (Alg::Other(name), Said::Either(_)) = (foreign.alg(), own.said) {
            note(&mut unnamed, name);
        }
        own
    });
    (known.collect(), unnamed)
}

/// What is known of a row's token in the hands of its client.
fn judged(
    judge: &ForeignJudge,
    plan: &Plan,
    (client, row): (u64, &Row),
    foreign: &Foreign,
) -> Known {
    let any = Refusal { group: Group::Structure, also: Also::AnyReason };
    let said = match (row.word, foreign.alg()) {
        (Some(Word::Accept), _) => Said::Good,
        (Some(Word::Refuse), _) => Said::Refuse(any),
        // Its issuer and its broker know what it means; nobody else does.
        (None, Alg::Other(name)) if !is_jose(name) => Said::Either(any),
        (None, _) => judge.said(foreign, plan, client.saturating_mul(plan.reuse)).0,
    };
    let exp = foreign.moment("exp").map(of_date);
    // The user's word is about all of it but its end.
    let start = if row.word.is_none() { judge.start(foreign) } else { None };
    let times = match row.word {
        Some(Word::Refuse) => Times { exp, nbf: None },
        _ => Times { exp, nbf: start.map(of_date) },
    };
    Known { said, times, is_jwt: foreign.is_jwt() }
}

/// Whether JOSE has an algorithm of that name (IANA, JSON Web Signature and Encryption Algorithms): one that is not known here
/// may be known to a policy.
fn is_jose(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "ES512",
        "ES256K",
        "Ed25519",
        "Ed448",
        "ESP256",
        "ESP384",
        "ESP512",
        "ML-DSA-44",
        "ML-DSA-65",
        "ML-DSA-87",
    ];
    NAMES.contains(&name)
}

/// Notes a name, as far as it may be shown.
fn note(names: &mut Vec<String>, name: &str) {
    let is_name = name.len() <= 40 && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let shown = if is_name { name } else { "..." };
    if names.len() < 16 && !names.iter().any(|known| known == shown) {
        names.push(shown.to_owned());
    }
}
