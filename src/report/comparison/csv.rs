//! A comparison for a spreadsheet: the columns of the contract first.

use crate::{
    base::error::{Error, Result, plain::cell},
    record::results::sheets::COMPARISON,
    report::compare::{Comparison, Role, Seen},
};

pub(super) fn render(comparison: &Comparison) -> Result<String> {
    let text = written(comparison);
    text.map_err(|error| Error::usage(format!("no CSV can be made: {error}")))
}

fn written(comparison: &Comparison) -> std::result::Result<String, Box<dyn std::error::Error>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(COMPARISON.columns.iter().map(|(name, _)| *name))?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for metric in &comparison.metrics {
        let seen = |seen: &Option<Seen>| match seen {
            Some(Seen::Number(value)) => value.to_string(),
            Some(Seen::Word(word)) => cell(word),
            None => String::new(),
        };
        let role = match metric.role {
            Role::Gate => "gate",
            Role::Count => "count",
            Role::Reading => "reading",
        };
        rows.write_record([
            cell(&metric.metric).as_str(),
            &seen(&metric.baseline),
            &seen(&metric.candidate),
            &number(metric.change),
            &number(metric.low),
            &number(metric.high),
            &number(metric.threshold),
            &cell(&metric.threshold_source.to_string()),
            metric.verdict.name(),
            &cell(&metric.unit),
            role,
            &number(metric.p),
        ])?;
    }
    Ok(String::from_utf8(rows.into_inner()?)?)
}
