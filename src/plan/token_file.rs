//! Tokens that others made, from a file: what a scenario may say beside them, and what follows from them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    base::{
        error::{Error, Result, showable},
        host::reading,
    },
    scenario::{LoadMode, Loaded, Protocol, Scenario, TokenIn, TokenSource},
    token::{
        FRESH, Kind, Must,
        carrier::token_in,
        catalogue::defect,
        names::Names,
        recipe::GOOD,
        rows::{Column, Rows, Word},
        template::Template,
    },
};

/// The largest file of tokens that is read, in bytes: a million tokens of 1 KB.
const LARGEST: u64 = 1 << 30;

/// The tokens of a scenario's file; `None` where tokens come from elsewhere.
///
/// # Errors
/// When the file can't be read or is broken, or the scenario says what does nothing beside it.
pub(super) fn resolve(
    scenario: &mut Scenario,
    loaded: &Loaded,
    warnings: &mut Vec<String>,
) -> Result<Option<Arc<Rows>>> {
    let token = &scenario.token;
    let (TokenSource::File, Some(path)) = (token.source, &token.file) else {
        return match (token.source, &token.file) {
            (TokenSource::File, _) => {
                Err(Error::usage("`token.source` is `file`, but `token.file` does not say which")
                    .hint("write `file = \"tokens.csv\"`"))
            }
            (_, Some(_)) => Err(Error::usage(
                "`token.file` is given, but `token.source` is not `file`: nobody would read it",
            )
            .hint("write `source = \"file\"`, or leave `file` out")),
            (_, None) => Ok(None),
        };
    };
    let base = loaded.folder();
    let named = showable::file(path, base);
    let whole = base.join(path);
    let bytes = match loaded.shipped(path).filter(|_| !whole.is_file()) {
        Some(shipped) => Ok(shipped.text.into()),
        None => reading::read(&whole, LARGEST),
    };
    let bytes = bytes.map_err(|error| {
        Error::usage(format!("`token.file` names {named}, which can't be read: {error}"))
            .hint("relative paths start from the scenario's folder")
    })?;
    let rows =
        Rows::read(&bytes).map_err(|error| error.within(format!("`token.file`, {named}")))?;
    if !rows.unknown.is_empty() {
        let names: Vec<String> = rows.unknown.iter().map(|name| format!("`{name}`")).collect();
        warnings.push(format!("`token.file` has columns that nobody reads: {}", names.join(", ")));
    }
    let of_one = [("client_id", rows.client_ids.is_some()), ("username", rows.usernames.is_some())];
    if let Some((column, _)) = of_one.iter().find(|(_, is_there)| *is_there && token.reuse > 1) {
        return Err(Error::usage(format!(
            "`token.reuse` is given, and `token.file` says by `{column}` whose each token is"
        ))
        .hint("leave `reuse` out, or the column"));
    }
    if rows.usernames.is_some() && token_in(scenario) == TokenIn::Username {
        return Err(Error::usage(
            "`target.token_in` is `username`, and `token.file` has a column `username`: the token takes its place",
        )
        .hint("leave the column out"));
    }
    let is_embedded = scenario.target.brokers.iter().any(|broker| broker.starts_with("embedded"));
    if is_embedded && scenario.keys.is_empty() && scenario.target.jwks.is_none() {
        return Err(Error::usage(
            "an embedded broker has to know the keys of the tokens in `token.file`, and there are none",
        )
        .hint("write the key that signed them under `[keys]`, or where their key set is: `[target.jwks]`"));
    }
    if scenario.load.model() == LoadMode::Closed && scenario.load.clients.is_none() {
        scenario.load.clients = Some(rows.clients().saturating_mul(scenario.token.reuse.max(1)));
    }
    Ok(Some(Arc::new(rows)))
}

