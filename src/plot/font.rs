//! The embedded font: widths for the layout, outlines for pixels.

use ab_glyph::{Font as _, FontRef, Outline};

use super::PlotError;

/// Noto Sans (SIL Open Font License 1.1).
pub(super) struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Fonts {
    pub fn new() -> Result<Self, PlotError> {
        let read = |bytes| FontRef::try_from_slice(bytes).map_err(|_| PlotError::Font);
        Ok(Self { regular: read(notosans::REGULAR_TTF)?, bold: read(notosans::BOLD_TTF)? })
    }

    fn face(&self, bold: bool) -> &FontRef<'static> {
        if bold { &self.bold } else { &self.regular }
    }

    /// Width of a text of this size.
    pub fn width(&self, text: &str, size: f64, bold: bool) -> f64 {
        self.glyphs(text, size, bold).map(|glyph| glyph.advance).sum()
    }

    /// The characters of a text.
    pub fn glyphs(&self, text: &str, size: f64, bold: bool) -> impl Iterator<Item = Glyph> {
        let face = self.face(bold);
        let unit = size / f64::from(face.units_per_em().unwrap_or(1000.0));
        text.chars().map(move |c| {
            let (c, scale, rise) = raised(c);
            let glyph = face.glyph_id(c);
            let scale = unit * scale;
            let advance = f64::from(face.h_advance_unscaled(glyph)) * scale;
            Glyph { outline: face.outline(glyph), scale, rise: rise * size, advance }
        })
    }
}

/// A character.
pub(super) struct Glyph {
    /// In units of the font; a space has none.
    pub outline: Option<Outline>,
    /// From units of the font to those of the scene.
    pub scale: f64,
    /// How far it stands above the base line.
    pub rise: f64,
    pub advance: f64,
}

/// Raised and lowered digits and signs as the ordinary character, its scale and its rise in heights of the text: the
/// font has only some of them, and of different sizes.
fn raised(c: char) -> (char, f64, f64) {
    const SCALE: f64 = 0.7;
    const UP: f64 = 0.36;
    const DOWN: f64 = -0.14;
    let digit = |from: u32| char::from_digit(u32::from(c) - from, 10).unwrap_or(c);
    match c {
        '¹' => ('1', SCALE, UP),
        '²' => ('2', SCALE, UP),
        '³' => ('3', SCALE, UP),
        '⁰' | '⁴'..='⁹' => (digit(0x2070), SCALE, UP),
        '⁻' => ('−', SCALE, UP),
        '₀'..='₉' => (digit(0x2080), SCALE, DOWN),
        other => (other, 1.0, 0.0),
    }
}

/// The longest start of `text` that is at most `room` wide, with `…` where it was cut.
pub(super) fn shorten(fonts: &Fonts, text: &str, size: f64, bold: bool, room: f64) -> String {
    if fonts.width(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut width = fonts.width("…", size, bold);
    let mut kept = 0;
    for glyph in fonts.glyphs(text, size, bold) {
        width += glyph.advance;
        if width > room {
            break;
        }
        kept += 1;
    }
    text.chars().take(kept).chain(['…']).collect()
}
