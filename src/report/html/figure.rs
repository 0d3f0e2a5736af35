//! What a figure shows: lines over an axis, moments that are marked, and what the pointer finds.

use super::axis::{Axis, Scale};

/// Points of a line that can be pointed at, and rows of a table: more help nobody.
pub(super) const MOST_ROWS: usize = 200;

/// What a table says where nothing was measured.
pub(super) const NOTHING: &str = "-";

/// A chart and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) title: String,
    /// What else to know, in a sentence.
    pub(crate) note: Option<String>,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
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
}
