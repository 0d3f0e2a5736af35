use super::*;

fn seen(started: u64, abandoned: u64) -> Measurements {
    let mut seen = Measurements::new(1, 1);
    (seen[Count::Started], seen[Count::Abandoned]) = (started, abandoned);
    seen
}

#[test]
fn an_agent_can_not_tell_of_more_than_its_share() {
    let mut account = Account::new(94);
    account.add(&seen(90, 10), 0, false).unwrap();
    for (what, forged, is_last) in [
        ("more starts than clients", seen(5, 0), false),
        ("starts that wrap", seen(u64::MAX, 0), false),
        ("more ends than starts", seen(0, 81), false),
        ("a last interval that leaves attempts under way", seen(4, 0), true),
    ] {
        assert!(account.add(&forged, 1, is_last).is_err(), "{what}");
        assert_eq!(account.under_way(), 80, "{what}: nothing of it is taken");
    }
    let mut open = seen(0, 0);
    open[Count::Open] = 95;
    assert!(account.add(&open, 1, false).is_err());
    account.add(&seen(4, 84), 1, true).unwrap();
    assert_eq!(account.under_way(), 0);
}

#[test]
fn no_process_starts_more_in_a_second_than_a_fleet_is_asked_for() {
    let mut account = Account::new(u64::MAX);
    assert!(account.add(&seen(MOST_A_SECOND + 1, 0), 0, false).is_err());
    account.add(&seen(MOST_A_SECOND + 1, 0), 1, false).unwrap();
}
