//! `--broker FILE`: what a file says of a broker and its tokens, laid over a scenario that asks something else.
//!
//! The question stays the scenario's: its load, its mix, its events, how long its tokens live. Where the broker is, what it
//! knows of the clients, and what it promises is the file's.

use toml::{Table, Value};

/// Tables of a scenario that describe the broker and who comes to it: the file's, where it has them.
const OF_BROKER: [&str; 5] = ["target", "keys", "identity", "oauth", "monitor"];
/// Keys of `[token]` that say what a token is. The others say how long it lives, and are part of the question.
const OF_TOKENS: [&str; 5] = ["source", "file", "key", "bytes", "claims"];

/// The question with the broker of a file.
pub(super) fn laid_over(mut question: Table, broker: &Table) -> Table {
    for name in OF_BROKER {
        if let Some(own) = broker.get(name) {
            question.insert(name.to_owned(), own.clone());
        }
    }
    // What one broker promises, another does not.
    question.remove("policy");
    question.extend(broker.get("policy").map(|policy| ("policy".to_owned(), policy.clone())));
    lay_token(&mut question, broker);
    lay_sweep(&mut question);
    question
}

fn lay_token(question: &mut Table, broker: &Table) {
    let token = question.entry("token").or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(token) = token else { return };
    if broker.contains_key("keys") {
        token.remove("key");
    }
    let Some(Value::Table(own)) = broker.get("token") else { return };
    for name in OF_TOKENS {
        token.remove(name);
    }
    for (name, value) in own {
        token.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// Leaves out of a sweep what the keys of the broker do not do.
fn lay_sweep(question: &mut Table) {
    let keys: Vec<Table> = match question.get("keys") {
        Some(Value::Table(keys)) => {
            keys.values().filter_map(|key| key.as_table().cloned()).collect()
        }
        _ => Vec::new(),
    };
    let is_ours = targets(question).all(|broker| broker.starts_with("embedded"));
    let Some(Value::Table(sweep)) = question.get_mut("sweep") else { return };
    if is_ours {
        return;
    }
    if let Some(Value::Array(algorithms)) = sweep.get_mut("algorithm") {
        algorithms.retain(|value| keys.iter().any(|key| key.get("algorithm") == Some(value)));
    }
    let is_made = |key: &Table| key.get("generate").and_then(Value::as_bool) == Some(true);
    if !keys.iter().all(is_made) {
        sweep.remove("rsa_bits");
    }
    let is_axis = |value: &Value| value.as_array().is_some_and(|values| !values.is_empty());
    if !sweep.values().any(is_axis) {
        question.remove("sweep");
    }
}

/// The brokers of a scenario.
fn targets(scenario: &Table) -> impl Iterator<Item = &str> {
    let brokers = scenario.get("target").and_then(|target| target.get("brokers"));
    let brokers = brokers.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    brokers.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    const QUESTION: &str = r#"
name = "question"
[target]
brokers = ["embedded"]
protocol = 4
[load]
clients = 9
[keys.main]
algorithm = "HS256"
generate = true
[token]
ttl = "3s"
exp_at = "9s"
key = "main"
[token.claims]
iss = "https://issuer.example"
[policy]
binds = ["clientid"]
"#;

    #[test]
    fn the_question_keeps_its_load_and_its_lifetimes_and_the_broker_brings_all_that_is_its_own() {
        let broker = table(
            "name = \"b\"\n[target]\nbrokers = [\"mqtt://h:1\"]\n[load]\nclients = 1\n[keys.own]\nalgorithm = \"ES256\"\n\
             [token]\nttl = \"1h\"\n[token.claims]\naud = \"mqtt\"\n",
        );
        let laid = laid_over(table(QUESTION), &broker);
        assert_eq!(laid["name"].as_str(), Some("question"));
        assert_eq!(laid["load"], table(QUESTION)["load"]);
        assert_eq!(laid["target"], broker["target"]);
        assert_eq!(laid["keys"], broker["keys"]);
        assert!(!laid.contains_key("policy"), "a promise of another broker");
        let token = table("ttl = \"3s\"\nexp_at = \"9s\"\nclaims = { aud = \"mqtt\" }");
        assert_eq!(laid["token"], Value::Table(token));
    }

    #[test]
    fn a_broker_that_says_nothing_of_tokens_leaves_those_of_the_question() {
        let laid = laid_over(table(QUESTION), &table("[target]\nbrokers = [\"mqtt://h:1\"]"));
        assert_eq!(laid["token"], table(QUESTION)["token"]);
        assert_eq!(laid["keys"], table(QUESTION)["keys"]);
    }

    #[test]
    fn a_sweep_is_left_with_the_algorithms_that_the_broker_has_keys_for() {
        let swept =
            format!("{QUESTION}[sweep]\nalgorithm = [\"HS256\", \"ES256\"]\nrsa_bits = [2048]\n");
        let keys = "[keys.own]\nalgorithm = \"ES256\"\nprivate_key = \"own.pem\"\n";
        let broker = table(&format!("[target]\nbrokers = [\"mqtt://h:1\"]\n{keys}"));
        let laid = laid_over(table(&swept), &broker);
        assert_eq!(laid["sweep"], Value::Table(table("algorithm = [\"ES256\"]")));
        let other = keys.replace("ES256", "RS256");
        let broker = table(&format!("[target]\nbrokers = [\"mqtt://h:1\"]\n{other}"));
        assert!(!laid_over(table(&swept), &broker).contains_key("sweep"));
    }
}
