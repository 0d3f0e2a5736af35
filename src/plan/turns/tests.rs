use proptest::prelude::*;

use super::*;
use crate::{base::host::Limits, plan::loaded};

fn turns(more: &str) -> Result<Option<Turns>> {
    let text = format!(
        r#"
name = "turns"
[target]
brokers = ["mqtt://127.0.0.1:1"]
[load]
clients = 10
concurrency = 1
[keys.main]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
{more}
"#
    );
    let mix = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let text = if more.contains("[[mix]]") { text } else { text + mix };
    Plan::new(&loaded(&text), &Limits::read()).map(|plan| plan.turns)
}

fn coming_back(more: &str) -> Turns {
    turns(&format!("[session]\nreconnect = \"fresh_token\"\n{more}")).unwrap().unwrap()
}

#[test]
fn what_can_not_be_is_refused_with_key_and_value() {
    for (more, told) in [
        ("tries = 0", "`session.tries` is 0"),
        ("backoff = { factor = 0.5 }", "`session.backoff.factor` is 0.5, but must be 1 to 100"),
        ("backoff = { first = \"2h\" }", "`session.backoff.first` is 2h"),
        (
            "backoff = { first = \"9s\", most = \"1s\" }",
            "`session.backoff.most` is 1s, but must be 9s",
        ),
        (
            "renew = \"reconnect\"\nrenew_before = \"1h\"",
            "`session.renew_before` is 1h, but tokens last for 1h",
        ),
        ("[[mix]]\ntoken = \"expired\"\nshare = 1", "all tokens of the mix must be refused"),
        ("[[mix]]\ntoken = \"wrong_key\"\nshare = 1", "all tokens of the mix must be refused"),
    ] {
        let refused = turns(&format!("[session]\nreconnect = \"same_token\"\n{more}")).unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
    }
    assert!(turns("").unwrap().is_none() && turns("[session]").unwrap().is_none());
}

#[test]
fn waits_grow_by_their_factor_up_to_the_longest_and_are_drawn_as_the_jitter_says() {
    let times = |jitter: &str| {
        coming_back(&format!(
            "backoff = {{ first = \"1s\", factor = 3.0, most = \"10s\", jitter = \"{jitter}\" }}"
        ))
    };
    let at = |turns: &Turns, drawn: f64| {
        [0, 1, 2, 3, 500].map(|failures| turns.wait(failures, drawn).as_millis())
    };
    assert_eq!(at(&times("none"), 0.3), [1_000, 3_000, 9_000, 10_000, 10_000]);
    assert_eq!(at(&times("equal"), 0.5), [750, 2_250, 6_750, 7_500, 7_500]);
    assert_eq!(at(&times("full"), 0.5), [500, 1_500, 4_500, 5_000, 5_000]);
    assert_eq!(at(&times("full"), 0.0), [10; 5], "never a busy loop");
    assert_eq!(coming_back("backoff = { first = \"0s\" }").wait(9, 0.9), LEAST_WAIT);
    assert_eq!(
        coming_back("backoff = { first = \"0s\", factor = 100.0 }").wait(500, 0.9),
        LEAST_WAIT
    );
}

#[test]
fn a_token_is_renewed_before_its_end_but_not_before_half_its_life_is_over() {
    let turns = |more: &str| coming_back(&format!("renew = \"reconnect\"\n{more}"));
    let second = SECOND as i64;
    let at = |turns: &Turns, life: i64, drawn: f64| {
        turns.renewal(100 * SECOND, (100 + life) * second, drawn).map(|due| due.at / SECOND)
    };
    let plain = turns("");
    assert_eq!(at(&plain, 60, 0.5), Some(155));
    assert_eq!(at(&plain, 10, 0.5), Some(105), "half of it");
    assert_eq!(at(&plain, 6, 0.5), Some(103), "5 s before its end is too soon");
    let is_too_short = |life: i64| plain.renewal(0, life * second, 0.5).map(|due| due.is_too_short);
    assert_eq!((is_too_short(10), is_too_short(9)), (Some(false), Some(true)));
    assert_eq!(at(&plain, 1, 0.5), None, "within a second of its coming");
    assert_eq!(plain.renewal(100 * SECOND, i64::MAX, 0.5), None, "without an end");
    assert_eq!(plain.renewal(100 * SECOND, 99 * second, 0.5), None, "past its end");
    let drawn = turns("renew_jitter = \"20s\"");
    assert_eq!((at(&drawn, 60, 0.0), at(&drawn, 60, 0.99)), (Some(135), Some(154)));
    // Of what is drawn, what lies before half of its life is cut off; where nothing is left, to three quarters at most.
    assert_eq!((at(&drawn, 30, 0.0), at(&drawn, 30, 0.99)), (Some(115), Some(124)));
    assert_eq!((at(&drawn, 8, 0.0), at(&drawn, 8, 0.99)), (Some(104), Some(105)));
}

proptest! {
    #[test]
    fn a_renewal_is_never_within_a_second_of_the_tokens_coming_nor_past_its_end(
        before in 0_u64..7_000, jitter in 0_u64..7_000, life in 0_i64..20_000, drawn in 0.0..1.0,
    ) {
        let turns = Turns {
            renew_before: (before * SECOND / 1_000) as i64,
            renew_jitter: (jitter * SECOND / 1_000) as i64,
            ..coming_back("renew = \"reconnect\"")
        };
        let ends = life * (SECOND / 1_000) as i64;
        if let Some(Due { at, .. }) = turns.renewal(0, ends, drawn) {
            prop_assert!(at >= SECOND && (at as i64) < ends);
        }
    }
}
