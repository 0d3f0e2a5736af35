//! A figure on the page: the chart, its legend, and the table of its values behind it.

use maud::{Markup, html};

use super::{
    chart,
    figure::{Figure, Line, MOST_ROWS, NOTHING},
    page,
    palette::COLOURS_COUNT,
};
use crate::base::{
    error::{Error, Result},
    window::unbroken,
};

impl Figure {
    /// The figure in HTML; nothing where there is no point to draw.
    ///
    /// # Errors
    /// When it can't be drawn, which would be a bug.
    pub(crate) fn render(&self) -> Result<Option<Markup>> {
        if self.lines.iter().all(|line| line.points.is_empty()) {
            return Ok(None);
        }
        let svg = chart::draw(self)
            .map_err(|error| Error::not_measured(format!("a chart can't be drawn: {error}")))?;
        Ok(Some(html! {
            figure {
                figcaption { h3 { (self.title) } }
                ul.legend {
                    @for line in &self.lines {
                        li {
                            span class=(key(line)) {}
                            (line.name)
                        }
                    }
                }
                div.scroll.chart { (svg) }
                @if let Some(note) = &self.note { p.note { (unbroken(note)) } }
                details {
                    summary { "Values" }
                    (self.table())
                }
            }
        }))
    }

    /// The values as a table, a column a line.
    fn table(&self) -> Markup {
        let all = self.lines.iter().flat_map(|line| {
            line.points.iter().map(|(at, _)| at).chain(line.missing.iter().map(|(at, _)| at))
        });
        let mut places: Vec<f64> = all.copied().collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let stretch = places.len().div_ceil(MOST_ROWS).max(1);
        let mut head = vec![self.x.title.clone()];
        head.extend(self.lines.iter().map(|line| line.name.clone()));
        let rows: Vec<Vec<String>> = places
            .chunks(stretch)
            .map(|some| {
                let mut row = vec![self.x.words(some[0])];
                row.extend(self.lines.iter().map(|line| self.cell(line, some)));
                row
            })
            .collect();
        html! {
            @if stretch > 1 {
                p.note {
                    "Each row is the highest value of " (stretch) " that follow one another; all of them are in "
                    code { (self.source) } "."
                }
            }
            (page::table(&head, &rows))
        }
    }

    /// What a line has at these places: what lies beyond the axis, else the highest value.
    fn cell(&self, line: &Line, places: &[f64]) -> String {
        let is_here = |at: f64| places[0] <= at && at <= places[places.len() - 1];
        // Longer than any time that is drawn.
        let beyond =
            line.missing.iter().find(|(at, words)| is_here(*at) && words.as_str() != NOTHING);
        if let Some((_, words)) = beyond {
            return words.clone();
        }
        let here = line.points.iter().filter(|(at, _)| is_here(*at)).map(|(_, value)| *value);
        here.reduce(f64::max).map_or_else(|| NOTHING.to_owned(), |value| self.y.words(value))
    }
}

/// Figures beside each other where there is room; nothing where there is no point to draw in any.
///
/// # Errors
/// When one can't be drawn, which would be a bug.
pub(super) fn grid(figures: &[Figure]) -> Result<Option<Markup>> {
    let drawn = figures.iter().filter_map(|figure| figure.render().transpose());
    Ok(page::grid(drawn.collect::<Result<_>>()?))
}

/// Classes of the key of a line in the legend.
fn key(line: &Line) -> String {
    let dashed = if line.dashed { " dashed" } else { "" };
    format!("key k{}{dashed}", line.colour % COLOURS_COUNT)
}

#[cfg(test)]
mod tests;
