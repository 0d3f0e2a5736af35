//! What became of connections whose tokens ended, in words.

use super::{
    facts::Facts,
    style::{bracketed, count, number, percentile, time, times},
};
use crate::{
    base::error::plain::Paint,
    base::words::{Operation, OperationOutcome, Phase, Verdict},
    record::{
        measure::{MOST_RETURNS, MOST_TRIES},
        results::{
            Summary,
            operations::{Lifetime, OperationStats},
            turns::{Renewals, Returns},
        },
    },
};

/// Says how many connections their broker ended in time, and how many outlived their token.
pub(super) fn say(facts: &mut Facts, summary: &Summary) {
    let lifetime = &summary.lifetime;
    if lifetime.probe_denied > 0 {
        facts.more(format!(
            "{} connections ended right after a publish to `{}` (`session.probe_topic`): may these clients publish there?",
            count(lifetime.probe_denied),
            lifetime.probe_topic.as_deref().unwrap_or_default()
        ));
    }
    if lifetime.is_empty() {
        return;
    }
    facts.say("lifetime", enforced(summary));
    if lifetime.decided() > 0 {
        facts.more(outlived(lifetime));
    }
    if lifetime.ended_early > 0 {
        facts.more(format!("{} ended before their token did", count(lifetime.ended_early)));
    }
    if lifetime.undecided > 0 {
        let expire = summary.operations.get(&Operation::Expire);
        let why = expire.and_then(|expire| expire.codes.get(&OperationOutcome::Left));
        facts.more(format!(
            "of {} it is not known whether they outlive it: they ended about then otherwise{}",
            count(lifetime.undecided),
            why.map(|codes| bracketed(&times(codes))).unwrap_or_default()
        ));
    }
    if summary.by_broker.len() > 1 {
        for (broker, part) in summary.by_broker.iter().filter(|(_, it)| !it.lifetime.is_empty()) {
            let Lifetime { expired, enforced, outlived, .. } = part.lifetime;
            facts.more(format!(
                "at {broker}: {} of {} ended, {} outlived their token",
                count(enforced),
                count(expired),
                count(outlived)
            ));
        }
    }
}

/// Says how many tokens clients renewed, and how many came back.
pub(super) fn say_turns(facts: &mut Facts, summary: &Summary) {
    let Renewals { count: renewed, late, failed, token_failed, at_half_life, .. } =
        summary.renewals;
    let reauth = summary.operations.get(&Operation::Reauthenticate).filter(|it| it.count > 0);
    if let Some(reauth) = reauth {
        facts.say("reauth", reauthenticated(summary, reauth));
    }
    if renewed + token_failed > 0 {
        let how = if reauth.is_some() { "by AUTH" } else { "by connecting again" };
        facts.say(
            "renewals",
            format!(
                "{} attempts to renew a token {how}: {} too late, {} not accepted; {} asks brought no token",
                count(renewed),
                count(late),
                count(failed),
                count(token_failed)
            ),
        );
    }
    if late > 0 {
        facts.more(format!(
            "of those that were too late, {} were so by more than 100 ms, {} by more than 1 s",
            count(summary.renewals.late_by_100ms),
            count(summary.renewals.late_by_1s)
        ));
    }
    if at_half_life > 0 {
        facts.more(format!(
            "{} tokens came with less life than twice `session.renew_before`: renewed when half of it was over",
            count(at_half_life)
        ));
    }
    let returns = &summary.returns;
    if returns.drops == 0 {
        return;
    }
    let away = returns.still_away;
    facts.say(
        "returns",
        format!(
            "{} of {} clients whose connection ended came back, in {} attempts; {} gave up, {} still away",
            count(returns.back),
            count(returns.drops),
            count(returns.attempts),
            count(returns.gave_up),
            count(away)
        ),
    );
    let tried: Vec<String> =
        tries(returns).map(|(name, number)| format!("{} after {name}", count(number))).collect();
    if !tried.is_empty() {
        facts.more(format!("back: {}", tried.join(", ")));
    }
    let half = returns.until_half_back_us.map(time);
    facts.more(match (half, returns.until_99_back_us.map(time)) {
        (Some(half), Some(most)) => format!("half of them back after {half}, 99 % after {most}"),
        (Some(half), None) => format!("half of them back after {half}, and 99 % never"),
        (None, _) if returns.back > MOST_RETURNS as u64 => {
            "when half of them were back is not known: it is kept of the first million".into()
        }
        (None, _) => "not even half of those that most lost together were ever back".into(),
    });
}

