//! The legend: in a corner without data, else beside the plot.

use std::collections::HashSet;

use super::axes::{Reserve, TICK_SIZE, text};
use super::colour::{WHITE, of_series};
use super::font::{Fonts, shorten};
use super::scene::{Anchor, Area, Shape};
use super::{Series, Style};

const ROW: f64 = 22.0;
/// Between the entries of a row, with the space between a sample and its name.
const GAP: f64 = 28.0;
const SAMPLE: f64 = 26.0;
const WIDEST_NAME: f64 = 190.0;
const MOST_ROWS: usize = 12;

/// Names and looks.
pub(super) struct Legend {
    rows: Vec<Row>,
    width: f64,
}

/// A name, how wide it is, and the look it explains.
struct Row {
    name: String,
    width: f64,
    look: Option<(Style, usize)>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Inside(Area),
    /// In rows above the plot; how many.
    Above(u8),
    /// Right of the plot.
    Beside,
}

impl Legend {
    /// The legend of some series; none if no name would say more than the axis does.
    pub fn of(fonts: &Fonts, series: &[Series], y_label: &str) -> Option<Self> {
        let mut seen = HashSet::new();
        let named = series.iter().filter(|s| !s.name.is_empty());
        let row = |name: String, look| Row { width: fonts.width(&name, TICK_SIZE, false), name, look };
        let mut rows: Vec<Row> = named
            .filter(|s| seen.insert((s.name.as_str(), s.style == Style::Points, s.colour)))
            .map(|s| row(shorten(fonts, &s.name, TICK_SIZE, false, WIDEST_NAME), Some((s.style, s.colour))))
            .collect();
        if rows.is_empty() || (rows.len() == 1 && rows[0].name == y_label) {
            return None;
        }
        if rows.len() > MOST_ROWS {
            let more = rows.len() - (MOST_ROWS - 1);
            rows.truncate(MOST_ROWS - 1);
            rows.push(row(format!("and {more} more"), None));
        }
        let width = Row::widest(&rows) + SAMPLE + 24.0;
        Some(Self { rows, width })
    }

    /// The room it takes at a place.
    pub fn reserve(&self, place: Place) -> Reserve {
        match place {
            Place::Inside(_) => Reserve::default(),
            Place::Above(rows) => Reserve { top: f64::from(rows) * ROW + 4.0, right: 0.0 },
            Place::Beside => Reserve { top: 0.0, right: self.width + 8.0 },
        }
    }

    /// The entries in columns of `height` rows, each with its width and what is left of it.
    fn columns(&self, height: u8) -> Vec<(f64, &[Row])> {
        let mut left = 0.0;
        let place = |column| {
            let at = left;
            left += Row::widest(column) + SAMPLE + GAP;
            (at, column)
        };
        self.rows.chunks(usize::from(height.max(1))).map(place).collect()
    }

    /// Width of the entries in columns.
    fn long(&self, height: u8) -> f64 {
        let last = self.columns(height).pop();
        last.map_or(0.0, |(left, column)| left + Row::widest(column) + SAMPLE + 10.0)
    }

    #[allow(clippy::cast_precision_loss, reason = "a dozen rows")]
    fn height(&self) -> f64 {
        self.rows.len() as f64 * ROW + 8.0
    }

    /// The first corner, with some air around it, that none of the marks is in.
    pub fn place(&self, plot: Area, marks: &[[f64; 2]]) -> Place {
        let (width, height) = (self.width, self.height());
        let above = [1, 2].into_iter().find(|height| self.long(*height) <= plot.width);
        let outside = above.map_or(Place::Beside, Place::Above);
        if width > 0.7 * plot.width || height > 0.7 * plot.height {
            return outside;
        }
        let (near, far) = (plot.left + 8.0, plot.right() - width - 4.0);
        let (high, low) = (plot.top + 4.0, plot.bottom() - height - 8.0);
        let corners = [(far, high), (near, high), (far, low), (near, low)];
        let free = |area: &Area| {
            let air = 8.0;
            let around = Area {
                left: area.left - air,
                top: area.top - air,
                width: area.width + 2.0 * air,
                height: area.height + 2.0 * air,
            };
            !marks.iter().any(|m| around.contains(*m))
        };
        let areas = corners.map(|(left, top)| Area { left, top, width, height });
        areas.into_iter().find(free).map_or(outside, Place::Inside)
    }

    /// Draws it at its place; what stands above the plot ends at `head`.
    pub fn draw(&self, plot: Area, head: f64, place: Place, shapes: &mut Vec<Shape>) {
        let corner = match place {
            Place::Above(height) => return self.draw_columns(plot, head, height, shapes),
            Place::Inside(area) => {
                shapes.push(Shape::Rectangle { area, colour: WHITE, opacity: 0.85 });
                [area.left, area.top]
            }
            Place::Beside => [plot.right() + 8.0, plot.top],
        };
        let mut middle = corner[1] + 4.0 + ROW / 2.0;
        for row in &self.rows {
            row.draw([corner[0] + 6.0, middle], shapes);
            middle += ROW;
        }
    }

    fn draw_columns(&self, plot: Area, head: f64, height: u8, shapes: &mut Vec<Shape>) {
        let start = plot.left + (plot.width - self.long(height)) / 2.0;
        let top = head - 2.0 - (f64::from(height) - 0.5) * ROW;
        for (left, column) in self.columns(height) {
            let mut middle = top;
            for row in column {
                row.draw([start + left, middle], shapes);
                middle += ROW;
            }
        }
    }
}

impl Row {
    fn widest(rows: &[Self]) -> f64 {
        rows.iter().map(|r| r.width).fold(0.0, f64::max)
    }

    fn draw(&self, [left, middle]: [f64; 2], shapes: &mut Vec<Shape>) {
        if let Some((style, colour)) = self.look {
            shapes.push(sample(style, colour, left, middle));
        }
        shapes.push(text(&self.name, [left + SAMPLE + 10.0, middle + 5.0], TICK_SIZE, Anchor::Start));
    }
}

fn sample(style: Style, colour: usize, left: f64, middle: f64) -> Shape {
    let colour = of_series(colour);
    match style {
        Style::Line | Style::Dashed => Shape::Line {
            points: vec![[left, middle], [left + SAMPLE, middle]],
            colour,
            width: 2.0,
            dashed: style == Style::Dashed,
        },
        Style::Points => {
            let centre = [left + SAMPLE / 2.0, middle];
            Shape::Dot { centre, radius: 4.0, fill: colour, rim: WHITE, opacity: 1.0 }
        }
    }
}
