//! A matrix as CI servers read it: a test case a cell, a suite a group and version of MQTT; and a run.

use std::{collections::BTreeMap, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::style::code_word;
use crate::{
    base::{
        error::{Error, Result, plain::plain},
        words::Verdict,
    },
    record::results::{
        Matrix, Percentile, Ruling, Summary,
        judged::Judged,
        matrix::{Cell, KnownAs, version},
        reason::joined,
        ruling::{Failure, Unmeasured, decide::told},
    },
    token::catalogue::defect,
};

/// The case that fails where one did.
const NOT_GONE: &str = "no broker went away";
/// The case that fails where a threshold ended a run.
const NOT_ENDED: &str = "not ended early";
/// The case that fails where the user ended a run, or it was killed.
const ENDED: &str = "the run came to its end";

/// Renders a matrix as XML of `JUnit`.
///
/// # Errors
/// When it can't be written as XML.
pub fn render(matrix: &Matrix, summary: &Summary) -> Result<String> {
    let mut report = Report::new(format!("tokenstorm matrix {}", summary.scenario));
    report.set_time(duration(summary.duration_s));
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    let mut add = |group: &str, place: &str, mut case: TestCase| {
        case.set_classname(format!("matrix.{group}"));
        let name = format!("{group} MQTT {place}");
        let known = suites.iter().position(|(known, _)| *known == name);
        let at = known.unwrap_or_else(|| {
            suites.push((name.clone(), TestSuite::new(name)));
            suites.len() - 1
        });
        suites[at].1.add_test_case(case);
    };
    // CI servers know a case by its name, or by name and class: both say where it was.
    let named = |name: &str, place: &str, status: TestCaseStatus| {
        TestCase::new(format!("{name} (MQTT {place})"), status)
    };
    for cell in &matrix.cells {
        let place = cell.place();
        add(&cell.group, &place, described(cell, named(&cell.defect, &place, status(cell))));
    }
    for entry in &matrix.skipped {
        let group = defect(&entry.defect).map_or("control", |defect| defect.group_name());
        let place = version(entry.protocol);
        add(group, place, named(&entry.defect, place, skipped(entry.reason.clone())));
    }
    let mut failed = |group: &str, name: String, status: TestCaseStatus| {
        add(group, version(5), TestCase::new(name, status));
    };
    let state = super::matrix::state(matrix);
    if let Some(words) = &state {
        // What is to be known before any cell must not pass for a success where cells are skipped.
        failed("broker", "answers say something".into(), failure("state", words.clone()));
    }
    // Cells that the broker did not live to answer are skipped, and the matrix has failed.
    let gone: Vec<String> =
        super::died::told(matrix).into_iter().map(|died| died.sentence).collect();
    if !gone.is_empty() {
        failed("broker", NOT_GONE.into(), failure("broker_gone", gone.join("; ")));
    }
    for missed in summary.thresholds.iter().filter(|threshold| threshold.passed == Some(false)) {
        failed("threshold", condition(missed), failure("threshold", observed(missed)));
    }
    // One entry may be fetched for several times.
    let mut fetched: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for fetch in &matrix.fetches {
        let said = format!("{} asked for {}", fetch.from, fetch.path);
        fetched.entry(&fetch.defect).or_default().push(said);
    }
    for (name, said) in fetched {
        failed("canary", format!("{name} is not followed"), failure("fetch", said.join("; ")));
    }
    let ruling = told(summary, Some(matrix));
    for found in &ruling.failed {
        match found {
            Failure::EdgeAccepted { count } => {
                let said = format!("{count} bad tokens were accepted");
                failed("probe", "no bad token within its edges".into(), failure("edge", said));
            }
            Failure::EndedEarly(aborted) => {
                failed("threshold", NOT_ENDED.into(), failure("aborted", aborted.words()));
            }
            // They have cases of their own.
            Failure::BrokerGone { .. }
            | Failure::LetsEverybodyIn
            | Failure::Wrong { .. }
            | Failure::WrongOperation { .. }
            | Failure::HeaderFollowed { .. }
            | Failure::NoCapacity
            | Failure::Missed { .. } => {}
        }
    }
    if let Some(why) = ruling.unmeasured.first().filter(|_| state.is_none()) {
        failed("broker", "cells were judged".into(), failure("not_measured", why.to_string()));
    }
    for said in unended(summary) {
        failed("broker", ENDED.into(), failure("not_measured", said.to_owned()));
    }
    for (_, suite) in suites {
        report.add_test_suite(suite);
    }
    text(report)
}

/// Renders a run: a test case a threshold, and one a kind of wrong verdict.
///
/// # Errors
/// When it can't be written as XML.
pub fn of_run(summary: &Summary) -> Result<String> {
    let mut report = Report::new(format!("tokenstorm run {}", summary.scenario));
    report.set_time(duration(summary.duration_s));
    let ruling = told(summary, None);
    let mut verdicts = TestSuite::new("verdicts");
    for verdict in Verdict::WRONG {
        let status = match ruling.count(verdict) {
            0 => TestCaseStatus::success(),
            count => failure(verdict.name(), format!("{count} of {} attempts", summary.attempts)),
        };
        verdicts.add_test_case(TestCase::new(format!("no {}", verdict.words()), status));
    }
    for (operation, stats) in summary.operations.iter().filter(|(_, stats)| stats.count > 0) {
        for verdict in Verdict::WRONG {
            let status = match stats.verdicts[verdict] {
                0 => TestCaseStatus::success(),
                count => failure(verdict.name(), format!("{count} of {} connections", stats.count)),
            };
            let name = format!("no {} of {operation}", verdict.words());
            verdicts.add_test_case(TestCase::new(name, status));
        }
    }
    let status = if summary.broker_gone.is_empty() {
        TestCaseStatus::success()
    } else {
        let said: Vec<String> = summary.broker_gone.iter().map(super::gone::line).collect();
        failure("broker_gone", said.join("; "))
    };
    verdicts.add_test_case(TestCase::new(NOT_GONE, status));
    for (name, said) in unmeasured(summary, &ruling) {
        verdicts.add_test_case(TestCase::new(name, failure("not_measured", said)));
    }
    if ruling.failed.contains(&Failure::NoCapacity) {
        let status = failure("no_capacity", "the objectives hold at no rate");
        verdicts.add_test_case(TestCase::new("a rate was found", status));
    }
    report.add_test_suite(verdicts);
    let mut thresholds = TestSuite::new("thresholds");
    if let Some(aborted) = &summary.aborted {
        thresholds.add_test_case(TestCase::new(NOT_ENDED, failure("aborted", aborted.words())));
    }
    for threshold in &summary.thresholds {
        let status = match (threshold.passed, threshold.undecided) {
            (Some(true), _) => TestCaseStatus::success(),
            (Some(false), _) => failure("threshold", observed(threshold)),
            // The run exits with 3 for it: it must not pass for a success.
            (None, Some(why)) => {
                failure("undecided", format!("{}: {}", observed(threshold), why.words()))
            }
            (None, None) => skipped("nothing was measured of it"),
        };
        thresholds.add_test_case(TestCase::new(condition(threshold), status));
    }
    if !summary.thresholds.is_empty() || summary.aborted.is_some() {
        report.add_test_suite(thresholds);
    }
    text(report)
}

/// That something failed, of which kind, and what is said of it.
pub(super) fn failure(kind: &str, said: impl Into<XmlString>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(said).set_type(kind);
    status
}

/// That something says nothing, and must not pass for a success.
pub(super) fn skipped(said: impl Into<XmlString>) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(said);
    status
}

