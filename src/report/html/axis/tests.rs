use super::*;

#[test]
fn each_nine_of_a_percentile_is_one_step_further() {
    let axis = Axis::nines();
    for (share, place) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0), (0.999, 3.0), (0.9999, 4.0)] {
        assert!((axis.place(share) - place).abs() < 1e-9, "{share}");
    }
    assert!((axis.place(0.5) - 2.0_f64.log10()).abs() < 1e-9);
    let labels = |most: f64| -> Vec<String> {
        let span = axis.span([0.5, most].into_iter(), 0.0);
        span.ticks.into_iter().map(|(_, label)| label).collect()
    };
    assert_eq!(labels(0.9), ["fastest", "50 %", "90 %"]);
    assert_eq!(labels(0.999), ["fastest", "50 %", "90 %", "99 %", "99.9 %"]);
}

#[test]
fn ticks_are_round_numbers_that_span_the_values() {
    let labels = |axis: &Axis, values: &[f64]| -> Vec<String> {
        let span = axis.span(values.iter().copied(), 0.05);
        for value in values {
            let at = axis.place(*value);
            assert!(span.low <= at && at <= span.high, "{value} is outside");
        }
        span.ticks.into_iter().map(|(_, label)| label).collect()
    };
    let linear = Axis::linear("rate", "/s");
    assert_eq!(labels(&linear, &[3.0, 1035.0]), ["0", "200", "400", "600", "800", "1 000"]);
    assert_eq!(labels(&linear, &[0.0]), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
    let log = Axis::log("time", " ms");
    assert_eq!(labels(&log, &[0.16, 2.7]), ["0.1", "0.2", "0.5", "1", "2", "5"]);
    assert_eq!(labels(&log, &[0.02, 900.0]), ["0.01", "0.1", "1", "10", "100", "1 000"]);
}

#[test]
fn numbers_have_three_digits_and_no_idle_zeros() {
    let said = [0.0, 0.172, 0.0456, 1.0, 1.444, 48.0, 12.34, 5002.0].map(plain);
    assert_eq!(said, ["0", "0.172", "0.0456", "1", "1.44", "48", "12.3", "5 002"]);
}
