//! What is to be known of a broker before any cell: whether its answers say anything.

use serde::{Deserialize, Serialize};

use super::Cell;
use crate::{
    base::words::{Expected, OutcomeKind},
    client::{
        attempt::Outcome,
        verdict::{Expectation, Verdict},
    },
    plan::{
        Plan,
        cells::{Cells, SENTINELS},
    },
    record::measure::Tally,
    scenario::Protocol,
};

/// What is to be known of a broker before any cell.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its cells say what they say.
    Judged,
    /// It lets everybody in.
    AcceptsAll,
    /// It lets nobody in, with good tokens neither.
    RefusesAll,
    /// It refuses good tokens at times, or under one version of MQTT.
    Unsteady,
    /// It judged no token at all.
    Silent,
}

/// The share of bad tokens from which on a broker counts as one that lets all in: a few may break a rule of MQTT.
const NEARLY_ALL: f64 = 0.9;

/// The versions of MQTT under which refusals say nothing, since good tokens are refused too.
pub(super) fn unheard(plan: &Plan, cells: &Cells, tallies: &[(Tally, u64)]) -> Vec<u8> {
    let kind = |tally: &Tally| &plan.mould.kinds[tally.kind];
    let spoken = [Protocol::V4, Protocol::V5].into_iter().filter(|protocol| {
        // Good clients of a background may be refused for being many.
        let own = || {
            tallies
                .iter()
                .map(|(tally, _)| tally)
                .filter(|tally| kind(tally).protocol == *protocol && cells.is_cell(tally.kind))
        };
        let fresh = || own().filter(|tally| kind(tally).defect.is_good());
        let is_tried = fresh().next().is_some();
        let lets_in = own()
            .any(|tally| kind(tally).defect.group.is_none() && tally.outcome == Outcome::Accepted);
        let is_good = fresh().any(|tally| tally.outcome == Outcome::Accepted);
        // Of a key that it need not know yet, too: until it does, it refuses whatever comes.
        let is_new = |tally: &Tally| {
            matches!(tally.expected, Expectation::Either(_)) && tally.outcome.is_answer()
        };
        let is_bad = fresh().any(|tally| {
            tally.verdict == Verdict::FalseReject
                || tally.outcome != Outcome::Accepted && is_new(tally)
        });
        is_tried && !lets_in || is_good && is_bad
    });
    spoken.map(u8::from).collect()
}

/// What the cells, and the versions of MQTT under which refusals say nothing, come to.
pub(super) fn state(cells: &[Cell], unheard: &[u8]) -> State {
    // What a broker that goes away closes is no answer.
    let is_answer = |cell: &Cell| match cell.outcome {
        OutcomeKind::Accepted | OutcomeKind::Refused => true,
        OutcomeKind::Closed => cell.verdict != Verdict::NotJudged,
        _ => false,
    };
    if !cells.iter().any(is_answer) {
        return State::Silent;
    }
    let is_in = |cell: &&Cell| cell.outcome == OutcomeKind::Accepted;
    let wrong = || cells.iter().filter(|cell| cell.strict_expected == Expected::Refuse);
    let count = wrong().count();
    // One that verifies no signature and takes any password verifies nothing.
    let lets_in = |name: &'static str| {
        let mut own = cells.iter().filter(|cell| cell.defect == name).peekable();
        own.peek().is_some() && own.all(|cell| is_in(&cell))
    };
    if SENTINELS.into_iter().all(lets_in)
        && count > 0
        && wrong().filter(is_in).count() as f64 >= count as f64 * NEARLY_ALL
    {
        return State::AcceptsAll;
    }
    let is_heard = |cell: &Cell| !unheard.contains(&cell.protocol);
    if unheard.is_empty() {
        State::Judged
    } else if !cells.iter().any(|cell| is_in(&cell) || is_heard(cell)) {
        State::RefusesAll
    } else {
        State::Unsteady
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::host::Limits,
        plan::cells::Ask,
        scenario::{Group, Loaded, Overrides, parse},
    };

    #[test]
    fn what_was_closed_while_the_broker_went_away_is_no_refusal() {
        let cell = |verdict: &str| -> Cell {
            serde_json::from_value(serde_json::json!({
                "defect": "fresh", "group": "control", "protocol": 4, "expected": "accept",
                "strict_expected": "accept", "outcome": "closed", "code": "fin", "verdict": verdict,
                "severity": "none", "attempts": 1, "judged": 0, "false_accepts": 0,
                "latency_p50_us": null, "strict_verdict": verdict, "upper_bound_95": null,
            }))
            .unwrap()
        };
        assert_eq!(state(&[cell("not_judged")], &[4]), State::Silent);
        assert_eq!(state(&[cell("false_reject")], &[4]), State::RefusesAll);
    }

    #[test]
    fn a_broker_that_refuses_good_tokens_while_their_key_is_new_to_it_is_not_heard() {
        let text = "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
        let scenario = parse(text, &Overrides::default()).unwrap();
        let loaded = Loaded { path: "x.toml".into(), scenario, overrides: Vec::new() };
        let ask = Ask {
            only: vec!["alg_none".into()],
            repeat: 1,
            background: None,
            canary: "127.0.0.1:9".into(),
            command: String::new(),
            probe: false,
            unfit: Vec::new(),
        };
        let plan = Plan::matrix(&loaded, &Limits::read(), &ask).unwrap();
        let cells = plan.cells.as_ref().unwrap();
        let kinds = &plan.mould.kinds;
        let is_it =
            |kind: &crate::token::Kind| kind.defect.is_good() && kind.protocol == Protocol::V5;
        let kind = kinds.iter().position(is_it).unwrap();
        let tally =
            |expected, outcome, verdict| (Tally { kind, broker: 0, expected, outcome, verdict }, 1);
        let new = Expectation::Either(Group::Signature.into());
        let refused = tally(new, Outcome::Refused(0x87), Verdict::Correct);
        let accepted = tally(Expectation::Accept, Outcome::Accepted, Verdict::Correct);
        assert_eq!(unheard(&plan, cells, &[refused, accepted]), [5]);
        let early = tally(new, Outcome::Accepted, Verdict::Correct);
        assert!(unheard(&plan, cells, &[early, accepted]).is_empty());
        let failed = tally(new, Outcome::TcpFailed("ECONNREFUSED"), Verdict::NotJudged);
        assert!(unheard(&plan, cells, &[failed, accepted]).is_empty());
    }
}
