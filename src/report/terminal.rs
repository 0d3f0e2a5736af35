//! The summary that a person reads in ten seconds.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    cluster,
    facts::Facts,
    fetches, gone, keys, lifetime, series,
    style::{MIB, bracketed, by_code, count, number, percentile, table, time, written},
};
use crate::{
    base::{
        error::plain::Paint,
        words::{OutcomeKind, Phase, Validity, Verdict},
    },
    client::attempt::advice,
    record::results::{
        PhaseStats, Summary,
        diagnosis::Diagnosis,
        judged::Judged,
        matrix::version,
        summary::{Part, TlsStats},
        time::Percentile,
        token_file::TokenFile,
    },
};

/// Renders a summary; `folder` is where the rest is. Colours are taken off where nobody sees them.
pub fn render(summary: &Summary, folder: &str) -> String {
    written(|out| write_all(out, summary, folder))
}

fn write_all(out: &mut String, summary: &Summary, folder: &str) -> std::fmt::Result {
    writeln!(
        out,
        "{}: {} attempts in {} at {}\nMQTT {}, {} model, promises of profile `{}`{}\n",
        summary.scenario.bold(),
        count(summary.attempts),
        time(summary.duration_s * 1e6),
        brokers(summary),
        version(summary.protocol),
        summary.model,
        summary.profile,
        match (summary.partial, &summary.aborted) {
            (true, _) => ", still running or killed",
            (false, Some(aborted)) if aborted.run.is_some() => ", a run ended early by a threshold",
            (false, Some(_)) => ", ended early by a threshold",
            (false, None) => "",
        },
    )?;
    verdicts(out, summary)?;
    latencies(out, summary)?;
    facts(out, summary)?;
    thresholds(out, summary)?;
    conclusion(out, summary, folder)
}

/// Brokers and what verifies tokens in those that the run brought along.
pub(super) fn brokers(summary: &Summary) -> String {
    let broker = |label: &String| match summary.embedded.get(label) {
        Some(what) => format!("{label} ({what})"),
        None => label.clone(),
    };
    summary.by_broker.keys().map(broker).collect::<Vec<_>>().join(", ")
}

fn verdicts(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let mut rows: Vec<Vec<String>> =
        summary.by_token.iter().map(|(name, part)| verdict_row(name, part)).collect();
    if rows.len() > 1 {
        let all = Part {
            attempts: summary.attempts,
            outcomes: summary.outcomes.clone(),
            verdicts: summary.verdicts.clone(),
            phases: summary.phases.clone(),
            tls: None,
            lifetime: summary.lifetime.clone(),
        };
        rows.push(verdict_row("all", &all));
    }
    if summary.by_broker.len() > 1 {
        let at = |(name, part): (&String, &Part)| verdict_row(&format!("  at {name}"), part);
        rows.extend(summary.by_broker.iter().map(at));
    }
    let head = [
        "verdicts",
        "attempts",
        "accepted",
        "refused",
        "failed",
        "correct",
        "false accept",
        "false reject",
        "wrong reason",
        "not judged",
        "indeterminate",
    ];
    // Columns of verdicts that nobody got say nothing.
    let kept: Vec<usize> = (0..head.len())
        .filter(|column| *column < 6 || rows.iter().any(|row| row[*column] != "-"))
        .collect();
    let head: Vec<&str> = kept.iter().map(|column| head[*column]).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| kept.iter().map(|column| row[*column].clone()).collect()).collect();
    writeln!(out, "{}", table(&head, &rows))
}

fn verdict_row(name: &str, part: &Part) -> Vec<String> {
    let dashed = |number: u64| if number == 0 { "-".into() } else { count(number) };
    let (accepted, refused) =
        (part.outcomes[OutcomeKind::Accepted], part.outcomes[OutcomeKind::Refused]);
    let mut row = vec![
        name.to_owned(),
        count(part.attempts),
        dashed(accepted),
        dashed(refused),
        dashed(part.attempts.saturating_sub(accepted).saturating_sub(refused)),
    ];
    row.extend(part.verdicts.iter().map(|(_, number)| dashed(number)));
    row
}

/// What is to be known of enhanced authentication besides its verdicts.
fn authentication(facts: &mut Facts, summary: &Summary) {
    if summary.auth_challenged > 0 {
        facts.say(
            "AUTH",
            format!(
                "{} attempts were asked once more before CONNACK: that round trip is in `connack`",
                count(summary.auth_challenged)
            ),
        );
    }
    if summary.auth_method_missing > 0 {
        let heading = if summary.auth_challenged > 0 { "" } else { "AUTH" };
        facts.say(heading, format!(
            "{} attempts were accepted by a CONNACK without their method (MQTT 5.0, 4.12.0-5): it counts as accepted",
            count(summary.auth_method_missing)
        ));
    }
}

