//! Scene → SVG.

use std::fmt::{self, Write as _};

use super::PlotError;
use super::colour::Colour;
use super::raster;
use super::scene::{Anchor, Scene, Shape, Text};

/// The document.
pub(super) fn write(scene: &Scene) -> Result<String, PlotError> {
    let mut out = String::new();
    document(scene, &mut out).map_err(|e| PlotError::Encode(e.to_string()))?;
    Ok(out)
}

fn document(scene: &Scene, out: &mut String) -> fmt::Result {
    let (w, h) = (number(scene.width), number(scene.height));
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif\">"
    )?;
    writeln!(out, "<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>")?;
    for shape in &scene.shapes {
        write_shape(shape, out)?;
    }
    writeln!(out, "</svg>")
}

fn write_shape(shape: &Shape, out: &mut String) -> fmt::Result {
    match shape {
        Shape::Line { points, colour, width, dashed } => {
            let dash = if *dashed { " stroke-dasharray=\"7 5\"" } else { "" };
            let (points, colour, width) = (list(points), hex(*colour), number(*width));
            writeln!(
                out,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"{dash}/>"
            )
        }
        Shape::Polygon { points, colour } => {
            writeln!(out, "<polygon points=\"{}\" fill=\"{}\"/>", list(points), hex(*colour))
        }
        Shape::Rectangle { area, colour, opacity } => {
            let (x, y, w, h) = (number(area.left), number(area.top), number(area.width), number(area.height));
            let (colour, opacity) = (hex(*colour), faint(*opacity));
            writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{colour}\"{opacity}/>")
        }
        Shape::Dot { centre, radius, fill, rim, opacity } => {
            let (x, y, r) = (number(centre[0]), number(centre[1]), number(*radius));
            let (fill, rim, opacity) = (hex(*fill), hex(*rim), faint(*opacity));
            writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{fill}\" stroke=\"{rim}\"{opacity}/>")
        }
        Shape::Text(text) => write_text(text, out),
        Shape::Image { area, columns, pixels } => {
            let (x, y, w, h) = (number(area.left), number(area.top), number(area.width), number(area.height));
            let data = base64(&raster::encode(*columns, pixels).unwrap_or_default());
            writeln!(
                out,
                "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
                 href=\"data:image/png;base64,{data}\"/>"
            )
        }
    }
}

fn write_text(text: &Text, out: &mut String) -> fmt::Result {
    let (x, y, size) = (number(text.at[0]), number(text.at[1]), number(text.size));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if text.bold { " font-weight=\"bold\"" } else { "" };
    let turn = if text.upright { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let body = escape(&text.content);
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{}\"{anchor}{weight}{turn}>{body}</text>",
        hex(super::colour::INK)
    )
}

fn list(points: &[[f64; 2]]) -> String {
    points.iter().map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect::<Vec<_>>().join(" ")
}

/// Two decimals are finer than any screen; none where they are zeros.
fn number(x: f64) -> String {
    let text = format!("{x:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn hex(Colour([r, g, b]): Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn faint(opacity: f64) -> String {
    if opacity < 1.0 { format!(" opacity=\"{}\"", number(opacity)) } else { String::new() }
}

/// Text as XML; characters that XML cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Base 64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
