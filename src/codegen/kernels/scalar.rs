//! The meaning of the elementwise functions: one f64 in, one f64 out, the same bits on every machine.
//!
//! An interpreter evaluates with these; the vector kernels approximate them within the stated ulp bounds. For f32 the
//! meaning is the f64 function rounded once (`round_to_f32`).

use std::f64::consts::PI;

/// The nearest f32.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is what the function is for")]
#[inline]
pub fn round_to_f32(x: f64) -> f32 {
    x as f32
}

macro_rules! from_libm {
    ($($(#[$doc:meta])* $name:ident = $libm:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(x: f64) -> f64 {
            libm::$libm(x)
        }
    )*};
}

from_libm! {
    /// eˣ.
    exp = exp;
    /// Natural logarithm.
    log = log;
    /// log(1 + x).
    log1p = log1p;
    /// eˣ − 1.
    expm1 = expm1;
    /// Square root, correctly rounded.
    sqrt = sqrt;
    /// Sine (radians).
    sin = sin;
    /// Cosine (radians).
    cos = cos;
    /// Tangent (radians).
    tan = tan;
    /// Arc sine.
    asin = asin;
    /// Arc cosine.
    acos = acos;
    /// Arc tangent.
    atan = atan;
    /// Hyperbolic sine.
    sinh = sinh;
    /// Hyperbolic cosine.
    cosh = cosh;
    /// Hyperbolic tangent.
    tanh = tanh;
    /// Error function.
    erf = erf;
    /// log |Γ(x)|.
    lgamma = lgamma;
}

/// x to the power y (C's `pow`).
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// The angle of the point (x, y), in (−π, π]; arguments in C's order.
#[must_use]
pub fn atan2(y: f64, x: f64) -> f64 {
    libm::atan2(y, x)
}

/// 1/(1 + e⁻ˣ), without overflow on either side.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// log(1 + eˣ) = max(x, 0) + log1p(e^−|x|).
#[must_use]
pub fn softplus(x: f64) -> f64 {
    (if x > 0.0 { x } else { 0.0 }) + log1p(exp(-x.abs()))
}

/// Where the asymptotic series of digamma and trigamma are accurate to working precision.
const ASYMPTOTIC: f64 = 10.0;

/// B₂ₖ/(2k): ψ(z) ~ log z − 1/(2z) − Σ B₂ₖ/(2k·z²ᵏ).
const DIGAMMA_SERIES: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3_617.0 / 8_160.0,
];

/// ψ(x) = Γ′(x)/Γ(x). Reflection for x < 0, recurrence up to 10, then the asymptotic series (Abramowitz and Stegun
/// 6.3.5, 6.3.7, 6.3.18). NaN at the poles 0, −1, −2, …
#[must_use]
pub fn digamma(x: f64) -> f64 {
    if x <= 0.0 {
        // In [−1/2, 1/2] and exact, so that the result is accurate near the poles; NaN at −∞.
        let fraction = x - x.round();
        return if fraction == 0.0 { f64::NAN } else { digamma(1.0 - x) - PI / libm::tan(PI * fraction) };
    }
    if x.is_infinite() {
        return x;
    }
    let steps = steps_to_asymptotic(x);
    let z = x + steps;
    let shift = sum_smallest_first(steps, |step| 1.0 / (x + step));
    log(z) - 0.5 / z - in_inverse_squares(z, &DIGAMMA_SERIES) - shift
}

/// B₂ₖ: ψ′(z) ~ 1/z + 1/(2z²) + Σ B₂ₖ/z²ᵏ⁺¹.
const TRIGAMMA_SERIES: [f64; 8] =
    [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2_730.0, 7.0 / 6.0, -3_617.0 / 510.0];

/// ψ′(x). Reflection for x < 0, recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.4.6, 6.4.7,
/// 6.4.12). +∞ at the poles 0, −1, −2, …
#[must_use]
pub fn trigamma(x: f64) -> f64 {
    if x <= 0.0 {
        let fraction = x - x.round();
        if fraction == 0.0 {
            return f64::INFINITY;
        }
        let ratio = PI / libm::sin(PI * fraction);
        return ratio * ratio - trigamma(1.0 - x);
    }
    let steps = steps_to_asymptotic(x);
    let z = x + steps;
    let shift = sum_smallest_first(steps, |step| 1.0 / (x + step) / (x + step));
    1.0 / z + 0.5 / z / z + in_inverse_squares(z, &TRIGAMMA_SERIES) / z + shift
}

/// How many times the recurrence raises x by one; 0 for NaN.
fn steps_to_asymptotic(x: f64) -> f64 {
    (ASYMPTOTIC - x).ceil().max(0.0)
}

/// term(steps − 1) + … + term(0): decreasing arguments, increasing terms, less rounding.
fn sum_smallest_first(steps: f64, term: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut step) = (0.0, steps);
    while step > 0.0 {
        step -= 1.0;
        sum += term(step);
    }
    sum
}

/// Σ cₖ·z^(−2k), k = 1, 2, …
fn in_inverse_squares(z: f64, series: &[f64]) -> f64 {
    let w = 1.0 / z / z;
    series.iter().rev().fold(0.0, |sum, c| (sum + c) * w)
}
