//! The cells of a matrix as heat maps with words: groups by version of MQTT, then each kind of token.

use maud::{Markup, html};

use crate::{
    base::words::Verdict,
    record::results::{
        Matrix,
        matrix::{Cell, version},
    },
    report::{codes::answer, died, matrix, style::count},
};

/// How a cell is shown: by its verdict, as a finding that was known, or as a promise that no broker should make.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Shown {
    Verdict(Verdict),
    Known,
    Weak,
}

impl Shown {
    /// From the worst down.
    fn all() -> impl Iterator<Item = Self> {
        let open = |verdict: &Verdict| !verdict.is_judged();
        let open = Verdict::ALL.into_iter().filter(open).map(Self::Verdict);
        let wrong = Verdict::WRONG.into_iter().map(Self::Verdict);
        wrong.chain([Self::Known, Self::Weak]).chain(open).chain([Self::Verdict(Verdict::Correct)])
    }

    fn of(cell: &Cell) -> Self {
        match cell.verdict {
            _ if cell.is_weak() => Self::Weak,
            _ if cell.is_known() => Self::Known,
            verdict => Self::Verdict(verdict),
        }
    }

    /// Its class in the style sheet, behind `t-`.
    fn class(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.name(),
            Self::Known => "known",
            Self::Weak => "weak",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.label(),
            Self::Known => "known finding",
            Self::Weak => "weak by configuration",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.meaning(),
            Self::Known => "wrong, and named by `--known`",
            Self::Weak => "not promised, and let in",
        }
    }
}

/// Both maps, with what is to be known before any cell.
pub(super) fn map(matrix: &Matrix) -> Markup {
    let protocols = matrix::protocols(matrix);
    let groups = matrix::by_group(matrix);
    let brokers = matrix.brokers.iter().map(|broker| broker.broker.as_str());
    let mut places: Vec<(Option<&str>, Groups<'_>)> =
        brokers.map(|broker| (Some(broker), at(&groups, broker))).collect();
    if places.is_empty() {
        places.push((None, groups));
    }
    html! {
        @if let Some(state) = matrix::state(matrix) { p.bad { (state) } }
        @for died in died::told(matrix) {
            p.bad { "Critical: " (died.sentence) }
            @for command in &died.commands { p { code { (command) } } }
        }
        @if let Some(bound) = bound(matrix) { p { (bound) } }
        @for (broker, groups) in &places {
            @if let Some(broker) = broker { h3 { (broker) } }
            (overview(groups, &protocols))
        }
        (legend(matrix))
        @for (broker, groups) in &places {
            h2 { "Every kind of token" @if let Some(broker) = broker { " at " (broker) } }
            div.cells { @for (name, cells) in groups { (group(name, cells, &protocols)) } }
        }
    }
}

/// Cells by their groups.
type Groups<'a> = Vec<(&'static str, Vec<&'a Cell>)>;

/// The cells of groups at one broker.
fn at<'a>(groups: &[(&'static str, Vec<&'a Cell>)], broker: &str) -> Groups<'a> {
    let own = |cells: &[&'a Cell]| -> Vec<&'a Cell> {
        cells.iter().filter(|cell| cell.broker.as_deref() == Some(broker)).copied().collect()
    };
    groups.iter().map(|(name, cells)| (*name, own(cells))).collect()
}

/// The head of a table with a column a version of MQTT.
fn head(rows: &str, protocols: &[u8]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { (rows) }
                @for protocol in protocols { th scope="col" { "MQTT " (version(*protocol)) } }
            }
        }
    }
}

/// Groups by version of MQTT: how many cells came to what, coloured by the worst.
fn overview(groups: &[(&str, Vec<&Cell>)], protocols: &[u8]) -> Markup {
    html! {
        div.scroll {
            table.heat {
                (head("group", protocols))
                tbody {
                    @for (name, cells) in groups {
                        tr {
                            th scope="row" { (name) }
                            @for protocol in protocols { (summary(cells, *protocol)) }
                        }
                    }
                }
            }
        }
    }
}

fn summary(cells: &[&Cell], protocol: u8) -> Markup {
    let own = || cells.iter().filter(|cell| cell.protocol == protocol);
    let found: Vec<(Shown, usize)> = Shown::all()
        .map(|shown| (shown, own().filter(|cell| Shown::of(cell) == shown).count()))
        .filter(|(_, number)| *number > 0)
        .collect();
    let Some((worst, number)) = found.first() else { return html! { td.none { "not sent" } } };
    let depth = 25 + 35 * number / own().count().max(1);
    html! {
        td class={ "t-" (worst.class()) } style={ "--s:" (depth) "%" } {
            @for (at, (shown, number)) in found.iter().enumerate() {
                @if at == 0 { b { (number) " " (shown.label()) } } @else { @if at > 1 { ", " } span { (number) " " (shown.label()) } }
            }
        }
    }
}

/// What the colours mean, of those that are there.
fn legend(matrix: &Matrix) -> Markup {
    html! {
        ul.legend {
            @for shown in Shown::all().filter(|shown| matrix.cells.iter().any(|cell| Shown::of(cell) == *shown)) {
                li { span class={ "swatch t-" (shown.class()) } {} (shown.label()) ": " (shown.meaning()) }
            }
        }
    }
}

/// The kinds of a group: a row each, a column a version of MQTT.
fn group(name: &str, cells: &[&Cell], protocols: &[u8]) -> Markup {
    let mut defects: Vec<&str> = Vec::new();
    for cell in cells {
        if !defects.contains(&cell.defect.as_str()) {
            defects.push(&cell.defect);
        }
    }
    html! {
        section {
            h3 { (name) }
            table.slim {
                (head("token", protocols))
                tbody {
                    @for defect in defects {
                        tr {
                            th scope="row" {
                                // A long name breaks between its words.
                                @for (at, word) in defect.split('_').enumerate() {
                                    @if at > 0 { "_" wbr; }
                                    (word)
                                }
                            }
                            @for protocol in protocols {
                                @let cell = cells.iter().find(|cell| cell.protocol == *protocol && cell.defect == defect);
                                (of(cell.copied()))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One cell: its verdict in a word, and what the broker answered.
fn of(cell: Option<&Cell>) -> Markup {
    let Some(cell) = cell else { return html! { td.none { "not sent" } } };
    let shown = Shown::of(cell);
    let word = match shown {
        Shown::Weak => "weak".to_owned(),
        Shown::Known => format!("known, {}", cell.verdict.label()),
        Shown::Verdict(_) => shown.label().to_owned(),
    };
    html! { td class={ "t-" (shown.class()) } { (word) ": " (answer(cell)) } }
}

/// How many bad tokens were accepted, or how sure none is.
fn bound(matrix: &Matrix) -> Option<String> {
    let judged = count(matrix.bad_judged);
    match matrix.upper_bound_95 {
        Some(bound) => Some(format!(
            "Of {judged} bad tokens that must be refused, none was accepted; at 95 % confidence at most {} of them are.",
            matrix::share(bound)
        )),
        None if matrix.false_accepts > 0 => Some(format!(
            "Of {judged} bad tokens that must be refused, {} were accepted.",
            count(matrix.false_accepts)
        )),
        None => None,
    }
}
