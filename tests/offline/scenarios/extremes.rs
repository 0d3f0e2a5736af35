//! Every key of a scenario, as the schema has it, with values that nobody means: each is refused or planned, and nothing
//! panics, goes on for ever or takes all memory.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tokenstorm::{
    base::{error::Result, host::Limits},
    plan::Plan,
    scenario::{Loaded, Overrides, Scenario},
};
use toml::{Table, Value};

/// What every scenario has, and what may stand in any.
const COMMON: &str = r#"
name = "extreme"
[identity]
client_id = "storm-{n}"
[[mix]]
token = "fresh"
share = 3
[[mix]]
token = "expired"
by = "1h"
share = 1
"#;
/// A broker elsewhere, and a key that it knows.
const OUTSIDE: &str = r#"
[target]
brokers = ["mqtt://127.0.0.1:1"]
weights = [1.0]
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
"#;
/// Load on a schedule.
const OPEN: &str =
    "[load]\nstages = [{ rate = 10, for = \"2s\" }, { ramp_to = 5, for = \"1s\" }]\n";

/// Scenarios of every model and with every section, and the sections whose keys are changed there.
const BASES: [(&str, &[&str]); 9] = [
    (
        "[tags]\nstage = \"nightly\"\n[policy]\nleeway = \"1s\"\n[monitor]\n[token]\nttl = \"1h\"\n[token.claims]\niat = \"-1s\"\n[thresholds]\nconnack = [{ condition = \"p99 < 1s\", abort_on_fail = true, grace = \"1s\" }]\n",
        &[
            "name",
            "seed",
            "target",
            "load",
            "identity",
            "keys",
            "token",
            "mix",
            "policy",
            "monitor",
            "tags",
            "thresholds",
        ],
    ),
    ("[load]\nclients = 10\nconcurrency = 2\n", &["load", "token"]),
    ("[load]\nmode = \"churn\"\nconcurrency = 2\nfor = \"2s\"\n", &["load", "token"]),
    ("[load]\nmode = \"preconnect\"\nclients = 40\nwave = 20\nrelease = 100\n", &["load"]),
    ("[capacity]\nslo = { connack = [\"p99 < 100ms\"] }\n[load]\n", &["capacity", "load"]),
    ("[control]\n", &["control"]),
    (
        "[load]\nclients = 10\nconcurrency = 2\nhold = \"20s\"\n[token]\nttl = \"5s\"\nttl_jitter = \"1s\"\n\
         [policy]\non_expiry = \"disconnect\"\n[session]\nreconnect = \"same_token\"\nrenew = \"reconnect\"\nrenew_before = \"1s\"\n\
         backoff = { first = \"1s\", factor = 2.0, most = \"5s\" }\n\
         [[events]]\nat = \"1s\"\ndo = \"drop_clients\"\nshare = 0.5\n",
        &["session", "token", "policy", "events"],
    ),
    ("[sweep]\nbad_share = [0, 50]\n", &["sweep"]),
    (
        "[target]\nbrokers = [\"embedded\"]\n[target.jwks]\n[issuer]\nkeys = [\"main\"]\n[oauth]\nclient_secret = \"x\"\n[token]\nsource = \"oauth\"\n\
         [keys.main]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n[keys.next]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"b\"\n\
         [[events]]\nat = \"1s\"\ndo = \"rotate_keys\"\nto = \"next\"\nstep = \"1s\"\nkeep_old = \"1s\"\n\
         [[events]]\nat = \"1s\"\ndo = \"jwks_outage\"\nfor = \"1s\"\n[[events]]\nat = \"1s\"\ndo = \"issuer_slow\"\nby = \"1s\"\nfor = \"1s\"\n\
         [[events]]\nat = \"1s\"\ndo = \"stop_broker\"\nbroker = \"embedded\"\n",
        &["target", "issuer", "oauth", "events"],
    ),
];

