//! What a run came to in numbers and words: throughput, thresholds, answers by code, validity, the host.

use std::path::Path;

use maud::{Markup, html};

use super::{files, page};
use crate::{
    base::{
        error::Result,
        window::unbroken,
        words::{Operation, OutcomeKind, Phase, Tone, Validity, Verdict},
    },
    record::results::{Environment, PhaseStats, Summary, diagnosis::Diagnosis},
    report::{
        facts::Facts,
        series,
        style::{MIB, code_word, count, number, percentile, time},
        terminal,
    },
};

/// The name of a figure that is bad unless it is 0.
const ACCEPTED: &str = "bad tokens accepted";
/// Likewise, where connections had to end.
const OUTLIVED: &str = "connections that outlived their token";

/// Likewise, where clients authenticated again.
const RENEWED: &str = "bad tokens taken in AUTH";

/// What is said beside a time or a rate that the generator limited.
const NOT_THE_BROKERS: &str = " (not the broker's)";

/// Whether connections had to end that did not.
fn must_end(summary: &Summary) -> bool {
    let expire = summary.operations.get(&Operation::Expire);
    expire.is_some_and(|expire| expire.verdicts[Verdict::FalseAccept] > 0)
}

/// The figures that everybody asks for first.
pub(super) fn tiles(summary: &Summary) -> Markup {
    let connack = summary.phases.get(&Phase::Connack).filter(|stats| stats.count > 0);
    let at = |value: fn(&PhaseStats) -> String| connack.map(value);
    let verdicts = format!("{}/s", number(summary.throughput.verdicts_per_s));
    let count_of = |verdict: Verdict| count(summary.verdicts[verdict]);
    let own = if terminal::not_the_brokers(summary).is_some() { NOT_THE_BROKERS } else { "" };
    let outlived = Some(&summary.lifetime).filter(|it| !it.is_empty());
    let reauth = summary.operations.get(&Operation::Reauthenticate).filter(|it| it.count > 0);
    let tiles = [
        ("attempts", Some(count(summary.attempts))),
        ("verdicts", Some(verdicts)),
        ("time to the verdict, p50", at(|stats| percentile(&stats.p50_us))),
        ("time to the verdict, p99", at(|stats| percentile(&stats.p99_us))),
        (ACCEPTED, Some(count_of(Verdict::FalseAccept))),
        ("good tokens refused", Some(count_of(Verdict::FalseReject))),
        (OUTLIVED, outlived.map(|it| count(it.outlived))),
        (RENEWED, reauth.map(|it| count(it.verdicts[Verdict::FalseAccept]))),
    ];
    html! {
        ul.tiles {
            @for (name, value) in tiles {
                @let is_grave = name == ACCEPTED || name == RENEWED || name == OUTLIVED && must_end(summary);
                @let is_bad = is_grave && value.as_deref() != Some("0");
                @let is_time = name.starts_with("time") || name == "verdicts";
                @if let Some(value) = value {
                    li { b class=[is_bad.then_some("bad")] { (unbroken(&value)) } span { (name) @if is_time { (own) } } }
                }
            }
        }
    }
}

/// Attempts and verdicts a second, sessions, and what the text for the terminal says of keys, tokens and both sides.
pub(super) fn throughput(summary: &Summary) -> Markup {
    let throughput = &summary.throughput;
    let per = &throughput.per_100ms;
    let offered = match (throughput.offered_per_s, summary.model.as_str()) {
        (Some(offered), _) => format!("{} attempts/s by the schedule", number(offered)),
        (None, "preconnect") => "while waves were released, all at once".into(),
        (None, _) => {
            "none: closed loop, where responses are not free of coordinated omission".into()
        }
    };
    let mut facts = Facts::default();
    facts.say("Offered", offered);
    facts.say("Achieved", format!("{} verdicts/s", number(throughput.verdicts_per_s)));
    facts.say(
        "In 100 ms",
        format!(
            "{} verdicts in the median slot, {} at p1, {} at most",
            count(per.p50),
            count(per.p1),
            count(per.max)
        ),
    );
    terminal::say_sessions(&mut facts, summary);
    if let Some(tls) = &summary.tls {
        facts.say("TLS", terminal::handshakes(tls, ""));
    }
    terminal::say_tokens(&mut facts, summary);
    series::say(&mut facts, summary);
    terminal::say_agents(&mut facts, summary);
    let generator = &summary.generator;
    facts.say(
        "Generator",
        format!(
            "{} us CPU an attempt, workers: {}, {} MiB resident with {} connections open",
            number(generator.cpu_us_per_attempt),
            generator.workers,
            number(generator.rss_peak_open_bytes as f64 / MIB),
            count(generator.open_peak)
        ),
    );
    page::facts(facts)
}

