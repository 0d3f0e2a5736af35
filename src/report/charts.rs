//! Charts as SVG: lines over the seconds of a run, with a mark for each event.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::error::{Error, Result};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 280);
/// How much wider than its data a chart is, so that the legend stands beside them.
const LEGEND: f64 = 1.25;
/// Colours that are told apart by people who see few (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// A line: its name and its points, second and value.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Number of its colour.
    pub(super) colour: usize,
    pub(super) dashed: bool,
}

/// A moment that is marked: its second, and the numbers of what happened then in the list below the charts.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) second: f64,
    pub(super) label: String,
}

/// What the axes of a chart are.
#[derive(Clone, Copy)]
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    pub(super) unit: &'a str,
    /// Whether values are drawn by their logarithms.
    pub(super) log: bool,
    /// Names of 0, 1, 2 ... on the horizontal axis, where it has any.
    pub(super) names: &'a [String],
}

/// Draws lines over the seconds of a run; nothing where there is no point.
///
/// # Errors
/// When it can't be drawn, which would be a bug.
pub(super) fn draw(unit: &str, lines: &[Line], marks: &[Mark]) -> Result<Option<String>> {
    draw_on(Axes { x: "second", unit, log: false, names: &[] }, lines, marks)
}

/// Draws lines; nothing where there is no point.
///
/// # Errors
/// When it can't be drawn, which would be a bug.
pub(super) fn draw_on(axes: Axes<'_>, lines: &[Line], marks: &[Mark]) -> Result<Option<String>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().count() == 0 {
        return Ok(None);
    }
    let mut svg = String::new();
    drawn(&mut svg, axes, lines, marks)
        .map_err(|error| Error::not_measured(format!("a chart can't be drawn: {error}")))?;
    Ok(Some(svg))
}

fn drawn(
    svg: &mut String,
    axes: Axes<'_>,
    lines: &[Line],
    marks: &[Mark],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(second, _)| *second).fold(1.0, f64::max);
    let last = marks.iter().map(|mark| mark.second).fold(last, f64::max);
    // A logarithmic axis is a linear one of logarithms; a time of 0 is drawn as the shortest that is told.
    let height = |value: f64| if axes.log { value.max(1e-3).log10() } else { value };
    let most = points().map(|(_, value)| height(*value)).fold(f64::MIN_POSITIVE, f64::max);
    let least = if axes.log {
        points().map(|(_, value)| height(*value)).fold(most, f64::min).floor()
    } else {
        0.0
    };
    let most = least + (most - least).max(f64::MIN_POSITIVE) * 1.15;
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(28)
        .x_label_area_size(32)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last * LEGEND, least..most)?;
    let shown = |value: &f64| {
        let value = if axes.log { 10_f64.powf(*value) } else { *value };
        let digits = if value >= 10.0 || value == 0.0 { 0 } else { 2 };
        format!("{value:.digits$}")
    };
    let named = |at: &f64| match axes.names {
        [] if last * LEGEND < 6.0 => format!("{at:.2}"),
        [] if last * LEGEND < 100.0 => format!("{at:.1}"),
        [] => format!("{at:.0}"),
        names if at.fract().abs() < 1e-9 => names.get(*at as usize).cloned().unwrap_or_default(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(axes.x)
        .y_desc(axes.unit)
        .x_label_formatter(&named)
        .y_label_formatter(&shown)
        .draw()?;
    for mark in marks {
        let at = mark.second.max(0.0);
        let grey = RGBColor(110, 110, 110);
        chart.draw_series([PathElement::new([(at, least), (at, most)], grey.stroke_width(1))])?;
        let place = (at, least + (most - least) * 0.985);
        // Beside the line, away from the legend.
        let side = if at > last / 2.0 { HPos::Right } else { HPos::Left };
        let style = TextStyle::from(("sans-serif", 12).into_font()).pos(Pos::new(side, VPos::Top));
        let label = Text::new(mark.label.clone(), place, style);
        chart.draw_series([label])?;
    }
    for line in lines {
        let style = COLOURS[line.colour % COLOURS.len()].stroke_width(2);
        let points = line.points.iter().map(|(at, value)| (*at, height(*value)));
        if line.points.len() == 1 || !axes.names.is_empty() {
            // Hollow where the line would be dashed.
            let shape = if line.dashed { style } else { style.filled() };
            let dots = points.clone().map(|point| Circle::new(point, 4, shape));
            chart.draw_series(dots)?;
        }
        let drawn = if line.dashed {
            chart.draw_series(DashedLineSeries::new(points, 5, 4, style))?
        } else {
            chart.draw_series(LineSeries::new(points, style))?
        };
        let length = if line.dashed { 6 } else { 16 };
        drawn
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + length, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .draw()?;
    area.present()?;
    Ok(())
}