fn latencies(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let row = |name: String, stats: &PhaseStats| {
        let PhaseStats { p50_us, p90_us, p99_us, p999_us, max_us, .. } = stats;
        let mut row = vec![name, count(stats.count), count(stats.unfinished)];
        let times = [p50_us, p90_us, p99_us, p999_us, max_us];
        // Where nobody got through there is no time, and "longer than any" would read like a wait.
        row.extend(times.map(|time| if stats.count == 0 { "-".into() } else { percentile(time) }));
        row
    };
    let mut rows = Vec::new();
    let of = |phase: Phase| Some(row(phase.label().to_owned(), summary.phases.get(&phase)?));
    let (steps, sums): (Vec<Phase>, Vec<Phase>) =
        Phase::ALL.into_iter().partition(|phase| phase.is_step());
    rows.extend(steps.into_iter().filter_map(of));
    for (parts, word) in [(&summary.by_token, "of"), (&summary.by_broker, "at")] {
        for (name, part) in parts.iter().filter(|_| parts.len() > 1) {
            if let Some(stats) = part.phases.get(&Phase::Connack) {
                rows.push(row(format!("  connack {word} {name}"), stats));
            }
        }
    }
    rows.extend(sums.into_iter().filter_map(of));
    let head = ["latency", "done", "unfinished", "p50", "p90", "p99", "p99.9", "max"];
    writeln!(out, "{}", table(&head, &rows))
}

fn facts(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let mut facts = Facts::default();
    let throughput = &summary.throughput;
    let offered = match (throughput.offered_per_s, summary.model.as_str()) {
        (Some(offered), _) => format!("offered {}/s", number(offered)),
        (None, "preconnect") => "while waves were released, all at once".into(),
        (None, "open") => "too few arrivals for an offered rate".into(),
        (None, _) => "closed loop: responses are not free of coordinated omission".into(),
    };
    let per = &throughput.per_100ms;
    facts.say(
        "throughput",
        format!(
            "{} verdicts/s, {offered}; in 100 ms: p1 {}, p50 {}, max {}",
            number(throughput.verdicts_per_s),
            count(per.p1),
            count(per.p50),
            count(per.max)
        ),
    );
    if let Some(refused) = summary.codes.get(&OutcomeKind::Refused) {
        let delayed = match summary.refusal_delay_s {
            0.0 => String::new(),
            seconds => {
                format!(" (the profile says that each is delayed by {})", time(seconds * 1e6))
            }
        };
        facts.say("refusals", by_code(refused, Some(summary.protocol)) + &delayed);
    }
    let mut failures: Vec<String> = summary
        .codes
        .iter()
        .filter(|(outcome, _)| !outcome.is_answer())
        .map(|(outcome, codes)| format!("{outcome}: {}", by_code(codes, None)))
        .collect();
    failures.sort_unstable();
    if !failures.is_empty() {
        facts.say("failures", failures.join("; "));
    }
    for line in told(summary) {
        facts.more(line);
    }
    if let Some(tls) = &summary.tls {
        let share = format!(" ({} %)", number(100.0 * tls.resumed_share));
        facts.say("tls", handshakes(tls, &share));
    }
    say_tokens(&mut facts, summary);
    keys::say_sets(&mut facts, &summary.key_sets);
    if let Some(capacity) = &summary.capacity {
        series::of_capacity(&mut facts, capacity);
    }
    facts.write(out)?;
    series::write(out, summary)?;
    let mut facts = Facts::default();
    series::say(&mut facts, summary);
    cluster::say(&mut facts, summary);
    say_sessions(&mut facts, summary);
    lifetime::say_turns(&mut facts, summary);
    lifetime::say(&mut facts, summary);
    say_agents(&mut facts, summary);
    let generator = &summary.generator;
    let minted = match (&summary.oauth, &summary.token_file) {
        (Some(_), _) | (_, Some(_)) => String::new(),
        (None, None) => {
            format!(" {} tokens/s could be minted,", number(generator.tokens_minted_per_s))
        }
    };
    facts.say(
        "generator",
        format!(
            "{} us CPU an attempt,{minted} {} MiB resident",
            number(generator.cpu_us_per_attempt),
            number(generator.rss_peak_open_bytes as f64 / MIB)
        ),
    );
    facts.write(out)
}

