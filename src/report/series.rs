//! What a person reads of the verifier: what a search found, what verifying costs, what a sweep shows, who used what.

use std::fmt::Write;

use super::{
    facts::Facts,
    style::{MIB, count, number, percentile, table, time},
};
use crate::{
    base::words::LimitedBy,
    record::results::{
        Percentile, Reason, Summary,
        monitor::{Monitored, Used},
        series::{ArmStats, Capacity, Control, Difference, Interval, SweepRun},
        summary::Yardstick,
    },
};

/// Writes the tables of a comparison of arms and of a sweep.
pub(super) fn write(out: &mut String, summary: &Summary) -> std::fmt::Result {
    if let Some(control) = &summary.control {
        let (head, rows) = control_table(control);
        writeln!(out, "\n{}", table(&head, &rows))?;
        let mut facts = Facts::default();
        let costs = costs(control).into_iter();
        facts.say_all("cost", costs.map(|(names, words)| format!("{names}: {words}")));
        facts.write(out)?;
    }
    if !summary.sweep.is_empty() {
        let (head, rows) = sweep_table(&summary.sweep);
        writeln!(out, "\n{}", table(&head, &rows))?;
    }
    Ok(())
}

/// Says what was read of both sides, and what one core of this host can do.
pub(super) fn say(facts: &mut Facts, summary: &Summary) {
    if let Some(monitor) = &summary.monitor {
        of_monitor(facts, monitor);
    }
    if let Some(yardstick) = &summary.yardstick {
        of_yardstick(facts, yardstick);
    }
}

/// The answer of a search in one sentence.
pub(super) fn sentence(capacity: &Capacity) -> String {
    let range = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!(", between {} and {}", number(low), number(high)),
        _ => String::new(),
    };
    match (capacity.per_s, capacity.limited_by) {
        (Some(per_s), LimitedBy::Broker) => format!(
            "{} verdicts/s{}; the broker was the limit",
            number(per_s),
            range(capacity.low_per_s, capacity.high_per_s)
        ),
        (Some(per_s), _) => {
            let why = if capacity.reasons.iter().any(|reason| matches!(reason, Reason::AllHeld(_)))
            {
                "no higher rate was to be tried"
            } else {
                "the generator was the limit"
            };
            format!("at least {} verdicts/s ({why})", number(per_s))
        }
        (None, _) => "not found".to_owned(),
    }
}

/// Says what a search found.
pub(super) fn of_capacity(facts: &mut Facts, capacity: &Capacity) {
    let Capacity { steps, confirmed, ended, reasons, .. } = capacity;
    let found = sentence(capacity);
    facts.say("capacity", format!("{found}; {steps} steps, confirmed {confirmed} times"));
    if let Some(ended) = ended {
        facts.more(format!("the search ended before it was done: {ended}"));
    }
    for reason in reasons {
        facts.more(reason.to_string());
    }
}

/// Arms of a comparison: the head of their table and its rows.
pub(super) fn control_table(control: &Control) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let optional =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |us| format!("{us:.1}"));
    let row = |(arm, stats): (&String, &ArmStats)| {
        vec![
            arm.clone(),
            stats.runs.to_string(),
            stats.connack_p50_us.map_or_else(|| "-".into(), time),
            stats.connack_p99_us.map_or_else(|| "-".into(), time),
            optional(stats.broker_cpu_us_per_verdict),
            optional(stats.harness_cpu_us_per_verdict),
        ]
    };
    let head = ["tokens", "runs", "connack p50", "connack p99", "broker us CPU", "harness us CPU"];
    (head.to_vec(), control.arms.iter().map(row).collect())
}

/// What verifying costs: each pair of arms, and their differences in words.
pub(super) fn costs(control: &Control) -> Vec<(String, String)> {
    let words = |difference: &Difference| {
        let parts = [
            ("connack p50", difference.connack_p50_us),
            ("CPU of the broker", difference.broker_cpu_us_per_verdict),
        ];
        let words = |(what, interval): (&str, Option<Interval>)| {
            Some(format!("{what} {}", within(interval?)))
        };
        parts.into_iter().filter_map(words).collect::<Vec<_>>().join("; ")
    };
    let all = control.differences.iter();
    all.map(|(names, difference)| (names.clone(), words(difference))).collect()
}

/// A difference with its interval, in microseconds.
fn within(interval: Interval) -> String {
    format!(
        "{:+.1} us ({:+.1} to {:+.1} at 95 %, {} pairs)",
        interval.mean, interval.low, interval.high, interval.pairs
    )
}

