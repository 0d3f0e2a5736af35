//! What was found in a run, the worst first: what it is, why it matters, where that is written, and what sends it again.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write, fs::File, path::Path};

use super::{
    codes::answer,
    lifetime,
    style::{by_code, count, wrapped},
};
use crate::{
    base::{
        error::plain::Paint,
        shell::quoted,
        words::{Operation, OutcomeKind, Severity, Verdict},
    },
    record::results::{
        Matrix, Summary,
        matrix::{Cell, State},
        summary::Part,
    },
    token::catalogue::{Defect, defect},
};

/// A finding, as people read it.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// How bad it is.
    pub(super) severity: Severity,
    /// What was seen, in a line.
    pub(super) what: String,
    /// What that means.
    pub(super) meaning: String,
    /// Where it is written; nothing where no standard says it.
    pub(super) source: &'static str,
    /// The command that sends one of its tokens again, where that can be.
    pub(super) again: Option<String>,
}

/// What was found in a run; `folder` is where the rest is.
pub(super) fn of(summary: &Summary, folder: &Path) -> Vec<Finding> {
    let lines = lines(folder);
    let mut all: Vec<Finding> = Vec::new();
    for (label, part) in &summary.by_token {
        for verdict in Verdict::WRONG.into_iter().filter(|verdict| part.verdicts[*verdict] > 0) {
            let line = lines.get(&(label.clone(), verdict.name().to_owned()));
            let place = quoted(&folder.display().to_string());
            let again = line.map(|line| format!("tokenstorm replay {place} {line}"));
            all.push(Finding { again, ..of_token(summary, label, part, verdict) });
        }
    }
    all.extend(of_operations(summary));
    // Within a severity in the order of names, which is the order they are in.
    all.sort_by_key(|finding| Reverse(finding.severity));
    all
}

/// What was found in the cells of a matrix: the versions of MQTT together. Of a broker that lets everybody in, or nobody, single
/// cells say nothing.
pub(super) fn of_cells(matrix: &Matrix) -> Vec<Finding> {
    if matches!(matrix.state, State::AcceptsAll | State::RefusesAll) {
        return Vec::new();
    }
    let of = |is_wanted: fn(&Cell) -> bool| {
        let mut named: BTreeMap<(&str, Verdict), Vec<&Cell>> = BTreeMap::new();
        for cell in matrix.cells.iter().filter(|cell| is_wanted(cell)) {
            named.entry((&cell.defect, cell.verdict)).or_default().push(cell);
        }
        let found = named
            .into_iter()
            .map(|((name, verdict), cells)| of_cell(matrix, name, verdict, &cells));
        let mut all: Vec<Finding> = found.collect();
        all.sort_by_key(|finding| Reverse(finding.severity));
        all
    };
    // What is new comes first: what is known fails nothing.
    let (new, known) = (of(Cell::is_new), of(Cell::is_known));
    new.into_iter().chain(known).collect()
}

fn of_cell(matrix: &Matrix, name: &str, verdict: Verdict, cells: &[&Cell]) -> Finding {
    let known = defect(name);
    // Versions of MQTT whose answers are the same stand together.
    let mut by_answer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cell in cells {
        by_answer.entry(answer(cell)).or_default().push(cell.place());
    }
    let answers: Vec<String> = by_answer
        .into_iter()
        .map(|(answer, places)| format!("{answer} (MQTT {})", places.join(", ")))
        .collect();
    let told = cells.first().map_or_else(String::new, |cell| cell.told());
    let severity = match verdict {
        Verdict::WrongReason => Severity::Info,
        _ => cells.iter().map(|cell| cell.severity).max().unwrap_or(Severity::None),
    };
    Finding {
        severity,
        what: format!("`{name}`, {}: {}", told, answers.join(", ")),
        meaning: known.map_or("", |defect| defect.summary).to_owned(),
        source: known.map_or("", |defect| defect.source),
        again: Some(format!("{} --only {name}", matrix.command)),
    }
}

