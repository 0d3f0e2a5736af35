//! The dashboard and the document speak of what is served.

use super::*;

/// Words of a text that are names of metrics.
fn names(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tokenstorm_")).map(str::to_owned).collect()
}

/// Labels of each metric, with all values that are served.
type Labels = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn labels(text: &str) -> Labels {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let mut all = Labels::new();
    for sample in scrape.samples {
        let own = all.entry(sample.metric.clone()).or_default();
        for (key, value) in sample.labels.iter() {
            own.entry(key.clone()).or_default().push(value.clone());
        }
    }
    all
}

/// Checks that an expression asks for labels that its metrics have, and for values that there are.
fn check_labels(expression: &str, served: &Labels) {
    for (at, _) in expression.match_indices("tokenstorm_") {
        let rest = &expression[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
        let (name, rest) = rest.split_at(end);
        let own = &served[name.trim_end_matches("_bucket")];
        let Some((inner, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            continue;
        };
        for one in inner.split(',') {
            let (key, value) = one.split_once('=').unwrap();
            // What scrapes gives it.
            if key == "job" {
                continue;
            }
            let values = own.get(key).unwrap_or_else(|| panic!("`{name}` has no `{key}`"));
            let value = value.trim_matches(['~', '"']);
            let is_known = value.starts_with('$') || values.iter().any(|own| own == value);
            assert!(is_known, "`{name}` has no `{key}` that is `{value}`: {values:?}");
        }
    }
    let groups =
        expression.match_indices(" by (").map(|(at, start)| &expression[at + start.len()..]);
    for group in groups.map(|rest| rest.split(')').next().unwrap()) {
        let is_known = |key: &str| {
            key == "le"
                || names(expression)
                    .iter()
                    .any(|name| served[name.trim_end_matches("_bucket")].contains_key(key))
        };
        assert!(group.split(", ").all(is_known), "`{group}` in {expression}");
    }
}

#[test]
fn the_dashboard_and_the_document_speak_of_metrics_that_are_served() {
    let text = served(&[100 * US]);
    // Of comments the names lack their endings.
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut served = names(&samples.join("\n"));
    // When they began is part of each counter and histogram, and no metric of its own.
    served.retain(|name| !name.ends_with("_created"));
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../../deploy/grafana/tokenstorm.json")).unwrap();
    let mut expressions = Vec::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        expressions.push(target["expr"].as_str().unwrap());
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.extend(variable["definition"].as_str());
    }
    assert!(expressions.len() > 8, "{expressions:?}");
    for name in expressions.iter().flat_map(|expression| names(expression)) {
        assert!(served.contains(&name), "the dashboard asks for `{name}`: {served:?}");
    }
    let labels = labels(&served_plainly(&[100 * US]));
    for expression in &expressions {
        check_labels(expression, &labels);
    }
    let document = names(include_str!("../../../../docs/live.md"));
    let families: std::collections::BTreeSet<String> = served
        .iter()
        .map(|name| {
            let of_histogram =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            of_histogram.unwrap_or(name).to_owned()
        })
        .collect();
    for name in &families {
        assert!(document.contains(name), "docs/live.md does not speak of `{name}`");
    }
    for name in &document {
        assert!(served.contains(name) || families.contains(name), "`{name}` is not served");
    }
}
