//! `--set KEY=VALUE` and `--target URL`: what the command line changes in a scenario.

use std::path::PathBuf;

use toml::{Table, Value};

use super::{Algorithm, Scenario, refusal, values, ws};
use crate::base::error::{
    Error, Result, is_slip, name_shown,
    showable::{Pasted, holds_private_key, holds_secret, pasted, url_may_hold_secret},
    suggestion,
};

/// Bytes of the longest dotted key that is named back: those of scenarios are shorter.
const LONGEST_KEY: usize = 80;

/// Whether an assignment can be told on: names of files and variables are no secrets, and without them nothing could be
/// signed.
fn is_told(assignment: &str) -> bool {
    let key = assignment.split('=').next().unwrap_or_default().trim();
    let name = key.rsplit('.').next().unwrap_or_default();
    // What a command of an event holds is nobody's to know, and a token does not hang on it.
    let is_command = key.starts_with("events.") && name == "command";
    matches!(name, "secret_env" | "secret_file" | "private_key" | "jwk" | "secret_base64")
        || !is_command && !is_secret(assignment)
}

/// What the command line changes in a scenario.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--set`: dotted key and value, as typed.
    pub set: Vec<String>,
    /// `--target`: takes the place of `[target] brokers`.
    pub targets: Vec<String>,
    /// `--authorized`.
    pub authorized: bool,
    /// `--broker`: a file whose broker takes the place of the scenario's.
    pub broker: Option<PathBuf>,
}

impl Overrides {
    /// Whether the command line changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.targets.is_empty() && !self.authorized && self.broker.is_none()
    }

    /// The same changes as arguments of another command. Secrets are left out.
    pub fn arguments(&self) -> Vec<String> {
        let named = |name: &'static str| move |value: &String| [name.to_owned(), value.clone()];
        let set = self.set.iter().filter(|set| is_told(set)).flat_map(named("--set"));
        let targets = self.targets.iter().filter(|target| !holds_secret(target));
        let broker = self.broker.iter().map(|path| path.display().to_string());
        let broker = broker.filter(|path| pasted(path).is_none());
        broker
            .flat_map(|path| ["--broker".to_owned(), path])
            .chain(set)
            .chain(targets.flat_map(named("--target")))
            .chain(self.authorized.then(|| "--authorized".to_owned()))
            .collect()
    }

    /// What [`Self::arguments`] leaves out, by the names of keys and options: they are to be given again.
    pub fn withheld(&self) -> Vec<String> {
        let key = |assignment: &String| {
            let key = assignment.split('=').next().unwrap_or_default().trim();
            let is_name = key.len() <= LONGEST_KEY && pasted(key).is_none();
            format!("--set {}", if is_name { key } else { "(a key that is not shown)" })
        };
        let set = self.set.iter().filter(|set| !is_told(set)).map(key);
        let targets = self.targets.iter().filter(|target| holds_secret(target));
        let broker = self.broker.iter().filter(|path| pasted(&path.to_string_lossy()).is_some());
        let others =
            targets.map(|_| "--target".to_owned()).chain(broker.map(|_| "--broker".into()));
        set.chain(others).collect()
    }

    /// The changes of arguments that [`Self::arguments`] made.
    pub fn of_arguments(arguments: &[String]) -> Self {
        let mut changes = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--set" => changes.set.extend(rest.next().cloned()),
                "--target" => changes.targets.extend(rest.next().cloned()),
                "--broker" => changes.broker = rest.next().map(PathBuf::from),
                "--authorized" => changes.authorized = true,
                _ => {}
            }
        }
        changes
    }

    /// The keys that are given a secret itself here, and not the name of a file or a variable that has it: others on this
    /// host can read arguments. With what takes the place of each.
    pub fn exposed(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (key, value) in self.set.iter().filter_map(|assignment| assignment.split_once('=')) {
            expose(key.trim(), &value_of(value.trim()), &mut all);
        }
        if self.targets.iter().any(|target| url_may_hold_secret(target)) {
            all.push(("--target".to_owned(), IN_FILE.to_owned()));
        }
        all
    }

    /// The scenario of a table with the changes applied.
    ///
    /// # Errors
    /// When a key can't be reached or the changed scenario is wrong: the error names `--set`.
    pub fn apply(&self, mut table: Table) -> Result<Scenario> {
        for assignment in &self.set {
            check_form(assignment)?;
            let (key, value) = assignment.split_once('=').unwrap_or_default();
            let path = path_of(key.trim());
            set(&mut table, &path, value_of(value.trim()))
                .map_err(|why| Error::usage(format!("`--set {}`: {why}", shown(assignment))))?;
        }
        if !self.targets.is_empty() {
            let brokers = self.targets.iter().cloned().map(Value::String).collect();
            set(&mut table, &["target", "brokers"], Value::Array(brokers)).map_err(Error::usage)?;
        }
        if self.authorized {
            set(&mut table, &["target", "authorized"], Value::Boolean(true))
                .map_err(Error::usage)?;
        }
        let set = || {
            let set = self.set.iter().map(|set| format!("`--set {}`", shown(set)));
            format!("with {}", set.collect::<Vec<_>>().join(", "))
        };
        values::check(&table).map_err(|error| error.within(set()))?;
        table.try_into().map_err(|error| refusal::of_table(&error).within(set()))
    }
}

