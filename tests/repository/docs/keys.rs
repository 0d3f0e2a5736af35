//! The keys of a scenario as tables, from its JSON Schema: what their doc comments say.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;
use tokenstorm::scenario::Scenario;

use super::cell;

/// All tables, a heading each.
pub(crate) fn tables() -> String {
    let schema = schemars::schema_for!(Scenario).to_value();
    let mut tables = Tables { schema: &schema, out: String::new(), queue: Vec::new() };
    let top = tables.rows(&schema, "");
    writeln!(tables.out, "## At the top\n\n{top}").unwrap();
    let mut written = BTreeSet::new();
    while !tables.queue.is_empty() {
        let (heading, of) = tables.queue.remove(0);
        if !written.insert(heading.clone()) {
            continue;
        }
        let path = heading.trim_matches(['[', ']']).to_owned();
        let rows = tables.rows(&of, &path);
        let about = of["description"].as_str().map(cell).unwrap_or_default();
        writeln!(tables.out, "## `{heading}`\n\n{about}\n\n{rows}").unwrap();
    }
    tables.out
}

struct Tables<'a> {
    schema: &'a Value,
    out: String,
    /// Tables that are still to be written: their heading, and their schema.
    queue: Vec<(String, Value)>,
}

impl Tables<'_> {
    /// What a reference leads to; of something that may be left out, what it is where it is there.
    fn resolved(&self, of: &Value) -> Value {
        if let Some(name) = of["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            return self.resolved(&self.schema["$defs"][name]);
        }
        let is_there = |it: &&Value| it["type"] != "null";
        let some =
            of["anyOf"].as_array().map(|all| all.iter().filter(is_there).collect::<Vec<_>>());
        match some.as_deref() {
            Some([only]) => self.resolved(only),
            _ => of.clone(),
        }
    }

    /// The keys of a table, and what stands below it in the queue.
    fn rows(&mut self, of: &Value, path: &str) -> String {
        let mut rows = String::new();
        let required: Vec<&str> =
            of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let Some(keys) = of["properties"].as_object() else { return rows };
        for (key, value) in keys {
            let about = value["description"].as_str().unwrap_or_default();
            let whole = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let found = self.resolved(value);
            let kind = self.kind(&found, &whole);
            let mut told = vec![cell(about)];
            if required.contains(&key.as_str()) {
                told.push("Required.".to_owned());
            }
            let default = &value["default"];
            if !default.is_null() && !default.is_object() && default.as_str() != Some("") {
                told.push(format!("Default: `{default}`."));
            }
            let told = told.join(" ").trim().to_owned();
            writeln!(rows, "| `{key}` | {kind} | {told} |").unwrap();
        }
        if rows.is_empty() {
            rows
        } else {
            format!("| key | value | meaning |\n|---|---|---|\n{rows}")
        }
    }

    /// What kind of value it is, in words; a table is put into the queue.
    fn kind(&mut self, of: &Value, whole: &str) -> String {
        if of["properties"].is_object() {
            self.queue.push((format!("[{whole}]"), of.clone()));
            return format!("table `[{whole}]`");
        }
        if of["type"] == "array" || of["type"][0] == "array" {
            let items = self.resolved(&of["items"]);
            if items["properties"].is_object() {
                self.queue.push((format!("[[{whole}]]"), items));
                return format!("list of tables `[[{whole}]]`");
            }
            return format!("list: {}", self.kind(&items, whole));
        }
        let others = self.resolved(&of["additionalProperties"]);
        if others["properties"].is_object() {
            self.queue.push((format!("[{whole}.NAME]"), others));
            return format!("tables `[{whole}.NAME]`");
        }
        if let Some(words) = words(of) {
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
        let several = of["anyOf"].as_array().or(of["oneOf"].as_array());
        if let Some(several) = several {
            let kinds: BTreeSet<String> =
                several.iter().map(|it| self.kind(&self.resolved(it), whole)).collect();
            return kinds.into_iter().collect::<Vec<_>>().join(" or ");
        }
        let kind = of["type"].as_str().or(of["type"][0].as_str()).unwrap_or("any value");
        match kind {
            "string" => "text".to_owned(),
            "object" => "table".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// The words of a closed set.
fn words(of: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| Some(value.as_str()?.to_owned());
    if let Some(all) = of["enum"].as_array() {
        return all.iter().map(word).collect();
    }
    let all = of["oneOf"].as_array()?;
    let mut words = Vec::new();
    for one in all {
        match one["enum"].as_array() {
            Some(several) => words.extend(several.iter().filter_map(word)),
            None => words.push(word(&one["const"])?),
        }
    }
    Some(words)
}
