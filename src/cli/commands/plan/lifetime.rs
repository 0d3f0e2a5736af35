//! What a plan says of connections whose token ends, and of what clients do after their first turn.

use std::{
    fmt::{Result, Write},
    time::Duration,
};

use super::{shown, shown_s};
use crate::{
    base::host::cpus,
    plan::Plan,
    report::style::count,
    scenario::{EndsOn, Jitter, OnExpiry, Reconnect, Renew},
    supply::estimate::Estimate,
    token::policy::SECOND_PROBE,
};

/// Writes both, where there is anything to say.
pub(super) fn write(out: &mut String, plan: &Plan, estimate: &Estimate) -> Result {
    if plan.ends_inside_hold() {
        writeln!(out, "  at `exp`     {}", at_end(plan))?;
    }
    for drop in &plan.drops {
        writeln!(out, "  event        {} after the start: {}", shown(drop.at), drop.words())?;
    }
    let Some(turns) = &plan.turns else { return Ok(()) };
    let session = plan.session();
    let mut does = Vec::new();
    match turns.reconnect {
        Reconnect::None => {}
        Reconnect::SameToken => does.push("come back with the same token".to_owned()),
        Reconnect::FreshToken => does.push("come back with a fresh token".to_owned()),
    }
    if turns.reconnect != Reconnect::None {
        let backoff = &session.backoff;
        let up_to = if backoff.jitter == Jitter::None { "" } else { "up to " };
        does.push(format!(
            "wait {up_to}{} first and {} at most, and give up after {} failed attempts in a row",
            shown(backoff.first),
            shown(backoff.most),
            turns.tries
        ));
    }
    match turns.renew {
        Renew::None => {}
        Renew::Reconnect => {
            does.push(format!("connect again with another token {}", renewed_when(plan)));
        }
        Renew::Reauthenticate => {
            does.push(format!("authenticate again with another token {}", renewed_when(plan)));
        }
    }
    writeln!(out, "  turns        clients {}", does.join("; "))?;
    let later = plan.later();
    if later.attempts() > 0 {
        writeln!(
            out,
            "  later turns  about {} at a broker that accepts whom it should: {} clients come back, {} tokens are renewed",
            count(later.attempts()),
            count(later.returns),
            count(later.renewals)
        )?;
    }
    if later.reauthentications > 0 {
        writeln!(
            out,
            "  AUTH         about {} tokens are renewed on connections that live, at a broker that takes them",
            count(later.reauthentications)
        )?;
    }
    if later.tokens > 0 && plan.mints() {
        writeln!(
            out,
            "  to order     about {} tokens, each signed when its client needs it: {} on all CPUs",
            count(later.tokens),
            shown_s(later.tokens as f64 * estimate.token_s / cpus() as f64)
        )?;
    }
    if turns.keeps_tokens {
        writeln!(
            out,
            "  kept tokens  one a client: its signature could not be made again; about 1 KB each beside {} clients",
            count(plan.clients)
        )?;
    }
    Ok(())
}

/// When a token is renewed.
fn renewed_when(plan: &Plan) -> String {
    let session = plan.session();
    let (before, jitter) = (session.renew_before, session.renew_jitter);
    if plan.knows_lives() && before * 2 > plan.lives().0 {
        return "when half of the life of theirs is over".to_owned();
    }
    if jitter.is_zero() {
        return format!("{} before theirs ends", shown(before));
    }
    format!("{} to {} before theirs ends", shown(before), shown(before + jitter))
}

/// What the broker promises of them, and what clients do to see it.
fn at_end(plan: &Plan) -> String {
    let expiry = &plan.policy.expiry;
    let promised = match expiry.on_expiry(plan.protocol) {
        None => "nothing is promised of a connection whose token ends".to_owned(),
        Some(OnExpiry::Disconnect) => {
            let probes = match expiry.ends_on(plan.protocol) {
                EndsOn::Time => Duration::ZERO,
                EndsOn::Packet | EndsOn::Publish => SECOND_PROBE,
            };
            format!(
                "the broker has to end the connection within {}",
                shown(expiry.leeway + probes + expiry.within)
            )
        }
        Some(OnExpiry::Keep | OnExpiry::Starve) => {
            "the broker has to leave the connection open".to_owned()
        }
    };
    let probes = match expiry.ends_on(plan.protocol) {
        EndsOn::Time => "",
        EndsOn::Packet => "; clients ping then, and once more 1.1s later",
        EndsOn::Publish => {
            "; clients publish to `session.probe_topic` when they were accepted, then, and once more 1.1s later"
        }
    };
    promised + probes
}
