//! Series in a coordinate system.

use std::collections::HashSet;

use super::axes::{Aspect, Axes, Reserve, Words};
use super::colour::{Colour, WHITE, of_series};
use super::font::Fonts;
use super::legend::Legend;
use super::scene::{Area, Shape};
use super::ticks::Scale;
use super::{Series, Style};

/// What is special about a panel of series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lines { log_y: bool },
    Phase,
}

/// Draws a panel of series into `cell`.
pub(super) fn draw(fonts: &Fonts, words: Words, cell: Area, series: &[Series], kind: Kind, shapes: &mut Vec<Shape>) {
    let log = kind == Kind::Lines { log_y: true };
    let aspect = if kind == Kind::Phase { Aspect::Equal } else { Aspect::Free };
    let seen = || series.iter().flat_map(|s| &s.points).filter(|p| visible(**p, log));
    let scales = || (Scale::around(seen().map(|p| p[0]), false), Scale::around(seen().map(|p| p[1]), log));
    let mut axes = Axes::fit(fonts, words, cell, scales(), Reserve::default(), aspect);
    let legend = Legend::of(fonts, series, words.y_label);
    let place = legend.as_ref().map(|l| l.place(axes.plot, &marks(&axes, series)));
    if let (Some(legend), Some(place)) = (&legend, place) {
        axes = Axes::fit(fonts, words, cell, scales(), legend.reserve(place), aspect);
    }
    axes.draw_grid(shapes);
    let is_points = |s: &&Series| s.style == Style::Points;
    for one in series.iter().filter(|s| !is_points(s)) {
        draw_line(&axes, one, shapes);
    }
    for one in series.iter().filter(is_points) {
        draw_points(&axes, one, shapes);
    }
    if kind == Kind::Phase {
        for one in series {
            draw_direction(&axes, one, shapes);
        }
    }
    axes.draw_frame(fonts, words, cell, shapes);
    if let (Some(legend), Some(place)) = (legend, place) {
        legend.draw(axes.plot, axes.head, place, shapes);
    }
}

fn visible([x, y]: [f64; 2], log: bool) -> bool {
    x.is_finite() && y.is_finite() && !(log && y <= 0.0)
}

/// Runs of points between gaps, at their places.
fn runs(axes: &Axes, series: &Series) -> Vec<Vec<[f64; 2]>> {
    let places: Vec<Option<[f64; 2]>> = series.points.iter().map(|p| axes.at(*p)).collect();
    places
        .split(Option::is_none)
        .map(|run| run.iter().copied().flatten().collect::<Vec<_>>())
        .filter(|r| !r.is_empty())
        .collect()
}

/// Everything a legend should not cover: points, and lines between them at every few units.
fn marks(axes: &Axes, series: &[Series]) -> Vec<[f64; 2]> {
    const STEP: f64 = 6.0;
    let mut marks = Vec::new();
    for one in series {
        for run in runs(axes, one) {
            let run = thin(&run);
            marks.extend(&run);
            for pair in run.windows(2).filter(|_| one.style != Style::Points) {
                let [[ax, ay], [bx, by]] = [pair[0], pair[1]];
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred units")]
                let steps = ((bx - ax).hypot(by - ay) / STEP) as u32;
                let at = |i: u32| f64::from(i) / f64::from(steps + 1);
                marks.extend((1..=steps).map(|i| [ax + at(i) * (bx - ax), ay + at(i) * (by - ay)]));
            }
        }
    }
    marks
}

/// Leaves out points that cannot be seen: of those that follow one another in half a unit of width, the first, lowest,
/// highest and last show the same line.
fn thin(run: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let column = |p: &[f64; 2]| (p[0] * 2.0).floor();
    let mut out = Vec::new();
    #[allow(clippy::float_cmp, reason = "whole numbers")]
    for chunk in run.chunk_by(|a, b| column(a) == column(b)) {
        let by_y = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let mut kept: Vec<usize> = vec![0, chunk.len() - 1];
        let index = |p: Option<&[f64; 2]>| p.and_then(|p| chunk.iter().position(|q| q == p));
        kept.extend(index(chunk.iter().min_by(by_y)));
        kept.extend(index(chunk.iter().max_by(by_y)));
        kept.sort_unstable();
        kept.dedup();
        out.extend(kept.iter().map(|i| chunk[*i]));
    }
    out
}