/// The first line of `findings.csv` with each kind of token and verdict, of attempts that can be sent again.
fn lines(folder: &Path) -> BTreeMap<(String, String), u64> {
    let mut found = BTreeMap::new();
    let Ok(file) = File::open(folder.join("findings.csv")) else { return found };
    let mut reader = csv::Reader::from_reader(file);
    let Ok(head) = reader.headers().cloned() else { return found };
    let at = |name: &str| head.iter().position(|column| column == name).unwrap_or(usize::MAX);
    let (token, verdict, replay, operation) =
        (at("token"), at("verdict"), at("replay"), at("operation"));
    for row in reader.records().map_while(Result::ok) {
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        let is_connect = text(operation) == Operation::Connect.name();
        if !is_connect || text(replay).is_empty() {
            continue;
        }
        let line = row.position().map_or(0, csv::Position::line);
        found.entry((text(token), text(verdict))).or_insert(line);
    }
    found
}

/// The entry of the catalogue that a kind of token is.
fn known(label: &str, part: &Part) -> Option<&'static Defect> {
    defect(part.kind.as_deref().unwrap_or(label))
}

fn of_token(summary: &Summary, label: &str, part: &Part, verdict: Verdict) -> Finding {
    let known = known(label, part);
    let (number, attempts) = (part.verdicts[verdict], part.attempts);
    let share = format!("{} of {}", count(number), count(attempts));
    let about = known.map_or("", |defect| defect.summary);
    let source = known.map_or("", |defect| defect.source);
    let (severity, what, meaning, source) = match verdict {
        Verdict::FalseAccept => (
            known.map_or(Severity::High, |defect| defect.severity),
            format!("`{label}` was let in: {share}"),
            format!("{about}: whoever has such a token gets in"),
            source,
        ),
        Verdict::FalseReject => (
            Severity::None,
            format!("`{label}` was refused: {share}{}", codes(summary)),
            "good tokens, whose clients are locked out".to_owned(),
            "",
        ),
        _ => (
            Severity::Info,
            format!(
                "`{label}` was refused for another reason than promised: {share}{}",
                codes(summary)
            ),
            "clients are told something else than what is wrong, and may come back at once"
                .to_owned(),
            "",
        ),
    };
    Finding { severity, what, meaning, source, again: None }
}

/// The codes of refusals, behind what they are of.
fn codes(summary: &Summary) -> String {
    let codes = summary.codes.get(&OutcomeKind::Refused);
    codes.map_or_else(String::new, |codes| {
        format!(" (the run's refusals: {})", by_code(codes, Some(summary.protocol)))
    })
}

/// What connected clients met.
fn of_operations(summary: &Summary) -> impl Iterator<Item = Finding> {
    let found = summary.operations.iter().flat_map(|(operation, stats)| {
        Verdict::WRONG.map(|verdict| (*operation, verdict, stats.verdicts[verdict]))
    });
    found.filter(|(.., number)| *number > 0).map(|(operation, verdict, number)| {
        let (severity, meaning, source) = match (operation, verdict) {
            (Operation::Reauthenticate, Verdict::FalseAccept) => (
                Severity::High,
                "a connection goes on by a token that does not count",
                "MQTT 5.0, 4.12.1",
            ),
            (_, Verdict::FalseAccept) => (
                Severity::High,
                "access lasts longer than the token grants: a stolen one is of use for as long as its connection stands",
                "RFC 7519, 4.1.4",
            ),
            (_, Verdict::FalseReject) => {
                (Severity::None, "clients with good tokens lose their connections", "")
            }
            _ => (Severity::Info, "clients are told something else than what happened", ""),
        };
        let what = lifetime::broken(operation, verdict, number);
        Finding { severity, what, meaning: meaning.to_owned(), source, again: None }
    })
}

/// That `findings.csv` does not have a row for all; `None` where it has.
pub(super) fn left_out(summary: &Summary) -> Option<String> {
    let left_out = summary.findings_left_out;
    (left_out > 0).then(|| {
        format!(
            "findings.csv has no room for {} findings; counts and verdicts are complete",
            count(left_out)
        )
    })
}

/// The findings for a terminal; nothing of none.
pub(super) fn write(out: &mut String, all: &[Finding]) -> std::fmt::Result {
    for finding in all {
        let severity = match finding.severity {
            Severity::None => "good tokens",
            severity => severity.name(),
        };
        writeln!(out, "{} {}", format!("{severity}:").red().bold(), finding.what.as_str().bold())?;
        let source = if finding.source.is_empty() {
            String::new()
        } else {
            format!(" [{}]", finding.source)
        };
        writeln!(out, "{}", wrapped(&format!("{}{source}", finding.meaning), "    "))?;
        if let Some(again) = &finding.again {
            writeln!(out, "    {again}")?;
        }
    }
    if !all.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}
