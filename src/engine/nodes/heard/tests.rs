use super::*;
use crate::client::attempt::{Close, Outcome};

fn attempt(started: u64, ended: u64) -> Attempt {
    Attempt { broker: 1, ended, ..Attempt::example(started, Outcome::Accepted) }
}

#[test]
fn the_first_judged_answer_of_an_attempt_after_the_start_is_the_one_that_counts() {
    let heard = Heard::new(2);
    heard.note(&attempt(1, 2), 2, Verdict::Correct);
    assert_eq!(heard.first(1), None, "nobody listens");
    heard.listen(1, 10);
    heard.note(&attempt(9, 11), 11, Verdict::Correct);
    heard.note(&attempt(10, 12), 12, Verdict::NotJudged);
    let closed = Attempt { outcome: Outcome::Closed(Close::Fin), ..attempt(10, 12) };
    heard.note(&closed, 12, Verdict::WrongReason);
    assert_eq!(heard.first(1), None, "an end of the connection is no CONNACK");
    heard.note(&attempt(12, 20), 20, Verdict::Correct);
    heard.note(&attempt(13, 15), 15, Verdict::FalseReject);
    heard.note(&attempt(14, 16), 16, Verdict::Correct);
    assert_eq!((heard.first(0), heard.first(1)), (None, Some(15)));
    heard.note(&attempt(15, 19), 14, Verdict::Correct);
    assert_eq!(heard.first(1), Some(14), "a refusal that was decided before, and delayed");
    heard.stops(1);
    heard.note(&attempt(11, 12), 12, Verdict::Correct);
    assert_eq!(heard.first(1), Some(14));
}
