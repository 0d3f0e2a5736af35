use super::*;

#[test]
fn a_rise_is_told_from_noise_and_has_its_slope() {
    let noise = [5.0, 3.0, 8.0, 1.0, 7.0, 2.0, 9.0, 4.0, 6.0, 5.5];
    assert!(!Trend::of(&noise).unwrap().is_clear());
    let rising: Vec<f64> =
        noise.iter().zip(0..).map(|(value, at)| value / 10.0 + f64::from(at)).collect();
    let trend = Trend::of(&rising).unwrap();
    assert!(trend.is_clear() && (trend.slope - 1.0).abs() < 0.1, "{trend:?}");
    assert!(!Trend::of(&[7.0; 20]).unwrap().is_clear(), "nothing moves");
    assert_eq!(Trend::of(&[1.0, 2.0, 3.0]), None);
}

#[test]
fn the_p_of_the_trend_test_is_that_of_the_books() {
    // Six values in order: S = 15, Var = 6 * 5 * 17 / 18, z = 14 / sqrt(28.33) = 2.630, p = 0.0085.
    let p = Trend::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap().p;
    assert!((p - 0.0085).abs() < 1e-4, "{p}");
}

#[test]
fn the_interval_of_a_mean_is_students() {
    // t(0.975, 4) = 2.776; the variance of 1 to 5 is 2.5.
    let (mean, low, high) = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    assert!((mean - 3.0).abs() < 1e-12);
    assert!((high - mean - 2.776 * 0.5_f64.sqrt()).abs() < 1e-3, "{low} {high}");
    assert_eq!(mean_interval(&[1.0]), None, "one value has no spread");
}
