//! Whether two runs asked the same of the same host.

use crate::base::words::Validity;
use std::collections::BTreeMap;

use super::record::{Record, Side};
use crate::record::results::reason::joined;

/// Keys of a scenario that say where the brokers are, and not what is asked of them.
const MAY_DIFFER: [&str; 8] = [
    "target.brokers",
    "target.authorized",
    "target.jwks.url",
    "monitor.pid",
    "monitor.process",
    "monitor.prometheus",
    "control.target",
    "thresholds",
];

/// What is not the same in two runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The key of the scenario, or what of the host.
    pub what: String,
    /// On one side.
    pub baseline: String,
    /// On the other.
    pub candidate: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} against {}", self.what, self.baseline, self.candidate)
    }
}

/// What makes the runs of two sides incomparable, each difference once.
pub fn differences(baseline: &Side, candidate: &Side) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    let Some(first) = baseline.runs.first() else { return all };
    let of_first = facts(first);
    let own = baseline.runs.iter().skip(1).map(|run| (run, " (within the baseline)"));
    for (run, place) in own.chain(candidate.runs.iter().map(|run| (run, ""))) {
        for mut difference in between(&of_first, &facts(run)) {
            difference.what += place;
            if !all.contains(&difference) {
                all.push(difference);
            }
        }
    }
    all
}

/// What differs and does not matter to the numbers, or may not: worth knowing.
pub fn remarks(baseline: &Side, candidate: &Side) -> Vec<String> {
    let tools = |side: &Side| -> Vec<String> {
        let mut all: Vec<String> = side
            .runs
            .iter()
            .map(|run| format!("{} ({})", run.summary.tool.version, run.summary.tool.commit))
            .collect();
        all.sort();
        all.dedup();
        all
    };
    let (one, other) = (tools(baseline), tools(candidate));
    let mut remarks = Vec::new();
    if one != other {
        remarks.push(format!(
            "measured by different versions of tokenstorm: {} against {}; CHANGELOG.md says where numbers stop being comparable",
            one.join(", "),
            other.join(", ")
        ));
    }
    for (name, side) in [("baseline", baseline), ("candidate", candidate)] {
        remarks.extend(doubts(name, side));
    }
    remarks
}

/// What speaks against the numbers of a side: how many of its runs, and what the first of them says.
fn doubts(name: &str, side: &Side) -> Vec<String> {
    let mut by_verdict: BTreeMap<Validity, Vec<&Record>> = BTreeMap::new();
    for run in &side.runs {
        by_verdict.entry(run.summary.validity.verdict).or_default().push(run);
    }
    by_verdict.remove(&Validity::Valid);
    let words = |(verdict, runs): (Validity, Vec<&Record>)| {
        let first = runs.first()?;
        Some(format!(
            "{} of {} runs of the {name} are {}, such as `{}`: {}",
            runs.len(),
            side.runs.len(),
            verdict.words(),
            first.folder.display(),
            joined(&first.summary.validity.reasons)
        ))
    };
    by_verdict.into_iter().filter_map(words).collect()
}

/// Whether most runs of a side were slowed down by the harness itself: what they took says nothing of the broker.
pub fn is_limited(side: &Side) -> bool {
    let is_limited = |run: &&Record| run.summary.validity.verdict == Validity::GeneratorLimited;
    side.runs.iter().filter(is_limited).count() * 2 > side.runs.len()
}

fn between(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let value = |of: &BTreeMap<String, String>, key: &String| {
        of.get(key).cloned().unwrap_or_else(|| "nothing".to_owned())
    };
    keys.into_iter()
        .map(|key| Difference {
            what: key.clone(),
            baseline: value(one, key),
            candidate: value(other, key),
        })
        .filter(|difference| difference.baseline != difference.candidate)
        .collect()
}

/// What has to be the same, by what it is.
fn facts(run: &Record) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (key, value) in &placeless(&run.scenario) {
        flatten(key, value, &mut facts);
    }
    facts.insert("scenario".into(), run.summary.scenario.clone());
    facts.insert("kinds of target.brokers".into(), kinds(&run.scenario).join(", "));
    if let Some(environment) = &run.environment {
        for (what, value) in [
            ("host", environment.host.clone()),
            ("CPU", format!("{} x {}", environment.cpus, environment.cpu)),
            ("kernel", environment.kernel.clone()),
            ("build of tokenstorm", environment.profile.clone()),
        ] {
            facts.insert(what.into(), value);
        }
    }
    facts
}

/// A scenario whose events name brokers by their places in the list, and not how they are stopped and started.
fn placeless(scenario: &toml::Table) -> toml::Table {
    let mut scenario = scenario.clone();
    let brokers = scenario.get("target").and_then(|target| target.get("brokers")).cloned();
    let brokers = brokers.as_ref().and_then(toml::Value::as_array);
    let events = scenario.get_mut("events").and_then(toml::Value::as_array_mut);
    for event in events.into_iter().flatten().filter_map(toml::Value::as_table_mut) {
        event.remove("command");
        if let Some(broker) = event.get_mut("broker")
            && let Some(at) = brokers.and_then(|all| all.iter().position(|it| it == broker))
        {
            *broker = toml::Value::Integer(at as i64);
        }
    }
    scenario
}

/// What clients speak with each broker: where that is may differ, how they come there may not.
fn kinds(scenario: &toml::Table) -> Vec<String> {
    let brokers = scenario.get("target").and_then(|target| target.get("brokers"));
    let urls = brokers.and_then(toml::Value::as_array).into_iter().flatten();
    urls.filter_map(toml::Value::as_str)
        .map(|url| match (url.split_once("://"), url.strip_prefix("embedded+")) {
            (Some((scheme, _)), _) => scheme.to_owned(),
            (None, Some("tls")) => "mqtts".to_owned(),
            (None, Some(other)) => other.to_owned(),
            (None, None) => "mqtt".to_owned(),
        })
        .collect()
}

fn flatten(key: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    if MAY_DIFFER.contains(&key) {
        return;
    }
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(&format!("{key}.{name}"), value, into);
            }
        }
        other => {
            into.insert(key.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
