//! What a scenario needs that neither it nor the program brings along, by its own keys.

use toml::{Table, Value};

/// Keys of `[keys.NAME]` and of tables about TLS that name files.
const FILES: [&str; 7] =
    ["private_key", "secret_file", "jwk", "ca", "cert", "client_ca", "client_ca_key"];

/// What a scenario needs, from the text of its file: a broker, keys, files, variables; nothing where it brings all. A text that
/// is no TOML needs nothing that could be named.
pub fn needs(text: &str) -> Vec<String> {
    let Ok(scenario) = text.parse::<Table>() else { return Vec::new() };
    let mut all = Vec::new();
    let foreign: Vec<&str> =
        brokers(&scenario).filter(|url| !url.starts_with("embedded")).collect();
    if !foreign.is_empty() {
        all.push(format!("your broker, here {}", foreign.join(", ")));
        let made = tables(&scenario, "keys").filter(|(_, key)| is_set(key, "generate"));
        let made: Vec<&str> = made.map(|(name, _)| name.as_str()).collect();
        if !made.is_empty() && !scenario.contains_key("issuer") {
            all.push(format!("a key that it knows (`keys.{}`)", made.join("`, `keys.")));
        }
        if scenario.get("token").is_some_and(|token| token.get("file").is_some()) {
            all.push("tokens that it knows (`token.file`)".to_owned());
        }
    }
    named(&scenario, &mut all);
    all
}

fn brokers(scenario: &Table) -> impl Iterator<Item = &str> {
    let brokers = scenario.get("target").and_then(|target| target.get("brokers"));
    brokers.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn tables<'a>(scenario: &'a Table, name: &str) -> impl Iterator<Item = (&'a String, &'a Table)> {
    let table = scenario.get(name).and_then(Value::as_table);
    table.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_table()?)))
}

fn is_set(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// Files and variables that a table names, in it and below.
fn named(table: &Table, all: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::String(name) if key.ends_with("_env") => {
                all.push(format!("the variable {name}"));
            }
            // A certificate for each client is made, and is no file.
            Value::String(name) if FILES.contains(&key.as_str()) && name != "per_client" => {
                all.push(format!("the file {name}"));
            }
            Value::Table(inner) => named(inner, all),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_for_the_embedded_broker_needs_nothing() {
        let own = "[target]\nbrokers = [\"embedded+tls\"]\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n";
        assert_eq!(needs(own), [] as [String; 0]);
        assert_eq!(needs("no toml"), [] as [String; 0]);
    }

    #[test]
    fn what_others_have_to_bring_is_named() {
        let text = "[target]\nbrokers = [\"mqtt://127.0.0.1:1883\"]\n[target.tls]\nca = \"ca.pem\"\n\
                    cert = \"per_client\"\n[keys.main]\ngenerate = true\n[keys.other]\nsecret_env = \"SECRET\"\n";
        assert_eq!(
            needs(text),
            [
                "your broker, here mqtt://127.0.0.1:1883",
                "a key that it knows (`keys.main`)",
                "the variable SECRET",
                "the file ca.pem"
            ]
        );
    }
}