/// What came of clients that authenticated again.
fn reauthenticated(summary: &Summary, reauth: &OperationStats) -> String {
    let renewed = reauth.outcomes.get(&OperationOutcome::Renewed).copied().unwrap_or_default();
    let others = reauth.outcomes.iter();
    let others =
        others.filter(|(outcome, number)| **outcome != OperationOutcome::Renewed && **number > 0);
    let others: Vec<String> =
        others.map(|(outcome, number)| format!("{} {}", count(*number), outcome.words())).collect();
    let times = summary.phases.get(&Phase::Reauth).filter(|times| times.count > 0);
    let within = times.map(|times| {
        let (half, most) = (percentile(&times.p50_us), percentile(&times.p99_us));
        format!(", half of all answers within {half}, 99 % within {most}")
    });
    let others = (!others.is_empty()).then(|| format!("; {}", others.join(", ")));
    format!(
        "{} of {} AUTHs were answered by success{}{}",
        count(renewed),
        count(reauth.count),
        within.unwrap_or_default(),
        others.unwrap_or_default()
    )
}

/// How many attempts it took clients to come back, in words, and how many clients.
pub(super) fn tries(returns: &Returns) -> impl Iterator<Item = (String, u64)> {
    returns.back_after_attempts.iter().map(|(tries, number)| {
        let name = match *tries {
            1 => "one attempt".to_owned(),
            MOST_TRIES => format!("{MOST_TRIES} attempts or more"),
            tries => format!("{tries} attempts"),
        };
        (name, *number)
    })
}

/// How many ends were enforced, and how late they came.
fn enforced(summary: &Summary) -> String {
    let lifetime = &summary.lifetime;
    let words = format!(
        "{} of {} connections were ended at the `exp` of their token or later",
        count(lifetime.enforced),
        count(lifetime.expired)
    );
    let times = summary.phases.get(&Phase::ExpiryEnforcement);
    if let Some(times) = times.filter(|times| times.count > 0 && times.unfinished == 0) {
        let (half, all) = (percentile(&times.p50_us), percentile(&times.max_us));
        return format!("{words}: half within {half}, all within {all}");
    }
    match times.filter(|times| times.count > 0) {
        Some(times) => {
            format!("{words}: the first after {}", time(times.min_us.unwrap_or_default()))
        }
        None => words,
    }
}

/// How many outlived their token; where none did, how many may all the same.
fn outlived(lifetime: &Lifetime) -> String {
    match (lifetime.outlived, lifetime.most_outliving()) {
        (0, Some(most)) => format!(
            "none of {} outlived its token (95 %: fewer than {} % do)",
            count(lifetime.decided()),
            number(100.0 * most)
        ),
        (0, None) => String::new(),
        (outlived, _) => {
            let words = format!("{} OUTLIVED their token", count(outlived));
            if lifetime.pinged_after == 0 {
                return words;
            }
            format!(
                "{words}; {} of them pinged after it, and {} were answered",
                count(lifetime.pinged_after),
                count(lifetime.answered_after)
            )
        }
    }
}

