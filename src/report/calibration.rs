//! What a person reads of a calibration.

use std::fmt::Write;

use super::style::{number, table, time, written};
use crate::{base::error::plain::Paint, record::results::calibration::Calibration};

/// Renders a calibration.
pub fn render(calibration: &Calibration) -> String {
    written(|out| write_all(out, calibration))
}

fn write_all(out: &mut String, calibration: &Calibration) -> std::fmt::Result {
    writeln!(
        out,
        "what was measured against the responder's own log, {} arrivals a second\n",
        number(calibration.rate_per_s)
    )?;
    let rows: Vec<Vec<String>> = calibration
        .rows
        .iter()
        .map(|row| {
            vec![
                row.pattern.clone(),
                row.phase.to_string(),
                format!("p{}", row.percentile),
                time(row.responder_us),
                time(row.measured_us),
                format!("{:+.1} us", row.off_us),
                format!("{:.1} us", row.allowed_us),
                if row.within { "yes" } else { "NO" }.into(),
            ]
        })
        .collect();
    let head =
        ["delays", "phase", "percentile", "responder", "measured", "off", "allowed", "within"];
    writeln!(out, "{}", table(&head, &rows))?;
    let stall = &calibration.stall;
    writeln!(
        out,
        "a stall of {} in the open model: response p90 {} (theory {}), p99 {} (theory {}): {}",
        time(stall.length_us),
        time(stall.response_p90_us),
        time(stall.theory_p90_us),
        time(stall.response_p99_us),
        time(stall.theory_p99_us),
        if stall.shows { "it shows" } else { "it does NOT show as it has to" }
    )?;
    writeln!(
        out,
        "the same stall in a closed loop, in service time alone: p99 {}: {}",
        time(stall.closed_service_p99_us),
        if stall.is_hidden_when_closed {
            "it vanishes, which is why `response` counts"
        } else {
            "it does NOT vanish, so that this run says nothing of `response`"
        }
    )?;
    if calibration.passed {
        return writeln!(out, "\n{}", "calibrated".green().bold());
    }
    writeln!(
        out,
        "\n{}\nA host that does other things as well makes waits of its own, as does a debug build: end them, and try once more.",
        "NOT calibrated".red().bold()
    )
}
