use super::*;

#[test]
fn the_quickest_round_trip_tells_the_clock() {
    let mut member = Member::new(Capacity::here(&Name::of("a").unwrap(), None, &[], true), 1, 0);
    // An agent that is 500 ahead: slow on the way there, slow on the way back, quick.
    member.clock(1000, 1400, 1390 + 500);
    member.clock(2000, 2400, 2010 + 500);
    member.clock(3000, 3020, 3008 + 500);
    assert_eq!((member.ahead, member.uncertainty), (498, 10));
    // What no clock shows is not taken for one, whatever the round trip.
    for wall in [i64::MIN, i64::MAX] {
        member.clock(4000, 4002, wall);
    }
    assert_eq!((member.ahead, member.uncertainty), (498, 10));
}

#[test]
fn a_clock_that_is_known_worse_than_lateness_is_told_limits_the_run() {
    let mut member = Member::new(Capacity::here(&Name::of("a").unwrap(), None, &[], true), 1, 0);
    let limits = |member: &Member| member.row(0, 0, 1).limits;
    member.clock(0, 2 * LATE as i64, 0);
    assert_eq!(limits(&member), [""; 0]);
    member.uncertainty = 950_000_000;
    let told = limits(&member).join("\n");
    assert!(told.contains("agent `a`") && told.contains("known to 950 ms only"), "{told}");
}

#[test]
fn what_no_process_can_use_is_not_counted() {
    let used = Used { busy: Some(1.0), ..Used::default() };
    assert!(is_plausible(&used));
    for forged in [
        Used { cpu_ns: u64::MAX, ..used },
        Used { resident: u64::MAX, ..used },
        Used { minted_per_s: f64::NAN, ..used },
        Used { minted_per_s: f64::INFINITY, ..used },
        Used { minted_per_s: -1.0, ..used },
        Used { busy: Some(f64::NAN), ..used },
        Used { wall_step: i64::MIN, ..used },
    ] {
        assert!(!is_plausible(&forged), "{forged:?}");
    }
}
