//! Tokens that others made, as a file lists them: CSV with a header, or JSON Lines. A row has a token, and may say whose it is,
//! what has to become of it, and what results call it.

mod csv_rows;
mod json_rows;

use std::{collections::HashMap, sync::Arc};

use crate::base::error::{Error, Result};

/// The longest field of CONNECT (MQTT 5.0, 1.5.4).
const LONGEST_FIELD: usize = 65_535;
/// The longest token that is taken from a file: a header may carry more than CONNECT, and no server takes as much.
const LONGEST_TOKEN: usize = 1024 * 1024;
/// The most kinds that a file may name: each has its tables in memory.
const MOST_KINDS: usize = 256;
/// What results call tokens of which the file says nothing else.
const FILE: &str = "file";
/// The columns that are read.
pub const COLUMNS: [&str; 5] = ["client_id", "username", "token", "expected", "kind"];

/// What the user says has to become of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// It has to be accepted.
    Accept,
    /// It has to be refused.
    Refuse,
}

/// Texts of clients, by their numbers.
pub type Column = Arc<[Box<str>]>;

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Where its token stands among all bytes.
    at: (usize, usize),
    /// Index of its kind.
    pub kind: usize,
    /// What has to become of its token; `None` where the policy says that.
    pub word: Option<Word>,
}

/// The rows of a file, a client's together, in the order in which the clients come first.
#[derive(Clone)]
pub struct Rows {
    bytes: Vec<u8>,
    all: Vec<Row>,
    /// The number of the first row of each client, and that of all rows at the end.
    firsts: Vec<usize>,
    /// What results call the kinds.
    pub kinds: Vec<String>,
    /// The client ids, where the file has them.
    pub client_ids: Option<Column>,
    /// The user names, where the file has them; an empty one is none.
    pub usernames: Option<Column>,
    /// Columns that nobody reads.
    pub unknown: Vec<String>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("rows", &self.all.len()).finish_non_exhaustive()
    }
}

/// A row as a file has it; `number` is that of its line.
#[derive(Clone, Copy, Default)]
struct Written<'a> {
    number: u64,
    client_id: Option<&'a str>,
    username: Option<&'a str>,
    token: &'a [u8],
    expected: Option<&'a str>,
    kind: Option<&'a str>,
}

impl Rows {
    /// Reads what is in a file.
    ///
    /// # Errors
    /// When a column is missing, or a line is broken, which is named by its number; nothing of a token is shown.
    pub fn read(file: &[u8]) -> Result<Self> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let is_json = file.trim_ascii_start().first() == Some(&b'{');
        let mut all = Gathered::default();
        if is_json { json_rows::read(file, &mut all) } else { csv_rows::read(file, &mut all) }?;
        if all.rows.is_empty() {
            return Err(Error::usage("it has no row: nobody would bring anything").hint(
                "write a line for each client, behind a first line such as `client_id,token`",
            ));
        }
        Ok(all.sorted())
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// All rows with the number of their client.
    pub fn all(&self) -> impl Iterator<Item = (u64, &Row)> {
        (0..self.clients()).flat_map(|client| self.of(client).iter().map(move |row| (client, row)))
    }

    /// How many clients it has tokens for.
    pub fn clients(&self) -> u64 {
        self.firsts.len() as u64 - 1
    }

    /// The rows of a client, the first one first; none of one that is not in the file.
    pub fn of(&self, client: u64) -> &[Row] {
        let place = usize::try_from(client).unwrap_or(usize::MAX);
        match (self.firsts.get(place), self.firsts.get(place.saturating_add(1))) {
            (Some(from), Some(to)) => &self.all[*from..*to],
            _ => &[],
        }
    }

    /// The number of a client's row among all.
    pub fn place_of(&self, client: u64, row: usize) -> Option<usize> {
        let first = *self.firsts.get(usize::try_from(client).ok()?)?;
        (row < self.of(client).len()).then_some(first + row)
    }

    /// The token of a row.
    pub fn token(&self, row: &Row) -> &[u8] {
        &self.bytes[row.at.0..row.at.1]
    }
}

/// What was read so far.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    rows: Vec<Row>,
    /// The client of each row.
    clients: Vec<usize>,
    kinds: Vec<String>,
    /// Clients by their ids, with the line that each came in first.
    by_id: HashMap<Box<str>, usize>,
    ids: Vec<Box<str>>,
    users: Vec<Box<str>>,
    lines: Vec<u64>,
    /// Whether the file has client ids, and user names.
    has: (bool, bool),
    unknown: Vec<String>,
}

