//! The history of a baseline for Apache Otava (formerly Hunter), which looks for changes in it: a CSV file with a line a run, and
//! the `otava.yaml` that says what is in it.

use std::fmt::Write;

use super::{
    compare::metric::{self, Better},
    style::written,
};
use crate::{
    base::{
        error::{Error, Result},
        words::Verdict,
    },
    record::results::Summary,
};

/// The name of the configuration: what Otava is given by `--config-file`.
pub const CONFIG: &str = "otava.yaml";
/// The column of the time at which a run started.
const TIME: &str = "time";

/// Both files.
#[derive(Clone, Debug)]
pub struct Export {
    /// What `NAME.csv` holds.
    pub csv: String,
    /// What `otava.yaml` holds.
    pub yaml: String,
    /// How many runs there are.
    pub runs: usize,
    /// Metrics that some runs lack: Otava takes no empty cell, so they have no column.
    pub left_out: Vec<String>,
}

/// A metric: its name, and which way it gets better.
type Named = (String, Better);

/// The runs of a baseline in the order of time. Wrong verdicts and those that were not judged are metrics too.
///
/// # Errors
/// When there is no run, or nothing that all runs have.
pub fn export(name: &str, runs: &[Summary]) -> Result<Export> {
    let mut runs: Vec<&Summary> = runs.iter().collect();
    runs.sort_by(|one, other| one.started_at.cmp(&other.started_at));
    let values: Vec<Vec<(Named, f64)>> = runs.iter().map(|run| of_run(run)).collect();
    let mut all: Vec<&Named> = Vec::new();
    for (named, _) in values.iter().flatten() {
        if !all.contains(&named) {
            all.push(named);
        }
    }
    let has = |own: &[(Named, f64)], named: &Named| own.iter().any(|(it, _)| it == named);
    let (kept, lacking): (Vec<&Named>, Vec<&Named>) =
        all.into_iter().partition(|named| values.iter().all(|own| has(own, named)));
    if kept.is_empty() {
        return Err(Error::usage(format!("the runs of `{name}` have no metric in common")));
    }
    Ok(Export {
        csv: table(&runs, &values, &kept)?,
        yaml: written(|out| config(out, name, &kept)),
        runs: runs.len(),
        left_out: lacking.into_iter().map(|(metric, _)| metric.clone()).collect(),
    })
}

/// All numbers of a run, in the order in which they are shown.
fn of_run(summary: &Summary) -> Vec<(Named, f64)> {
    let measured = metric::of(summary).into_iter().map(|it| ((it.metric, it.better), it.value));
    let counted = Verdict::WRONG.into_iter().chain([Verdict::NotJudged]).map(|verdict| {
        let named = (format!("verdict.{verdict}"), Better::Lower);
        (named, summary.verdicts[verdict] as f64)
    });
    measured.chain(counted).collect()
}

