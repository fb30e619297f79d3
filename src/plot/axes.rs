//! Scales in a cell → the plot area, its grid, ticks and labels.

use super::colour::{AXIS, GRID};
use super::font::{Fonts, shorten};
use super::scene::{Anchor, Area, Shape, Text};
use super::ticks::{Scale, superscript};

pub(super) const TICK_SIZE: f64 = 14.0;
const LABEL_SIZE: f64 = 15.0;
const TITLE_SIZE: f64 = 16.0;
/// Height of the power of ten above the vertical axis.
const POWER_SPACE: f64 = 20.0;

/// What is written around a plot area.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
}

/// How the plot area uses its cell.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Aspect {
    /// All of it.
    Free,
    /// One unit is as long on both axes, where the ranges allow it.
    Equal,
    /// The area has the proportions of the ranges, within reason; the ranges stay.
    Ranges,
}

/// Room that a legend or a colour bar takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reserve {
    /// Above the plot area.
    pub top: f64,
    /// Right of it.
    pub right: f64,
}

/// A coordinate system at its place.
pub(super) struct Axes {
    pub plot: Area,
    /// Height above which a legend may stand.
    pub head: f64,
    x: Scale,
    y: Scale,
    x_ticks: Vec<(f64, String)>,
    y_ticks: Vec<(f64, String)>,
    x_power: Option<i32>,
    y_power: Option<i32>,
}