/// Handshakes of TLS in words; `share` follows the number of those that were resumed.
pub(super) fn handshakes(tls: &TlsStats, share: &str) -> String {
    let suite = |(suite, number): (&String, &u64)| format!("{suite} {}", count(*number));
    let suites: Vec<String> = tls.suites.iter().map(suite).collect();
    format!(
        "{} handshakes, {} of them resumed{share}: {}",
        count(tls.handshakes),
        count(tls.resumed),
        suites.join(", ")
    )
}

/// Says what came of fetched tokens and of the key set.
pub(super) fn say_tokens(facts: &mut Facts, summary: &Summary) {
    if let Some(oauth) = &summary.oauth {
        fetches::say(facts, oauth);
    }
    if let Some(file) = &summary.token_file {
        say_rows(facts, file);
    }
    if let Some(jwks) = &summary.jwks {
        keys::say(facts, jwks);
    }
}

/// Says what became of the rows of a token file.
fn say_rows(facts: &mut Facts, file: &TokenFile) {
    let TokenFile { rows, never_sent, ended, unknown_algorithms } = file;
    facts.say(
        "token file",
        format!("{} rows, {} of them never sent", count(*rows), count(*never_sent)),
    );
    if *ended > 0 {
        facts.more(format!(
            "{} attempts had a token that the file says is to be accepted, and that had ended: it had to be refused",
            count(*ended)
        ));
    }
    if !unknown_algorithms.is_empty() {
        facts.more(format!(
            "tokens signed by {} can't be judged by the policy: the column `expected` says what has to become of them",
            unknown_algorithms.join(", ")
        ));
    }
}

/// Says what became of sessions, where any were held.
pub(super) fn say_sessions(facts: &mut Facts, summary: &Summary) {
    let sessions = &summary.sessions;
    if sessions.held > 0 {
        facts.say(
            "sessions",
            format!(
                "{} begun to hold, {} of them ended before their client wanted{}",
                count(sessions.held),
                count(sessions.dropped),
                bracketed(&by_code(&sessions.dropped_by_code, Some(summary.protocol)))
            ),
        );
    }
    if summary.upgrade_brings_token {
        facts.say("upgrade", IN_UPGRADE);
    }
    authentication(facts, summary);
}

/// What is to be known of times where the upgrade to WebSocket brings the token.
const IN_UPGRADE: &str = "brings the token: who reads it there is timed by `ws_upgrade`, and the broker behind by `connack`";

/// Says what became of agents, where there were any.
pub(super) fn say_agents(facts: &mut Facts, summary: &Summary) {
    if let Some(agents) = &summary.agents {
        facts.say("agents", agents.words());
    }
}

/// What to look at where attempts came to nothing.
pub(super) fn told(summary: &Summary) -> BTreeSet<&'static str> {
    // Closing may be how a broker promises to refuse: then there is nothing to look at.
    let is_failure = summary.verdicts[Verdict::NotJudged] > 0;
    // Where the server said more than a status, that is told with its requests.
    let refusals = summary.oauth.iter().flat_map(|oauth| oauth.refusals.keys());
    let explained: BTreeSet<&str> =
        refusals.filter_map(|refusal| Some(refusal.split_once(' ')?.1)).collect();
    let codes = summary.codes.iter().filter(|_| is_failure);
    codes
        // Where others were let in, it is not the set-up that closes.
        .filter(|(outcome, _)| {
            **outcome != OutcomeKind::Closed || !summary.codes.contains_key(&OutcomeKind::Accepted)
        })
        .flat_map(|(outcome, codes)| codes.keys().map(move |code| (*outcome, code)))
        // Of a broker that has gone away it is told what ended it, and not how it is reached or spared.
        .filter(|(outcome, code)| {
            summary.broker_gone.is_empty()
                || !outcome.ends_with_its_broker(matches!(code.as_str(), "fin" | "rst"))
        })
        .filter(|(outcome, code)| {
            *outcome != OutcomeKind::TokenFailed || !explained.contains(code.as_str())
        })
        .filter_map(|(outcome, code)| advice(outcome, code))
        .collect()
}