/// Columns of a sweep that say something, and its rows: the first cells name the combination.
pub(super) fn sweep_table(runs: &[SweepRun]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    type Cell = fn(&SweepRun) -> Option<String>;
    let columns: [(&'static str, Cell); 14] = [
        ("algorithm", |run| Some(run.algorithm.clone())),
        ("bits", |run| run.rsa_bits.map(|bits| bits.to_string())),
        ("MQTT", |run| Some(if run.protocol == 5 { "5.0" } else { "3.1.1" }.into())),
        ("token bytes", |run| run.token_bytes.map(|bytes| bytes.to_string())),
        ("bad %", |run| run.bad_share.map(|share| share.to_string())),
        ("capacity/s", |run| {
            run.capacity_limited_by.map(|by| match (run.capacity_per_s, by) {
                (Some(per_s), LimitedBy::Broker) => number(per_s),
                (Some(per_s), _) => format!("at least {}", number(per_s)),
                (None, _) if run.capacity_ended.is_some() => "ended".into(),
                (None, by) => format!("none ({by})"),
            })
        }),
        ("verdicts/s", |run| Some(number(run.verdicts_per_s))),
        ("one core/s", |run| run.yardstick_per_s.map(number)),
        ("good p50", |run| run.good_connack_p50_us.as_ref().map(percentile)),
        ("good p99", |run| run.good_connack_p99_us.as_ref().map(percentile)),
        ("all p99", |run| run.connack_p99_us.as_ref().map(percentile)),
        ("broker us CPU", |run| run.broker_cpu_us_per_verdict.map(|us| format!("{us:.1}"))),
        ("wrong", |run| Some(count(run.false_accepts + run.false_rejects))),
        ("validity", |run| Some(run.validity.to_string())),
    ];
    let says = |cell: &Cell| runs.iter().any(|run| cell(run).is_some());
    let columns: Vec<_> = columns.into_iter().filter(|(_, cell)| says(cell)).collect();
    let row = |run: &SweepRun| {
        columns.iter().map(|(_, cell)| cell(run).unwrap_or_else(|| "-".into())).collect()
    };
    (columns.iter().map(|(name, _)| *name).collect(), runs.iter().map(row).collect())
}

fn of_monitor(facts: &mut Facts, monitor: &Monitored) {
    let sides = [("broker", &monitor.broker), ("harness", &monitor.harness)];
    facts.say_all("monitor", sides.map(|(name, used)| format!("{name}: {}", used_words(used))));
    if let (Some(drift), Some(drifts)) = (monitor.connack_drift_us_per_h, monitor.connack_drifts) {
        facts.more(format!("connack drifts by {drift:+.1} us an hour{}", chance(drifts)));
    }
    monitor.warnings.iter().for_each(|warning| facts.more(warning));
}

/// What is said of a drift that is none for sure.
fn chance(drifts: bool) -> &'static str {
    if drifts { "" } else { ", which may be chance" }
}

fn used_words(used: &Used) -> String {
    let mut parts = Vec::new();
    if let Some(us) = used.cpu_us_per_verdict {
        let of = match (used.cpu_us_per_accept, used.cpu_us_per_refusal) {
            (Some(_), _) => " (all accepted)",
            (_, Some(_)) => " (all refused)",
            _ => "",
        };
        parts.push(format!("{us:.1} us CPU a verdict{of}"));
    }
    if let (Some(start), Some(most)) = (used.rss_start_bytes, used.rss_most_bytes) {
        let mib = |bytes: u64| number(bytes as f64 / MIB);
        parts.push(format!("{} MiB before, {} MiB at most", mib(start), mib(most)));
    }
    if let Some(bytes) = used.bytes_per_connection {
        parts.push(format!("{} KiB a connection", number(bytes / 1024.0)));
    }
    if let (Some(drift), Some(drifts)) = (used.rss_drift_bytes_per_h, used.rss_drifts) {
        let drift = drift / MIB;
        parts.push(format!("memory drifts by {drift:+.2} MiB an hour{}", chance(drifts)));
    }
    if parts.is_empty() { "nothing could be read".into() } else { parts.join("; ") }
}

fn of_yardstick(facts: &mut Facts, yardstick: &Yardstick) {
    let rates: Vec<String> = yardstick
        .per_s
        .iter()
        .map(|(algorithm, per_s)| format!("{} {algorithm}", number(*per_s)))
        .collect();
    let share = yardstick.broker_share.map_or_else(String::new, |share| {
        format!("; the broker gave {} % of that", number(100.0 * share))
    });
    facts.say(
        "yardstick",
        format!(
            "one core of this host verifies {} tokens/s (jsonwebtoken){share}",
            rates.join(", ")
        ),
    );
}

/// A percentile in milliseconds, where it is one.
pub(super) fn milliseconds(value: Option<&Percentile>) -> Option<f64> {
    value?.number().map(|us| us / 1e3)
}
