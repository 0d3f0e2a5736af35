use super::*;

#[test]
fn a_worker_is_late_by_what_it_is_waited_for_and_given_up_where_it_is_the_last() {
    let mut patience = Patience::default();
    // The collector itself was away: that says nothing.
    patience.look(100 * SECOND, Waits::Told);
    assert!(!patience.is_late() && !patience.is_over());
    let mut looks = 1;
    while !patience.is_late() {
        patience.look(STEP / 2, Waits::Alone);
        looks += 1;
    }
    assert_eq!(looks, 11, "3 s of looks, the first of them 500 ms");
    patience.heard();
    assert!(!patience.is_late());
    for _ in 0..1_000 {
        patience.look(STEP, Waits::WithOthers);
    }
    assert!(patience.is_late() && !patience.is_over(), "others are under way");
    patience.look(STEP, Waits::Alone);
    assert!(patience.is_over());
    let mut told = Patience::default();
    (0..50).for_each(|_| told.look(STEP, Waits::Told));
    assert!(told.is_over());
}

#[test]
fn who_was_late_and_who_is_missing_is_said_apart() {
    let late = HeldUp { worker: 1, of: 2, waited: 3_500_000_000, missing_from: None };
    assert!(late.words().starts_with("worker thread `clients-1`, one of 2, was held up"));
    assert!(late.words().contains("for 3.50 s"), "{}", late.words());
    let missing = HeldUp { missing_from: Some(7), ..late };
    assert!(missing.words().ends_with("from second 7 on is missing"), "{}", missing.words());
}
