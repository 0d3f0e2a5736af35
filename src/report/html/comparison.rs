//! A comparison as one page: the verdict, what decided, both sides by percentile and run by run.

use std::path::{Path, absolute};

use maud::{Markup, html};
use url::Url;

use super::{
    axis::Axis,
    figure::{Figure, Line},
    page, percentiles, plate,
};
use crate::{
    base::{
        error::Result,
        window::unbroken,
        words::{Phase, Tone},
    },
    report::{
        compare::{
            Compared, Comparison, Design, Role, Verdict, cells::Cells, curves::Curve, record::Trial,
        },
        comparison::{
            cells,
            table::{HEAD, columns, design, parted, row, sentence},
        },
        facts::Facts,
        style::distinct,
    },
};

/// Runs that an axis has room to name.
const FEW: usize = 20;

/// Renders a comparison; `folder` is where the page will stand, if that is known.
///
/// # Errors
/// When a chart can't be drawn, which would be a bug.
pub fn render(comparison: &Comparison, folder: Option<&Path>) -> Result<String> {
    let (shown, rest) = parted(comparison);
    let body = html! {
        header {
            h1 { (comparison.scenario) }
            p.soft { "Candidate against baseline, " (design(comparison)) }
        }
        p class={ "verdict " (tone(comparison.verdict).name()) } { (unbroken(&sentence(comparison))) }
        main {
            (page::section("What changed", comparison.cells.as_ref().map(changed)))
            (page::section("What was compared", Some(sides(comparison))))
            (page::section("What decides", (!shown.is_empty()).then(|| decided(&shown, comparison))))
            (page::section("Run by run", plate::grid(&by_run(comparison))?))
            (page::section("Latency by percentile", plate::grid(&by_percentile(comparison))?))
            (page::section("Worth knowing", remarks(comparison)))
            (page::section("Trials", trials(comparison, folder)))
            @if !rest.is_empty() {
                details {
                    summary { (rest.len()) " more metrics, which decide nothing" }
                    (table(&rest))
                }
            }
        }
    };
    Ok(page::shell(&format!("{}: {}", comparison.scenario, comparison.verdict.name()), &body))
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Better | Verdict::Equivalent => Tone::Good,
        Verdict::Inconclusive => Tone::Warn,
        Verdict::Worse => Tone::Bad,
    }
}

