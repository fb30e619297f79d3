//! Figure → scene: panels in a row or a grid.

use super::axes::Words;
use super::density::{self, Grid};
use super::font::{Fonts, shorten};
use super::panel::{self, Kind};
use super::scene::{Anchor, Area, Scene, Shape, Text};
use super::{Figure, Panel, PlotError};

/// More would be a picture of tens of thousands of pixels.
pub(super) const MOST_PANELS: usize = 36;
const CELL: [f64; 2] = [560.0, 420.0];
const MARGIN: f64 = 14.0;
const TITLE_SIZE: f64 = 19.0;
const TITLE_SPACE: f64 = 38.0;

/// Places everything.
pub(super) fn lay_out(figure: &Figure) -> Result<Scene, PlotError> {
    let count = figure.panels.len();
    if count > MOST_PANELS {
        return Err(PlotError::TooManyPanels(count));
    }
    let columns = if count <= 3 { count.max(1) } else { (1..=6).find(|n| n * n >= count).unwrap_or(6) };
    let rows = count.div_ceil(columns);
    let fonts = Fonts::new()?;
    let top = MARGIN + if figure.title.is_empty() { 0.0 } else { TITLE_SPACE };
    #[allow(clippy::cast_precision_loss, reason = "at most six rows and columns")]
    let cell = |i: usize| Area {
        left: MARGIN + (i % columns) as f64 * (CELL[0] + MARGIN),
        top: top + (i / columns) as f64 * (CELL[1] + MARGIN),
        width: CELL[0],
        height: CELL[1],
    };
    let corner = cell(if rows == 0 { 0 } else { rows * columns - 1 });
    let width = corner.right() + MARGIN;
    let height = if rows == 0 { top + MARGIN } else { corner.bottom() + MARGIN };
    let mut shapes = Vec::new();
    if !figure.title.is_empty() {
        let title = shorten(&fonts, &figure.title, TITLE_SIZE, true, width - 2.0 * MARGIN);
        let at = [width / 2.0, MARGIN + 22.0];
        shapes.push(Shape::Text(Text::new(title, at, TITLE_SIZE, Anchor::Middle).bold()));
    }
    for (i, panel) in figure.panels.iter().enumerate() {
        draw(&fonts, panel, cell(i), &mut shapes)?;
    }
    // Panels that keep their proportions may end above the bottom of their cells.
    let used = shapes.iter().map(Shape::bottom).fold(top, f64::max);
    Ok(Scene { width, height: height.min(used + MARGIN), shapes })
}

fn draw(fonts: &Fonts, panel: &Panel, cell: Area, shapes: &mut Vec<Shape>) -> Result<(), PlotError> {
    match panel {
        Panel::Lines { title, x_label, y_label, log_y, series } => {
            let kind = Kind::Lines { log_y: *log_y };
            panel::draw(fonts, Words { title, x_label, y_label }, cell, series, kind, shapes);
            Ok(())
        }
        Panel::Phase { title, x_label, y_label, series } => {
            panel::draw(fonts, Words { title, x_label, y_label }, cell, series, Kind::Phase, shapes);
            Ok(())
        }
        Panel::Density { title, x_label, y_label, x_range, y_range, nx, ny, values, points } => {
            let grid = Grid { x_range: *x_range, y_range: *y_range, nx: *nx, ny: *ny, values };
            density::draw(fonts, Words { title, x_label, y_label }, cell, &grid, points, shapes)
        }
    }
}