/// What a threshold asks for.
fn condition(threshold: &Judged) -> String {
    format!("{} {}", threshold.metric, threshold.condition)
}

/// What it was held against.
fn observed(threshold: &Judged) -> String {
    let observed = threshold.observed.map_or_else(|| "nothing".into(), |it| it.to_string());
    format!("observed {observed}")
}

/// So many seconds; none where that is no time.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The XML of a report, without characters that it can't hold or that would steer who reads it (XML 1.0, 2.2).
pub(super) fn text(mut report: Report) -> Result<String> {
    tell_apart(&mut report);
    let text = report.to_string();
    text.map(|text| plain(&text))
        .map_err(|error| Error::usage(format!("no JUnit can be made: {error}")))
}

/// Numbers cases whose names are the same once the characters are gone that XML can't hold: CI servers would take them for
/// one case.
fn tell_apart(report: &mut Report) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for case in report.test_suites.iter_mut().flat_map(|suite| &mut suite.test_cases) {
        let name = plain(case.name.as_str());
        let mut own = name.clone();
        while let Some(times) = known.get_mut(&own) {
            *times += 1;
            own = format!("{name} #{times}");
        }
        known.insert(own.clone(), 1);
        case.name = own.into();
    }
}

/// Why a run says little or nothing, as the names of test cases and what they say; of thresholds each has a case of its own.
fn unmeasured(summary: &Summary, ruling: &Ruling) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for why in &ruling.unmeasured {
        let (name, said) = match why {
            Unmeasured::NothingJudged => (
                "tokens were judged",
                format!("none of {} attempts says anything", summary.attempts),
            ),
            Unmeasured::NothingGood { groups } => (
                "good tokens were measured",
                format!("each token that should be good had to be refused ({})", groups.join(", ")),
            ),
            Unmeasured::NothingPromised => {
                ("tokens were judged", "of each token both answers were right".to_owned())
            }
            Unmeasured::Undecided { .. } => continue,
            Unmeasured::AgentsLost { .. } => ("no agent was lost", why.to_string()),
            Unmeasured::NoKeys => ("embedded brokers had keys", why.to_string()),
            Unmeasured::GeneratorLimited => {
                ("the generator kept up", joined(&summary.validity.reasons))
            }
            Unmeasured::WorkersMissing { .. } => {
                ("all threads came to their end", joined(&summary.validity.reasons))
            }
            Unmeasured::NoEndDecided { .. } => ("ends of tokens were judged", why.to_string()),
            Unmeasured::NoReauthDecided { .. } => {
                ("authentications again were judged", why.to_string())
            }
            Unmeasured::SearchOpen => ("the search has an answer", why.to_string()),
        };
        all.push((name, said));
    }
    all.extend(unended(summary).map(|said| (ENDED, said.to_owned())));
    all
}

