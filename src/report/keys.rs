//! What a person reads of keys that came and went.

use std::collections::BTreeMap;

use super::{
    facts::Facts,
    style::{count, number, percentile, time, times},
};
use crate::{
    client::attempt::key_set_advice,
    record::results::{
        Jwks, Percentile,
        fetches::KeySetCounts,
        keys::{Absence, Change},
    },
};

/// Says what embedded brokers met at the key sets of servers that are not the run's own, where that was trouble.
pub(super) fn say_sets(facts: &mut Facts, sets: &BTreeMap<String, KeySetCounts>) {
    for (broker, set) in sets.iter().filter(|(_, set)| !set.failed.is_empty()) {
        let read = match set.fetched {
            0 => "never had a key to verify with".to_owned(),
            times => format!("fetched it {} times", count(times)),
        };
        facts.say("key set", format!("`{broker}` {read}; fetches failed: {}", times(&set.failed)));
        for why in set.failed.keys() {
            if let Some(line) = key_set_advice(why) {
                facts.more(format!("{why}: {line}"));
            }
        }
    }
}

/// Says what became of the key set.
pub(super) fn say(facts: &mut Facts, jwks: &Jwks) {
    facts.say("key set", format!("fetched {} times, {} times for 1 000 connects; {} good tokens refused ({} %), {} answers went back", count(jwks.fetches),
        number(jwks.fetches_per_1000_connects),
        count(jwks.good_tokens_refused),
        number(100.0 * jwks.good_tokens_refused_share),
        count(jwks.flips)));
    for change in &jwks.rotations {
        facts.say("rotation", rotation(change));
    }
    if jwks.truncated {
        facts.more("more answers than are kept: told from the first ones".to_owned());
    }
    for absence in &jwks.outages {
        facts.say("outage", outage(absence));
    }
}

/// The answer to what a run asks that changes keys, or takes them away: a line each.
pub(super) fn answers(jwks: &Jwks) -> Vec<String> {
    let changes = jwks.rotations.iter().map(rotation);
    changes.chain(jwks.outages.iter().map(outage)).collect()
}

fn rotation(change: &Change) -> String {
    let within = |took: &Percentile, uncertainty: Option<f64>| match uncertainty {
        Some(uncertainty) => {
            format!("{} (or up to {} less)", percentile(took), time(uncertainty))
        }
        None => format!("not within {}", took.timeout().map_or_else(|| percentile(took), time)),
    };
    let mut parts = vec![format!("{} to {}, {}", change.from, change.to, change.order)];
    parts.push(match &change.accept_us {
        Some(time) => {
            format!("new key accepted after {}", within(time, change.accept_uncertainty_us))
        }
        None => "no token of the new key told of it".into(),
    });
    if let Some(time) = &change.refuse_us {
        parts.push(format!("old key refused after {}", within(time, change.refuse_uncertainty_us)));
    }
    parts.push(format!("{} good tokens refused meanwhile", count(change.good_tokens_refused)));
    if let Some(apart) = &change.brokers_apart_us {
        parts.push(format!("brokers {} apart", percentile(apart)));
    }
    parts.join("; ")
}

fn outage(absence: &Absence) -> String {
    let until = absence.to_s.map_or_else(|| "the end".into(), |to| format!("{to:.1} s"));
    let from =
        if absence.at_start { "the start".into() } else { format!("{:.1} s", absence.from_s) };
    // What was not tried is not claimed.
    let tried_bad = absence.bad_accepted + absence.bad_refused > 0;
    let verdict = match (absence.verdict.as_deref(), tried_bad) {
        (Some("open"), _) => "fails OPEN: what can't be verified is let in",
        (Some("closed"), true) => "fails closed, for good tokens too",
        (Some("closed"), false) => "good tokens are refused; no bad one was decided on",
        (Some("keeps known keys"), true) => "known keys go on, nothing else is let in",
        (Some("keeps known keys"), false) => "known keys go on; no bad token was decided on",
        _ => "no token told what the broker does",
    };
    let after = match absence.decided_after {
        0 => String::new(),
        after => format!("; {} more were decided after it", count(after)),
    };
    format!(
        "{} from {from} to {until}: {verdict} (good tokens: {} accepted, {} refused; bad ones: {} accepted, {} refused{after})",
        absence.how,
        count(absence.good_accepted),
        count(absence.good_refused),
        count(absence.bad_accepted),
        count(absence.bad_refused)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_claims_nothing_of_bad_tokens_where_none_was_sent() {
        let shown = |verdict: &str, bad_refused, decided_after| {
            outage(&Absence {
                how: "hang".into(),
                verdict: Some(verdict.into()),
                good_accepted: 9,
                bad_refused,
                decided_after,
                ..Absence::default()
            })
        };
        let (tried, untried) = (shown("keeps known keys", 1, 0), shown("keeps known keys", 0, 7));
        assert!(tried.contains("known keys go on, nothing else is let in"), "{tried}");
        assert!(!untried.contains("nothing else"), "{untried}");
        assert!(untried.contains("no bad token was decided on"), "{untried}");
        assert!(untried.ends_with("0 refused; 7 more were decided after it)"), "{untried}");
        assert!(!tried.contains("after it"), "{tried}");
        let (tried, untried) = (shown("closed", 1, 0), shown("closed", 0, 0));
        assert!(tried.contains("fails closed, for good tokens too"), "{tried}");
        assert!(!untried.contains("fails closed"), "{untried}");
    }
}
