//! The one-dimensional transforms of minimal filtering with six outputs and three taps, F(6, 3): Winograd, *Arithmetic
//! Complexity of Computations* (1980); Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (2016).
//!
//! A product of polynomials is found from their values at 0, ±1, ±2, ±1/2 and ∞: y = Aᵀ((G g) ∘ (Bᵀ d)) for eight
//! inputs d and three taps g. Along both axes, 36 outputs take 64 products instead of 324.

use super::super::lanes::{Elem, Lanes};

/// Points, and inputs of a window along an axis.
pub(super) const POINTS: usize = 8;
/// Outputs along an axis.
pub(super) const TILE: usize = 6;
/// Taps along an axis.
pub(super) const TAPS: usize = 3;

/// A linear map of `I` vectors to `O` vectors.
pub(super) trait Transform<const I: usize, const O: usize> {
    /// # Safety
    /// The CPU has the tier of `L`.
    unsafe fn of<L: Lanes>(x: [L; I]) -> [L; O];
}

/// Bᵀ: the values of a window.
pub(super) struct Window;
/// Aᵀ: outputs from the values of a product.
pub(super) struct Outputs;
/// A: the transpose of [`Outputs`].
pub(super) struct OutputsBack;
/// G: the values of a kernel.
pub(super) struct Taps;
/// Gᵀ: the transpose of [`Taps`].
pub(super) struct TapsBack;

/// The map along both axes.
///
/// # Safety
/// The CPU has the tier of `L`.
#[inline(always)]
pub(super) unsafe fn plane<L: Lanes, F: Transform<I, O>, const I: usize, const O: usize>(
    x: &[[L; I]; I],
) -> [[L; O]; O] {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = L::splat(L::Elem::ZERO);
        let mut rows = [[zero; O]; I];
        for (row, x) in rows.iter_mut().zip(x) {
            *row = F::of(*x);
        }
        let mut out = [[zero; O]; O];
        for o in 0..O {
            let mut column = [zero; I];
            for (x, row) in column.iter_mut().zip(&rows) {
                *x = row[o];
            }
            for (row, y) in out.iter_mut().zip(F::of(column)) {
                row[o] = y;
            }
        }
        out
    }
}

/// Σ c·x, fused from the second term on.
#[inline(always)]
unsafe fn sum<L: Lanes, const N: usize>(terms: [(f64, L); N]) -> L {
    // SAFETY: the caller has promised the tier.
    unsafe {
        let (c, x) = terms[0];
        let mut sum = if c.to_bits() == 1.0_f64.to_bits() { x } else { L::splat(L::Elem::of(c)).mul(x) };
        for (c, x) in &terms[1..] {
            sum = L::splat(L::Elem::of(*c)).mul_add(*x, sum);
        }
        sum
    }
}

/// Values at x and −x from the even and the odd part.
#[inline(always)]
unsafe fn both<L: Lanes>((even, odd): (L, L)) -> [L; 2] {
    // SAFETY: the caller has promised the tier.
    unsafe { [even.add(odd), even.sub(odd)] }
}

impl Transform<POINTS, POINTS> for Window {
    #[inline(always)]
    unsafe fn of<L: Lanes>(d: [L; POINTS]) -> [L; POINTS] {
        // SAFETY: the caller has promised the tier.
        unsafe {
            // Even and odd parts of the values at ±1, ±2 and ±1/2.
            let one = (sum([(1.0, d[2].add(d[6])), (-4.25, d[4])]), sum([(1.0, d[1].add(d[5])), (-4.25, d[3])]));
            let two = (sum([(1.0, d[6]), (0.25, d[2]), (-1.25, d[4])]), sum([(0.5, d[1]), (-2.5, d[3]), (2.0, d[5])]));
            let half = (sum([(1.0, d[6]), (4.0, d[2]), (-5.0, d[4])]), sum([(2.0, d[1]), (-2.5, d[3]), (0.5, d[5])]));
            let zero = sum([(1.0, d[0].sub(d[6])), (5.25, d[4].sub(d[2]))]);
            let infinity = sum([(1.0, d[7].sub(d[1])), (5.25, d[3].sub(d[5]))]);
            let ([a, b], [c, d], [e, f]) = (both(one), both(two), both(half));
            [zero, a, b, c, d, e, f, infinity]
        }
    }
}