/// What takes the place of a secret that no variable can hold.
const IN_FILE: &str = "the scenario's file, which only you can read (`chmod 600`)";

/// Notes the keys within a value that hold a secret, with what takes the place of each.
fn expose(key: &str, value: &Value, all: &mut Vec<(String, String)>) {
    let name = key.rsplit('.').next().unwrap_or_default();
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| expose(&format!("{key}.{name}"), value, all));
        }
        Value::Array(several) => several.iter().for_each(|value| expose(key, value, all)),
        // Claims may be called so as well, and stand in each token.
        Value::String(text) if key == "identity.password" || key.starts_with("target.ws.") => {
            let is_path = key == "target.ws.path";
            if if is_path { ws::hidden_path(text) } else { ws::hidden(text) } != *text {
                all.push((key.to_owned(), IN_FILE.to_owned()));
            }
        }
        Value::String(_)
            if matches!(name, "secret" | "client_secret" | "password")
                && !key.starts_with("token.") =>
        {
            all.push((key.to_owned(), format!("`{key}_env`")));
        }
        Value::String(text) if url_may_hold_secret(text) => {
            all.push((key.to_owned(), IN_FILE.to_owned()));
        }
        // A secret of digits alone is a number to TOML, and refused as one.
        _ => {}
    }
}

/// Refuses an argument of `--set` that is no assignment to a key of a scenario. It may be a secret: only what begins like a
/// key is shown.
///
/// # Errors
/// When it has no `=`, or what is in front of that begins with no section.
pub fn check_form(assignment: &str) -> Result<()> {
    const WRITE: &str = "write `--set load.clients=1000`, key and value in one argument";
    let Some((key, value)) = assignment.split_once('=') else {
        let is_key = is_of_scenario(assignment) && key_shown(assignment) == assignment;
        let is_key =
            is_key && assignment.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let shown = if is_key { assignment } else { "..." };
        return Err(Error::usage(format!("`--set {shown}` has no `=`")).hint(WRITE));
    };
    if key.trim().is_empty() {
        return Err(Error::usage("`--set` has no key in front of its `=` (the rest is not shown)")
            .hint(WRITE));
    }
    if !is_of_scenario(key) {
        let first = first_of(key);
        let sections = sections();
        let names = || sections.iter().map(String::as_str);
        let shown = name_shown(first, names());
        return Err(Error::usage(format!(
            "`--set` has a key that begins with {shown}, which is no section"
        ))
        .hint(suggestion(first, names())));
    }
    if value.trim().is_empty() && is_secret(assignment) {
        return Err(Error::usage(format!(
            "`--set {}=` has nothing behind its `=`",
            key_shown(key)
        ))
        .hint(WRITE));
    }
    Ok(())
}

/// The first part of a dotted key.
fn first_of(key: &str) -> &str {
    key.split('.').next().unwrap_or_default().trim()
}

/// Whether a dotted key begins with a key that a scenario has.
fn is_of_scenario(key: &str) -> bool {
    sections().iter().any(|section| section == first_of(key))
}

