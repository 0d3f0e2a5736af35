//! The summary that a person reads in ten seconds.

use std::{cmp::Reverse, fmt::Write, path::Path};

use super::{
    cluster,
    facts::Facts,
    fetches, findings, gone, keys, lifetime,
    sentence::{self, Sentence},
    series,
    style::{MIB, bracketed, by_code, count, number, percentile, table, time, wrapped, written},
};
use crate::{
    base::{
        error::plain::Paint,
        words::{OutcomeKind, Phase, Tone, Validity, Verdict},
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
    title(out, &sentence::of(summary, None))?;
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
    findings::write(out, &findings::of(summary, Path::new(folder)))?;
    gone::write(out, summary)?;
    missed(out, summary)?;
    verdicts(out, summary)?;
    latencies(out, summary)?;
    facts(out, summary)?;
    held(out, summary)?;
    conclusion(out, summary, folder)
}

/// What a run came to, in a sentence: the first that is read.
pub(super) fn title(out: &mut String, Sentence { tone, words, .. }: &Sentence) -> std::fmt::Result {
    let words = wrapped(words, "");
    let painted = match tone {
        Tone::Good => words.as_str().green().bold(),
        Tone::Warn => words.as_str().yellow().bold(),
        Tone::Bad => words.as_str().red().bold(),
    };
    writeln!(out, "{painted}\n")
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
            lifetime: summary.lifetime.clone(),
            ..Part::default()
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
    writeln!(out, "{}", table(&head, &rows))?;
    if let Some(note) = not_the_brokers(summary) {
        writeln!(out, "{}\n", wrapped(note, "").yellow())?;
    }
    Ok(())
}

/// What has to be said beside times and rates that are not the broker's.
pub(super) fn not_the_brokers(summary: &Summary) -> Option<&'static str> {
    (summary.validity.verdict == Validity::GeneratorLimited).then_some(
        "These times and rates are not the broker's: the generator on this host was the limit. Verdicts are unaffected.",
    )
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
    // What explains most of them is named first.
    let mut failed: Vec<_> =
        summary.codes.iter().filter(|(outcome, _)| !outcome.is_answer()).collect();
    failed.sort_by_key(|(_, codes)| Reverse(codes.values().sum::<u64>()));
    let failures: Vec<String> = failed
        .into_iter()
        .map(|(outcome, codes)| format!("{outcome}: {}", by_code(codes, None)))
        .collect();
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

/// What to look at where attempts came to nothing: what explains most of them first.
pub(super) fn told(summary: &Summary) -> Vec<&'static str> {
    // Closing may be how a broker promises to refuse: then there is nothing to look at.
    let is_failure = summary.verdicts[Verdict::NotJudged] > 0;
    // Where the server said more than a status, that is told with its requests.
    let refusals = summary.oauth.iter().flat_map(|oauth| oauth.refusals.keys());
    let explained: Vec<&str> =
        refusals.filter_map(|refusal| Some(refusal.split_once(' ')?.1)).collect();
    let codes = summary.codes.iter().filter(|_| is_failure);
    let codes = codes
        // Where others were let in, it is not the set-up that closes.
        .filter(|(outcome, _)| {
            **outcome != OutcomeKind::Closed || !summary.codes.contains_key(&OutcomeKind::Accepted)
        })
        .flat_map(|(outcome, codes)| {
            codes.iter().map(move |(code, number)| (*outcome, code, *number))
        })
        // Of a broker that has gone away it is told what ended it, and not how it is reached or spared.
        .filter(|(outcome, code, _)| {
            summary.broker_gone.is_empty()
                || !outcome.ends_with_its_broker(matches!(code.as_str(), "fin" | "rst"))
        })
        .filter(|(outcome, code, _)| {
            *outcome != OutcomeKind::TokenFailed || !explained.contains(&code.as_str())
        })
        .filter_map(|(outcome, code, number)| Some((number, advice(outcome, code)?)));
    let mut all: Vec<(u64, &str)> = Vec::new();
    for (number, words) in codes {
        match all.iter_mut().find(|(_, known)| *known == words) {
            Some((sum, _)) => *sum += number,
            None => all.push((number, words)),
        }
    }
    all.sort_by_key(|(number, _)| Reverse(*number));
    all.into_iter().map(|(_, words)| words).collect()
}

/// Thresholds that did not hold, or of which that can't be told.
fn missed(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let is_open = |threshold: &&Judged| {
        threshold.passed != Some(true) || summary.ended_by(threshold).is_some()
    };
    let open: Vec<&Judged> = summary.thresholds.iter().filter(is_open).collect();
    let mut facts = Facts::default();
    facts.say_all("thresholds", open.iter().map(|threshold| said(summary, threshold)));
    facts.write(out)?;
    if open.is_empty() { Ok(()) } else { writeln!(out) }
}

/// Thresholds that held, in a line.
fn held(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let held = summary.thresholds.iter().filter(|it| it.passed == Some(true));
    let held: Vec<String> = held.filter(|it| summary.ended_by(it).is_none()).map(named).collect();
    if held.is_empty() {
        return Ok(());
    }
    let word = if summary.partial { "so far".yellow() } else { "held".green() };
    let mut facts = Facts::default();
    facts.say("thresholds", format!("{word}  {}", held.join("; ")));
    facts.write(out)
}

/// A threshold, and what came of it.
fn said(summary: &Summary, threshold: &Judged) -> String {
    let undecided =
        threshold.undecided.map_or_else(String::new, |why| format!(": {}", why.words()));
    let word = match (summary.ended_by(threshold), threshold.passed) {
        (Some(ended), _) => ended.red().bold(),
        (None, Some(_)) => "FAILED".red().bold(),
        (None, None) => "can't tell".yellow(),
    };
    let Judged { metric, condition, .. } = threshold;
    format!("{word}  {metric} {condition} ({}{undecided})", observed(threshold))
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
    if let Some(found) = findings(summary) {
        facts.say("findings", found);
    }
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
    facts.write(out)?;
    places(out, folder)
}

/// Where the results are: the last that is read.
pub(super) fn places(out: &mut String, folder: &str) -> std::fmt::Result {
    let page = Path::new(folder).join("report.html").display().to_string();
    let mut facts = Facts::default();
    facts.say("results", folder);
    facts.say("page", page.cyan());
    facts.write(out)
}

/// Which attempts the default threshold leaves out.
pub(super) fn excused(summary: &Summary) -> String {
    format!(
        "{} attempts could not be judged because an event had stopped their broker, or it had said that it shuts down: they are left out of the default threshold",
        count(summary.excused)
    )
}

/// What `findings.csv` holds; nothing where every answer was as promised.
fn findings(summary: &Summary) -> Option<String> {
    let counted = summary.verdicts.iter();
    let found: Vec<String> = counted
        .filter(|(verdict, number)| *number > 0 && *verdict != Verdict::Correct)
        .map(|(verdict, number)| format!("{} {}", count(number), verdict.told()))
        .chain(lifetime::findings(summary))
        .collect();
    let room = match summary.findings_left_out {
        0 => String::new(),
        left_out => format!(", which has no room for {} of them", count(left_out)),
    };
    (!found.is_empty()).then(|| format!("{}: see findings.csv{room}", found.join("; ")))
}

#[cfg(test)]
mod tests;
