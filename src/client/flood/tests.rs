use super::*;

#[test]
fn what_honest_brokers_send_is_no_flood() {
    let mut meter = Meter::default();
    meter.at(5 * SECOND);
    // 100 000 retained messages of 1 KB at once, each in a frame and a record of its own.
    for _ in 0..100_000 {
        meter.message();
        meter.bytes(1_000);
        meter.wire(1_026);
    }
    assert!(!meter.is_flood());
    // The longest packet that there is, four times.
    let mut long = Meter::default();
    (0..4).for_each(|_| long.bytes(LONGEST_PACKET as usize));
    assert!(!long.is_flood());
    // An answer a byte at a time, each in its frame and its record.
    let mut dear = Meter::default();
    for _ in 0..1_000_000 {
        dear.bytes(1);
        dear.wire(25);
    }
    assert!(!dear.is_flood());
}

#[test]
fn each_bound_is_one_and_a_new_window_begins_anew() {
    let mut flooded: Vec<Meter> = Vec::new();
    let mut add = |count: &dyn Fn(&mut Meter)| {
        let mut meter = Meter::default();
        count(&mut meter);
        flooded.push(meter);
    };
    add(&|meter| (0..=MOST_MESSAGES).for_each(|_| meter.message()));
    add(&|meter| meter.empty(MOST_EMPTY + 1));
    add(&|meter| meter.bytes(MOST_BYTES as usize + 1));
    add(&|meter| meter.wire(MOST_OVERHEAD as usize + 1));
    for mut meter in flooded {
        assert!(meter.is_flood(), "{meter:?}");
        meter.at(WINDOW - 1);
        assert!(meter.is_flood(), "the same window");
        meter.at(WINDOW);
        assert!(!meter.is_flood(), "{meter:?}");
    }
}
