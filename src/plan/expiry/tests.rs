use super::*;
use crate::{base::host::Limits, plan::loaded};

fn scenario(more: &str) -> String {
    format!(
        r#"
name = "ends"
[target]
brokers = ["mqtt://127.0.0.1:1"]
profile = "strict"
[load]
clients = 10
concurrency = 1
hold = "20s"
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[[mix]]
token = "fresh"
share = 1
{more}
"#
    )
}

fn plan(more: &str) -> Result<Plan> {
    Plan::new(&loaded(&scenario(more)), &Limits::read())
}

fn refusal(more: &str) -> String {
    plan(more).unwrap_err().to_string()
}

#[test]
fn what_can_not_be_is_refused_with_key_value_and_a_way_out() {
    for (more, told) in [
        (
            "[session]\ngrace = \"1s\"",
            &["`policy.expiry_within` is 2s", "`session.grace` is 1s"][..],
        ),
        ("[session]\ngrace = \"2h\"", &["`session.grace` is 2h", "100ms to 1h"]),
        (
            "[session]\ngrace = \"3s\"\n[policy]\nends_on = \"packet\"\nexpiry_within = \"2s\"",
            &["1.1s lie between the two probes"],
        ),
        ("[policy]\nexpiry_within = \"6s\"", &["`session.grace` is by default 5s"]),
        (
            "[session]\nprobe_topic = \"a/+/b\"",
            &["`session.probe_topic`", "`a/+/b`", "+ stands for"],
        ),
        ("[session]\nprobe_topic = \"$SYS/x\"", &["begin with `$`"]),
        ("[session]\nprobe_topic = \"\"", &["1 to 65535"]),
        ("[session]\nprobe_topic = \"{name}\"", &["holds `{name}`"]),
        ("[token]\nexp_at = \"500ms\"", &["`token.exp_at` is 500ms", "1s to 1day"]),
        ("[token]\nttl_jitter = \"2days\"", &["`token.ttl_jitter` is 2days"]),
    ] {
        let refused = refusal(more);
        for part in told {
            assert!(refused.contains(part), "{more}: {refused}");
        }
    }
}

#[test]
fn a_session_is_for_clients_that_stay() {
    for (mode, more) in [("churn", "for = \"1s\""), ("preconnect", "wave = 10")] {
        let load = format!("hold = \"20s\"\nmode = \"{mode}\"\n{more}");
        let text = scenario("[session]").replace("hold = \"20s\"", &load);
        let text = if mode == "churn" { text.replace("clients = 10\n", "") } else { text };
        let text = text.replace("concurrency = 1\nhold = \"20s\"", "concurrency = 1");
        let refused = Plan::new(&loaded(&text), &Limits::read()).unwrap_err().to_string();
        assert!(refused.contains("`[session]` is given") && refused.contains(mode), "{refused}");
    }
}

#[test]
fn a_plan_says_when_clients_leave_before_it_is_known_what_became_of_their_tokens() {
    let warned = |more: &str| plan(more).unwrap().warnings.join("; ");
    let short = warned("[session]\n[token]\nttl = \"16s\"");
    assert!(short.contains("`load.hold` is 20s") && short.contains("takes 21s"), "{short}");
    assert_eq!(warned("[session]\n[token]\nttl = \"15s\""), "");
    assert_eq!(warned("[session]\n[token]\nttl = \"21s\""), "", "none ends inside the hold");
    assert_eq!(warned("[token]\nttl = \"16s\""), "", "nobody asks");
    assert!(warned("[session]\n[token]\nexp_at = \"15s\"").contains("takes 21s"), "rounded up");
    let starved = warned("[session]\n[token]\nttl = \"5s\"\n[policy]\non_expiry = \"starve\"");
    assert!(starved.contains("judged as `keep`"), "{starved}");
}

#[test]
fn tokens_of_first_turns_end_together_and_those_of_later_ones_by_their_lifetime() {
    let plan = plan("[token]\nexp_at = \"15s\"\nttl = \"1h\"").unwrap();
    let (second, start) = (SECOND as i64, 1_800_000_000_400_000_000);
    for at in [start, start + 3 * second] {
        assert_eq!(plan.occasion(0, at, start).exp, Some(1_800_000_016), "rounded up");
        assert_eq!(plan.occasion(1, at, start).exp, None);
    }
    let exactly = 1_800_000_000 * second;
    assert_eq!(plan.occasion(0, exactly, exactly).exp, Some(1_800_000_015));
}

#[test]
fn only_who_asks_for_it_expects_ends() {
    let plan = |more: &str| plan(more).unwrap();
    assert!(plan("[session]\n[token]\nttl = \"5s\"").expects_ends(false));
    assert!(plan("[policy]\non_expiry = \"keep\"\n[token]\nttl = \"5s\"").expects_ends(false));
    assert!(!plan("[token]\nttl = \"5s\"").expects_ends(true), "the profile alone does not");
    assert!(!plan("[session]").expects_ends(false), "no token ends inside the hold");
    assert!(plan("[session]").expects_ends(true), "one did all the same");
}

#[test]
fn lifetimes_differ_by_client_within_the_jitter_and_are_the_same_again() {
    let plan = plan("[token]\nttl = \"10s\"\nttl_jitter = \"20s\"").unwrap();
    let mut minter = crate::token::Minter::new(&plan.mould).unwrap();
    let at = 1_800_000_000 * SECOND as i64;
    let mut exp = |client| {
        let (_, times) = minter.mint(0, client, at, &mut Vec::new()).unwrap();
        (times.exp.unwrap() - at) / SECOND as i64
    };
    let ends: Vec<i64> = (0..200).map(&mut exp).collect();
    assert!(ends.iter().all(|end| (10..30).contains(end)), "{ends:?}");
    let distinct: std::collections::BTreeSet<_> = ends.iter().collect();
    assert!(distinct.len() > 15, "{distinct:?}");
    assert_eq!(ends, (0..200).map(exp).collect::<Vec<_>>());
}
