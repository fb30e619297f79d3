//! A function of two variables as colour, with a bar that says what the colours mean.

use super::axes::{Aspect, Axes, Reserve, TICK_SIZE, Words, text};
use super::colour::{AXIS, Colour, WHITE, viridis};
use super::font::Fonts;
use super::panel::distinct;
use super::scene::{Anchor, Area, Shape};
use super::ticks::{Scale, superscript};
use super::{PlotError, colour};

/// Values of a log-density further than this below its largest are all the darkest colour.
const LOG_DEPTH: f64 = 10.0;
/// Width of the bar and of its labels.
const BAR: f64 = 14.0;
const BAR_SPACE: f64 = 82.0;

/// Cell values, row by row from the bottom.
pub(super) struct Grid<'a> {
    pub x_range: [f64; 2],
    pub y_range: [f64; 2],
    pub nx: usize,
    pub ny: usize,
    pub values: &'a [f64],
}

/// Draws a density and the points over it into `cell`.
pub(super) fn draw(
    fonts: &Fonts,
    words: Words,
    cell: Area,
    grid: &Grid,
    points: &[[f64; 2]],
    shapes: &mut Vec<Shape>,
) -> Result<(), PlotError> {
    if grid.nx.checked_mul(grid.ny) != Some(grid.values.len()) {
        return Err(PlotError::Grid(grid.nx.saturating_mul(grid.ny), grid.values.len()));
    }
    let scales = (Scale::between(grid.x_range), Scale::between(grid.y_range));
    let axes = Axes::fit(fonts, words, cell, scales, Reserve { top: 0.0, right: BAR_SPACE }, Aspect::Ranges);
    let levels = levels(grid.values);
    if !grid.values.is_empty() {
        shapes.push(image(grid, axes.plot, &levels));
    }
    let radius = if points.len() > 1000 { 1.2 } else { 2.0 };
    let inside = points.iter().filter_map(|p| axes.at(*p)).filter(|c| axes.plot.contains(*c));
    for centre in distinct(inside, points.len()) {
        shapes.push(Shape::Dot { centre, radius, fill: WHITE, rim: colour::INK, opacity: 0.6 });
    }
    axes.draw_frame(fonts, words, cell, shapes);
    draw_bar(axes.plot, &levels, shapes);
    Ok(())
}

/// What the colours span.
fn levels(values: &[f64]) -> Scale {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let low = if low < 0.0 { low.max(high - LOG_DEPTH) } else { low };
    Scale::between(if low <= high { [low, high] } else { [0.0, 1.0] })
}

/// One pixel a unit, between the centres of the cells interpolated.
fn image(grid: &Grid, plot: Area, levels: &Scale) -> Shape {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred units")]
    let count = |x: f64| (x.ceil() as usize).max(1);
    let (columns, rows) = (count(plot.width), count(plot.height));
    #[allow(clippy::cast_precision_loss, reason = "some hundred pixels and cells")]
    let place = |i: usize, of: usize, cells: usize| (i as f64 + 0.5) / of as f64 * cells as f64 - 0.5;
    let mut pixels = Vec::with_capacity(columns * rows);
    for row in (0..rows).rev() {
        let y = place(row, rows, grid.ny);
        for column in 0..columns {
            pixels.push(shade(levels, value_at(grid, place(column, columns, grid.nx), y)));
        }
    }
    Shape::Image { area: plot, columns, pixels }
}

fn shade(levels: &Scale, value: f64) -> Colour {
    let level = if value == f64::INFINITY {
        1.0
    } else if value == f64::NEG_INFINITY {
        0.0
    } else {
        levels.part(value).unwrap_or(f64::NAN)
    };
    viridis(level)
}

/// The value at a place counted in cells from the centre of the lowest left one.
fn value_at(grid: &Grid, x: f64, y: f64) -> f64 {
    let split = |v: f64, n: usize| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the grid")]
        let cell = (v.max(0.0) as usize).min(n.saturating_sub(1));
        #[allow(clippy::cast_precision_loss, reason = "some hundred cells")]
        let part = (v - cell as f64).clamp(0.0, 1.0);
        (cell, (cell + 1).min(n.saturating_sub(1)), part)
    };
    let ((left, right, along), (low, high, up)) = (split(x, grid.nx), split(y, grid.ny));
    let at = |i: usize, j: usize| grid.values.get(j * grid.nx + i).copied().unwrap_or(f64::NAN);
    let mix = |a: f64, b: f64, part: f64| {
        if a.is_finite() && b.is_finite() {
            a + part * (b - a)
        } else if part < 0.5 {
            a
        } else {
            b
        }
    };
    mix(mix(at(left, low), at(right, low), along), mix(at(left, high), at(right, high), along), up)
}

fn draw_bar(plot: Area, levels: &Scale, shapes: &mut Vec<Shape>) {
    let area = Area { left: plot.right() + 16.0, top: plot.top, width: BAR, height: plot.height };
    let pixels = (0..=255).rev().map(|i| viridis(f64::from(i) / 255.0)).collect();
    shapes.push(Shape::Image { area, columns: 1, pixels });
    let (ticks, power) = levels.ticks(5);
    for (part, label) in ticks {
        let y = area.bottom() - part * area.height;
        let points = vec![[area.right(), y], [area.right() + 4.0, y]];
        shapes.push(Shape::Line { points, colour: AXIS, width: 1.0, dashed: false });
        shapes.push(text(&label, [area.right() + 8.0, y + 5.0], TICK_SIZE, Anchor::Start));
    }
    if let Some(power) = power {
        let label = format!("×10{}", superscript(power));
        shapes.push(text(&label, [area.left, area.top - 8.0], TICK_SIZE, Anchor::Start));
    }
}
