use std::collections::BTreeMap;

use super::*;

#[test]
fn what_a_broker_cut_when_it_went_away_is_no_fault_of_its_url() {
    let mut summary = crate::record::results::fixture::summary();
    summary.verdicts[Verdict::NotJudged] = 2;
    for outcome in [OutcomeKind::TlsFailed, OutcomeKind::WsFailed] {
        summary.codes.insert(outcome, BTreeMap::from([("rst".into(), 1)]));
    }
    assert_eq!(told(&summary).len(), 2);
    summary.broker_gone.push(crate::record::results::gone::BrokerGone {
        broker: "mqtts://127.0.0.1:8883".into(),
        at_s: 1.0,
        by: crate::record::results::gone::Sign::Port,
        back_after_s: None,
        on_the_way: Vec::new(),
    });
    assert!(told(&summary).is_empty());
    summary.codes.insert(OutcomeKind::WsFailed, BTreeMap::from([("401".into(), 1)]));
    assert_eq!(told(&summary).len(), 1, "an answer is none of its ends");
}

#[test]
fn dots_in_a_label_do_not_make_a_time_a_number() {
    let said = |metric: &str, condition: &str, value: f64| {
        observed(&Judged {
            metric: metric.into(),
            condition: condition.into(),
            observed: Some(Percentile::Number(value)),
            passed: Some(true),
            undecided: None,
        })
    };
    let at_broker = "connack{broker:mqtt://127.0.0.1:1883}";
    assert_eq!(said(at_broker, "p99 < 1s", 1500.0), said("connack", "p99 < 1s", 1500.0));
    assert_ne!(said(at_broker, "p99 < 1s", 1500.0), "1500");
    assert_eq!(said("outcome.refused{broker:mqtt://127.0.0.1:1883}", "rate < 1", 0.25), "0.25");
    assert_eq!(said(at_broker, "count > 1", 1500.0), "1500");
}
