//! A chart as SVG: lines on two axes, marked moments, and a spot over each point that says its values.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use plotters::{
    coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::Span,
    figure::{Figure, Line, thinned},
    palette::COLOURS,
};

/// Width and height in units of the drawing: two for each pixel that it is made for, as places are whole numbers.
const SIZE: (u32, u32) = (1280, 600);
/// Height of letters; the library sets 1 / 1.24 of what it is told.
const LETTERS: f64 = 26.0 * 1.24;
/// Lines up to so many points show them.
const SHOWN_POINTS: usize = 60;
/// Half as wide as a point is drawn, and one that another may lie upon.
const DOT: i32 = 6;
const LARGE_DOT: i32 = 11;
/// How far around a point the pointer finds it, where the next one is far, and where it is near.
const REACH: f64 = 16.0;
const LEAST_REACH: f64 = 4.0;
/// Points of a line that are drawn: there are about as many places beside each other.
const MOST_DRAWN: usize = 1200;
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const AXIS: RGBColor = RGBColor(0x99, 0x99, 0x99);
const MARK: RGBColor = RGBColor(0x6E, 0x6E, 0x6E);

/// What the library says when it can't draw.
type Failed = Box<dyn std::error::Error>;

/// A point of the drawing, how far around it the pointer finds it, and what is said of it.
type Spot = ((i32, i32), f64, String);

/// The colour of a line; one that is dashed has its own number, as the library would make a path of each dash.
fn colour(line: &Line) -> RGBColor {
    let RGBColor(red, green, blue) = COLOURS[line.colour % COLOURS.len()];
    RGBColor(red, green, blue + u8::from(line.dashed))
}

/// Draws a figure.
///
/// # Errors
/// When the library fails, which would be a bug.
pub(super) fn draw(figure: &Figure) -> Result<Markup, Failed> {
    let points = || figure.lines.iter().flat_map(|line| &line.points);
    // What is missing has its place too, so that charts of one run are as long as each other.
    let missing = figure.lines.iter().flat_map(|line| &line.missing).map(|(x, _)| *x);
    let moments = figure.marks.iter().map(|mark| mark.at.max(0.0));
    let x = figure.x.span(points().map(|(x, _)| *x).chain(missing).chain(moments), 0.02);
    let y = figure.y.span(points().map(|(_, y)| *y), 0.08);
    let mut svg = String::new();
    let spots = drawn(&mut svg, figure, &x, &y)?;
    let name = html! { (format!("{}: {} by {}", figure.title, figure.y.title, figure.x.title)) };
    let open = format!("<svg role=\"img\" aria-label=\"{}\" ", name.into_string());
    let svg = svg.replacen("<svg ", &open, 1);
    let body = svg.trim_end().trim_end_matches("</svg>");
    Ok(PreEscaped(format!("{body}{}</svg>", hovers(&spots))))
}

fn hovers(spots: &[Spot]) -> String {
    let mut all = String::new();
    for ((x, y), reach, words) in spots {
        let words = html! { (words) }.into_string();
        // Writing to a `String` can't fail.
        let _ = writeln!(
            all,
            "<circle class=\"hover\" cx=\"{x}\" cy=\"{y}\" r=\"{reach}\"><title>{words}</title></circle>"
        );
    }
    all
}