/// Values that a key of this type may be given, and one of another type.
fn values(takes: &Takes) -> Vec<Value> {
    let texts = |all: &[&str]| all.iter().map(|text| Value::String((*text).to_owned())).collect();
    let numbers = [0, 1, -1, 1 << 31, 1 << 32, i64::MAX, i64::MIN].map(Value::Integer);
    let broken = [1e308, -1e308, 1e-308, f64::NAN, f64::INFINITY].map(Value::Float);
    match takes {
        Takes::Number(..) => {
            let other = Value::String("1s".into());
            numbers.into_iter().chain(broken).chain([other]).collect()
        }
        Takes::Time => {
            let times = [
                "",
                "0s",
                "1ns",
                "100y",
                "101y",
                "584years",
                "18446744073709551615s",
                "584942417355y",
            ];
            let times: Vec<Value> = texts(&times);
            times.into_iter().chain([Value::Integer(i64::MAX)]).collect()
        }
        Takes::Other => {
            let mut all: Vec<Value> = texts(&["", "18446744073709551615s"]);
            all.push(Value::Integer(i64::MAX));
            all
        }
    }
}

/// A key of the schema: its path, and what it takes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    path: Vec<String>,
    takes: Takes,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Takes {
    Number(Option<i64>, Option<i64>),
    Time,
    Other,
}

/// All keys of the schema that hold a single value. `*` stands for a place in a list.
fn keys() -> BTreeSet<Key> {
    let schema = schemars::schema_for!(Scenario).to_value();
    let mut all = BTreeSet::new();
    walk(&schema, &schema["$defs"], &[], &mut all);
    all
}

fn walk(node: &Json, defs: &Json, path: &[String], all: &mut BTreeSet<Key>) {
    if let Some(name) = node["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        if name == "Time" {
            all.insert(Key { path: path.to_vec(), takes: Takes::Time });
            return;
        }
        return walk(&defs[name], defs, path, all);
    }
    let below = |name: &str| [path, &[name.to_owned()]].concat();
    for forms in ["anyOf", "oneOf", "allOf"] {
        node[forms].as_array().into_iter().flatten().for_each(|form| walk(form, defs, path, all));
    }
    for (name, inner) in node["properties"].as_object().into_iter().flatten() {
        walk(inner, defs, &below(name), all);
    }
    if node["additionalProperties"].is_object() {
        let name = if path == ["keys"] { "main" } else { "connack" };
        walk(&node["additionalProperties"], defs, &below(name), all);
    }
    if node["items"].is_object() {
        walk(&node["items"], defs, &below("*"), all);
    }
    let types: Vec<&str> = match &node["type"] {
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let takes = if types.iter().any(|name| matches!(*name, "integer" | "number")) {
        Takes::Number(node["minimum"].as_i64(), node["maximum"].as_i64())
    } else if types.iter().any(|name| matches!(*name, "string" | "boolean")) {
        Takes::Other
    } else {
        return;
    };
    all.insert(Key { path: path.to_vec(), takes });
}

/// Puts a value at every place that a path means; `false` where there is none.
fn put(at: &mut Value, path: &[String], value: &Value) -> Vec<Value> {
    let Some((name, rest)) = path.split_first() else { return vec![value.clone()] };
    let mut all = Vec::new();
    match at {
        Value::Table(table) => {
            let inner = table.get(name).cloned();
            let mut inner = inner.unwrap_or_else(|| match rest.first().map(String::as_str) {
                Some("*") => Value::Array(vec![Value::Boolean(false)]),
                _ => Value::Table(Table::new()),
            });
            for changed in put(&mut inner, rest, value) {
                let mut table = table.clone();
                table.insert(name.clone(), changed);
                all.push(Value::Table(table));
            }
        }
        Value::Array(items) if name == "*" => {
            for index in 0..items.len() {
                for changed in put(&mut items[index].clone(), rest, value) {
                    let mut items = items.clone();
                    items[index] = changed;
                    all.push(Value::Array(items));
                }
            }
        }
        // A list of texts may hold tables, too.
        _ => all.push(value.clone()),
    }
    all
}

