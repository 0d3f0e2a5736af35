//! What tests need of a run: its scenario and plan, a cell, its summary.

use serde_json::{Value, json};

use crate::{
    base::host::Limits,
    plan::{Plan, loaded},
    record::results::{Matrix, Summary},
};

/// The plan of a scenario, whatever this host can do.
pub(crate) fn plan(text: &str) -> Plan {
    Plan::unchecked(&loaded(text), &Limits::read()).unwrap()
}

/// A cell of a matrix: an entry of the catalogue, what had to happen, and what that was worth.
pub(crate) fn cell(defect: &str, expected: &str, verdict: &str) -> Value {
    json!({
        "defect": defect, "group": "time", "protocol": 5, "expected": expected, "strict_expected": expected,
        "outcome": "refused", "code": 135, "verdict": verdict, "severity": "high", "attempts": 1,
        "judged": u64::from(verdict != "not_judged"), "false_accepts": 0, "latency_p50_us": null,
        "strict_verdict": verdict, "upper_bound_95": null
    })
}

/// A matrix of these cells, whose broker's answers say something.
pub(crate) fn matrix(cells: &[Value]) -> Matrix {
    serde_json::from_value(json!({
        "format": 1, "partial": false, "target": "embedded", "profile": "strict", "overridden": [],
        "command": "tokenstorm matrix", "state": "judged", "unheard": [], "cells": cells, "skipped": [],
        "unspoken": [], "slow": [], "fetches": [], "bad_judged": 1, "false_accepts": 0,
        "upper_bound_95": null
    }))
    .unwrap()
}

/// Ten clients, five with a good token and five with an expired one, all answered as promised.
pub(crate) fn summary() -> Summary {
    let times = json!({
        "count": 10, "unfinished": 0, "min_us": 100.0, "mean_us": 200.0, "p50_us": 150.0, "p90_us": 300.0,
        "p95_us": 300.0, "p99_us": 300.0, "p999_us": 300.0, "p9999_us": 300.0, "max_us": 300.0
    });
    let part = |outcome: &str| {
        json!({
            "attempts": 5, "outcomes": {outcome: 5}, "verdicts": {"correct": 5},
            "phases": {"connack": times}
        })
    };
    serde_json::from_value(json!({
        "format": 1, "partial": false, "tool": {"name": "tokenstorm", "version": "0", "commit": "0"},
        "scenario": "test", "started_at": "2026-11-25T00:00:00Z", "duration_s": 1.0, "interrupted": false,
        "validity": {"verdict": "valid", "reasons": []}, "model": "open", "protocol": 5, "profile": "strict",
        "embedded": {}, "clients": 10, "attempts": 10, "abandoned": 0,
        "outcomes": {"accepted": 5, "refused": 5}, "codes": {"accepted": {"0": 5}, "refused": {"135": 5}},
        "verdicts": {"correct": 10}, "phases": {"connack": times, "response": times},
        "by_token": {"fresh": part("accepted"), "expired": part("refused")},
        "by_broker": {"mqtt://127.0.0.1:1883": part("accepted")},
        "sessions": {"held": 0, "dropped": 0, "dropped_by_code": {}},
        "throughput": {
            "offered_per_s": 10.0, "verdicts_per_s": 10.0, "per_100ms": {"p1": 1, "p50": 1, "p99": 1, "max": 1}
        },
        "generator": {
            "cpu_s": 0.1, "cpu_us_per_attempt": 10.0, "total_cpu_s": 0.1, "rss_start_bytes": 1, "rss_peak_open_bytes": 1,
            "open_peak": 1, "tokens_minted_per_s": 1.0, "workers": 1
        },
        "thresholds": []
    }))
    .unwrap()
}
