//! Charts as SVG: lines over the seconds of a run, with a mark for each event.

use plotters::prelude::*;

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

/// Draws lines; nothing where there is no point.
///
/// # Errors
/// When it can't be drawn, which would be a bug.
pub(super) fn draw(unit: &str, lines: &[Line], marks: &[Mark]) -> Result<Option<String>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().count() == 0 {
        return Ok(None);
    }
    let mut svg = String::new();
    drawn(&mut svg, unit, lines, marks)
        .map_err(|error| Error::not_measured(format!("a chart can't be drawn: {error}")))?;
    Ok(Some(svg))
}

fn drawn(
    svg: &mut String,
    unit: &str,
    lines: &[Line],
    marks: &[Mark],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(second, _)| *second).fold(1.0, f64::max);
    let last = marks.iter().map(|mark| mark.second).fold(last, f64::max);
    let most = points().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max) * 1.15;
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last * LEGEND, 0.0..most)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("second")
        .y_desc(unit)
        .draw()?;
    for mark in marks {
        let at = mark.second.max(0.0);
        let grey = RGBColor(110, 110, 110);
        chart.draw_series([PathElement::new([(at, 0.0), (at, most)], grey.stroke_width(1))])?;
        let place = (at, most * 0.985);
        let label = Text::new(mark.label.clone(), place, ("sans-serif", 12).into_font());
        chart.draw_series([label])?;
    }
    for line in lines {
        let style = COLOURS[line.colour % COLOURS.len()].stroke_width(2);
        let points = line.points.iter().copied();
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