fn table(runs: &[&Summary], values: &[Vec<(Named, f64)>], kept: &[&Named]) -> Result<String> {
    let failed =
        |error: &dyn std::fmt::Display| Error::not_measured(format!("no CSV can be made: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [TIME].into_iter().chain(kept.iter().map(|(metric, _)| metric.as_str()));
    writer.write_record(head).map_err(|error| failed(&error))?;
    for (run, own) in runs.iter().zip(values) {
        let of = |named: &&Named| {
            own.iter()
                .find(|(it, _)| it == *named)
                .map_or_else(String::new, |(_, value)| value.to_string())
        };
        let row = [with_offset(&run.started_at)].into_iter().chain(kept.iter().map(of));
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// A time of a summary, which is UTC, with its offset in digits.
fn with_offset(time: &str) -> String {
    time.strip_suffix('Z').map_or_else(|| time.to_owned(), |bare| format!("{bare}+00:00"))
}

/// Texts are those of JSON, which YAML takes as they are: names of metrics have braces and colons in them.
fn config(out: &mut String, name: &str, metrics: &[&Named]) -> std::fmt::Result {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    writeln!(out, "# Paths are those of the folder that Otava is started in:")?;
    writeln!(out, "#   otava analyze {name} --config-file {CONFIG}")?;
    writeln!(out, "tests:\n  {}:\n    type: csv", text(name))?;
    writeln!(out, "    file: {}\n    time_column: {TIME}", text(&format!("{name}.csv")))?;
    writeln!(
        out,
        "    csv_options:\n      delimiter: \",\"\n      quote_char: \"\\\"\"\n    metrics:"
    )?;
    for (metric, better) in metrics {
        let direction = match better {
            Better::Lower => -1,
            Better::Higher => 1,
        };
        let shown = text(metric);
        writeln!(out, "      {shown}:\n        column: {shown}\n        direction: {direction}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::words::Phase,
        record::results::{Percentile, fixture},
    };

    fn run(started_at: &str, p50: f64) -> Summary {
        let mut summary = fixture::summary();
        started_at.clone_into(&mut summary.started_at);
        let connack = summary.phases.get_mut(&Phase::Connack).unwrap();
        connack.p50_us = Percentile::Number(p50);
        summary
    }

    #[test]
    fn runs_stand_in_the_order_of_time_each_with_its_offset_and_a_column_a_metric() {
        let runs = [run("2026-11-26T00:00:00Z", 200.0), run("2026-11-25T00:00:00Z", 100.0)];
        let export = export("main", &runs).unwrap();
        let mut reader = csv::Reader::from_reader(export.csv.as_bytes());
        let head = reader.headers().unwrap().clone();
        assert_eq!(&head[0], "time");
        let p50 = head.iter().position(|name| name == "connack.p50").unwrap();
        let rows: Vec<csv::StringRecord> =
            reader.records().map(std::result::Result::unwrap).collect();
        let told: Vec<(&str, &str)> = rows.iter().map(|row| (&row[0], &row[p50])).collect();
        assert_eq!(
            told,
            [("2026-11-25T00:00:00+00:00", "100"), ("2026-11-26T00:00:00+00:00", "200")]
        );
        assert_eq!(export.runs, 2);
    }

    #[test]
    fn a_metric_that_a_run_lacks_has_no_column_and_is_named() {
        let mut lacking = run("2026-11-26T00:00:00Z", 200.0);
        lacking.phases.remove(&Phase::Response);
        let export = export("main", &[run("2026-11-25T00:00:00Z", 100.0), lacking]).unwrap();
        assert!(export.left_out.contains(&"response.p50".to_owned()), "{:?}", export.left_out);
        for file in [&export.csv, &export.yaml] {
            assert!(!file.contains("response.p50") && file.contains("connack.p50"), "{file}");
        }
    }

    #[test]
    fn the_configuration_names_each_column_and_which_way_it_gets_better() {
        let export = export("main", &[run("2026-11-25T00:00:00Z", 100.0)]).unwrap();
        let config: serde_json::Value = serde_saphyr::from_str(&export.yaml).unwrap();
        let test = &config["tests"]["main"];
        assert_eq!((&test["type"], &test["file"]), (&"csv".into(), &"main.csv".into()));
        assert_eq!(test["time_column"], "time");
        assert_eq!(test["csv_options"]["quote_char"], "\"");
        let metrics = test["metrics"].as_object().unwrap();
        assert_eq!(metrics["connack.p50{token:fresh}"]["direction"], -1);
        assert_eq!(metrics["throughput.verdicts_per_s"]["direction"], 1);
        assert_eq!(metrics["verdict.false_accept"]["direction"], -1);
        let mut reader = csv::Reader::from_reader(export.csv.as_bytes());
        let columns: Vec<String> =
            reader.headers().unwrap().iter().skip(1).map(str::to_owned).collect();
        let named: Vec<&str> =
            metrics.values().map(|metric| metric["column"].as_str().unwrap()).collect();
        assert_eq!(named, columns);
    }
}
