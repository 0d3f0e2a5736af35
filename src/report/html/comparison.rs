//! A comparison as one page.

use maud::{DOCTYPE, html};

use crate::{compare::Comparison, error::Result, report::comparison::sentence};

/// Renders a comparison.
///
/// # Errors
/// When a chart can't be drawn, which would be a bug.
pub fn render(comparison: &Comparison) -> Result<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (comparison.scenario) " - tokenstorm" } }
            body { h1 { (comparison.scenario) } p { (sentence(comparison)) } }
        }
    };
    Ok(page.into_string())
}
