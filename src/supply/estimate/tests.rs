use super::*;
use crate::{base::host::Limits, plan::loaded};

/// 4 000 a second for so long.
fn plan(length: &str) -> Plan {
    let text = format!(
        "name = \"a\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\narrivals = \"constant\"\nhold = \"0s\"\n\
             stages = [{{ rate = 4000, for = \"{length}\" }}]\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    );
    Plan::unchecked(&loaded(&text), &Limits::read()).unwrap()
}

#[test]
fn agents_that_sign_slower_than_clients_come_are_enough_while_what_is_ready_lasts() {
    // As RS256: 1 460 a second on two CPUs, which is a third of what comes.
    let slow = Estimate { token_s: 685e-6, token_bytes: 500.0, ..Estimate::default() };
    assert_eq!(slow.signs_per_s(2) as u64, 1_459);
    // There is room for what of 160 000 is not signed meanwhile; of 1 600 000 there is not, on one host.
    assert_eq!(slow.agents(&plan("40s"), 2), 1);
    assert_eq!(slow.agents(&plan("400s"), 2), 2);
    let quick = Estimate { token_s: 1e-6, ..slow };
    assert_eq!(quick.agents(&plan("400s"), 2), 1);
}
