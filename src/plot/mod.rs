//! [`Figure`] → SVG text and PNG bytes, the same picture.
//!
//! A figure is laid out once into a scene of lines, dots and texts, which two small writers turn into SVG
//! and pixels. Text is measured and drawn with Noto Sans, which is embedded, so that nothing depends on the machine and
//! the same figure gives the same bytes. Values that are not finite are gaps.

mod axes;
mod colour;
mod density;
mod font;
mod grid;
mod legend;
mod panel;
mod raster;
mod scene;
mod svg;
#[cfg(test)]
mod tests;
mod ticks;

use std::fmt;

/// Panels under a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// May be empty.
    pub title: String,
    /// Up to three stand in a row, more in a grid.
    pub panels: Vec<Panel>,
}

/// One coordinate system.
#[derive(Clone, Debug, PartialEq)]
pub enum Panel {
    /// Quantities over an axis: solutions, fits over data, loss curves.
    Lines {
        /// May be empty.
        title: String,
        /// What the horizontal axis counts.
        x_label: String,
        /// What the vertical axis counts.
        y_label: String,
        /// Decades on the vertical axis; values that are not positive are gaps.
        log_y: bool,
        /// What is drawn, lines below points.
        series: Vec<Series>,
    },
    /// Trajectories in the plane of two states, each with a ring where it starts and an arrow along it.
    Phase {
        /// May be empty.
        title: String,
        /// The state on the horizontal axis.
        x_label: String,
        /// The state on the vertical axis.
        y_label: String,
        /// The trajectories.
        series: Vec<Series>,
    },
    /// A function of two variables as colour.
    Density {
        /// May be empty.
        title: String,
        /// What the horizontal axis counts.
        x_label: String,
        /// What the vertical axis counts.
        y_label: String,
        /// Left and right edge of the grid.
        x_range: [f64; 2],
        /// Lower and upper edge of the grid.
        y_range: [f64; 2],
        /// Cells from left to right.
        nx: usize,
        /// Cells from bottom to top.
        ny: usize,
        /// Value of cell `(i, j)` at `j * nx + i`. Negative values mean a log-density: the colours span its upper 10.
        values: Vec<f64>,
        /// Samples drawn over it.
        points: Vec<[f64; 2]>,
    },
}

/// Points with a name and a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend; without a name it is not there.
    pub name: String,
    /// `[x, y]`.
    pub points: Vec<[f64; 2]>,
    /// How they are drawn.
    pub style: Style,
    /// Index into the palette, which repeats; data and its fit share one.
    pub colour: usize,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Joined by a line.
    Line,
    /// Dots.
    Points,
    /// Joined by a dashed line.
    Dashed,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlotError {
    /// More panels than a picture can hold.
    TooManyPanels(usize),
    /// A density whose values do not fill its grid: cells, values.
    Grid(usize, usize),
    /// The embedded font cannot be read.
    Font,
    /// The picture cannot be encoded.
    Encode(String),
}

impl fmt::Display for PlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyPanels(n) => {
                write!(f, "a figure of {n} panels is too large; draw at most {}", grid::MOST_PANELS)
            }
            Self::Grid(cells, values) => write!(f, "a density of {cells} cells has {values} values"),
            Self::Font => write!(f, "the embedded font cannot be read"),
            Self::Encode(why) => write!(f, "the picture cannot be encoded: {why}"),
        }
    }
}

impl std::error::Error for PlotError {}

/// The figure as an SVG document.
///
/// # Errors
/// See [`PlotError`].
pub fn svg(figure: &Figure) -> Result<String, PlotError> {
    svg::write(&grid::lay_out(figure)?)
}

/// The figure as a PNG file, two pixels for a unit of the SVG.
///
/// # Errors
/// See [`PlotError`].
pub fn png(figure: &Figure) -> Result<Vec<u8>, PlotError> {
    raster::write(&grid::lay_out(figure)?)
}