/// Refuses what only tokens that are made or fetched ask for.
///
/// # Errors
/// When a key is given that does nothing beside a file of tokens.
pub(super) fn check(scenario: &Scenario) -> Result<()> {
    let token = &scenario.token;
    if token.source != TokenSource::File {
        return Ok(());
    }
    let session = scenario.session.as_ref();
    let given = [
        ("[[mix]]", !scenario.mix.is_empty()),
        ("[oauth]", scenario.oauth.is_some()),
        ("[issuer]", scenario.issuer.is_some()),
        ("[capacity]", scenario.capacity.is_some()),
        ("[control]", scenario.control.is_some()),
        ("[sweep]", scenario.sweep.is_some()),
        ("token.ttl", token.ttl.is_some()),
        ("token.ttl_jitter", !token.ttl_jitter.is_zero()),
        ("token.exp_at", token.exp_at.is_some()),
        ("token.key", token.key.is_some()),
        ("token.bytes", token.bytes.is_some()),
        ("token.ahead", token.ahead.is_some()),
        ("session.renew_with", session.is_some_and(|session| !session.renew_with.is_empty())),
    ];
    if let Some((key, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
        return Err(Error::usage(format!(
            "`{key}` is given, but `token.source` is `file`: the file has all tokens, and says what they are"
        ))
        .hint(
            "leave it out; the columns `kind` and `expected` of the file say what its tokens are",
        ));
    }
    if scenario.load.mode == Some(LoadMode::Churn) {
        return Err(Error::usage(
            "`load.mode` is `churn`, in which clients come without end, and `token.file` has an end",
        )
        .hint("use `mode = \"closed\"` or `\"open\"`"));
    }
    Ok(())
}

/// The kinds of a file's tokens, as results call them.
pub(super) fn kinds(protocol: Protocol, rows: &Rows) -> Result<Vec<Kind>> {
    let fresh = defect(FRESH).ok_or_else(|| Error::usage("the catalogue has no good tokens"))?;
    let mut shares: BTreeMap<usize, u64> = BTreeMap::new();
    for client in 0..rows.clients() {
        if let Some(first) = rows.of(client).first() {
            *shares.entry(first.kind).or_default() += 1;
        }
    }
    let share = |at: usize| shares.get(&at).copied().unwrap_or_default() as f64;
    let kind = |(at, label): (usize, &String)| Kind {
        label: label.clone(),
        defect: fresh,
        recipe: GOOD,
        must: Must::AcceptInTime,
        key: None,
        later: Vec::new(),
        protocol,
        share: share(at) / rows.clients().max(1) as f64,
    };
    Ok(rows.kinds.iter().enumerate().map(kind).collect())
}

/// The names of clients: user names of the file win.
pub(super) fn names(names: Names, rows: Option<&Rows>) -> Result<Names> {
    let Some(rows) = rows else { return Ok(names) };
    let Some(users) = &rows.usernames else { return Ok(names) };
    let Some(own) = &names.username else {
        return Err(Error::usage(
            "`identity.username` holds what the client shows, and `token.file` has a column `username`",
        )
        .hint("leave one of them out"));
    };
    let filled = (0..).zip(users.iter()).map(|(n, user)| match &**user {
        "" => own.text(n).into_boxed_str(),
        user => user.into(),
    });
    let users: Column = filled.collect();
    Ok(Names { username: Some(Template::listed(users)), ..names })
}

/// Refuses a load that has more clients than the file.
pub(super) fn check_clients(rows: Option<&Rows>, scenario: &Scenario, attempts: u64) -> Result<()> {
    let Some(rows) = rows else { return Ok(()) };
    let there = rows.clients().saturating_mul(scenario.token.reuse.max(1));
    if attempts <= there {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the load has {attempts} clients, but `token.file` has tokens for {there}"
    ))
    .hint(format!("write `clients = {there}` under `[load]`, or give the file more rows")))
}

/// Whether the policy has to say of any token what must become of it.
pub(super) fn asks_policy(rows: &Rows) -> bool {
    rows.all().any(|(_, row)| row.word.is_none())
}

impl super::Plan {
    /// Whether the run makes its tokens itself.
    pub fn mints(&self) -> bool {
        self.issuance.fetching.is_none() && self.rows.is_none()
    }

    /// Whether it is known before the run how long its tokens last.
    pub fn knows_lives(&self) -> bool {
        !self.is_issued_elsewhere() && self.rows.is_none()
    }

    /// Index of the kind of a client's row.
    pub fn kind_of_row(&self, client: u64, row: usize) -> Option<usize> {
        let rows = self.rows.as_ref()?;
        Some(rows.of(client / self.reuse).get(row)?.kind)
    }
}

/// Whether a row's token has to be accepted because its user says so.
pub fn is_users_word(word: Option<Word>) -> bool {
    word == Some(Word::Accept)
}
