use super::*;

#[test]
fn a_metric_is_found_by_its_name_and_labels_and_summed_over_the_others() {
    let text = "# TYPE a_total counter\na_total{node=\"x\",kind=\"q\"} 3\na_total{node=\"y\",kind=\"q\"} 4\nb 5\n";
    let page = Page::of(text, &["a_total", "b", "c"].into()).unwrap();
    let find = |metric: &str| page.find(metric);
    assert_eq!(find("a_total"), Some(7.0));
    assert_eq!(find("a_total{node=\"y\"}"), Some(4.0));
    assert_eq!(find("a_total{kind=\"q\", node=\"x\"}"), Some(3.0));
    assert_eq!(find("b"), Some(5.0));
    assert_eq!(find("c"), None);
    assert_eq!(find("a_total{node=\"z\"}"), None);
}

#[test]
fn what_is_no_number_and_what_is_told_twice_is_no_value() {
    let text = "nan NaN\ninf +Inf\nhuge{n=\"1\"} 1e308\nhuge{n=\"2\"} 1e308\nsame{n=\"1\"} 1\nsame{n=\"1\"} 1\n\
                    two{n=\"a,b=1\"} 1\ntwo{n=\"a,b=2\"} 2\nlow -5\n";
    let page = |text: &str| {
        Page::of(text, &["nan", "inf", "huge", "same", "two", "low", "m"].into()).unwrap()
    };
    let told = page(text);
    for metric in ["nan", "inf", "huge", "same"] {
        assert_eq!(told.find(metric), None, "{metric}");
        assert!(told.is_there(metric) && told.is_twice(metric) == (metric == "same"));
    }
    assert_eq!(told.find("two"), Some(3.0));
    assert_eq!(told.find("low"), Some(-5.0), "what a metric of its own may be");
    let deep = format!("m{{{}}} 1\n", "a=\"b\",".repeat(100_000));
    assert_eq!(page(&deep).find("m"), Some(1.0));
    assert!(page("m 1\n".repeat(200_000).as_str()).is_twice("m"));
    assert!(!page("other 1\n").is_empty && page("# TYPE m gauge\n\n").is_empty);
    assert!(page("\u{fffd}{}}}{{ 1 \n}{ 2\n{ 3").find("m").is_none());
}
