//! When counters began, in the text of `OpenMetrics` 1.0 (5.1 and 5.3, `Created`): without it a reader takes two runs that follow
//! one another for one.

use std::fmt::Write;

use super::families::OF_OTHERS;

/// The same text with a `_created` sample behind each counter and histogram: all began at this instant, in seconds since 1970,
/// but for the counter that others began.
pub(super) fn with_created(text: &str, at: f64) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    // What samples end in behind which their `_created` belongs, with the metric's name.
    let mut last: Option<(String, String)> = None;
    for line in text.lines() {
        out.push_str(line);
        out.push('\n');
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            last = comment.split_once(' ').and_then(|(name, kind)| {
                if name.strip_prefix("tokenstorm_").is_some_and(|own| own.starts_with(OF_OTHERS)) {
                    return None;
                }
                let end = match kind {
                    "counter" => "_total",
                    "histogram" => "_count",
                    _ => return None,
                };
                Some((name.to_owned(), format!("{name}{end}")))
            });
            continue;
        }
        let Some((name, sample)) = &last else { continue };
        let labels = line.strip_prefix(sample.as_str()).and_then(|rest| rest.rsplit_once(' '));
        if let Some((labels, _)) =
            labels.filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
        {
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "{name}_created{labels} {at:.3}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_and_a_histogram_say_when_they_began_and_a_gauge_does_not() {
        let text = "# TYPE a counter\na_total{x=\"y z\"} 3\na_total{x=\"b\"} 4\n# TYPE b gauge\nb 1\n\
                    # TYPE c_seconds histogram\nc_seconds_sum 2.0\nc_seconds_count 7\nc_seconds_bucket{le=\"+Inf\"} 7\n# EOF\n";
        let made = with_created(text, 1.5);
        assert_eq!(
            made,
            "# TYPE a counter\na_total{x=\"y z\"} 3\na_created{x=\"y z\"} 1.500\na_total{x=\"b\"} 4\na_created{x=\"b\"} 1.500\n\
             # TYPE b gauge\nb 1\n# TYPE c_seconds histogram\nc_seconds_sum 2.0\nc_seconds_count 7\nc_seconds_created 1.500\n\
             c_seconds_bucket{le=\"+Inf\"} 7\n# EOF\n"
        );
    }
}