fn drawn(svg: &mut String, figure: &Figure, x: &Span, y: &Span) -> Result<Vec<Spot>, Failed> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_top(24)
        .margin_right(40)
        .x_label_area_size(88)
        .y_label_area_size(124)
        .build_cartesian_2d(x.clone(), y.clone())?;
    let letters = ("sans-serif", LETTERS);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(AXIS.stroke_width(2))
        .label_style(letters)
        .x_desc(figure.x.title.clone())
        .y_desc(figure.y.title.clone())
        .draw()?;
    for mark in &figure.marks {
        let at = mark.at.max(0.0);
        chart.draw_series([PathElement::new([(at, y.low), (at, y.high)], MARK.stroke_width(2))])?;
        // Beside the line, and not over the edge.
        let (side, text) = if at > x.low + (x.high - x.low) * 0.6 {
            (HPos::Right, format!("{}\u{2009}", mark.label))
        } else {
            (HPos::Left, format!("\u{2009}{}", mark.label))
        };
        let style = TextStyle::from(letters.into_font()).pos(Pos::new(side, VPos::Top));
        chart.draw_series([Text::new(text, (at, y.high), style)])?;
    }
    let mut spots = Vec::new();
    // Dashed lines come last: where one lies upon another, both are seen.
    let (dashed, through): (Vec<&Line>, Vec<&Line>) =
        figure.lines.iter().partition(|line| line.dashed);
    // Where points of two lines are the same, a larger one below still shows.
    let below = figure.lines.first().filter(|_| figure.lines.len() == 2).map(|line| &line.name);
    for line in through.into_iter().chain(dashed) {
        let style = colour(line).stroke_width(4);
        let placed = |(at, value): &(f64, f64)| (figure.x.place(*at), figure.y.place(*value));
        let is_discrete = figure.x.is_named();
        for run in drawable(line) {
            if !is_discrete || run.len() > 1 {
                chart.draw_series([PathElement::new(
                    run.iter().map(placed).collect::<Vec<_>>(),
                    style,
                )])?;
            }
            if run.len() == 1 || is_discrete || line.points.len() <= SHOWN_POINTS {
                let dot = COLOURS[line.colour % COLOURS.len()].filled();
                let size = if is_discrete && below == Some(&line.name) { LARGE_DOT } else { DOT };
                chart.draw_series(run.iter().map(placed).map(|at| Circle::new(at, size, dot)))?;
            }
        }
        let points = thinned(&line.points);
        let places: Vec<(i32, i32)> = points
            .iter()
            .map(|point| chart.plotting_area().map_coordinate(&placed(point)))
            .collect();
        for (index, point) in points.iter().enumerate() {
            spots.push((places[index], reach(&places, index), figure.said(line, *point)));
        }
    }
    area.present()?;
    Ok(spots)
}

impl Ranged for Span {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let is_light = hint.weight().allow_light_points();
        let ticks = self.ticks.iter().filter(|_| !is_light);
        ticks.map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Span {
    fn format_ext(&self, value: &f64) -> String {
        let near = self.ticks.iter().find(|(tick, _)| (tick - value).abs() < 1e-9);
        near.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

/// Stretches of a line without a gap: where a value is missing nothing is drawn.
fn runs(line: &Line) -> Vec<&[(f64, f64)]> {
    let mut gaps: Vec<f64> = line.missing.iter().map(|(at, _)| *at).collect();
    gaps.sort_by(f64::total_cmp);
    let mut gaps = gaps.into_iter().peekable();
    line.points
        .chunk_by(|one: &(f64, f64), next: &(f64, f64)| {
            while gaps.next_if(|at| *at <= one.0).is_some() {}
            gaps.peek().is_none_or(|at| *at >= next.0)
        })
        .collect()
}

/// The same stretches with no more points than can be seen beside each other: of many the least and the most.
fn drawable(line: &Line) -> Vec<Vec<(f64, f64)>> {
    let many = (2 * line.points.len()).div_ceil(MOST_DRAWN);
    let thin = |run: &[(f64, f64)]| {
        if line.points.len() <= MOST_DRAWN {
            run.to_vec()
        } else {
            run.chunks(many)
                .flat_map(|some: &[(f64, f64)]| -> Vec<(f64, f64)> {
                    let places = 0..some.len();
                    let order = |a: &usize, b: &usize| some[*a].1.total_cmp(&some[*b].1);
                    let both = places.clone().min_by(order).zip(places.max_by(order));
                    let Some((least, most)) = both else { return Vec::new() };
                    let mut ends = vec![some[least.min(most)], some[least.max(most)]];
                    ends.dedup();
                    ends
                })
                .collect()
        }
    };
    runs(line).into_iter().map(thin).collect()
}

/// How far around a point the pointer finds it: not beyond the middle to the next one.
fn reach(places: &[(i32, i32)], index: usize) -> f64 {
    let (x, y) = places[index];
    let neighbours = [index.checked_sub(1), Some(index + 1)];
    let distances = neighbours.into_iter().flatten().filter_map(|at| places.get(at)).map(
        |(other_x, other_y)| {
            let across = f64::from(x) - f64::from(*other_x);
            across.hypot(f64::from(y) - f64::from(*other_y))
        },
    );
    let reach = distances.map(|distance| distance / 2.0).fold(REACH, f64::min);
    reach.max(LEAST_REACH).round()
}

#[cfg(test)]
mod tests;
