//! The verdicts of a run as a heat map with words: a row a kind of token, a column a verdict.

use std::{collections::BTreeMap, path::Path};

use maud::{Markup, html};
use serde::Deserialize;

use super::files::rows;
use crate::{
    base::{
        error::Result,
        words::{Expected, Verdict},
    },
    record::results::{Summary, summary::Part},
    report::style::{count, number},
};

#[derive(Deserialize)]
struct Judged {
    token: String,
    broker: String,
    expected: Expected,
    verdict: Verdict,
    count: u64,
}

/// A row: whose answers, what they had to be, and how many there were of each verdict.
#[derive(Debug, Default)]
struct Row {
    token: String,
    broker: String,
    expected: Vec<Expected>,
    verdicts: BTreeMap<Verdict, u64>,
}

/// The heat map of a run; from the summary alone where the run has not come to its end. Nothing where nothing was judged.
///
/// # Errors
/// When `verdicts.csv` is there and can't be read.
pub(super) fn map(folder: &Path, summary: &Summary) -> Result<Option<Markup>> {
    let judged: Vec<Judged> = rows(folder, "verdicts.csv")?;
    let rows = if judged.is_empty() { of_summary(summary) } else { of_file(judged) };
    if rows.is_empty() {
        return Ok(None);
    }
    let has_brokers = rows.iter().any(|row| row.broker != rows[0].broker);
    let is_used = |verdict: &Verdict| rows.iter().any(|row| row.verdicts.contains_key(verdict));
    let verdicts: Vec<Verdict> = Verdict::ALL.into_iter().filter(is_used).collect();
    Ok(Some(html! {
        div.scroll {
            table.heat.rows {
                thead {
                    tr {
                        th scope="col" { "token" }
                        @if has_brokers { th scope="col" { "broker" } }
                        th scope="col" { "had to be" }
                        th.n scope="col" { "attempts" }
                        @for verdict in &verdicts { th scope="col" { (verdict.words()) } }
                    }
                }
                tbody {
                    @for row in &rows {
                        @let all = row.verdicts.values().copied().fold(0, u64::saturating_add);
                        tr {
                            th scope="row" { (row.token) }
                            @if has_brokers { th scope="row" data-h="broker" { (row.broker) } }
                            th scope="row" data-h="had to be" { (expected(&row.expected)) }
                            th.n scope="row" data-h="attempts" { (count(all)) }
                            @for verdict in &verdicts { (cell(*verdict, row.verdicts.get(verdict).copied().unwrap_or_default(), all)) }
                        }
                    }
                }
            }
        }
        (legend(&verdicts))
    }))
}

/// A cell: the deeper its colour, the larger its share of the row.
fn cell(verdict: Verdict, number_of: u64, all: u64) -> Markup {
    if number_of == 0 {
        return html! { td.none { "none" } };
    }
    let share = 100.0 * number_of as f64 / all.max(1) as f64;
    // The least is well above nothing: one false accept in a million is to be seen.
    let depth = format!("--s:{:.0}%", 22.0 + share * 0.4);
    html! {
        td class={ "t-" (verdict.name()) } style=(depth) {
            b { (count(number_of)) }
            span { (verdict.words()) ", " (percent(share)) }
        }
    }
}

/// A share in words; what is not all is never 100 %.
fn percent(share: f64) -> String {
    match share {
        100.0 => "100 %".to_owned(),
        most if most > 99.9 => "over 99.9 %".to_owned(),
        few if few < 0.1 => "under 0.1 %".to_owned(),
        some => format!("{} %", number(some)),
    }
}

/// What the verdicts mean, beside their colours.
fn legend(verdicts: &[Verdict]) -> Markup {
    html! {
        ul.legend {
            @for verdict in verdicts {
                li { span class={ "swatch t-" (verdict) } {} (verdict.words()) ": " (verdict.meaning())
                    @if *verdict == Verdict::Indeterminate { ": both answers may be right" }
                }
            }
        }
    }
}

/// What tokens had to be, in words.
fn expected(expected: &[Expected]) -> String {
    // On a boundary of time nobody can tell: what else the token had to be says more.
    let told = || expected.iter().filter(|one| **one != Expected::Indeterminate);
    match told().count() {
        0 => "-".to_owned(),
        1 => told()
            .map(|one| match one {
                Expected::Accept => "accepted",
                Expected::Refuse => "refused",
                other => other.name(),
            })
            .collect(),
        _ => "by its moment".to_owned(),
    }
}

fn of_file(judged: Vec<Judged>) -> Vec<Row> {
    let (mut rows, mut places) = (Vec::<Row>::new(), BTreeMap::new());
    for Judged { token, broker, expected, verdict, count } in judged {
        let at = *places.entry((token.clone(), broker.clone())).or_insert_with(|| {
            rows.push(Row { token, broker, ..Row::default() });
            rows.len() - 1
        });
        let row = &mut rows[at];
        let sum = row.verdicts.entry(verdict).or_default();
        *sum = sum.saturating_add(count);
        if !row.expected.contains(&expected) {
            row.expected.push(expected);
        }
    }
    rows
}

fn of_summary(summary: &Summary) -> Vec<Row> {
    let row = |(token, part): (&String, &Part)| {
        let verdicts: BTreeMap<Verdict, u64> =
            part.verdicts.iter().filter(|(_, count)| *count > 0).collect();
        (!verdicts.is_empty()).then(|| Row { token: token.clone(), verdicts, ..Row::default() })
    };
    summary.by_token.iter().filter_map(row).collect()
}