impl Axes {
    /// Fits a plot area into `cell`, but for what is reserved.
    pub fn fit(
        fonts: &Fonts,
        words: Words,
        cell: Area,
        scales: (Scale, Scale),
        reserve: Reserve,
        aspect: Aspect,
    ) -> Self {
        let (mut x, mut y) = scales;
        let (_, y_power) = y.ticks(6);
        let power = if y_power.is_some() { POWER_SPACE } else { 0.0 };
        let top = if words.title.is_empty() { 14.0 } else { 34.0 } + power + reserve.top;
        let bottom = if words.x_label.is_empty() { 30.0 } else { 56.0 };
        let widest = |ticks: &[(f64, String)]| {
            ticks.iter().map(|(_, label)| fonts.width(label, TICK_SIZE, false)).fold(0.0, f64::max)
        };
        let left = widest(&y.ticks(6).0) + 14.0 + if words.y_label.is_empty() { 0.0 } else { 28.0 };
        let right = (widest(&x.ticks(6).0) / 2.0).max(12.0) + reserve.right;
        let mut plot = Area {
            left: cell.left + left,
            top: cell.top + top,
            width: (cell.width - left - right).max(40.0),
            height: (cell.height - top - bottom).max(40.0),
        };
        match aspect {
            Aspect::Free => {}
            Aspect::Equal => {
                shrink(&mut plot, 1.1);
                equalise(&plot, &mut x, &mut y);
            }
            Aspect::Ranges => shrink(&mut plot, ((x.high - x.low) / (y.high - y.low)).clamp(0.6, 1.7)),
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of ticks")]
        let (y_ticks, y_power) = y.ticks(((plot.height / 42.0) as usize).clamp(2, 9));
        let (x_ticks, x_power) = x_ticks(fonts, &x, plot.width);
        let head = plot.top - if y_power.is_some() { POWER_SPACE } else { 0.0 };
        Self { plot, head, x, y, x_ticks, y_ticks, x_power, y_power }
    }

    /// Where a point is; none for a gap.
    pub fn at(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let (along, up) = (self.x.part(x)?, self.y.part(y)?);
        Some([self.plot.left + along * self.plot.width, self.plot.bottom() - up * self.plot.height])
    }

    /// Lines of the grid; they lie under everything.
    pub fn draw_grid(&self, shapes: &mut Vec<Shape>) {
        let plot = self.plot;
        for (part, _) in &self.x_ticks {
            let x = plot.left + part * plot.width;
            shapes.push(line([x, plot.top], [x, plot.bottom()], GRID));
        }
        for (part, _) in &self.y_ticks {
            let y = plot.bottom() - part * plot.height;
            shapes.push(line([plot.left, y], [plot.right(), y], GRID));
        }
    }

    /// The axes, their ticks and every word.
    pub fn draw_frame(&self, fonts: &Fonts, words: Words, cell: Area, shapes: &mut Vec<Shape>) {
        let plot = self.plot;
        shapes.push(line([plot.left, plot.top], [plot.left, plot.bottom()], AXIS));
        shapes.push(line([plot.left, plot.bottom()], [plot.right(), plot.bottom()], AXIS));
        for (part, label) in &self.x_ticks {
            let x = plot.left + part * plot.width;
            shapes.push(line([x, plot.bottom()], [x, plot.bottom() + 5.0], AXIS));
            shapes.push(text(label, [x, plot.bottom() + 21.0], TICK_SIZE, Anchor::Middle));
        }
        for (part, label) in &self.y_ticks {
            let y = plot.bottom() - part * plot.height;
            shapes.push(line([plot.left - 5.0, y], [plot.left, y], AXIS));
            shapes.push(text(label, [plot.left - 9.0, y + 5.0], TICK_SIZE, Anchor::End));
        }
        self.draw_powers(shapes);
        let widest = self.y_ticks.iter().map(|(_, label)| fonts.width(label, TICK_SIZE, false)).fold(0.0, f64::max);
        draw_words(fonts, words, (plot, plot.left - widest - 26.0), cell, shapes);
    }

    fn draw_powers(&self, shapes: &mut Vec<Shape>) {
        let plot = self.plot;
        let say = |power: i32| format!("×10{}", superscript(power));
        if let Some(power) = self.y_power {
            shapes.push(text(&say(power), [plot.left, plot.top - 8.0], TICK_SIZE, Anchor::Start));
        }
        if let Some(power) = self.x_power {
            shapes.push(text(&say(power), [plot.right(), plot.bottom() + 42.0], TICK_SIZE, Anchor::End));
        }
    }
}

fn draw_words(fonts: &Fonts, words: Words, (plot, left): (Area, f64), cell: Area, shapes: &mut Vec<Shape>) {
    let middle = [plot.left + plot.width / 2.0, plot.top + plot.height / 2.0];
    if !words.title.is_empty() {
        let room = 2.0 * (middle[0] - cell.left).min(cell.right() - middle[0]);
        let title = shorten(fonts, words.title, TITLE_SIZE, true, room);
        shapes.push(Shape::Text(Text::new(title, [middle[0], cell.top + 20.0], TITLE_SIZE, Anchor::Middle).bold()));
    }
    if !words.x_label.is_empty() {
        let label = shorten(fonts, words.x_label, LABEL_SIZE, false, plot.width);
        shapes.push(text(&label, [middle[0], plot.bottom() + 45.0], LABEL_SIZE, Anchor::Middle));
    }
    if !words.y_label.is_empty() {
        let label = shorten(fonts, words.y_label, LABEL_SIZE, false, plot.height);
        let at = [left, middle[1]];
        shapes.push(Shape::Text(Text::new(label, at, LABEL_SIZE, Anchor::Middle).upright()));
    }
}

fn line(from: [f64; 2], to: [f64; 2], colour: super::colour::Colour) -> Shape {
    Shape::Line { points: vec![from, to], colour, width: 1.0, dashed: false }
}

pub(super) fn text(text: &str, at: [f64; 2], size: f64, anchor: Anchor) -> Shape {
    Shape::Text(Text::new(text, at, size, anchor))
}

/// As many ticks as their labels have room for.
fn x_ticks(fonts: &Fonts, scale: &Scale, width: f64) -> (Vec<(f64, String)>, Option<i32>) {
    let apart = |ticks: &[(f64, String)]| {
        ticks.windows(2).all(|pair| {
            let room = (pair[1].0 - pair[0].0) * width;
            let half = |label: &str| fonts.width(label, TICK_SIZE, false) / 2.0;
            half(&pair[0].1) + half(&pair[1].1) + 14.0 <= room
        })
    };
    let tries = (2..=8).rev().map(|most| scale.ticks(most));
    tries.into_iter().find(|(ticks, _)| apart(ticks)).unwrap_or_else(|| scale.ticks(1))
}

/// Makes an area at most as wide, or as high, as the proportion says; what is left over goes to both
/// sides, or below.
fn shrink(plot: &mut Area, width_to_height: f64) {
    let width = plot.height * width_to_height;
    if width < plot.width {
        plot.left += (plot.width - width) / 2.0;
        plot.width = width;
    } else {
        plot.height = plot.width / width_to_height;
    }
}

/// Widens the range of one axis until a unit is as long on both, unless that leaves most of the area empty.
fn equalise(plot: &Area, x: &mut Scale, y: &mut Scale) {
    const MOST: f64 = 2.0;
    let (along, up) = ((x.high - x.low) / plot.width, (y.high - y.low) / plot.height);
    let widen = |scale: &mut Scale, factor: f64| {
        let room = (scale.high - scale.low) * (factor - 1.0) / 2.0;
        scale.low -= room;
        scale.high += room;
    };
    if along < up && up / along <= MOST {
        widen(x, up / along);
    } else if up < along && along / up <= MOST {
        widen(y, along / up);
    }
}