impl Transform<POINTS, TILE> for Outputs {
    #[inline(always)]
    unsafe fn of<L: Lanes>(m: [L; POINTS]) -> [L; TILE] {
        // SAFETY: the caller has promised the tier.
        unsafe {
            let (one, two, half) = (m[1].add(m[2]), m[3].add(m[4]), m[5].add(m[6]));
            let (odd, odd_two, odd_half) = (m[1].sub(m[2]), m[3].sub(m[4]), m[5].sub(m[6]));
            [
                m[0].add(one).add(two.add(half)),
                sum([(1.0, odd), (2.0, odd_two), (0.5, odd_half)]),
                sum([(1.0, one), (4.0, two), (0.25, half)]),
                sum([(1.0, odd), (8.0, odd_two), (0.125, odd_half)]),
                sum([(1.0, one), (16.0, two), (0.0625, half)]),
                sum([(1.0, odd.add(m[7])), (32.0, odd_two), (0.03125, odd_half)]),
            ]
        }
    }
}

impl Transform<TILE, POINTS> for OutputsBack {
    #[inline(always)]
    unsafe fn of<L: Lanes>(y: [L; TILE]) -> [L; POINTS] {
        // SAFETY: the caller has promised the tier.
        unsafe {
            // The even and the odd part of the polynomial with these coefficients at 1, 2 and 1/2.
            let one = (y[0].add(y[2]).add(y[4]), y[1].add(y[3]).add(y[5]));
            let two = (sum([(1.0, y[0]), (4.0, y[2]), (16.0, y[4])]), sum([(2.0, y[1]), (8.0, y[3]), (32.0, y[5])]));
            let half =
                (sum([(1.0, y[0]), (0.25, y[2]), (0.0625, y[4])]), sum([(0.5, y[1]), (0.125, y[3]), (0.03125, y[5])]));
            let ([a, b], [c, d], [e, f]) = (both(one), both(two), both(half));
            [y[0], a, b, c, d, e, f, y[5]]
        }
    }
}

/// Row of G for 1, 2 and 1/2, of which the values at the negative points differ in the sign of the second entry.
const TAP_ROWS: [[f64; TAPS]; 3] = [
    [-2.0 / 9.0, -2.0 / 9.0, -2.0 / 9.0],
    [1.0 / 90.0, 1.0 / 45.0, 2.0 / 45.0],
    [32.0 / 45.0, 16.0 / 45.0, 8.0 / 45.0],
];

/// The even and the odd part of three taps.
#[inline(always)]
unsafe fn taps<L: Lanes>(row: [f64; TAPS], g: [L; TAPS]) -> (L, L) {
    // SAFETY: the caller has promised the tier.
    unsafe { (sum([(row[0], g[0]), (row[2], g[2])]), sum([(row[1], g[1])])) }
}

/// One tap from the even or the odd parts.
#[inline(always)]
unsafe fn tap<L: Lanes>(tap: usize, x: [L; TAPS]) -> L {
    // SAFETY: the caller has promised the tier.
    unsafe { sum([(TAP_ROWS[0][tap], x[0]), (TAP_ROWS[1][tap], x[1]), (TAP_ROWS[2][tap], x[2])]) }
}

impl Transform<TAPS, POINTS> for Taps {
    #[inline(always)]
    unsafe fn of<L: Lanes>(g: [L; TAPS]) -> [L; POINTS] {
        // SAFETY: the caller has promised the tier.
        unsafe {
            let ([a, b], [c, d], [e, f]) =
                (both(taps(TAP_ROWS[0], g)), both(taps(TAP_ROWS[1], g)), both(taps(TAP_ROWS[2], g)));
            [g[0], a, b, c, d, e, f, g[2]]
        }
    }
}

impl Transform<POINTS, TAPS> for TapsBack {
    #[inline(always)]
    unsafe fn of<L: Lanes>(u: [L; POINTS]) -> [L; TAPS] {
        // SAFETY: the caller has promised the tier.
        unsafe {
            let even = [u[1].add(u[2]), u[3].add(u[4]), u[5].add(u[6])];
            let odd = [u[1].sub(u[2]), u[3].sub(u[4]), u[5].sub(u[6])];
            [u[0].add(tap(0, even)), tap(1, odd), tap(2, even).add(u[7])]
        }
    }
}
