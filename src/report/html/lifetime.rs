//! When tokens ended, and what clients did after their first turn: in figures and in words.

use maud::{Markup, html};

use super::{
    axis::Axis,
    figure::{Figure, Line, Mark},
    page, plate,
};
use crate::{
    base::error::Result,
    record::results::{
        Summary,
        operations::{Lifetime, Stretch},
        turns::Returns,
    },
    report::{facts::Facts, lifetime, style::time},
};

/// What became of connections whose tokens ended; nothing where none did.
///
/// # Errors
/// When its figure can't be drawn, which would be a bug.
pub(super) fn ends(summary: &Summary) -> Result<Option<Markup>> {
    let lifetime = &summary.lifetime;
    if lifetime.is_empty() && lifetime.probe_denied == 0 {
        return Ok(None);
    }
    let mut facts = Facts::default();
    lifetime::say(&mut facts, summary);
    section(facts, figure(lifetime))
}

/// What clients did after their first turn; nothing where they did nothing.
///
/// # Errors
/// As [`ends`].
pub(super) fn turns(summary: &Summary) -> Result<Option<Markup>> {
    let mut facts = Facts::default();
    lifetime::say_turns(&mut facts, summary);
    if facts.is_empty() {
        return Ok(None);
    }
    section(facts, tries(&summary.returns))
}

fn section(facts: Facts, figure: Figure) -> Result<Option<Markup>> {
    let figures = plate::grid(&[figure])?;
    Ok(Some(html! {
        (page::facts(facts))
        @if let Some(figures) = figures { (figures) }
    }))
}

/// How many attempts it took clients to come back.
fn tries(returns: &Returns) -> Figure {
    let (names, counts): (Vec<String>, Vec<u64>) = lifetime::tries(returns).unzip();
    let points = (0..).map(f64::from).zip(counts.iter().map(|count| *count as f64)).collect();
    Figure::new(
        "Attempts until a client was back",
        Axis::named("attempts since its connection ended", &names),
        Axis::linear("clients", ""),
        vec![Line::new("clients that came back", 1, points)],
        "summary.json",
    )
}

/// A bar of the histogram, in words.
fn name(stretch: &Stretch) -> String {
    match (stretch.from_us, stretch.to_us) {
        (None, Some(to)) => format!("over {} before", time(-to)),
        (Some(from), None) => format!("over {} after", time(from)),
        (Some(from), Some(to)) if to <= 0.0 => format!("{} to {} before", time(-to), time(-from)),
        (Some(from), Some(to)) => format!("{} to {}", time(from), time(to)),
        (None, None) => String::new(),
    }
}

fn figure(lifetime: &Lifetime) -> Figure {
    let mut names: Vec<String> = lifetime.around.iter().map(name).collect();
    let mut counts: Vec<u64> = lifetime.around.iter().map(|stretch| stretch.count).collect();
    let first_after = lifetime.around.iter().position(|it| it.from_us.is_some_and(|at| at >= 0.0));
    if lifetime.outlived > 0 {
        names.push("still open".into());
        counts.push(lifetime.outlived);
    }
    let points = (0..).map(f64::from).zip(counts.iter().map(|count| *count as f64)).collect();
    let line = Line::new("connections", 1, points);
    let x = Axis::named("when a connection ended, from the `exp` of its token on", &names);
    let figure = Figure::new(
        "Ends of connections around the end of their tokens",
        x,
        Axis::linear("connections", ""),
        vec![line],
        "summary.json",
    );
    let at = first_after.unwrap_or(names.len()) as f64 - 0.5;
    let is_between = first_after != Some(0) && at > 0.0;
    let marks = is_between.then(|| Mark { at, label: "exp".into() });
    figure.marked(marks.as_slice()).noted(
        "Stretches without any are left out. Connections that ended otherwise about then, as those of clients that left, are not in it.",
    )
}
