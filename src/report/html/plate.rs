//! A figure on the page: the chart, its legend, and the table of its values behind it.

use maud::{Markup, html};

use super::{
    chart,
    figure::{Figure, Line, MOST_ROWS, NOTHING},
    page,
    palette::COLOURS_COUNT,
};
use crate::base::error::{Error, Result};

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
                @if let Some(note) = &self.note { p.note { (page::unbroken(note)) } }
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

/// Classes of the key of a line in the legend.
fn key(line: &Line) -> String {
    let dashed = if line.dashed { " dashed" } else { "" };
    format!("key k{}{dashed}", line.colour % COLOURS_COUNT)
}

#[cfg(test)]
mod tests {
    use super::{super::axis::Axis, *};

    fn figure(lines: Vec<Line>) -> Figure {
        Figure::new("Title", Axis::seconds(), Axis::linear("rate", "/s"), lines, "timeline.csv")
    }

    #[test]
    fn every_point_says_its_values_and_stands_in_the_table() {
        let one = Line::new("one & only", 0, vec![(0.0, 5.0), (1.0, 7.0), (2.0, 0.0)]);
        let two = Line::new("two", 1, vec![(1.0, 30.0)]);
        let page = figure(vec![one, two]).render().unwrap().unwrap().into_string();
        assert_eq!(page.matches("<circle class=\"hover\"").count(), 4);
        assert!(page.contains("<title>one &amp; only, at 1 s: 7/s</title>"), "{page}");
        assert!(page.contains("<td class=\"n\">30/s</td>"), "{page}");
        assert!(page.contains("role=\"img\"") && page.contains("aria-label=\"Title: rate by"));
    }

    #[test]
    fn a_line_has_a_gap_where_a_value_is_missing() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (3.0, 2.0), (4.0, 1.0)];
        let missing = vec![(2.0, "> 10 s".to_owned())];
        let line = Line { missing, ..Line::new("one", 0, points) };
        let page = figure(vec![line]).render().unwrap().unwrap().into_string();
        let drawn = page.split("<polyline").filter(|one| one.contains("stroke=\"#0072B2\""));
        assert_eq!(drawn.count(), 2, "one path on each side");
        assert!(page.contains("<td class=\"n\">&gt; 10 s</td>"), "{page}");
    }

    #[test]
    fn of_many_points_the_highest_can_be_pointed_at_and_the_file_with_all_is_named() {
        let points: Vec<(f64, f64)> = (0..1000).map(|at| (f64::from(at), 1.0)).collect();
        let mut line = Line::new("one", 0, points);
        line.points[333].1 = 99.0;
        let page = figure(vec![line]).render().unwrap().unwrap().into_string();
        assert_eq!(page.matches("<circle class=\"hover\"").count(), 200);
        assert!(page.contains("at 333 s: 99/s") && page.contains("timeline.csv"));
    }

    #[test]
    fn a_row_of_many_places_has_their_highest_value_though_some_have_none() {
        let points: Vec<(f64, f64)> = (0..1000).map(|at| (f64::from(at), f64::from(at))).collect();
        let mut line = Line::new("one", 0, points);
        // Five places a row: one without a value, one beyond the timeout, five without.
        line.points.retain(|(at, _)| ![7.0, 13.0].contains(at) && !(20.0..25.0).contains(at));
        line.missing = vec![(7.0, NOTHING.to_owned()), (13.0, "> 10 s".to_owned())];
        line.missing.extend((20..25).map(|at| (f64::from(at), NOTHING.to_owned())));
        let cell = |from: u32| {
            let places: Vec<f64> = (from..from + 5).map(f64::from).collect();
            figure(Vec::new()).cell(&line, &places)
        };
        assert_eq!([cell(5), cell(10), cell(20)], ["9/s", "> 10 s", "-"]);
    }

    #[test]
    fn a_figure_without_a_point_is_none() {
        assert!(figure(vec![Line::new("one", 0, Vec::new())]).render().unwrap().is_none());
    }
}