/// What findings.csv has of the ends of tokens, and of clients that authenticated again.
pub(super) fn findings(summary: &Summary) -> Vec<String> {
    let found = summary.operations.iter().flat_map(|(operation, stats)| {
        stats.verdicts.iter().map(move |(verdict, number)| (*operation, verdict, number))
    });
    found
        .filter(|(.., number)| *number > 0)
        .filter_map(|(operation, verdict, number)| match verdict {
            Verdict::Correct | Verdict::NotJudged => None,
            Verdict::Indeterminate => {
                let what = match operation {
                    Operation::Reauthenticate => "answers to AUTH",
                    _ => "ends of tokens",
                };
                Some(format!("of {} {what} it is not known what they say", count(number)))
            }
            Verdict::FalseAccept => Some(broken(operation, verdict, number).red().bold()),
            Verdict::FalseReject | Verdict::WrongReason => Some(broken(operation, verdict, number)),
        })
        .collect()
}

/// What operations broke a promise.
pub(super) fn broken(operation: Operation, verdict: Verdict, number: u64) -> String {
    let is_one = number == 1;
    let what = match (operation, verdict, is_one) {
        // No run fails by attempts here, nor by other verdicts.
        (Operation::Reauthenticate, Verdict::FalseAccept, true) => {
            "client was renewed by a token in AUTH that must be refused"
        }
        (Operation::Reauthenticate, Verdict::FalseAccept, false) => {
            "clients were renewed by tokens in AUTH that must be refused"
        }
        (Operation::Reauthenticate, Verdict::FalseReject, true) => {
            "client lost its connection by a good token in AUTH"
        }
        (Operation::Reauthenticate, Verdict::FalseReject, false) => {
            "clients lost their connections by good tokens in AUTH"
        }
        (Operation::Reauthenticate, Verdict::WrongReason, true) => {
            "token in AUTH was answered otherwise than promised"
        }
        (Operation::Reauthenticate, Verdict::WrongReason, false) => {
            "tokens in AUTH were answered otherwise than promised"
        }
        (Operation::Connect | Operation::Return, ..)
        | (_, Verdict::Correct | Verdict::NotJudged | Verdict::Indeterminate, _) => "",
        (Operation::Expire, Verdict::FalseAccept, true) => "connection outlived its token",
        (Operation::Expire, Verdict::FalseAccept, false) => "connections outlived their tokens",
        (Operation::Expire, Verdict::FalseReject, true) => {
            "connection was ended before its token was"
        }
        (Operation::Expire, Verdict::FalseReject, false) => {
            "connections were ended before their tokens were"
        }
        (Operation::Expire, Verdict::WrongReason, true) => {
            "connection ended otherwise than promised when its token did"
        }
        (Operation::Expire, Verdict::WrongReason, false) => {
            "connections ended otherwise than promised when their tokens did"
        }
    };
    format!("{} {what}", count(number))
}

/// What operations say of a run that failed by none of them.
pub(super) fn answered(summary: &Summary) -> Vec<String> {
    let said = |(operation, stats): (&Operation, &OperationStats)| {
        let correct = stats.verdicts[Verdict::Correct];
        let (one, many) = match operation {
            Operation::Expire => ("end of a token was met", "ends of tokens were met"),
            Operation::Reauthenticate => ("AUTH was answered", "AUTHs were answered"),
            Operation::Connect | Operation::Return => return None,
        };
        let what = if correct == 1 { one } else { many };
        let is_right = correct > 0 && stats.verdicts.of(Verdict::is_wrong) == 0;
        is_right.then(|| format!("{} {what} as promised", count(correct)))
    };
    summary.operations.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_none_outlived_its_token_the_bound_follows_from_how_many_were_seen() {
        let seen = |enforced| Lifetime { expired: enforced, enforced, ..Lifetime::default() };
        // The rule of three: 3 / n.
        let most = seen(300).most_outliving().unwrap();
        assert!((0.0099..0.01).contains(&most), "{most}");
        assert_eq!(seen(0).most_outliving(), None);
        assert!(outlived(&seen(300)).contains("none of 300"), "{}", outlived(&seen(300)));
        let one = Lifetime { expired: 2, enforced: 1, outlived: 1, ..Lifetime::default() };
        assert_eq!(one.most_outliving(), None);
        assert!(outlived(&one).contains("1 OUTLIVED"), "{}", outlived(&one));
    }
}
