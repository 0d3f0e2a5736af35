//! What a run came to in numbers and words: throughput, thresholds, answers by code, validity, the host.

use std::path::Path;

use maud::{Markup, html};

use super::{files, page};
use crate::{
    base::{
        error::Result,
        words::{OutcomeKind, Phase, Tone, Validity, Verdict},
    },
    record::results::{Environment, PhaseStats, Summary, diagnosis::Diagnosis},
    report::{
        facts::Facts,
        fetches, keys, series,
        style::{code_word, count, number, percentile, time},
        terminal,
    },
};

const MIB: f64 = 1_048_576.0;

/// The figures that everybody asks for first.
pub(super) fn tiles(summary: &Summary) -> Markup {
    let connack = summary.phases.get(&Phase::Connack).filter(|stats| stats.count > 0);
    let at = |value: fn(&PhaseStats) -> String| connack.map(value);
    let verdicts = format!("{}/s", number(summary.throughput.verdicts_per_s));
    let count_of = |verdict: Verdict| count(summary.verdicts[verdict]);
    let tiles = [
        ("attempts", Some(count(summary.attempts))),
        ("verdicts", Some(verdicts)),
        ("time to the verdict, p50", at(|stats| percentile(&stats.p50_us))),
        ("time to the verdict, p99", at(|stats| percentile(&stats.p99_us))),
        ("bad tokens accepted", Some(count_of(Verdict::FalseAccept))),
        ("good tokens refused", Some(count_of(Verdict::FalseReject))),
    ];
    html! {
        ul.tiles {
            @for (name, value) in tiles {
                @let is_bad = name == "bad tokens accepted" && value.as_deref() != Some("0");
                @if let Some(value) = value { li { b class=[is_bad.then_some("bad")] { (page::unbroken(&value)) } span { (name) } } }
            }
        }
    }
}

/// Attempts and verdicts a second, sessions, and what the text for the terminal says of keys, tokens and both sides.
pub(super) fn throughput(summary: &Summary) -> Option<Markup> {
    let throughput = &summary.throughput;
    let per = &throughput.per_100ms;
    let offered = throughput.offered_per_s.map_or_else(
        || match summary.model.as_str() {
            "preconnect" => "while waves were released, all at once".to_owned(),
            _ => {
                "none: closed loop, where responses are not free of coordinated omission".to_owned()
            }
        },
        |offered| format!("{} attempts/s by the schedule", number(offered)),
    );
    let mut facts = vec![
        ("Offered".to_owned(), offered),
        ("Achieved".to_owned(), format!("{} verdicts/s", number(throughput.verdicts_per_s))),
        (
            "In 100 ms".to_owned(),
            format!(
                "{} verdicts in the median slot, {} at p1, {} at most",
                count(per.p50),
                count(per.p1),
                count(per.max)
            ),
        ),
    ];
    let sessions = &summary.sessions;
    if sessions.held > 0 {
        let codes = terminal::by_code(&sessions.dropped_by_code, Some(summary.protocol));
        let by = if codes.is_empty() { String::new() } else { format!(" ({codes})") };
        let words = format!(
            "{} begun to hold, {} of them dropped by the broker{by}",
            count(sessions.held),
            count(sessions.dropped)
        );
        facts.push(("Sessions".to_owned(), words));
    }
    if let Some(tls) = &summary.tls {
        let suite = |(suite, number): (&String, &u64)| format!("{suite} {}", count(*number));
        let suites: Vec<String> = tls.suites.iter().map(suite).collect();
        let words = format!(
            "{} handshakes, {} of them resumed: {}",
            count(tls.handshakes),
            count(tls.resumed),
            suites.join(", ")
        );
        facts.push(("TLS".to_owned(), words));
    }
    facts.extend(said(summary));
    if let Some(agents) = &summary.agents {
        facts.push(("Agents".to_owned(), agents.words()));
    }
    let generator = &summary.generator;
    facts.push((
        "Generator".to_owned(),
        format!(
            "{} us CPU an attempt, workers: {}, {} MiB resident with {} connections open",
            number(generator.cpu_us_per_attempt),
            generator.workers,
            number(generator.rss_peak_open_bytes as f64 / MIB),
            count(generator.open_peak)
        ),
    ));
    page::facts(&facts)
}

/// What is said of fetched tokens, keys, both sides and the yardstick.
fn said(summary: &Summary) -> Vec<(String, String)> {
    let mut facts = Facts::default();
    if let Some(oauth) = &summary.oauth {
        fetches::say(&mut facts, oauth);
    }
    if let Some(jwks) = &summary.jwks {
        keys::say(&mut facts, jwks);
    }
    if let Some(monitor) = &summary.monitor {
        series::of_monitor(&mut facts, monitor);
    }
    if let Some(yardstick) = &summary.yardstick {
        series::of_yardstick(&mut facts, yardstick);
    }
    facts.listed()
}