/// Thresholds and what became of them; nothing where there is none.
pub(super) fn thresholds(summary: &Summary) -> Option<Markup> {
    (!summary.thresholds.is_empty()).then(|| {
        html! {
            div.scroll {
                table.rows {
                    thead { tr { @for name in ["result", "metric", "condition", "observed"] { th scope="col" { (name) } } } }
                    tbody {
                        @for threshold in &summary.thresholds {
                            @let (tone, word) = match (summary.ended_by(threshold), threshold.passed) {
                                (Some(ended), _) => (Tone::Bad, ended),
                                (None, Some(true)) => (Tone::Good, "held"),
                                (None, Some(false)) => (Tone::Bad, "FAILED"),
                                (None, None) => (Tone::Warn, "can't tell"),
                            };
                            tr {
                                td { b class=(tone.name()) { (word) } }
                                th scope="row" { (threshold.metric) }
                                td data-h="condition" { (threshold.condition) }
                                td data-h="observed" { (terminal::observed(threshold)) }
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
    let verdict = summary.validity.verdict;
    let (tone, word) = match verdict {
        _ if summary.partial => (Tone::Warn, "not judged yet".to_owned()),
        Validity::Valid => (Tone::Good, verdict.words()),
        _ => (Tone::Warn, verdict.words()),
    };
    let reasons = &summary.validity.reasons;
    html! {
        p { b class=(tone.name()) { (word) } }
        @if !reasons.is_empty() {
            @if summary.partial { p { "So far:" } }
            ul { @for reason in reasons { li { (reason.to_string()) } } }
        } @else if !summary.partial {
            p { "Nothing speaks against taking the numbers at their face value." }
        }
    }
}

/// On what the run was made.
///
/// # Errors
/// When the file is there and can't be read.
pub(super) fn environment(folder: &Path, summary: &Summary) -> Result<Markup> {
    let tool = &summary.tool;
    let mut facts = Facts::default();
    facts.say("Program", format!("{} {}, commit {}", tool.name, tool.version, tool.commit));
    let Some(environment) = files::json::<Environment>(folder, "environment.json")? else {
        return Ok(html! {
            (page::facts(facts))
            p.note { "There is no environment.json in this folder: it is written at the end of a run." }
        });
    };
    facts.say("Build", format!("{}, {}", environment.profile, environment.compiler));
    facts.say(
        "Host",
        format!("{}, {} CPUs ({})", environment.host, environment.cpus, environment.cpu),
    );
    facts.say("Kernel", environment.kernel);
    facts.say("Clock", environment.clock_source);
    facts.say(
        "Limits",
        format!(
            "{} descriptors, local ports {} to {}",
            count(environment.descriptors),
            environment.ports.0,
            environment.ports.1
        ),
    );
    if let Some(idle) = environment.host_idle_least {
        facts.say("Idle CPU", format!("{} % at the least, over 5 s", number(100.0 * idle)));
    }
    if let Some(us) = environment.wall_clock_step_us {
        facts.say("Wall clock", format!("moved by {} during the run", time(us.abs())));
    }
    if let (Some(overflows), Some(again)) =
        (environment.listen_overflows, environment.syn_retransmits)
    {
        facts.say(
            "TCP",
            format!("{} listen overflows, {} SYN sent again", count(overflows), count(again)),
        );
    }
    Ok(page::facts(facts))
}
