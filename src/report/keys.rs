//! What a person reads of keys that came and went.

use std::fmt::Write;

use super::style::{count, number, percentile, time};
use crate::results::{
    Jwks, Percentile,
    keys::{Absence, Change},
};

/// Writes the lines of the key set.
pub(super) fn write(out: &mut String, jwks: &Jwks) -> std::fmt::Result {
    writeln!(
        out,
        "key set     fetched {} times, {} times for 1 000 connects; {} good tokens refused ({} %), {} answers went back",
        count(jwks.fetches),
        number(jwks.fetches_per_1000_connects),
        count(jwks.good_tokens_refused),
        number(100.0 * jwks.good_tokens_refused_share),
        count(jwks.flips)
    )?;
    for change in &jwks.rotations {
        writeln!(out, "rotation    {}", rotation(change))?;
    }
    if jwks.truncated {
        writeln!(out, "            more answers than are kept: told from the first ones")?;
    }
    for absence in &jwks.outages {
        writeln!(out, "outage      {}", outage(absence))?;
    }
    Ok(())
}

fn rotation(change: &Change) -> String {
    let within = |time: &Percentile, uncertainty: Option<f64>| match uncertainty {
        Some(uncertainty) => {
            format!("{} (or up to {} less)", percentile(time), time_of(uncertainty))
        }
        None => format!("not within {}", percentile(time).trim_start_matches('>')),
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

fn time_of(us: f64) -> String {
    time(us)
}

fn outage(absence: &Absence) -> String {
    let until = absence.to_s.map_or_else(|| "the end".into(), |to| format!("{to:.1} s"));
    let from =
        if absence.at_start { "the start".into() } else { format!("{:.1} s", absence.from_s) };
    let verdict = match absence.verdict.as_deref() {
        Some("open") => "fails OPEN: what can't be verified is let in",
        Some("closed") => "fails closed, for good tokens too",
        Some("keeps known keys") => "known keys go on, nothing else is let in",
        _ => "no token told what the broker does",
    };
    format!(
        "{} from {from} to {until}: {verdict} (good tokens: {} accepted, {} refused; bad ones: {} accepted, {} refused)",
        absence.how,
        count(absence.good_accepted),
        count(absence.good_refused),
        count(absence.bad_accepted),
        count(absence.bad_refused)
    )
}