/// The keys at the top of a scenario.
fn sections() -> Vec<String> {
    let schema = schemars::schema_for!(Scenario).to_value();
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// An assignment as it may be shown: without the value where that may be a secret.
fn shown(assignment: &str) -> String {
    match assignment.split_once('=') {
        _ if !is_secret(assignment) => assignment.to_owned(),
        Some((key, _)) => format!("{}=<redacted>", key_shown(key)),
        None => "<redacted>".to_owned(),
    }
}

/// The key of an assignment; nothing of one that is no key.
fn key_shown(key: &str) -> &str {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "._-\"' {}:,".contains(c);
    if key.len() <= 200 && key.chars().all(is_key) && pasted(key).is_none() { key } else { "..." }
}

/// Whether an assignment may hold a secret, by its key or by its value.
fn is_secret(assignment: &str) -> bool {
    let (key, value) = assignment.split_once('=').unwrap_or(("", assignment));
    let key = key.trim();
    let name = key.rsplit('.').next().unwrap_or_default();
    let is_several = value.trim().starts_with(['[', '{']);
    let is_key = key.starts_with("keys.") && !is_open(name, value.trim())
        || key == "keys"
        || is_several && (refusal::is_of_file(name) || matches!(name, "key" | "profile"))
        || key.contains(".tls") && name == "key"
        || exposes(key, value)
        || matches!(name, "jwk")
        || name.ends_with("_env")
        || name.ends_with("_file");
    let is_pasted = pasted(value.trim().trim_matches(['"', '\'']));
    // What begins like JSON may be TOML, and is looked into.
    let is_pasted = is_pasted.is_some_and(|what| what != Pasted::Json);
    is_key || is_pasted || holds_secret(assignment) || holds_private_key(assignment)
}

/// Whether a value holds what may be a secret, by the keys within it.
fn exposes(key: &str, value: &str) -> bool {
    let mut all = Vec::new();
    expose(key, &value_of(value), &mut all);
    !all.is_empty()
}

/// Whether a key of `[keys.NAME]` has a value that is plainly what it takes.
fn is_open(name: &str, value: &str) -> bool {
    let plain = value.trim_matches(['"', '\'']);
    match name {
        "algorithm" => {
            let known = Algorithm::ALL.map(|algorithm| algorithm.to_string());
            is_slip(plain, known.iter().map(String::as_str))
        }
        "generate" | "secret_base64" => matches!(value, "true" | "false"),
        "bits" => value.len() <= 5 && value.bytes().all(|c| c.is_ascii_digit()),
        "kid" => !value.starts_with(['[', '{']),
        _ => false,
    }
}

/// TOML where it is TOML, else the text itself, so that `--set load.hold=5s` needs no quotes.
fn value_of(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The parts of a dotted key. Metrics have dots of their own, so what stands behind `thresholds.` is one key.
fn path_of(key: &str) -> Vec<&str> {
    for section in ["thresholds", "capacity.slo"] {
        let metric = key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        if let Some(metric) = metric {
            let plain = metric.trim().trim_matches(['"', '\'']);
            return section.split('.').chain([plain]).collect();
        }
    }
    key.split('.').collect()
}

fn set(table: &mut Table, path: &[&str], value: Value) -> std::result::Result<(), String> {
    let (first, rest) = path.split_first().ok_or("empty key")?;
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return Ok(());
    }
    let child = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
    set_in(child, first, rest, value)
}

fn set_in(
    within: &mut Value,
    name: &str,
    path: &[&str],
    value: Value,
) -> std::result::Result<(), String> {
    match within {
        Value::Table(table) => set(table, path, value),
        Value::Array(items) => {
            let count = items.len();
            let (index, rest) = path.split_first().ok_or("empty key")?;
            let item = index
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index))
                .ok_or_else(|| format!("`{name}` has {count} entries: `{index}` is not the number of one (0 is the first)"))?;
            if rest.is_empty() {
                *item = value;
                return Ok(());
            }
            set_in(item, index, rest, value)
        }
        _ => Err(format!("`{name}` is a value, not a table")),
    }
}

#[cfg(test)]
mod tests;
