//! What was found, the worst first, and the answer to what the scenario asks: what stands at the top of a page.

use std::path::Path;

use maud::{Markup, html};

use super::page;
use crate::{
    base::{window::unbroken, words::Severity},
    record::results::{Matrix, Summary},
    report::{
        findings::{self, Finding},
        keys,
    },
};

/// The findings of a run, or of a matrix; nothing where there are none.
pub(super) fn section(folder: &Path, summary: &Summary, matrix: Option<&Matrix>) -> Option<Markup> {
    let all = match matrix {
        Some(matrix) => findings::of_cells(matrix),
        None => findings::of(summary, folder),
    };
    let cut = findings::left_out(summary);
    (!all.is_empty() || cut.is_some()).then(|| {
        html! {
            @if !all.is_empty() { ul.findings { @for finding in &all { (item(finding)) } } }
            @if let Some(cut) = &cut { p.soft { (unbroken(cut)) } }
        }
    })
}

fn item(finding: &Finding) -> Markup {
    let (tone, severity) = match finding.severity {
        Severity::None => ("warn", "good tokens"),
        Severity::Info => ("warn", finding.severity.name()),
        _ => ("bad", finding.severity.name()),
    };
    html! {
        li {
            p { b class=(tone) { (severity) } " " b { (page::coded(&finding.what)) } }
            p { (page::coded(&finding.meaning)) @if !finding.source.is_empty() { " " span.soft { "[" (finding.source) "]" } } }
            @if let Some(again) = &finding.again { pre.wrap { (again) } }
        }
    }
}

/// What a run that changes keys found out of them; nothing of others.
pub(super) fn answer(summary: &Summary) -> Option<Markup> {
    let jwks = summary.jwks.as_ref()?;
    let answers = keys::answers(jwks);
    (!answers.is_empty())
        .then(|| html! { ul { @for answer in &answers { li { (unbroken(answer)) } } } })
}