/// Why a run did not come to its end.
fn unended(summary: &Summary) -> impl Iterator<Item = &'static str> {
    let killed = summary.partial.then_some("it is still running, or was killed");
    killed.into_iter().chain(summary.interrupted.then_some("it was interrupted"))
}

/// What became of a cell, as CI servers count it.
fn status(cell: &Cell) -> TestCaseStatus {
    let entry = defect(&cell.defect);
    let said = format!(
        "expected {}, {} (code {}): {} [{}]",
        cell.expected,
        cell.outcome,
        code_word(cell.code.to_string().trim_matches('"'), cell.protocol),
        entry.map_or("", |defect| defect.summary),
        entry.map_or("", |defect| defect.source),
    );
    match cell.verdict {
        Verdict::Correct => TestCaseStatus::success(),
        // It fails no run, and must not pass for a success.
        verdict if cell.is_known() => skipped(format!("known {verdict}: {said}")),
        verdict if !verdict.is_judged() => skipped(format!("{verdict}: {said}")),
        verdict => failure(verdict.name(), said),
    }
}

/// The case of a cell with its time, and what else is to be said of it.
fn described(cell: &Cell, mut case: TestCase) -> TestCase {
    if let Some(Percentile::Number(us)) = &cell.latency_p50_us {
        case.set_time(duration(us / 1e6));
    }
    if cell.is_weak() {
        case.set_system_out("weak by configuration: a strict broker refuses it");
    }
    if cell.known == Some(KnownAs::Fixed) {
        case.set_system_out("fixed: it was known to be wrong, and is as promised now");
    }
    case
}

#[cfg(test)]
mod tests;