/// Thresholds and what became of them; nothing where there is none.
pub(super) fn thresholds(summary: &Summary) -> Option<Markup> {
    (!summary.thresholds.is_empty()).then(|| {
        html! {
            div.scroll {
                table {
                    thead { tr { @for name in ["result", "metric", "condition", "observed"] { th scope="col" { (name) } } } }
                    tbody {
                        @for threshold in &summary.thresholds {
                            @let (tone, word) = match (summary.ended_by(threshold), threshold.passed) {
                                (Some(ended), _) => (Tone::Bad, ended),
                                (None, Some(true)) => (Tone::Good, "passed"),
                                (None, Some(false)) => (Tone::Bad, "FAILED"),
                                (None, None) => (Tone::Warn, "can't tell"),
                            };
                            tr {
                                td { b class=(tone.name()) { (word) } }
                                th scope="row" { (threshold.metric) }
                                td { (threshold.condition) }
                                td { (terminal::observed(threshold)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// Answers and failures by their codes, and what to look at.
pub(super) fn codes(summary: &Summary) -> Option<Markup> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    for (outcome, codes) in &summary.codes {
        for (code, number) in codes {
            let code = match outcome {
                OutcomeKind::Refused => code_word(code, summary.protocol),
                _ => code.clone(),
            };
            rows.push((*number, vec![outcome.name().replace('_', " "), code, count(*number)]));
        }
    }
    rows.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let advice = terminal::told(summary);
    (!rows.is_empty()).then(|| {
        html! {
            (page::table(&["outcome", "code", "attempts"], &rows))
            @for line in &advice { p { (line) } }
            @if let Some(diagnosis) = Diagnosis::of(summary) {
                p { "Nobody was let in: " (diagnosis.words()) }
            }
        }
    })
}

/// Whether the numbers can be trusted, and why.
pub(super) fn validity(summary: &Summary) -> Markup {
    if summary.partial {
        return html! {
            p { b class=(Tone::Warn.name()) { "not judged yet" } }
            @if !summary.validity.reasons.is_empty() {
                p { "So far:" }
                ul { @for reason in &summary.validity.reasons { li { (reason.to_string()) } } }
            }
        };
    }
    let verdict = summary.validity.verdict;
    let tone = if verdict == Validity::Valid { Tone::Good } else { Tone::Warn };
    html! {
        p { b class=(tone.name()) { (verdict.words()) } }
        @if summary.validity.reasons.is_empty() {
            p { "Nothing speaks against taking the numbers at their face value." }
        } @else {
            ul { @for reason in &summary.validity.reasons { li { (reason.to_string()) } } }
        }
    }
}

/// On what the run was made.
///
/// # Errors
/// When the file is there and can't be read.
pub(super) fn environment(folder: &Path, summary: &Summary) -> Result<Markup> {
    let tool = &summary.tool;
    let mut facts = vec![(
        "Program".to_owned(),
        format!("{} {}, commit {}", tool.name, tool.version, tool.commit),
    )];
    let Some(environment) = files::json::<Environment>(folder, "environment.json")? else {
        return Ok(html! {
            @if let Some(facts) = page::facts(&facts) { (facts) }
            p.note { "There is no environment.json in this folder: it is written at the end of a run." }
        });
    };
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("Build", format!("{}, {}", environment.profile, environment.compiler));
    fact("Host", format!("{}, {} CPUs ({})", environment.host, environment.cpus, environment.cpu));
    fact("Kernel", environment.kernel);
    fact("Clock", environment.clock_source);
    fact(
        "Limits",
        format!(
            "{} descriptors, local ports {} to {}",
            count(environment.descriptors),
            environment.ports.0,
            environment.ports.1
        ),
    );
    if let Some(idle) = environment.host_idle_least {
        fact("Idle CPU", format!("{} % at the least, over 5 s", number(100.0 * idle)));
    }
    if let Some(us) = environment.wall_clock_step_us {
        fact("Wall clock", format!("moved by {} during the run", time(us.abs())));
    }
    if let (Some(overflows), Some(again)) =
        (environment.listen_overflows, environment.syn_retransmits)
    {
        fact(
            "TCP",
            format!("{} listen overflows, {} SYN sent again", count(overflows), count(again)),
        );
    }
    Ok(html! { @if let Some(facts) = page::facts(&facts) { (facts) } })
}
