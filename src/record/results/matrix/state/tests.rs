use super::*;
use crate::{
    base::host::Limits,
    plan::{cells::Ask, loaded},
    record::results::fixture,
    scenario::Group,
};

#[test]
fn what_was_closed_while_the_broker_went_away_is_no_refusal() {
    let cell = |verdict: &str| -> Cell {
        let cell = serde_json::from_value(fixture::cell("fresh", "accept", verdict)).unwrap();
        let group = "control".to_owned();
        Cell { group, protocol: 4, outcome: OutcomeKind::Closed, judged: 0, ..cell }
    };
    assert_eq!(state(&[cell("not_judged")], &[4]), State::Silent);
    assert_eq!(state(&[cell("false_reject")], &[4]), State::RefusesAll);
}

#[test]
fn a_broker_that_refuses_good_tokens_while_their_key_is_new_to_it_is_not_heard() {
    let text = "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let ask = Ask { only: vec!["alg_none".into()], canary: "127.0.0.1:9".into(), ..Ask::default() };
    let plan = Plan::matrix(&loaded(text), &Limits::read(), &ask).unwrap();
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