fn draw_line(axes: &Axes, series: &Series, shapes: &mut Vec<Shape>) {
    let colour = of_series(series.colour);
    for run in runs(axes, series) {
        match run.as_slice() {
            [] => {}
            // A line of one point would be invisible.
            [only] => shapes.push(Shape::Dot { centre: *only, radius: 3.0, fill: colour, rim: colour, opacity: 1.0 }),
            many => {
                let dashed = series.style == Style::Dashed;
                shapes.push(Shape::Line { points: thin(many), colour, width: 2.0, dashed });
            }
        }
    }
}

fn draw_points(axes: &Axes, series: &Series, shapes: &mut Vec<Shape>) {
    let colour = of_series(series.colour);
    let (radius, rim) = match series.points.len() {
        0..=200 => (4.2, WHITE),
        201..=1000 => (3.0, WHITE),
        _ => (1.8, colour),
    };
    for centre in distinct(series.points.iter().filter_map(|p| axes.at(*p)), series.points.len()) {
        shapes.push(Shape::Dot { centre, radius, fill: colour, rim, opacity: 1.0 });
    }
}

/// Points that are not on top of an earlier one; the more there are, the less precisely.
pub(super) fn distinct(points: impl Iterator<Item = [f64; 2]>, count: usize) -> impl Iterator<Item = [f64; 2]> {
    let mut seen = HashSet::new();
    let size = match count {
        0..=1000 => 0.5,
        1001..=20_000 => 1.0,
        _ => 2.0,
    };
    #[allow(clippy::cast_possible_truncation, reason = "some thousand units")]
    let cell = move |x: f64| (x / size).floor() as i32;
    points.filter(move |[x, y]| seen.insert((cell(*x), cell(*y))))
}

/// A ring where a trajectory starts and an arrow half along it.
fn draw_direction(axes: &Axes, series: &Series, shapes: &mut Vec<Shape>) {
    if series.style == Style::Points {
        return;
    }
    let colour = of_series(series.colour);
    let runs = runs(axes, series);
    if let Some(arrow) = runs.iter().max_by_key(|r| r.len()).and_then(|r| arrow(r, colour)) {
        shapes.push(arrow);
    }
    if let Some(start) = runs.first().and_then(|r| r.first()) {
        shapes.push(Shape::Dot { centre: *start, radius: 5.0, fill: colour, rim: colour, opacity: 1.0 });
        shapes.push(Shape::Dot { centre: *start, radius: 3.0, fill: WHITE, rim: WHITE, opacity: 1.0 });
    }
}

fn arrow(run: &[[f64; 2]], colour: Colour) -> Option<Shape> {
    const LENGTH: f64 = 12.0;
    const SHORTEST: f64 = 40.0;
    let length = |pair: &[[f64; 2]]| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
    let whole: f64 = run.windows(2).map(length).sum();
    // A trajectory that settles spends half its length near the end; a third along it is easier to see.
    let mut left = whole / 3.0;
    let pair = run.windows(2).find(|pair| {
        left -= length(pair);
        left <= 0.0
    })?;
    let size = length(pair);
    if whole < SHORTEST || size <= 0.0 {
        return None;
    }
    let (dx, dy) = ((pair[1][0] - pair[0][0]) / size, (pair[1][1] - pair[0][1]) / size);
    let [x, y] = pair[1];
    let wing = |side: f64| [x - dx * LENGTH / 2.0 - dy * side, y - dy * LENGTH / 2.0 + dx * side];
    let tip = [x + dx * LENGTH / 2.0, y + dy * LENGTH / 2.0];
    Some(Shape::Polygon { points: vec![tip, wing(5.0), wing(-5.0)], colour })
}
