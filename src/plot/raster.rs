//! Scene → PNG.

use ab_glyph::OutlineCurve;
use tiny_skia::{
    FillRule, FilterQuality, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Rect, Stroke,
    StrokeDash, Transform,
};

use super::PlotError;
use super::colour::{Colour, INK};
use super::font::Fonts;
use super::scene::{Anchor, Area, Scene, Shape, Text};

/// Pixels for a unit of the scene.
const DENSITY: f32 = 2.0;

/// The file.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let pixels = |x: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a scene is some thousand units")]
        let n = (x * f64::from(DENSITY)).ceil() as u32;
        n
    };
    let pixmap = Pixmap::new(pixels(scene.width), pixels(scene.height));
    let mut painter = Painter { pixmap: pixmap.ok_or_else(too_large)?, fonts: Fonts::new()? };
    painter.pixmap.fill(tiny_skia::Color::WHITE);
    for shape in &scene.shapes {
        painter.paint(shape);
    }
    painter.pixmap.encode_png().map_err(|e| PlotError::Encode(e.to_string()))
}

fn too_large() -> PlotError {
    PlotError::Encode("its size is zero or too large".into())
}

/// Pixels alone as a PNG file.
pub(super) fn encode(columns: usize, pixels: &[Colour]) -> Result<Vec<u8>, PlotError> {
    pixmap(columns, pixels)?.encode_png().map_err(|e| PlotError::Encode(e.to_string()))
}

fn pixmap(columns: usize, pixels: &[Colour]) -> Result<Pixmap, PlotError> {
    let rows = pixels.len() / columns.max(1);
    let size = u32::try_from(columns).ok().zip(u32::try_from(rows).ok());
    let mut map = size.and_then(|(w, h)| Pixmap::new(w, h)).ok_or_else(too_large)?;
    for (to, Colour([r, g, b])) in map.pixels_mut().iter_mut().zip(pixels) {
        *to = tiny_skia::ColorU8::from_rgba(*r, *g, *b, 255).premultiply();
    }
    Ok(map)
}

struct Painter {
    pixmap: Pixmap,
    fonts: Fonts,
}

#[allow(clippy::cast_possible_truncation, reason = "coordinates of pixels")]
fn single(x: f64) -> f32 {
    x as f32
}

fn paint(Colour([r, g, b]): Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
    paint.set_color_rgba8(r, g, b, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

fn polyline(points: &[[f64; 2]], close: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(single(first[0]), single(first[1]));
    for [x, y] in rest {
        path.line_to(single(*x), single(*y));
    }
    if close {
        path.close();
    }
    path.finish()
}

impl Painter {
    fn paint(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { points, colour, width, dashed } => {
                let dash = if *dashed { StrokeDash::new(vec![7.0, 5.0], 0.0) } else { None };
                self.stroke(polyline(points, false), &paint(*colour, 1.0), *width, dash);
            }
            Shape::Polygon { points, colour } => self.fill(polyline(points, true), &paint(*colour, 1.0)),
            Shape::Rectangle { area, colour, opacity } => {
                self.fill(rectangle(*area).map(PathBuilder::from_rect), &paint(*colour, *opacity));
            }
            Shape::Dot { centre, radius, fill, rim, opacity } => {
                let circle = PathBuilder::from_circle(single(centre[0]), single(centre[1]), single(*radius));
                self.fill(circle.clone(), &paint(*fill, *opacity));
                self.stroke(circle, &paint(*rim, *opacity), 1.0, None);
            }
            Shape::Text(text) => self.text(text),
            Shape::Image { area, columns, pixels } => self.image(*area, *columns, pixels),
        }
    }

    fn stroke(&mut self, path: Option<Path>, paint: &Paint, width: f64, dash: Option<StrokeDash>) {
        let Some(path) = path else { return };
        let (line_cap, line_join) = (LineCap::Round, LineJoin::Round);
        let stroke = Stroke { width: single(width), line_cap, line_join, dash, ..Stroke::default() };
        self.pixmap.stroke_path(&path, paint, &stroke, Transform::from_scale(DENSITY, DENSITY), None);
    }

    fn fill(&mut self, path: Option<Path>, paint: &Paint) {
        let Some(path) = path else { return };
        self.pixmap.fill_path(&path, paint, FillRule::Winding, Transform::from_scale(DENSITY, DENSITY), None);
    }

    fn image(&mut self, area: Area, columns: usize, pixels: &[Colour]) {
        let Ok(image) = pixmap(columns, pixels) else { return };
        let (w, h) = (f64::from(image.width()), f64::from(image.height()));
        let scale = Transform::from_scale(single(area.width / w), single(area.height / h));
        let place = scale.post_translate(single(area.left), single(area.top)).post_scale(DENSITY, DENSITY);
        let how = PixmapPaint { quality: FilterQuality::Nearest, ..PixmapPaint::default() };
        self.pixmap.draw_pixmap(0, 0, image.as_ref(), &how, place, None);
    }

    fn text(&mut self, text: &Text) {
        let width = self.fonts.width(&text.content, text.size, text.bold);
        let mut pen = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let mut path = PathBuilder::new();
        for glyph in self.fonts.glyphs(&text.content, text.size, text.bold) {
            let place = |x: f32, y: f32| {
                let (along, up) = (pen + f64::from(x) * glyph.scale, glyph.rise + f64::from(y) * glyph.scale);
                let [x, y] = text.at;
                let [x, y] = if text.upright { [x - up, y - along] } else { [x + along, y - up] };
                (single(x), single(y))
            };
            trace(&mut path, glyph.outline.as_ref().map_or(&[], |o| &o.curves), place);
            pen += glyph.advance;
        }
        self.fill(path.finish(), &paint(INK, 1.0));
    }
}

fn rectangle(area: Area) -> Option<Rect> {
    Rect::from_xywh(single(area.left), single(area.top), single(area.width), single(area.height))
}

/// Adds an outline; a curve that does not begin where the last one ended begins a contour.
fn trace(path: &mut PathBuilder, curves: &[OutlineCurve], place: impl Fn(f32, f32) -> (f32, f32)) {
    let place = |p: &ab_glyph::Point| place(p.x, p.y);
    let mut pen = None;
    for curve in curves {
        let (from, to) = match curve {
            OutlineCurve::Line(a, b) | OutlineCurve::Quad(a, _, b) | OutlineCurve::Cubic(a, _, _, b) => (a, b),
        };
        if pen != Some(*from) {
            let (x, y) = place(from);
            path.move_to(x, y);
        }
        let (x, y) = place(to);
        match curve {
            OutlineCurve::Line(..) => path.line_to(x, y),
            OutlineCurve::Quad(_, c, _) => path.quad_to(place(c).0, place(c).1, x, y),
            OutlineCurve::Cubic(_, c, d, _) => path.cubic_to(place(c).0, place(c).1, place(d).0, place(d).1, x, y),
        }
        pen = Some(*to);
    }
}
