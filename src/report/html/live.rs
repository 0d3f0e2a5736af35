//! The page of a run that goes on.

use std::time::Duration;

use maud::{Markup, html};

use super::{body, matrix_of, page};
use crate::{
    base::error::Result,
    record::{live::Snapshot, results::Summary},
    report::{sentence, style::count},
};

/// Draws the page anew, once a second.
const SCRIPT: &str = include_str!("live.js");

/// The page of what is known so far; before the first attempt there is nothing.
pub(crate) fn under_way(snapshot: Option<&Snapshot>) -> String {
    let Some(snapshot) = snapshot else {
        return page::drawn_by(SCRIPT, "not yet", &nothing("No client has started yet."));
    };
    let drawn = drawn(snapshot);
    let (title, body) = drawn.unwrap_or_else(|why| {
        let words = format!("What is written so far could not be drawn: {why}");
        ("under way".to_owned(), nothing(&words))
    });
    page::drawn_by(SCRIPT, &title, &body)
}

fn drawn(snapshot: &Snapshot) -> Result<(String, Markup)> {
    // It has one once anything was reached.
    let Some(folder) = &snapshot.now.folder else {
        let body = html! { (standing(snapshot)) (nothing("Nothing has answered yet.")) };
        return Ok(("under way".to_owned(), body));
    };
    let (summary, matrix) = (Summary::read(folder)?, matrix_of(folder)?);
    let sentence = sentence::under_way(&summary, matrix.as_ref());
    let body = html! { (standing(snapshot)) (body(folder, &summary, matrix.as_ref(), &sentence)?) };
    Ok((format!("{}: under way", summary.scenario), body))
}

fn nothing(words: &str) -> Markup {
    html! { header { p { (words) } } }
}

/// How far it is: shown until it is over.
fn standing(snapshot: &Snapshot) -> Markup {
    let now = &snapshot.now;
    let passed = time(now.storm_s);
    let length =
        snapshot.planned_s.map_or_else(String::new, |length| format!(" of {}", time(length)));
    let planned = snapshot.planned.map_or_else(String::new, |all| format!(" of {}", count(all)));
    let (value, most) = match (snapshot.planned_s, snapshot.planned) {
        (Some(length), _) => (now.storm_s, Some(length)),
        (None, all) => (snapshot.started as f64, all.map(|all| all as f64)),
    };
    html! {
        div.live role="status" {
            @if let Some(most) = most {
                progress max=(format!("{most:.0}")) value=(format!("{:.0}", value.min(most))) {}
            }
            p {
                b { (now.run) } ": " (passed) (length) ", "
                (count(snapshot.started)) (planned) " attempts started, " (count(now.open)) " connections open"
            }
            p.gone { "tokenstorm does not answer any more: it has ended, or was ended. This is what it showed last." }
        }
    }
}

/// A time in whole seconds.
fn time(seconds: f64) -> String {
    humantime::format_duration(Duration::from_secs(seconds.max(0.0) as u64)).to_string()
}
