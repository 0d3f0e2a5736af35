//! A matrix as a person reads it: groups by version of MQTT, then what was found, by severity.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    iter,
    path::Path,
};

use super::{
    codes::answer,
    died, edges, sentence,
    style::{bracketed, code, count, distinct, first, percentile, table, time, written},
    terminal,
};
use crate::{
    base::{
        error::plain::Paint,
        shell::quoted,
        words::{Counts, OutcomeKind, Severity, Validity, Verdict},
    },
    record::results::{
        Edges, Matrix, Percentile, Summary,
        diagnosis::Diagnosis,
        matrix::{Cell, State, version},
    },
    scenario::Group,
    token::catalogue::defect,
};

/// What the text names besides the matrix.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The run folder.
    pub folder: String,
    /// What was probed.
    pub edges: Option<Edges>,
}

impl Place {
    /// Of a folder that is rendered again: the command is not known.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.display().to_string(), edges: Edges::read(folder) }
    }
}

/// Renders a matrix. Colours are taken off where nobody sees them.
pub fn render(matrix: &Matrix, summary: &Summary, place: &Place) -> String {
    written(|out| write_all(out, matrix, summary, place))
}

fn write_all(
    out: &mut String,
    matrix: &Matrix,
    summary: &Summary,
    place: &Place,
) -> std::fmt::Result {
    let verifier: Vec<&str> = summary.embedded.values().map(String::as_str).collect();
    terminal::title(out, &sentence::of(summary, Some(matrix)))?;
    writeln!(
        out,
        "{}: {} cells, {} attempts in {} at {}{}\npromises of profile `{}`{}{}\n",
        summary.scenario.bold(),
        matrix.cells.len(),
        count(summary.attempts),
        time(summary.duration_s * 1e6),
        matrix.target,
        bracketed(&verifier.join(", ")),
        matrix.profile,
        match &matrix.overridden[..] {
            [] => String::new(),
            keys => format!(", with `{}` of the scenario's [policy]", keys.join("`, `")),
        },
        if matrix.partial { ", still running or killed" } else { "" },
    )?;
    if let Some(line) = state(matrix) {
        writeln!(out, "{}\n", line.red().bold())?;
    }
    for died in died::told(matrix) {
        writeln!(out, "{} {}", "critical: BROKER GONE".red().bold(), died.sentence)?;
        for command in died.commands {
            writeln!(out, "      {command}")?;
        }
    }
    fetches(out, matrix)?;
    let is_told = matrix.state != State::AcceptsAll && matrix.state != State::RefusesAll;
    if is_told {
        findings(out, matrix)?;
        if matrix.cells.iter().any(Cell::is_wrong) {
            let folder = quoted(&place.folder);
            writeln!(out, "the bytes of any of them: tokenstorm replay {folder} --cell NAME\n")?;
        }
    }
    missed(out, summary)?;
    groups(out, matrix)?;
    for protocol in &matrix.unspoken {
        writeln!(out, "MQTT {}: not spoken, by the policy", version(*protocol))?;
    }
    if is_told {
        weak(out, matrix)?;
        strange(out, matrix)?;
    }
    not_judged(out, matrix)?;
    for slow in &matrix.slow {
        writeln!(
            out,
            "slow: {} (MQTT {}{}) was answered after {}",
            slow.defect,
            version(slow.protocol),
            slow.broker.as_ref().map_or_else(String::new, |broker| format!(" at {broker}")),
            time(slow.latency_max_us)
        )?;
    }
    alike(out, matrix)?;
    nodes(out, matrix)?;
    if let Some(found) = &place.edges {
        edges::write(out, found)?;
    }
    if matrix.witnesses.attempts > 0 && matrix.witnesses.accepted == 0 {
        writeln!(
            out,
            "no good client could be held: a broker that goes away and is back at once is not seen"
        )?;
    }
    background(out, matrix)?;
    bound(out, matrix)?;
    skipped(out, matrix)?;
    conclusion(out, matrix, summary, place)
}

