//! What a person reads of the edges of a verifier that a probe found.

use std::fmt::Write;

use super::style::count;
use crate::{
    base::error::plain::Paint,
    record::results::{
        Edges,
        edges::{ClockOffset, Edge, Tell},
        matrix::version,
    },
};

/// What edges say of the broker's clock.
fn clock(ClockOffset { ahead_s, leeway_s, is_certain }: ClockOffset) -> String {
    let way = if ahead_s < 0.0 { "behind" } else { "ahead of" };
    let by = format!("the broker's clock is about {:.1} s {way} this host's", ahead_s.abs());
    let leeway = format!("its leeway is about {leeway_s:.1} s");
    if is_certain {
        format!(
            "{by} (to a second): set it right. The rest of these edges, if any, is leeway: {leeway}"
        )
    } else {
        format!(
            "the edges differ: either {by} and {leeway}, or it has another leeway for `exp` than for `nbf`"
        )
    }
}

/// Writes what was probed.
pub(super) fn write(out: &mut String, edges: &Edges) -> std::fmt::Result {
    let edge = |edge: &Edge, unit: &str| match (edge.accepted, edge.refused) {
        (Some(yes), Some(no)) => format!("accepted at {yes} {unit}, refused at {no} {unit}"),
        (Some(yes), None) => format!("still accepted at {yes} {unit}: not checked"),
        (None, Some(no)) => format!("refused at {no} {unit} already: none"),
        (None, None) => "not found".to_owned(),
    };
    let attempts = count(edges.attempts);
    writeln!(out, "probed by {attempts} attempts, MQTT {}", version(edges.protocol))?;
    writeln!(out, "  leeway after exp: {}", edge(&edges.leeway_exp_s, "s"))?;
    writeln!(out, "  leeway before nbf: {}", edge(&edges.leeway_nbf_s, "s"))?;
    if let Some(offset) = edges.clock_offset() {
        writeln!(out, "  {}", clock(offset).yellow().bold())?;
    }
    match edges.longest_token {
        Edge { accepted: Some(bytes), refused: None } => {
            writeln!(out, "  longest token: {bytes} bytes, all that CONNECT can carry")?;
        }
        other => writeln!(out, "  longest token: {}", edge(&other, "bytes"))?,
    }
    writeln!(
        out,
        "  one and the same token: turns good {}; turns bad {}",
        edges.good_words(),
        edges.bad_words()
    )?;
    if edges.false_accepts > 0 {
        writeln!(
            out,
            "  {} the same token was accepted {} times when it had to be refused, the last time {} s from its exp\n      a broker that keeps its verdicts is described by `verdict_cache` in the profile",
            "FALSE ACCEPT".red().bold(),
            count(edges.false_accepts),
            edges.bad_accepted_s.map_or_else(|| "?".to_owned(), |at| format!("{at:+.2}"))
        )?;
    }
    if let Some(us) = edges.refusal_delay_us {
        let interval = match (edges.refusal_delay_low_us, edges.refusal_delay_high_us) {
            (Some(low), Some(high)) => format!(" ({low:+.0} to {high:+.0})"),
            _ => String::new(),
        };
        writeln!(out, "  a refusal takes {us:+.0} us{interval} against an accept")?;
    }
    let (telling, silent): (Vec<_>, Vec<_>) =
        edges.tells.iter().partition(|tell| tell.shift.tells());
    for Tell { defect, shift } in telling {
        writeln!(
            out,
            "  times tell `{defect}` from a bad signature: {:+.0} us ({:+.0} to {:+.0})",
            shift.us, shift.low_us, shift.high_us
        )?;
    }
    let silent: Vec<&str> = silent.iter().map(|tell| tell.defect.as_str()).collect();
    if !silent.is_empty() {
        writeln!(out, "  times do not tell from a bad signature: {}", silent.join(", "))?;
    }
    Ok(())
}
