use super::*;
use crate::record::results::gone::{OnTheWay, Sign};

fn gone(count: u64) -> BrokerGone {
    BrokerGone {
        broker: "mqtt://127.0.0.1:1883".into(),
        at_s: 3.214,
        by: Sign::Port,
        back_after_s: (count > 1).then_some(1.5),
        on_the_way: (0..count)
            .map(|client| OnTheWay {
                client,
                token: "alg_none".into(),
                outcome: "fin".into(),
                replay: Some(format!("tokenstorm token mint a.toml --client {client}")),
            })
            .collect(),
    }
}

#[test]
fn it_is_said_what_was_on_the_way_and_what_makes_that_token_again() {
    assert_eq!(
        line(&gone(1)),
        "`mqtt://127.0.0.1:1883` went away by itself: its port refused connects, 3.21 s into the storm; no \
             connect was answered after that; on the way: client 0 with `alg_none` (fin); to make the token again: \
             tokenstorm token mint a.toml --client 0"
    );
    assert!(on_the_way(&gone(9)).ends_with("client 4 with `alg_none` (fin) and 4 more"));
    assert!(sentence(&gone(9)).ends_with("it answered again after 1.50 s"));
    assert_eq!(commands(&gone(9)).count(), 5);
    assert!(on_the_way(&gone(0)).starts_with("no attempt"));
}
