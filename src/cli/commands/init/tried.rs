//! The first tokens that a broker gets: a good one, an expired one, and those by which a broker is known that lets everybody
//! in, or nobody.

use std::{collections::BTreeSet, fmt::Write};

use super::super::{say, stop_flag};
use crate::{
    base::{
        error::{Error, Exit, Result, plain::Paint},
        host::Limits,
        words::OutcomeKind,
    },
    client::attempt::advice,
    engine::{
        self, Options,
        progress::{Mode, Screen},
    },
    plan::{Plan, cells::Ask},
    record::{
        live::Live,
        results::{
            Matrix,
            matrix::{Cell, version},
            ruling::decide::told as ruled,
        },
    },
    report::{codes::named, matrix::state, style::percentile},
    scenario::Loaded,
    token::FRESH,
};

/// What is sent, and what it is in words.
const SENT: [(&str, &str); 4] = [
    ("fresh", "a good token"),
    ("expired", "one that ended an hour ago"),
    ("wrong_key", "one by another key"),
    ("not_a_jwt", "no token at all"),
];

/// What came of them.
pub(super) struct Tried {
    pub(super) exit: Exit,
    /// Whether the good one was accepted.
    pub(super) is_in: bool,
}

/// Sends them, in the scenario's version of MQTT, and says what came of each.
pub(super) fn tried(mut loaded: Loaded) -> Result<Tried> {
    let protocol = loaded.scenario.target.protocol;
    loaded.scenario.policy.protocols = Some(vec![protocol]);
    let only = SENT.iter().map(|(name, _)| (*name).to_owned()).collect();
    let plan = Plan::matrix(&loaded, &Limits::read(), &Ask { only, ..Ask::default() })?;
    for warning in &plan.warnings {
        crate::tell!("warning: {warning}");
    }
    let there = tempfile::tempdir()
        .map_err(|error| Error::not_measured(format!("no folder can be made: {error}")))?;
    let options = Options {
        out: Some(there.path().join("tried")),
        screen: Screen::new(Mode::None, plan.attempts),
        stop: stop_flag()?,
        probe: None,
        canary: None,
        clock: None,
        calibration: None,
        live: Live::default(),
        allows_lost_agents: false,
    };
    let finished = engine::run(plan, options)?;
    let Some(matrix) = &finished.matrix else {
        let exit = finished.trouble.map_or(Ok(Exit::NotMeasured), Err)?;
        return Ok(Tried { exit, is_in: false });
    };
    say(&told(matrix, u8::from(protocol)))?;
    let exit = ruled(&finished.summary, Some(matrix)).exit;
    let is_good = |cell: &Cell| cell.defect == FRESH && cell.outcome == OutcomeKind::Accepted;
    let is_in = matrix.cells.iter().any(is_good);
    finished.trouble.map_or(Ok(Tried { exit, is_in }), Err)
}

/// What came of each, in words.
fn told(matrix: &Matrix, protocol: u8) -> String {
    let mut out = format!("\nfirst tokens, in MQTT {}:\n", version(protocol));
    for (name, what) in SENT {
        let cells = || matrix.cells.iter().filter(move |cell| cell.defect == name);
        let lines: BTreeSet<String> = cells().map(line).collect();
        for line in lines {
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "  {what:<28} {line}");
        }
    }
    if let Some(state) = state(matrix) {
        let _ = writeln!(out, "\n{}", state.red().bold());
    }
    out
}

/// What a broker did with one of them, and whether it should.
fn line(cell: &Cell) -> String {
    let code = cell.code.as_u64().and_then(|code| u8::try_from(code).ok());
    let code = code.map(|code| named(code, cell.protocol));
    let did = match (cell.outcome, code) {
        (OutcomeKind::Accepted, _) => "accepted".to_owned(),
        (OutcomeKind::Refused, Some(code)) => format!("refused with {code}"),
        (outcome, _) => {
            let code = cell.code.to_string();
            let advice = advice(outcome, code.trim_matches('"'));
            let advice = advice.map_or_else(String::new, |advice| format!(", {advice}"));
            format!("{} by {}{advice}", outcome.words(), code.trim_matches('"'))
        }
    };
    let after = cell.latency_p50_us.as_ref().map(|time| format!(" after {}", percentile(time)));
    let verdict = cell.verdict.label();
    let judged = if cell.is_wrong() { verdict.red().bold() } else { verdict.to_owned() };
    format!("{did}{}: {judged}", after.unwrap_or_default())
}
