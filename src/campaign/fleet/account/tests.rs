use super::*;

fn seen(started: u64, abandoned: u64) -> Measurements {
    let mut seen = Measurements::new(1, 1);
    (seen[Count::Started], seen[Count::Abandoned]) = (started, abandoned);
    seen
}

#[test]
fn an_agent_can_not_tell_of_more_than_its_share() {
    let mut account = Account::new(94, false);
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
    let mut account = Account::new(u64::MAX, false);
    assert!(account.add(&seen(MOST_A_SECOND + 1, 0), 0, false).is_err());
    account.add(&seen(MOST_A_SECOND + 1, 0), 1, false).unwrap();
}

/// An interval of later turns.
fn later(counts: &[(Count, u64)]) -> Measurements {
    let mut seen = seen(0, 0);
    for (count, number) in counts {
        seen[*count] = *number;
    }
    seen
}

#[test]
fn what_a_lost_agent_had_under_way_is_given_up_and_its_clients_that_were_away_stay_away() {
    use Count::{
        Abandoned, Drops, LaterAbandoned, RenewalsBegun, RenewalsWithoutToken, Started, StillAway,
    };
    let mut account = Account::new(10, true);
    // Ten clients start, three of them renew; of the thirteen attempts none has ended.
    let told = [(Started, 13), (RenewalsBegun, 3), (Drops, 2)];
    account.add(&later(&told), 1, false).unwrap();
    assert!(!account.is_complete());
    let mut rest = later(&[]);
    account.close(&mut rest);
    let counts = [Abandoned, LaterAbandoned, StillAway, RenewalsWithoutToken].map(|it| rest[it]);
    assert_eq!(counts, [13, 3, 2, 3]);
    account.add(&rest, 2, true).unwrap();
    assert_eq!(account.under_way(), 0);
    assert!(!account.is_complete(), "of later turns that is not known");
}

#[test]
fn an_agent_can_not_tell_of_clients_that_come_back_without_having_gone() {
    use Count::{Drops, RenewalsBegun, RenewalsSent, Started, StillAway};
    let told = [(Started, 13), (RenewalsBegun, 3), (Drops, 2)];
    for (what, forged, is_last) in [
        ("more drops than connections", vec![(Drops, 4)], false),
        ("ends of nothing", vec![(StillAway, 3)], false),
        ("drops that wrap", vec![(Drops, u64::MAX)], false),
        ("more tokens than asked for", vec![(RenewalsSent, 4)], false),
        (
            "a last interval that leaves clients away",
            vec![(Count::Abandoned, 13), (RenewalsSent, 3)],
            true,
        ),
    ] {
        let mut account = Account::new(10, true);
        account.add(&later(&told), 1, false).unwrap();
        assert!(account.add(&later(&forged), 2, is_last).is_err(), "{what}");
    }
    let mut alone = Account::new(10, false);
    assert!(alone.add(&later(&told), 1, false).is_err(), "none of its clients has a later turn");
}
