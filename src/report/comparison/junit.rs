//! A comparison as CI servers read it: a test case a metric, and one a cell of a matrix.

use quick_junit::{Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    cells,
    table::{interval, percent, sentence, threshold, value},
};
use crate::{
    base::error::Result,
    report::{
        compare::{Compared, Comparison, Role, Verdict, cells::Cells},
        junit::{failure, skipped, text},
    },
};

pub(super) fn render(comparison: &Comparison) -> Result<String> {
    let mut report = Report::new(format!("tokenstorm compare {}", comparison.scenario));
    let mut all = TestSuite::new("verdict");
    all.add_test_case(TestCase::new("all", status(comparison.verdict, sentence(comparison))));
    report.add_test_suite(all);
    if let Some(cells) = &comparison.cells {
        report.add_test_suite(of_cells(comparison, cells));
    }
    // Counts of a single kind of token say again what its cell says.
    let is_told = |metric: &&Compared| {
        let is_of_cell = metric.is_cell()
            || metric.metric.starts_with("verdict.") && metric.metric.contains('{');
        comparison.cells.is_none() || !is_of_cell
    };
    for (role, name) in
        [(Role::Gate, "gated metrics"), (Role::Count, "counts"), (Role::Reading, "other metrics")]
    {
        let mut suite = TestSuite::new(name);
        for metric in comparison.metrics.iter().filter(|metric| metric.role == role).filter(is_told)
        {
            suite.add_test_case(case(metric));
        }
        if !suite.test_cases.is_empty() {
            report.add_test_suite(suite);
        }
    }
    text(report)
}

/// The cells of two matrices: a case each, which says what changed.
fn of_cells(comparison: &Comparison, cells: &Cells) -> TestSuite {
    let mut suite = TestSuite::new("cells");
    for metric in comparison.metrics.iter().filter(|metric| metric.is_cell()) {
        let changed = cells.changed.iter().find(|cell| cell.metric() == metric.metric);
        let said = changed.map(cells::line).unwrap_or_default();
        let status = match metric.role {
            Role::Reading => skipped(said.clone()),
            Role::Gate | Role::Count => status(metric.verdict, said.clone()),
        };
        let is_success = matches!(status, TestCaseStatus::Success { .. });
        let mut case = TestCase::new(metric.metric.clone(), status);
        case.set_classname("compare");
        if is_success && !said.is_empty() {
            case.set_system_out(said);
        }
        suite.add_test_case(case);
    }
    suite
}

fn case(metric: &Compared) -> TestCase {
    let said = format!(
        "{} against {} ({}, {}), threshold {} {}",
        value(metric.candidate.as_ref(), &metric.unit),
        value(metric.baseline.as_ref(), &metric.unit),
        percent(metric.change),
        interval(metric),
        threshold(metric),
        metric.why,
    );
    let said = format!("{}: {}", metric.verdict.name(), said.trim_end());
    let status = match (metric.role, metric.verdict) {
        // It decides nothing, and must not fail a build by itself.
        (Role::Reading, Verdict::Worse) => skipped(said),
        (_, verdict) => status(verdict, said),
    };
    let mut case = TestCase::new(metric.metric.clone(), status);
    case.set_classname("compare");
    case
}

/// What says nothing is skipped: it must not pass for a success.
fn status(verdict: Verdict, said: String) -> TestCaseStatus {
    match verdict {
        Verdict::Better | Verdict::Equivalent => TestCaseStatus::success(),
        Verdict::Inconclusive => skipped(said),
        Verdict::Worse => failure("worse", said),
    }
}
