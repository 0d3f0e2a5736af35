use super::*;

#[test]
fn of_many_keys_those_with_the_most_answers_are_drawn_and_the_others_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let rows: Vec<String> = (0..10).map(|key| format!("0,key{key},{},1\n", 20 - key)).collect();
    let text = format!("second,key,accepted,refused\n{}", rows.concat());
    std::fs::write(folder.path().join("keys.csv"), text).unwrap();
    let (lines, others) = keys(folder.path()).unwrap();
    assert_eq!(lines.len(), 2 * COLOURS_COUNT);
    assert_eq!(others.as_deref(), Some("key8, key9"));
    assert!(lines.iter().all(|line| !line.name.starts_with("key8")));
}

#[test]
fn a_second_far_away_makes_a_line_of_three_points_and_not_of_a_billion() {
    let folder = tempfile::TempDir::new().unwrap();
    let text = "second,key,accepted,refused\n0,a,1,0\n5,a,2,0\n999999999,a,3,0\n";
    std::fs::write(folder.path().join("keys.csv"), text).unwrap();
    let (lines, _) = keys(folder.path()).unwrap();
    let places: Vec<f64> = lines[0].points.iter().map(|(at, _)| *at).collect();
    assert_eq!(places, [0.0, 1.0, 4.0, 5.0, 6.0, 999_999_998.0, 999_999_999.0]);
    std::fs::write(folder.path().join("keys.csv"), text.replace("999999999", "2000000000"))
        .unwrap();
    let error = keys(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("keys.csv") && error.contains("line 4: `second` is `2000000000`"),
        "{error}"
    );
}

#[test]
fn events_that_are_close_on_the_chart_have_one_mark() {
    let event = |second| Event { second, name: String::new(), detail: String::new() };
    let events = [event(3.0), event(3.1), event(5.0)];
    let labels = |seconds: f64| -> Vec<String> {
        marks(&events, seconds).into_iter().map(|mark| mark.label).collect()
    };
    assert_eq!(labels(10.0), ["1-2", "3"]);
    assert_eq!(labels(2.0), ["1", "2", "3"]);
    assert_eq!(labels(1000.0), ["1-3"]);
}
