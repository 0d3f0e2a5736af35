//! What every page has: its head, its style, sections and tables.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    base::{error::plain, window::unbroken},
    report::facts::Facts,
};

/// Light and dark, wide, narrow and printed.
const STYLE: &str = include_str!("style.css");
/// Nothing is fetched and no script runs, whatever a name in the results may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(crate) fn shell(title: &str, body: &Markup) -> String {
    put(title, POLICY, &html! {}, body)
}

/// A page that draws itself anew by this script of ours, and by no other, whatever a name in the results may hold.
pub(super) fn drawn_by(script: &str, title: &str, body: &Markup) -> String {
    let sum = BASE64.encode(digest(&SHA256, script.as_bytes()));
    let policy = format!("{POLICY}; connect-src 'self'; script-src 'sha256-{sum}'");
    let more = html! {
        noscript { meta http-equiv="refresh" content="2"; }
        script { (PreEscaped(script)) }
    };
    put(title, &policy, &more, body)
}

fn put(title: &str, policy: &str, more: &Markup, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // An icon of nothing, so that no browser asks for one.
                link rel="icon" href="data:,";
                title { (title) " - tokenstorm" }
                style { (PreEscaped(STYLE)) }
                (more)
            }
            body { (body) }
        }
    }
    .into_string();
    // Also what the library of the charts wrote.
    plain(&page)
}

/// A text in which what stands in backticks is set as code.
pub(crate) fn coded(text: &str) -> Markup {
    let text = unbroken(text);
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A part of the page under its title; nothing where there is nothing in it.
pub(crate) fn section(title: &str, body: Option<Markup>) -> Markup {
    html! {
        @if let Some(body) = body {
            section {
                h2 { (title) }
                (body)
            }
        }
    }
}

/// Figures beside each other where there is room; nothing of none.
pub(crate) fn grid(figures: Vec<Markup>) -> Option<Markup> {
    (!figures.is_empty()).then(|| {
        html! { div.grid { @for figure in figures { (figure) } } }
    })
}

/// A table whose first column names its rows. Columns of numbers stand to the right.
pub(crate) fn table<H: AsRef<str>>(head: &[H], rows: &[Vec<String>]) -> Markup {
    let is_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "->".contains(c));
    let numeric: Vec<bool> = (0..head.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).all(|cell| is_number(cell)))
        .collect();
    let class = |column: usize| numeric[column].then_some("n");
    html! {
        div.scroll {
            table.rows {
                thead {
                    tr { @for (at, name) in head.iter().enumerate() { th scope="col" class=[class(at)] { (name.as_ref()) } } }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 {
                                    th scope="row" class=[class(at)] { (lines(cell)) }
                                } @else {
                                    td class=[class(at)] data-h=(head[at].as_ref()) { (lines(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text whose lines stay apart.
fn lines(text: &str) -> Markup {
    html! {
        @for (at, line) in text.lines().enumerate() {
            @if at > 0 { br; }
            (line)
        }
    }
}

/// Labels and what is said under each.
pub(in crate::report) fn facts(facts: Facts) -> Markup {
    html! {
        dl {
            @for (label, words) in facts.listed() {
                dt { (label) }
                dd { (unbroken(&words)) }
            }
        }
    }
}
