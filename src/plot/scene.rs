//! What a figure is made of, in units of which a label is 15 high; `y` points down.

use super::colour::Colour;

/// A picture before it is SVG or pixels.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    /// Painted in this order.
    pub shapes: Vec<Shape>,
}

/// Something to paint.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Joined points.
    Line { points: Vec<[f64; 2]>, colour: Colour, width: f64, dashed: bool },
    /// A filled outline.
    Polygon { points: Vec<[f64; 2]>, colour: Colour },
    /// A filled rectangle.
    Rectangle { area: Area, colour: Colour, opacity: f64 },
    /// A disc with a rim.
    Dot { centre: [f64; 2], radius: f64, fill: Colour, rim: Colour, opacity: f64 },
    /// One line of text.
    Text(Text),
    /// Pixels, row by row from the top.
    Image { area: Area, columns: usize, pixels: Vec<Colour> },
}

impl Shape {
    /// The lowest it reaches, up to a few units.
    pub fn bottom(&self) -> f64 {
        match self {
            Self::Line { points, .. } | Self::Polygon { points, .. } => points.iter().map(|p| p[1]).fold(0.0, f64::max),
            Self::Rectangle { area, .. } | Self::Image { area, .. } => area.bottom(),
            Self::Dot { centre, radius, .. } => centre[1] + radius,
            Self::Text(text) => text.at[1] + text.size / 3.0,
        }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        (self.left..=self.right()).contains(&x) && (self.top..=self.bottom()).contains(&y)
    }
}

/// One line of text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub content: String,
    /// On the base line, at the anchor.
    pub at: [f64; 2],
    pub size: f64,
    pub bold: bool,
    pub anchor: Anchor,
    /// Reads upwards.
    pub upright: bool,
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Text {
    pub fn new(content: impl Into<String>, at: [f64; 2], size: f64, anchor: Anchor) -> Self {
        Self { content: content.into(), at, size, bold: false, anchor, upright: false }
    }

    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub fn upright(mut self) -> Self {
        self.upright = true;
        self
    }
}
