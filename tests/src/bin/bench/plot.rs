//! A table as a picture.

use anyhow::{Result, anyhow};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};
use rig::Times;

use crate::result::Table;

const LEAST_WIDTH: usize = 880;
const WIDTH_OF_ROW: usize = 150;
const HEIGHT: u32 = 420;
const COLOURS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(192, 57, 43)];
/// The first subject stands left of the middle of its row, the second right.
const OFFSETS: [f64; 2] = [-0.1, 0.1];
/// What is nothing on a logarithmic axis.
const LEAST: f64 = 0.001;

/// An SVG document: for each row and subject the median, and a line from the smallest to the largest.
///
/// # Errors
/// There is nothing to show, or it cannot be drawn.
pub(crate) fn picture(table: &Table) -> Result<String> {
    let figures = || table.rows.iter().flat_map(|row| row.figures.iter().flatten());
    let lowest = figures().map(Times::min).fold(f64::INFINITY, f64::min);
    let highest = figures().map(Times::max).fold(f64::NEG_INFINITY, f64::max);
    if table.logarithmic {
        let lowest = lowest.max(LEAST) / 2.0;
        draw(table, (lowest..highest.max(lowest * 2.0) * 2.0).log_scale())
    } else {
        let lowest = lowest.min(0.0);
        let room = ((highest - lowest) * 0.1).max(f64::EPSILON);
        let bottom = if lowest < 0.0 { lowest - room } else { 0.0 };
        draw(table, bottom..highest + room)
    }
}

fn draw<Y>(table: &Table, y: Y) -> Result<String>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut svg = String::new();
    let wrong = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", table.title);
    {
        let width = LEAST_WIDTH.max(table.rows.len() * WIDTH_OF_ROW) as u32;
        let area = SVGBackend::with_string(&mut svg, (width, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| wrong(&error))?;
        let x = -0.5..table.rows.len() as f64 - 0.5;
        let mut chart = ChartBuilder::on(&area)
            .caption(&table.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)
            .map_err(|error| wrong(&error))?;
        let name = |at: &f64| {
            let row = table.rows.get(at.round() as usize).filter(|_| at.fract().abs() < 0.01);
            row.map_or_else(String::new, |row| row.work.clone())
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(table.rows.len() * 2)
            .x_label_formatter(&name)
            .y_desc(table.unit)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(|error| wrong(&error))?;
        for (subject, (colour, offset)) in COLOURS.into_iter().zip(OFFSETS).enumerate() {
            let least = if table.logarithmic { LEAST } else { f64::NEG_INFINITY };
            let bars = (0_u16..).zip(&table.rows).filter_map(|(at, row)| {
                let times = row.figures[subject].as_ref()?;
                let [min, median, max] =
                    [times.min(), times.median(), times.max()].map(|value| value.max(least));
                let at = f64::from(at) + offset;
                Some(ErrorBar::new_vertical(at, min, median, max, colour.filled(), 10))
            });
            chart
                .draw_series(bars)
                .map_err(|error| wrong(&error))?
                .label(table.subjects[subject])
                .legend(move |at| Circle::new(at, 4, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()
            .map_err(|error| wrong(&error))?;
        area.present().map_err(|error| wrong(&error))?;
    }
    Ok(svg)
}
