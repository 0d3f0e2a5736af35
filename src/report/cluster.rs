//! What a person reads of several brokers: where they differ, and what it cost to lose one.

use super::{
    facts::Facts,
    style::{bracketed, by_code, count, percentile, time},
};
use crate::record::results::{
    Summary,
    divergent::{Answers, Divergent},
    outages::{Outage, Span},
};

/// Says which brokers differ, and what outages cost.
pub(super) fn say(facts: &mut Facts, summary: &Summary) {
    for divergent in &summary.divergent {
        facts.say("divergent", difference(divergent, summary.protocol));
    }
    for lost in &summary.outages {
        facts.say("node lost", outage(lost));
    }
}

/// A difference in a sentence.
pub(super) fn difference(divergent: &Divergent, protocol: u8) -> String {
    let Divergent { token, minority, brokers, first_second, last_second, .. } = divergent;
    let (does, others) = if divergent.what == "code" {
        ("refuses", "refuse by other codes")
    } else {
        ("answers", "answer otherwise")
    };
    let when = if first_second == last_second {
        format!("in second {first_second}")
    } else {
        format!("in seconds {first_second} to {last_second}")
    };
    let who = match minority.as_slice() {
        [] => format!("brokers differ on `{token}`"),
        [one] => format!("{one} {does} `{token}` otherwise than the others"),
        several => format!("{} {others} to `{token}`", several.join(", ")),
    };
    let each: Vec<String> = brokers
        .iter()
        .map(|(label, answers)| format!("{label}: {}", answered(answers, protocol)))
        .collect();
    format!("{who} {when} (must {}; {})", must(&divergent.expected), each.join("; "))
}

/// What a policy wants of a token, in words.
pub(super) fn must(expected: &str) -> &'static str {
    match expected {
        "accept" => "be accepted",
        "refuse" => "be refused",
        _ => "be answered alike",
    }
}

/// Answers in words.
pub(super) fn answered(answers: &Answers, protocol: u8) -> String {
    let codes = bracketed(&by_code(&answers.codes, Some(protocol)));
    format!("{} accepted, {} refused{codes}", count(answers.accepted), count(answers.refused))
}

/// What an outage cost, in a sentence.
pub(super) fn outage(lost: &Outage) -> String {
    let back = match (lost.started_s, lost.time_until_back_us) {
        (None, _) => "not started again".to_owned(),
        (Some(at), None) => format!("started at {at:.1} s, and nobody was answered after that"),
        (Some(at), Some(us)) => {
            let whole = lost.all_back_s.map_or_else(
                || "never all of them".to_owned(),
                |second| format!("all from second {second} on"),
            );
            let about = if lost.time_until_back_exact == Some(false) { "within" } else { "after" };
            format!(
                "started at {at:.1} s: the first client was answered {about} {}, {whole}",
                time(us)
            )
        }
    };
    let others = &lost.others;
    format!(
        "{} stopped at {:.1} s, {back}; of its clients {} found nobody, {} waited in vain, {} failed otherwise; the others: connack p99 {} before, {} meanwhile, {} after, {} of {} attempts not as promised meanwhile",
        lost.broker,
        lost.stopped_s,
        count(lost.refused),
        count(lost.hanging),
        count(lost.failed),
        p99(&others.before),
        p99(&others.during),
        p99(&others.after),
        count(others.during.not_as_promised),
        count(others.during.attempts),
    )
}

/// The p99 of some seconds, where there is one.
pub(super) fn p99(span: &Span) -> String {
    span.connack_p99_us.as_ref().map_or_else(|| "-".to_owned(), percentile)
}