fn thresholds(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let said = |threshold: &Judged| {
        let mut observed = observed(threshold);
        if let Some(why) = threshold.undecided {
            observed = format!("{observed}: {}", why.words());
        }
        let word = match (summary.ended_by(threshold), threshold.passed) {
            (Some(ended), _) => ended.red().bold(),
            (None, Some(true)) if summary.partial => "so far".yellow(),
            (None, Some(true)) => "held".green(),
            (None, Some(false)) => "FAILED".red().bold(),
            (None, None) => "can't tell".yellow(),
        };
        format!("{word}  {} {} ({observed})", threshold.metric, threshold.condition)
    };
    let mut facts = Facts::default();
    facts.say_all("thresholds", summary.thresholds.iter().map(said));
    facts.write(out)
}

/// A threshold with what it was held against.
pub(super) fn named(threshold: &Judged) -> String {
    format!("{} {} ({})", threshold.metric, threshold.condition, observed(threshold))
}

/// What a threshold was held against, in words.
pub(super) fn observed(threshold: &Judged) -> String {
    match (threshold.observed, threshold.is_time()) {
        (None, _) => "nothing measured".to_owned(),
        (Some(observed), true) => percentile(&observed),
        (Some(Percentile::Number(value)), false) => format!("{}", (value * 1e4).round() / 1e4),
        (Some(observed), false) => observed.to_string(),
    }
}

fn conclusion(out: &mut String, summary: &Summary, folder: &str) -> std::fmt::Result {
    let validity = &summary.validity;
    let word = if summary.partial {
        // Nobody has looked at the end of it.
        "not judged yet: it is still running, or was killed".yellow()
    } else if validity.verdict == Validity::Valid {
        validity.verdict.name().green()
    } else {
        validity.verdict.name().yellow().bold()
    };
    let mut facts = Facts::default();
    facts.say("validity", word);
    validity.reasons.iter().for_each(|reason| facts.more(reason.to_string()));
    facts.write(out)?;
    gone::write(out, summary)?;
    let mut facts = Facts::default();
    facts.say("findings", findings(summary));
    if summary.excused > 0 {
        facts.more(excused(summary));
    }
    if let Some(full) = &summary.connection_limit {
        facts.more(full.words());
    }
    if !summary.nothing_good.is_empty() {
        facts.more(format!(
            "nothing good was measured: each token that should be good had to be refused ({})",
            summary.nothing_good.join(", ")
        ));
    }
    if summary.nothing_promised {
        facts.more("nothing was judged: of each token both answers were right");
    }
    let is_shut =
        summary.verdicts[Verdict::FalseReject] > 0 && summary.outcomes[OutcomeKind::Accepted] == 0;
    if let Some(diagnosis) = Diagnosis::of(summary) {
        facts.more(format!("nobody was let in: {}", diagnosis.words()));
    } else if is_shut && summary.oauth.is_some() {
        facts.more(
            "nobody was let in: does the broker take its keys from the server that issued the tokens, and does it allow their algorithm, `iss` and `aud`?",
        );
    } else if is_shut {
        facts.more(
            "nobody was let in: were key, `kid`, `iss`, `aud` and `sub` those that the broker was given, and is its clock right? `tokenstorm token mint SCENARIO | tokenstorm token inspect` shows a token",
        );
    }
    facts.say("results", folder.cyan());
    facts.write(out)
}

/// Which attempts the default threshold leaves out.
pub(super) fn excused(summary: &Summary) -> String {
    format!(
        "{} attempts could not be judged because an event had stopped their broker, or it had said that it shuts down: they are left out of the default threshold",
        count(summary.excused)
    )
}

fn findings(summary: &Summary) -> String {
    let counted = summary.verdicts.iter();
    let found: Vec<String> = counted
        .filter(|(verdict, number)| *number > 0 && *verdict != Verdict::Correct)
        .map(|(verdict, number)| {
            let words = format!("{} {}", count(number), verdict.told());
            if verdict == Verdict::FalseAccept { words.red().bold() } else { words }
        })
        .chain(lifetime::findings(summary))
        .collect();
    match summary.findings_left_out {
        _ if summary.attempts == 0 => {
            "none: no attempt came to its end, so nothing was judged".into()
        }
        _ if found.is_empty() && !summary.broker_gone.is_empty() => {
            "every answer was as promised, and a broker went away".into()
        }
        _ if found.is_empty() && summary.nothing_promised => "none".into(),
        _ if found.is_empty() => "none: every answer was as promised".into(),
        0 => format!("{}: see findings.csv", found.join("; ")),
        left_out => format!(
            "{}: see findings.csv, which has no room for {} of them",
            found.join("; "),
            count(left_out)
        ),
    }
}

#[cfg(test)]
mod tests;
