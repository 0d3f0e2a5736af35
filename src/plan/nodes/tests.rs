use super::*;
use crate::plan::{broker, loaded};

fn nodes(events: &str) -> Result<Vec<NodeEvent>> {
    let text = format!(
        "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1883\", \"embedded\", \"embedded\"]\n[load]\nclients = 1\n\
             concurrency = 1\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n{events}"
    );
    let scenario = loaded(&text).scenario;
    let brokers = broker::resolve(&scenario.target, &mut Vec::new()).unwrap();
    resolve_all(&scenario.events, &brokers)
}

fn event(at: &str, deed: &str, more: &str) -> String {
    format!("[[events]]\nat = \"{at}\"\ndo = \"{deed}\"\n{more}\n")
}

#[test]
fn events_of_brokers_come_by_time_each_with_its_broker() {
    let found = nodes(
        &[
            event("9s", "start_broker", "broker = \"embedded-2\""),
            event("5s", "stop_broker", "broker = \"embedded-2\""),
            event("7s", "stop_broker", "broker = \"mqtt://127.0.0.1:1883\"\ncommand = \"x\""),
        ]
        .concat(),
    )
    .unwrap();
    let seen: Vec<_> =
        found.iter().map(|event| (event.at.as_secs(), event.broker, event.starts)).collect();
    assert_eq!(seen, [(5, 2, false), (7, 0, false), (9, 2, true)]);
    assert_eq!(found[1].command.as_deref(), Some("x"));
}

#[test]
fn what_can_t_be_done_to_a_broker_is_refused_with_a_way_out() {
    let remote = "broker = \"mqtt://127.0.0.1:1883\"";
    for (events, part) in [
        (event("1s", "stop_broker", ""), "needs `broker`"),
        (event("1s", "stop_broker", "broker = \"embeded\""), "`embeded`, which is none of"),
        (event("1s", "stop_broker", "broker = \"mqtt://a:b@c\""), "a URL, which is none of"),
        (event("1s", "stop_broker", remote), "needs `command`"),
        (event("1s", "stop_broker", &format!("{remote}\ncommand = \" \"")), "needs `command`"),
        (
            event("1s", "stop_broker", "broker = \"embedded\"\ncommand = \"x\""),
            "which the run stops and starts itself",
        ),
        (event("1s", "start_broker", "broker = \"embedded\""), "not stopped before"),
        (
            event("1s", "stop_broker", "broker = \"embedded\"")
                + &event("2s", "stop_broker", "broker = \"embedded\""),
            "stopped already",
        ),
        (
            event("1s", "stop_broker", "broker = \"embedded\"\nfor = \"1s\""),
            "`for` says nothing to `stop_broker`",
        ),
    ] {
        let error = nodes(&events).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("events[") && message.contains(part), "{message}");
        assert!(error.way_out().is_some(), "{message}");
    }
}