/// What is to be known before any cell.
pub fn state(matrix: &Matrix) -> Option<String> {
    let told = |place: Option<&str>| {
        let words = explained(matrix, place).or_else(|| {
            let is_mute =
                place.map_or_else(|| matrix.is_mostly_mute(), |broker| matrix.is_mute_at(broker));
            let (state, unheard) = matrix.state_at(place);
            state_of(state, is_mute, unheard)
        })?;
        Some(place.map_or_else(|| words.clone(), |broker| format!("{broker}: {words}")))
    };
    let all: Vec<String> = matrix.places().into_iter().filter_map(told).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// What explains that a version of MQTT lets nobody in, at one broker or at all: its codes say so.
fn explained(matrix: &Matrix, place: Option<&str>) -> Option<String> {
    let found = matrix.diagnoses(place);
    (!found.is_empty()).then(|| found.iter().map(|(protocol, found): &(u8, Diagnosis)| match found {
        // The one thing to be said of it.
        Diagnosis::VersionNotSpoken { codes, .. } => {
            let codes: Vec<String> = codes.iter().map(|byte| code(*byte, *protocol)).collect();
            let other = if *protocol == 5 { 4 } else { 5 };
            format!(
                "MQTT {}: not spoken, by the broker's own word ({}). Leave it out by `policy.protocols = [{other}]`.",
                version(*protocol),
                codes.join(" or ")
            )
        }
        other => {
            format!("MQTT {}: {}. Its refusals say nothing.", version(*protocol), other.words())
        }
    }).collect::<Vec<_>>().join("\n"))
}

fn state_of(state: State, is_mute: bool, unheard: &[u8]) -> Option<String> {
    Some(match state {
        State::Judged if is_mute => "More than half of the tokens that must be refused were not judged: the \
                                                     broker was overloaded, limits clients, or did not answer. What is \
                                                     left says little."
            .to_owned(),
        State::Judged => return None,
        State::AcceptsAll => "This broker lets everybody in: nothing verifies tokens here. Single findings are left out; \
                              look for `allow_anonymous`, an authenticator that is not in use, or a second one that \
                              lets in what the first passes on."
            .to_owned(),
        State::RefusesAll => "This broker lets nobody in, with good tokens neither: its refusals say nothing. Likely \
                              causes: another key, `kid` or algorithm than the scenario's; another `iss` or `aud`; a claim \
                              that it requires (`scope`); the token in the other field; a clock that is off."
            .to_owned(),
        State::Unsteady => {
            let versions: Vec<&str> = unheard.iter().map(|at| version(*at)).collect();
            format!(
                "Under MQTT {} good tokens are refused, at times or always: the broker bans or limits clients, or wants \
                 other tokens there. Its refusals say nothing and are not judged.",
                versions.join(" and ")
            )
        }
        State::Silent => "No cell was answered by an accept or a refusal, nor closed by a broker that was there: nothing was \
                          measured."
            .to_owned(),
    })
}

/// The table of groups: for each version of MQTT what became of its cells, in a word.
fn groups(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let protocols = protocols(matrix);
    let row = |(name, cells): &(&str, Vec<&Cell>)| {
        let of = |protocol: &u8| {
            let own = cells.iter().filter(|cell| cell.protocol == *protocol);
            words(&own.copied().collect::<Vec<_>>())
        };
        iter::once((*name).to_owned()).chain(protocols.iter().map(of)).collect()
    };
    let rows: Vec<Vec<String>> = by_group(matrix).iter().map(row).collect();
    let mut head = vec!["group".to_owned()];
    head.extend(protocols.iter().map(|protocol| format!("MQTT {}", version(*protocol))));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    writeln!(out, "{}", table(&head, &rows))
}

/// Versions of MQTT that were spoken.
pub(super) fn protocols(matrix: &Matrix) -> Vec<u8> {
    distinct(matrix.cells.iter().map(|cell| cell.protocol))
}

/// Cells by their groups, in the order of the catalogue behind good tokens.
pub(super) fn by_group(matrix: &Matrix) -> Vec<(&'static str, Vec<&Cell>)> {
    let names = ["control"].into_iter().chain(Group::ALL.iter().map(|group| group.name()));
    names
        .map(|name| (name, matrix.cells.iter().filter(|cell| cell.group == name).collect()))
        .filter(|(_, cells): &(_, Vec<_>)| !cells.is_empty())
        .collect()
}

/// What became of the cells of a group: the worst first, each with its number.
fn words(cells: &[&Cell]) -> String {
    let count = |wanted: &dyn Fn(&Cell) -> bool| cells.iter().filter(|cell| wanted(cell)).count();
    let of = |verdict: Verdict| count(&|cell| cell.verdict == verdict);
    let weak = count(&Cell::is_weak);
    let fine = of(Verdict::Correct).saturating_sub(weak);
    let mut parts = Vec::new();
    for verdict in Verdict::WRONG {
        match count(&|cell| cell.verdict == verdict && cell.is_new()) {
            0 => {}
            new => parts.push(format!("{new} {}", verdict.label()).red().bold()),
        }
    }
    for verdict in Verdict::WRONG {
        match count(&|cell| cell.verdict == verdict && cell.is_known()) {
            0 => {}
            known => parts.push(format!("{known} known {}", verdict.label()).yellow().bold()),
        }
    }
    let open = Verdict::ALL.into_iter().filter(|verdict| !verdict.is_judged());
    let open = open.map(|verdict| (of(verdict), verdict.label()));
    for (number, word) in [(weak, "weak by configuration")].into_iter().chain(open) {
        if number > 0 {
            parts.push(format!("{number} {word}").yellow());
        }
    }
    if fine > 0 {
        parts.push(format!("{fine} correct").green());
    }
    parts.join(", ")
}

/// Headers that were followed.
fn fetches(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    for fetch in matrix.fetches.iter().take(5) {
        writeln!(
            out,
            "{} the verifier followed a header of the token: {} asked for {}",
            "FETCH".red().bold(),
            fetch.from,
            fetch.path
        )?;
    }
    Ok(())
}

/// One line a finding, the versions of MQTT together.
fn findings(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for cell in matrix.cells.iter().filter(|cell| cell.verdict == Verdict::WrongReason) {
        *reasons.entry(answer(cell)).or_default() += 1;
    }
    reasons.retain(|_, count| *count >= COMMON);
    for (said, count) in &reasons {
        let way_out = if said.starts_with("closed") {
            "`silent_close = \"correct\"` in the profile, where the broker promises to refuse so"
        } else {
            "`refuses_with` in the profile, where the broker promises this code"
        };
        let known =
            known(matrix, |cell| cell.verdict == Verdict::WrongReason && answer(cell) == *said);
        let found =
            format!("wrong reason: {count} cells{known} were {said}, refused as they must be");
        writeln!(out, "{}\n  {way_out}\n", found.red().bold())?;
    }
    let is_common =
        |cell: &Cell| cell.verdict == Verdict::WrongReason && reasons.contains_key(&answer(cell));
    for severity in Severity::WORST_FIRST {
        let mut found: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
        for cell in matrix
            .cells
            .iter()
            .filter(|cell| cell.severity == severity && cell.is_wrong() && !is_common(cell))
        {
            found.entry(&cell.defect).or_default().push(cell);
        }
        if found.is_empty() {
            continue;
        }
        let title = if severity == Severity::None { "good tokens" } else { severity.name() };
        writeln!(out, "{}", title.bold())?;
        for (name, cells) in found {
            line(out, name, &cells)?;
            writeln!(out, "      {} --only {name}", matrix.command)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// How many of the wanted cells are known findings, behind their number; nothing where none is.
pub(super) fn known(matrix: &Matrix, is_wanted: impl Fn(&Cell) -> bool) -> String {
    match matrix.cells.iter().filter(|cell| cell.is_known() && is_wanted(cell)).count() {
        0 => String::new(),
        known => format!(" ({known} known)"),
    }
}

/// What is not promised and was let in, by the reason that nothing is promised, the worst first.
fn weak(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let mut reasons: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in matrix.cells.iter().filter(|cell| cell.is_weak()) {
        reasons.entry(cell.unpromised.as_deref().unwrap_or_default()).or_default().push(cell);
    }
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", "weak by configuration: not promised, and let in".yellow().bold())?;
    for (reason, cells) in reasons {
        writeln!(out, "  {reason}")?;
        for severity in Severity::WORST_FIRST {
            let own = cells.iter().filter(|cell| cell.severity == severity);
            let names = distinct(own.map(|cell| cell.defect.as_str()));
            if !names.is_empty() {
                writeln!(out, "      {severity}: {}", names.join(", "))?;
            }
        }
    }
    writeln!(out)
}

/// Good tokens that are refused, as the policy says.
fn strange(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let is_it = |cell: &&Cell| {
        cell.verdict == Verdict::Correct && cell.strict_verdict == Verdict::FalseReject
    };
    let names = distinct(matrix.cells.iter().filter(is_it).map(|cell| cell.defect.as_str()));
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "{} {}\n", "good tokens refused by configuration:".yellow(), names.join(", "))
}

/// So many wrong reasons of one kind have one cause, and are said in one line.
const COMMON: usize = 20;

/// One finding: versions of MQTT whose answers are the same stand together.
fn line(out: &mut String, name: &str, cells: &[&Cell]) -> std::fmt::Result {
    let (summary, source) = defect(name).map_or(("", ""), |defect| (defect.summary, defect.source));
    let mut answers: Vec<(String, Vec<String>)> = Vec::new();
    for cell in cells {
        let times = match (cell.attempts, cell.false_accepts) {
            (2.., accepted @ 1..) => format!(", {accepted} of {}", count(cell.attempts)),
            _ => String::new(),
        };
        let said = format!("{}: {}{times}", cell.told(), answer(cell));
        match answers.iter_mut().find(|(known, _)| *known == said) {
            Some((_, versions)) => versions.push(cell.place()),
            None => answers.push((said, vec![cell.place()])),
        }
    }
    let answers: Vec<String> = answers
        .iter()
        .map(|(said, versions)| format!("{said} (MQTT {})", versions.join(", ")))
        .collect();
    writeln!(out, "  {name}: {}\n      {summary} [{source}]", answers.join("; ").red())
}

/// What says nothing, by outcome and code.
fn not_judged(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    if matrix.state == State::RefusesAll {
        return Ok(());
    }
    let mut by_answer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mute = matrix.cells.iter().filter(|cell| cell.verdict == Verdict::NotJudged);
    for cell in mute.filter(|cell| !matrix.unheard.contains(&cell.protocol)) {
        let named = format!("{} ({})", cell.defect, cell.place());
        by_answer.entry(answer(cell)).or_default().push(named);
    }
    for (answer, cells) in by_answer {
        writeln!(out, "not judged, {answer}: {}", first(&cells, 6))?;
        if unnamed(matrix, &answer) {
            writeln!(
                out,
                "  no code of the policy: name it in `refuses_with` in the profile, where the broker promises to refuse so"
            )?;
        }
        if ["0x8A", "0x97", "0x9F"].iter().any(|code| answer.ends_with(code)) {
            writeln!(
                out,
                "  the broker bans or limits clients (0x8A, 0x97, 0x9F): cells after that say nothing"
            )?;
        }
    }
    Ok(())
}

/// Whether an answer is a refusal by a code that means no limit and no other version of MQTT: somebody may have forgotten to
/// name it.
fn unnamed(matrix: &Matrix, wanted: &str) -> bool {
    let own = matrix.cells.iter().find(|cell| answer(cell) == wanted);
    let cell = own.filter(|cell| cell.outcome == OutcomeKind::Refused);
    let known: &[u64] = match cell.map(|cell| cell.protocol) {
        Some(5) => &[1, 3, 0x84, 0x88, 0x89, 0x8A, 0x97, 0x9C, 0x9D, 0x9F],
        _ => &[1, 3, 0x84, 0x88, 0x89, 0x97, 0x9F],
    };
    cell.and_then(|cell| cell.code.as_u64()).is_some_and(|code| !known.contains(&code))
}

/// Cells whose answers can be compared: what was not judged, or could be either, is none.
fn judged(matrix: &Matrix) -> impl Iterator<Item = &Cell> {
    matrix.cells.iter().filter(|cell| cell.verdict.is_judged())
}

/// Whether both versions of MQTT judge alike.
fn alike(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let of = |protocol: u8| judged(matrix).filter(move |cell| cell.protocol == protocol);
    let (mut differ, mut compared) = (Vec::new(), 0);
    for old in of(4) {
        let is_it = |cell: &&Cell| cell.defect == old.defect && cell.broker == old.broker;
        let Some(new) = of(5).find(is_it) else { continue };
        compared += 1;
        if (new.outcome == OutcomeKind::Accepted) != (old.outcome == OutcomeKind::Accepted) {
            differ.push(old.defect.as_str());
        }
    }
    if compared == 0 {
        return Ok(());
    }
    differ.dedup();
    match differ.len() {
        0 => writeln!(out, "MQTT 3.1.1 and 5.0 judge alike"),
        _ => writeln!(out, "{} {}", "MQTT 3.1.1 and 5.0 differ:".yellow(), differ.join(", ")),
    }
}

/// Whether several brokers judge alike.
fn nodes(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let mut answers: BTreeMap<(&str, u8), BTreeSet<bool>> = BTreeMap::new();
    for cell in judged(matrix) {
        let all = answers.entry((&cell.defect, cell.protocol)).or_default();
        all.insert(cell.outcome == OutcomeKind::Accepted);
    }
    let apart = answers.iter().filter(|(_, answers)| answers.len() > 1);
    let differ = distinct(apart.map(|((defect, _), _)| *defect));
    match (matrix.brokers.len(), differ.as_slice()) {
        (0 | 1, _) => Ok(()),
        (number, []) => writeln!(out, "{number} brokers judge alike"),
        (_, names) => writeln!(out, "{} {}", "brokers differ:".red().bold(), names.join(", ")),
    }
}

fn background(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let Some(background) = &matrix.background else { return Ok(()) };
    let time = |of: &Option<Percentile>| of.as_ref().map_or_else(|| "-".into(), percentile);
    writeln!(
        out,
        "good clients meanwhile: {} of {} accepted, connack p50 {}, p99 {}",
        count(background.accepted),
        count(background.attempts),
        time(&background.connack_p50_us),
        time(&background.connack_p99_us)
    )
}

/// How sure nothing is: a rate, never a bare zero.
fn bound(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    match matrix.upper_bound_95 {
        Some(bound) => writeln!(
            out,
            "bad tokens accepted: none of {} that must be refused; at 95 % confidence at most {} of them{}",
            count(matrix.bad_judged),
            share(bound),
            if matrix.brokers.len() > 1 { " at each broker" } else { "" }
        ),
        None if matrix.false_accepts > 0 => writeln!(
            out,
            "bad tokens accepted: {} of {} that must be refused",
            count(matrix.false_accepts),
            count(matrix.bad_judged)
        ),
        None => Ok(()),
    }
}

/// A share as people say it: `1 in 1 234`.
pub(super) fn share(rate: f64) -> String {
    if rate > 0.5 {
        return "all (too few to conclude anything)".to_owned();
    }
    format!("1 in {}", count((1.0 / rate).floor().max(1.0) as u64))
}

/// What was not sent, by reason.
fn skipped(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skipped in &matrix.skipped {
        let names = by_reason.entry(&skipped.reason).or_default();
        if !names.contains(&skipped.defect.as_str()) {
            names.push(&skipped.defect);
        }
    }
    for (reason, names) in by_reason {
        writeln!(out, "{}", format!("skipped, {reason}: {}", names.join(", ")).dimmed())?;
    }
    Ok(())
}

fn conclusion(
    out: &mut String,
    matrix: &Matrix,
    summary: &Summary,
    place: &Place,
) -> std::fmt::Result {
    let verdicts: Counts<Verdict> = matrix.cells.iter().map(|cell| (cell.verdict, 1)).collect();
    let weak = matrix.cells.iter().filter(|cell| cell.is_weak()).count() as u64;
    let correct = verdicts[Verdict::Correct].saturating_sub(weak);
    let mut parts = vec![format!("{correct} correct")];
    parts.extend(Verdict::WRONG.map(|verdict| {
        let known = known(matrix, |cell| cell.verdict == verdict);
        format!("{} {}s{known}", verdicts[verdict], verdict.words())
    }));
    parts.push(format!("{weak} weak by configuration"));
    let open = verdicts.iter().filter(|(verdict, _)| !verdict.is_judged());
    parts.extend(open.map(|(verdict, number)| format!("{number} {}", verdict.words())));
    let words = parts.join(", ");
    let is_red = matrix.cells.iter().any(Cell::is_new)
        || !matrix.fetches.is_empty()
        || !matrix.died_at.is_empty();
    let words = if is_red { words.red() } else { words.green() };
    writeln!(out, "\n{}", words.bold())?;
    for name in matrix.fixed() {
        writeln!(out, "{} {name}", "fixed:".green())?;
    }
    let Summary { validity, .. } = summary;
    for reason in validity.reasons.iter().filter(|_| validity.verdict != Validity::Valid) {
        writeln!(out, "{}: {reason}", validity.verdict)?;
    }
    terminal::places(out, &place.folder)
}

/// Thresholds that did not hold.
fn missed(out: &mut String, summary: &Summary) -> std::fmt::Result {
    for threshold in summary.thresholds.iter().filter(|one| one.passed == Some(false)) {
        writeln!(out, "{}  {}\n", "FAILED".red().bold(), terminal::named(threshold))?;
    }
    Ok(())
}