impl Gathered {
    /// Notes a column that nobody reads, as far as its name may be shown: in a file without names of columns it is a token.
    fn unknown(&mut self, name: &[u8]) {
        let is_name = name.len() <= 40
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_- .".contains(byte));
        let shown = if is_name { String::from_utf8_lossy(name) } else { "...".into() };
        if !self.unknown.iter().any(|known| *known == shown) && self.unknown.len() < MOST_KINDS {
            self.unknown.push(shown.into_owned());
        }
    }

    fn add(&mut self, row: Written<'_>) -> Result<()> {
        let at = |error: Error| error.within(format!("line {}", row.number));
        self.added(row).map_err(at)
    }

    fn added(&mut self, row: Written<'_>) -> Result<()> {
        if row.token.is_empty() {
            return Err(Error::usage("`token` is empty"));
        }
        if row.token.len() > LONGEST_TOKEN {
            return Err(Error::usage(format!(
                "`token` has {} bytes, but at most {LONGEST_TOKEN} are read",
                row.token.len()
            )));
        }
        for (column, text) in [("client_id", row.client_id), ("username", row.username)] {
            let text = text.unwrap_or_default();
            if text.len() > LONGEST_FIELD || text.contains('\0') {
                return Err(Error::usage(format!(
                    "`{column}` is no text of MQTT: it has over {LONGEST_FIELD} bytes, or U+0000 in it"
                )));
            }
        }
        if row.token.trim_ascii() != row.token {
            return Err(Error::usage("`token` has a blank at its start or end").hint(
                "no blank stands beside a comma; a token that has one is no token of a file",
            ));
        }
        let word = match row.expected.unwrap_or_default().trim() {
            "" => None,
            "accept" => Some(Word::Accept),
            "refuse" => Some(Word::Refuse),
            _ => {
                return Err(Error::usage("`expected` is another text (not shown)")
                    .hint("write `accept`, `refuse`, or nothing: then the policy says it"));
            }
        };
        let kind = row.kind.map(str::trim).filter(|kind| !kind.is_empty()).unwrap_or(FILE);
        if kind.as_bytes() == row.token {
            return Err(Error::usage("`kind` is the token itself (not shown)")
                .hint("results show kinds: name a group of tokens"));
        }
        let kind = self.kind(kind)?;
        let client = self.client(&row)?;
        let from = self.bytes.len();
        self.bytes.extend_from_slice(row.token);
        self.rows.push(Row { at: (from, self.bytes.len()), kind, word });
        self.clients.push(client);
        Ok(())
    }

    /// Index of a kind.
    fn kind(&mut self, name: &str) -> Result<usize> {
        if let Some(known) = self.kinds.iter().position(|known| known == name) {
            return Ok(known);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.()=".contains(c);
        if name.len() > 40 || !name.chars().all(is_name) {
            return Err(Error::usage("`kind` is no name (not shown)")
                .hint("use up to 40 letters, digits, `-`, `_` and `.`"));
        }
        if self.kinds.len() == MOST_KINDS {
            return Err(Error::usage(format!("`kind` is the {}th name", MOST_KINDS + 1)).hint(
                format!(
                    "results have room for {MOST_KINDS}: name groups of tokens, not single ones"
                ),
            ));
        }
        self.kinds.push(name.to_owned());
        Ok(self.kinds.len() - 1)
    }

    /// The number of a row's client.
    fn client(&mut self, row: &Written<'_>) -> Result<usize> {
        let user: Box<str> = row.username.unwrap_or_default().into();
        let id = match row.client_id {
            Some("") => return Err(Error::usage("`client_id` is empty")),
            None if self.has.0 => return Err(Error::usage("`client_id` is missing")),
            id => id,
        };
        let next = self.lines.len();
        if let Some(id) = id {
            let known = *self.by_id.entry(id.into()).or_insert(next);
            if known < next {
                if self.users[known] != user {
                    return Err(Error::usage(format!(
                        "the client has another user name than in line {}",
                        self.lines[known]
                    ))
                    .hint("a client has one user name, whichever of its tokens it brings"));
                }
                return Ok(known);
            }
            self.ids.push(id.into());
        }
        self.users.push(user);
        self.lines.push(row.number);
        Ok(next)
    }

    /// The rows by client.
    fn sorted(self) -> Rows {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        // Stable: a client's rows stay in their order.
        order.sort_by_key(|row| self.clients[*row]);
        let mut firsts = vec![0; self.lines.len() + 1];
        for client in &self.clients {
            firsts[client + 1] += 1;
        }
        for at in 1..firsts.len() {
            firsts[at] += firsts[at - 1];
        }
        let (has_ids, has_users) = self.has;
        Rows {
            all: order.into_iter().map(|row| self.rows[row]).collect(),
            bytes: self.bytes,
            firsts,
            kinds: self.kinds,
            client_ids: has_ids.then(|| self.ids.into()),
            usernames: has_users.then(|| self.users.into()),
            unknown: self.unknown,
        }
    }
}

#[cfg(test)]
mod tests;
