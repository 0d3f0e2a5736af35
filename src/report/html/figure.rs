//! A figure: a chart with its legend, what the pointer finds on it, and the table of its values behind it.

use maud::{Markup, html};

use super::{
    axis::{Axis, Scale},
    chart::{self, COLOURS_COUNT},
    page,
};
use crate::base::error::{Error, Result};

/// Points of a line that can be pointed at, and rows of a table: more help nobody.
const MOST_ROWS: usize = 200;

/// What a table says where nothing was measured.
pub(super) const NOTHING: &str = "-";

/// A chart and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it shows.
    pub(crate) title: String,
    /// What else to know, in a sentence.
    pub(crate) note: Option<String>,
    /// The horizontal axis.
    pub(crate) x: Axis,
    /// The vertical axis.
    pub(crate) y: Axis,
    /// What is drawn.
    pub(crate) lines: Vec<Line>,
    /// Moments that are marked.
    pub(crate) marks: Vec<Mark>,
    /// The file of the run folder that has all values.
    pub(crate) source: &'static str,
}

/// A line of a chart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Its name in the legend.
    pub(crate) name: String,
    /// What it is made of, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
    /// Where it has no point, and what the table says instead: the line has a gap there.
    pub(crate) missing: Vec<(f64, String)>,
    /// Number of its colour.
    pub(crate) colour: usize,
    /// Whether it is dashed.
    pub(crate) dashed: bool,
}

/// A place on the horizontal axis that is marked.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Where.
    pub(crate) at: f64,
    /// What stands beside it.
    pub(crate) label: String,
}

impl Line {
    /// A line that is drawn through.
    pub(crate) fn new(name: impl Into<String>, colour: usize, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, colour, ..Self::default() }
    }
}

/// Lines that are told apart by colour.
pub(super) fn lines(all: Vec<(&str, Vec<(f64, f64)>)>) -> Vec<Line> {
    let line = |(colour, (name, points))| Line::new(name, colour, points);
    all.into_iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect()
}

/// Of many points the highest of each stretch: what stands out stays.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil(MOST_ROWS).max(1);
    let highest = |some: &[(f64, f64)]| some.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(stretch).filter_map(highest).collect()
}

impl Figure {
    /// A figure without a note or marks.
    pub(crate) fn new(
        title: &str,
        x: Axis,
        y: Axis,
        lines: Vec<Line>,
        source: &'static str,
    ) -> Self {
        Self { title: title.to_owned(), note: None, x, y, lines, marks: Vec::new(), source }
    }

    /// With these moments marked.
    pub(crate) fn marked(self, marks: &[Mark]) -> Self {
        Self { marks: marks.to_vec(), ..self }
    }

    /// With this said below it.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// What the pointer finds at a point.
    pub(super) fn said(&self, line: &Line, (x, y): (f64, f64)) -> String {
        let at = match self.x.scale {
            Scale::Named(_) | Scale::Nines => self.x.words(x),
            _ => format!("at {}", self.x.words(x)),
        };
        format!("{}, {at}: {}", line.name, self.y.words(y))
    }

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
    use super::*;

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
