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
    let is_it = |kind: &crate::token::Kind| kind.defect.is_good() && kind.protocol == Protocol::V5;
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
