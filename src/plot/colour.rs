//! Colours that colour-blind readers tell apart.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub [u8; 3]);

pub(super) const INK: Colour = Colour([34, 34, 34]);
pub(super) const AXIS: Colour = Colour([110, 110, 110]);
pub(super) const GRID: Colour = Colour([230, 230, 230]);
pub(super) const WHITE: Colour = Colour([255, 255, 255]);
/// A density that is not a number.
pub(super) const NOTHING: Colour = Colour([200, 200, 200]);

/// The palette of Okabe and Ito (2008) without its yellow, which is too light on white.
const PALETTE: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [70, 70, 70]];

/// The colour of a series.
pub(super) fn of_series(index: usize) -> Colour {
    Colour(PALETTE[index % PALETTE.len()])
}

/// Viridis (Smith and van der Walt 2015) at tenths; linear in between is within two units of it.
const VIRIDIS: [[u8; 3]; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// The colour of a level from 0 to 1.
pub(super) fn viridis(level: f64) -> Colour {
    if level.is_nan() {
        return NOTHING;
    }
    let place = level.clamp(0.0, 1.0) * 10.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 9")]
    let cell = (place as usize).min(9);
    let (low, high) = (VIRIDIS[cell], VIRIDIS[cell + 1]);
    #[allow(clippy::cast_precision_loss, reason = "from 0 to 9")]
    let part = place - cell as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
    let mix = |i: usize| (f64::from(low[i]) + part * (f64::from(high[i]) - f64::from(low[i]))).round() as u8;
    Colour([mix(0), mix(1), mix(2)])
}
