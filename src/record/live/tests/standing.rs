//! How a run stands, in the metrics.

use super::*;
use crate::{
    base::host::Limits,
    plan::{cells::Ask, loaded},
};

#[test]
fn the_run_says_how_it_stands_by_one_series_a_state() {
    let text = served(&[90 * US]);
    for line in [
        "tokenstorm_run_state{state=\"storm\"} 1.0",
        "tokenstorm_run_state{state=\"over\"} 0.0",
        "tokenstorm_run_planned_end_time_seconds 1800000060.5",
        "tokenstorm_attempts_planned 9.0",
        "tokenstorm_attempts_due_total 6",
        "tokenstorm_threshold_state{metric=\"connack\",condition=\"p99 < 2s\",state=\"missed\"} 1.0",
        "tokenstorm_threshold_state{metric=\"connack\",condition=\"p99 < 2s\",state=\"held\"} 0.0",
        "tokenstorm_threshold_value{metric=\"connack\",condition=\"p99 < 2s\"} 2.5",
        "tokenstorm_threshold_bound{metric=\"connack\",condition=\"p99 < 2s\"} 2.0",
        "tokenstorm_validity{validity=\"generator_limited\"} 1.0",
        "tokenstorm_validity{validity=\"valid\"} 0.0",
        "tokenstorm_validity_reason{reason=\"late_arrivals\"} 1.0",
        "tokenstorm_validity_reason{reason=\"other\"} 1.0",
        "tokenstorm_validity_reason{reason=\"busy_host\"} 0.0",
        "tokenstorm_agent_up{agent=\"one\",host=\"here\"} 1.0",
        "tokenstorm_agent_up{agent=\"two\",host=\"here\"} 0.0",
        "tokenstorm_agent_attempts_total{agent=\"two\"} 3",
        "tokenstorm_token_requests_total{result=\"timeout\"} 1",
        "tokenstorm_key_set_fetches_total{by=\"tokenstorm\",result=\"fetched\"} 4",
        "tokenstorm_key_set_fetches_total{by=\"tokenstorm\",result=\"503\"} 2",
        "tokenstorm_events{event=\"rotate_keys\",state=\"done\"} 1.0",
        "tokenstorm_events{event=\"rotate_keys\",state=\"due\"} 1.0",
        "tokenstorm_events{event=\"revoke\",state=\"due\"} 1.0",
    ] {
        assert!(text.lines().any(|own| own == line), "`{line}` is not in: {text}");
    }
}

#[test]
fn attempts_are_counted_by_code_with_its_number_and_its_name() {
    let text = served(&[90 * US, 110 * US]);
    for (labels, count) in [
        (["outcome=\"refused\"", "code=\"135\"", "reason=\"Not authorized\""], " 2"),
        (["outcome=\"timeout\"", "code=\"connack\"", "reason=\"\""], " 1"),
    ] {
        let found = lines(&text, "tokenstorm_attempt_codes_total{", &labels);
        assert!(found.len() == 1 && found[0].ends_with(count), "{labels:?}: {text}");
    }
}

#[test]
fn a_cell_of_a_matrix_has_its_version_of_mqtt_as_a_label_and_not_in_its_name() {
    let text = "name = \"cells\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n\
                [load]\nclients = 1\nconcurrency = 1\n[keys.a]\nalgorithm = \"ES256\"\ngenerate = true\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let ask = Ask { only: vec!["expired".into()], ..Ask::default() };
    let plan = Plan::matrix(&loaded(text), &Limits::read(), &ask).unwrap();
    let nothing = Measurements::new(plan.mould.kinds.len(), 1);
    let snapshot = Snapshot::of(&plan, &nothing, Now::default());
    let cells: Vec<_> = snapshot.parts.iter().map(|part| part.place.labels()).collect();
    for protocol in ["3.1.1", "5.0"] {
        let is_it = |labels: &[(&str, &str); 3]| {
            labels[0].1 == "expired" && labels[1] == ("protocol", protocol)
        };
        assert_eq!(cells.iter().filter(|labels| is_it(labels)).count(), 1, "{cells:?}");
    }
}

#[test]
fn while_tokens_are_minted_nothing_is_said_of_a_storm_and_its_counts_do_not_add_up() {
    let exporter = exporter();
    let minting = Now { state: RunState::Minting, number: 7, ..Now::default() };
    exporter.hears(&Arc::new(Snapshot::of(&plan(), &Measurements::new(2, 2), minting)));
    let (_, body) = ask(&exporter, "GET /metrics");
    assert!(body.contains("tokenstorm_run_state{state=\"minting\"} 1.0"), "{body}");
    assert!(!body.contains("tokenstorm_storm_"), "{body}");
    exporter.hears(&Arc::new(Snapshot::of(&plan(), &measured(&[US]), now())));
    let (_, body) = ask(&exporter, "GET /metrics");
    assert!(body.contains("tokenstorm_attempts_started_total 5\n"), "{body}");
    assert!(body.contains("tokenstorm_run_state{state=\"minting\"} 0.0"), "{body}");
}