fn base(text: &str) -> Table {
    let mut base: Table = toml::from_str(COMMON).unwrap();
    for more in [OUTSIDE, OPEN, text] {
        for (name, value) in toml::from_str::<Table>(more).unwrap() {
            base.insert(name, value);
        }
    }
    if base.contains_key("control") {
        base["mix"].as_array_mut().unwrap().truncate(1);
    }
    base
}

fn planned(scenario: Scenario) -> Result<Plan> {
    let loaded = Loaded::new(PathBuf::from("x.toml"), scenario);
    Plan::unchecked(&loaded, &Limits::read())
}

#[test]
fn every_base_is_planned() {
    for (text, _) in BASES {
        let base = base(text);
        let plan = Overrides::default().apply(base).and_then(planned);
        assert!(plan.is_ok(), "{text}: {}", plan.unwrap_err());
    }
    let swept: BTreeSet<&str> = BASES.iter().flat_map(|(_, of)| of.iter().copied()).collect();
    let known: BTreeSet<String> = keys().into_iter().map(|key| key.path[0].clone()).collect();
    assert_eq!(
        known.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        swept,
        "every section has a base"
    );
}

#[test]
fn every_number_has_bounds_in_the_schema() {
    for Key { path, takes } in keys() {
        if let Takes::Number(least, most) = takes {
            // Any seed is one, and what a claim is nobody here can know.
            let is_free = path == ["seed"] || path.iter().any(|part| part == "claims");
            assert!(is_free || least.is_some() && most.is_some(), "{path:?} has no bounds");
        }
    }
}

#[test]
fn every_key_with_every_extreme_value_is_refused_or_planned_in_time() {
    let (mut tried, mut failed) = (0, Vec::new());
    for (text, sections) in BASES {
        let base = Value::Table(base(text));
        for Key { path, takes } in
            keys().iter().filter(|key| sections.contains(&key.path[0].as_str()))
        {
            for value in values(takes) {
                for changed in put(&mut base.clone(), path, &value) {
                    let Value::Table(table) = changed else { continue };
                    let shown = || format!("{} = {value}", path.join("."));
                    tried += 1;
                    let began = Instant::now();
                    let Ok(read) = catch_unwind(AssertUnwindSafe(|| {
                        let read = Overrides::default().apply(table);
                        read.map(|scenario| drop(planned(scenario)))
                    })) else {
                        failed.push(format!("{} panics", shown()));
                        continue;
                    };
                    // Hundreds of times as long as it takes, so that only what goes on for ever is longer.
                    if began.elapsed() > Duration::from_secs(20) {
                        failed.push(format!("{} took {:?}", shown(), began.elapsed()));
                    }
                    let is_beyond = match (takes, &value) {
                        (Takes::Number(least, most), Value::Integer(number)) => {
                            least.is_some_and(|least| *number < least)
                                || most.is_some_and(|most| *number > most)
                        }
                        (Takes::Number(..), Value::Float(number)) => {
                            number.is_nan() || number.abs() >= 1.0
                        }
                        (Takes::Time, Value::String(text)) => {
                            !matches!(text.as_str(), "0s" | "1ns" | "100y")
                        }
                        _ => false,
                    };
                    match read {
                        Ok(()) if is_beyond => failed.push(format!("{} is read", shown())),
                        Err(error) if is_beyond && !names(&error.to_string(), path) => {
                            failed.push(format!("{}: {error}", shown()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    assert!(failed.is_empty(), "{} of {tried}:\n{}", failed.len(), failed.join("\n"));
}

/// Whether an error names the key; of one in a list, the list.
fn names(error: &str, path: &[String]) -> bool {
    let list = path.iter().position(|part| part == "*").unwrap_or(path.len());
    error.contains(&path[..list].join("."))
}