/// Cells of matrices that changed, and how many did not.
fn changed(cells: &Cells) -> Markup {
    html! {
        @if !cells.changed.is_empty() {
            div.scroll {
                table.rows {
                    thead {
                        tr {
                            th scope="col" { "change" }
                            @for name in cells::HEAD { th scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for cell in &cells.changed {
                            tr {
                                td { b class=(cells::tone(cell).name()) { (cell.change.label()) } }
                                @for (at, text) in cells::row(cell).iter().enumerate() {
                                    @if at == 0 { th scope="row" { (text) } } @else { td data-h=(cells::HEAD[at]) { (text) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        p { (cells::same(cells)) }
    }
}

fn sides(comparison: &Comparison) -> Markup {
    let gate = comparison.gate.join(", ");
    let rate = comparison.alpha * 100.0;
    let mut facts = Facts::default();
    facts.say("Baseline", &comparison.baseline);
    facts.say("Candidate", &comparison.candidate);
    let started = distinct(comparison.trials.iter().map(|trial| trial.started_at.as_str()));
    if let (Some(first), Some(last)) = (started.first(), started.last()) {
        let until = if first == last { String::new() } else { format!(" to {last}") };
        facts.say("Date", format!("{first}{until}"));
    }
    let hosts = distinct(comparison.trials.iter().filter_map(|trial| trial.host.as_deref()));
    if !hosts.is_empty() {
        facts.say("Host", hosts.join("; "));
    }
    facts.say("Made of", design(comparison));
    facts.say("Decided by", if gate.is_empty() { "nothing".into() } else { gate });
    facts.say("Error rate", format!("{rate:.2} % over all that decides, in this look"));
    facts.say("State", if comparison.partial { "not finished" } else { "finished" });
    page::facts(facts)
}

/// What decides, and what its columns are.
fn decided(metrics: &[&Compared], comparison: &Comparison) -> Markup {
    html! {
        (table(metrics))
        @if let Some(columns) = columns(comparison) { p.note { (columns) } }
    }
}

/// A table of metrics, their verdicts first and in colour.
fn table(metrics: &[&Compared]) -> Markup {
    html! {
        div.scroll {
            table.rows {
                thead {
                    tr {
                        th scope="col" { "verdict" }
                        @for name in &HEAD[..HEAD.len() - 1] { th scope="col" { (name) } }
                    }
                }
                tbody {
                    @for metric in metrics {
                        @let cells = row(metric);
                        tr {
                            td {
                                b class=(tone(metric.verdict).name()) { (metric.verdict.name()) }
                                @if !metric.why.is_empty() { div.soft { (metric.why) } }
                            }
                            @for (at, cell) in cells[..cells.len() - 1].iter().enumerate() {
                                @if at == 0 { th scope="row" { (cell) } }
                                @else { td.n data-h=(HEAD[at]) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The runs of both sides, with links to their pages; nothing of a comparison of old, which does not name them.
fn trials(comparison: &Comparison, folder: Option<&Path>) -> Option<Markup> {
    (!comparison.trials.is_empty()).then(|| {
        html! {
            div.scroll {
                table.rows {
                    thead { tr { th scope="col" { "side" } th scope="col" { "started" } th scope="col" { "folder" } } }
                    tbody {
                        @for trial in &comparison.trials {
                            tr {
                                th scope="row" { (trial.side) }
                                td data-h="started" { (trial.started_at) }
                                td.wide data-h="folder" {
                                    @if let Some(link) = link(trial, folder) { a href=(link) { (trial.folder) } }
                                    @else { (trial.folder) }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// The way from a folder to the page of a trial, or to its folder where it has no page.
fn link(trial: &Trial, folder: Option<&Path>) -> Option<String> {
    let own = Path::new(&trial.folder);
    let page = own.join("report.html");
    let target =
        if page.is_file() { Url::from_file_path(page) } else { Url::from_directory_path(own) };
    let target = target.ok()?;
    let from = folder.and_then(|folder| Url::from_directory_path(absolute(folder).ok()?).ok());
    Some(match from.and_then(|from| from.make_relative(&target)) {
        // A name with a colon would pass for a scheme.
        Some(way) => format!("./{way}"),
        None => target.into(),
    })
}

/// What each run came to, of the metrics that decide.
fn by_run(comparison: &Comparison) -> Vec<Figure> {
    let (x, note) = match comparison.design {
        Design::Paired => ("pair of trials", "Both runs of a pair were made one after the other."),
        _ => ("run", "Runs of both sides have nothing to do with each other."),
    };
    let of = |metric: &Compared| {
        let (factor, title, unit) = match metric.unit.as_str() {
            "us" => (1e-3, "ms", " ms"),
            "per_s" => (1.0, "a second", " a second"),
            _ => (1.0 / 1024.0, "KiB", " KiB"),
        };
        // Few have places of their own: a single run would stand at the edge of an axis of numbers.
        let most = metric.baseline_runs.len().max(metric.candidate_runs.len());
        let is_few = most <= FEW;
        let line = |name: &str, colour, runs: &[f64]| {
            let first = u32::from(!is_few);
            let points = (first..).zip(runs).map(|(at, value)| (f64::from(at), value * factor));
            Line::new(name, colour, points.collect())
        };
        let lines = vec![
            line("baseline", 0, &metric.baseline_runs),
            line("candidate", 1, &metric.candidate_runs),
        ];
        let y = Axis::log(title, unit);
        let names: Vec<String> = (1..=most).map(|run| run.to_string()).collect();
        let x = if is_few { Axis::named(x, &names) } else { Axis::linear(x, "") };
        Figure::new(&metric.metric, x, y, lines, "comparison.json").noted(note)
    };
    comparison.metrics.iter().filter(|metric| metric.role == Role::Gate).map(of).collect()
}

/// Both sides by percentile: what the broker takes first.
fn by_percentile(comparison: &Comparison) -> Vec<Figure> {
    let order = [Phase::Connack, Phase::Connect, Phase::Response];
    // Of a matrix there would be one for each kind of token, of one or two attempts.
    let is_shown = |curve: &&Curve| comparison.cells.is_none() || curve.token.is_none();
    let mut curves: Vec<&Curve> = comparison.latency.iter().filter(is_shown).collect();
    curves.sort_by_key(|curve| {
        let place = order.iter().position(|phase| *phase == curve.phase);
        (place.unwrap_or(order.len()), &curve.token)
    });
    let figure = |curve: &&Curve| {
        let title = match &curve.token {
            Some(token) => format!("{} of {token}", curve.phase),
            None => curve.phase.to_string(),
        };
        let sides =
            [("baseline".to_owned(), &curve.baseline), ("candidate".to_owned(), &curve.candidate)];
        percentiles::figure(&title, &sides)
    };
    curves.iter().map(figure).collect()
}

fn remarks(comparison: &Comparison) -> Option<Markup> {
    let differences = comparison.differences.iter().map(|it| format!("differs: {it}"));
    let all: Vec<String> = differences.chain(comparison.remarks.iter().cloned()).collect();
    (!all.is_empty()).then(|| html! { ul { @for remark in &all { li { (unbroken(remark)) } } } })
}
