use super::*;

#[test]
fn each_look_can_decide_and_the_last_is_the_most_that_are_run() {
    let looks = Looks::plan(4, 0.05, 20).unwrap();
    assert_eq!(looks.at, [9, 14, 20]);
    assert!((looks.alpha * 3.0 - 0.05).abs() < 1e-12);
    assert!(2.0 / 2_f64.powi(9) <= looks.alpha / 4.0);
    assert_eq!(Looks::plan(1, 0.05, 6).unwrap(), Looks { at: vec![6], alpha: 0.05 });
    assert_eq!(Looks::plan(1, 0.05, 10).unwrap().at, [7, 8, 10]);
}

#[test]
fn only_the_looks_that_were_taken_are_said_to_be_taken() {
    let looks = Looks { at: vec![9, 14, 20], alpha: 0.05 / 3.0 };
    let words = |pairs| looks.words(pairs, 0.05);
    assert_eq!(
        words(1),
        "pairs of trials: 1, no planned look was reached (after 9, 14, 20), at an error rate of 0.0167 a look, 0.05 in all"
    );
    assert!(
        words(14).contains("looked at after 9, 14 of them, and not after 20 as planned"),
        "{}",
        words(14)
    );
    assert!(words(20).contains("looked at after 9, 14, 20 of them, at"), "{}", words(20));
}

#[test]
fn too_few_trials_are_refused_with_the_number_it_takes() {
    let error = Looks::plan(6, 0.05, 6).unwrap_err().to_string();
    assert!(
        error.starts_with("12 trials can't decide 6 metrics")
            && error.contains("at least 16 trials"),
        "{error}"
    );
    assert!(Looks::plan(1, 0.05, 5).is_err());
}
