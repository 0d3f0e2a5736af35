use super::*;
use crate::scenario::{Loaded, Overrides, parse};

fn plan(load: &str) -> Plan {
    let text = format!(
        "name = \"a\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:9\"]\n[load]\n{load}\n[keys.main]\n\
             algorithm = \"HS256\"\ngenerate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    );
    let scenario = parse(&text, &Overrides::default()).unwrap();
    let loaded = Loaded::new("a.toml", scenario);
    Plan::unchecked(&loaded, &Limits::read()).unwrap()
}

fn row(rows: &[Row], what: &str) -> Row {
    rows.iter()
        .find(|row| row.what.contains(what))
        .unwrap_or_else(|| panic!("no row {what}"))
        .clone()
}

#[test]
fn a_scenario_that_asks_for_more_than_there_is_is_stopped_by_each_limit_it_breaks() {
    let huge = plan("stages = [{ rate = 100000, for = \"100s\" }]\nhold = \"100s\"");
    let rows = examine(Some(&huge), &Limits::read());
    for what in ["hard limit", "local ports"] {
        let row = row(&rows, what);
        assert_eq!(row.finding, Finding::Stops, "{row:?}");
        assert!(row.advice.contains("as root"), "{row:?}");
    }
    let small = plan("clients = 10\nconcurrency = 1");
    let rows = examine(Some(&small), &Limits::read());
    assert!(rows.iter().all(|row| row.finding < Finding::Stops), "{rows:?}");
    assert_eq!(row(&rows, "hard limit").finding, Finding::Fine);
}

#[test]
fn without_a_scenario_nothing_is_needed() {
    let rows = examine(None, &Limits::read());
    assert!(rows.iter().all(|row| row.finding < Finding::Stops), "{rows:?}");
}

#[test]
fn a_broker_that_does_not_listen_yet_has_a_backlog_that_nobody_knows() {
    let rows = examine(Some(&plan("clients = 10\nconcurrency = 1")), &Limits::read());
    let row = row(&rows, "backlog of the broker");
    assert_eq!(row.finding, Finding::Unknown);
    assert!(row.advice.contains("nothing listens at 127.0.0.1:9"), "{row:?}");
}
