//! exp, expm1, tanh, sigmoid and softplus over lanes.
//!
//! Method: x = n·ln2 + r with |r| ≤ ln2/2 (Cody and Waite, *Software Manual for the Elementary Functions*, 1980);
//! expm1(r) = r + r²·(1/2 + r·P(r)) plus the rounding error of r; then scale by 2ⁿ.

use super::lanes::{Elem, Lanes};
use super::logarithm::log1p;

/// c₀ + c₁·x + … by Horner's rule.
#[inline(always)]
pub(super) unsafe fn polynomial<L: Lanes>(x: L, coefficients: &'static [L::Elem]) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let mut sum = L::splat(coefficients[coefficients.len() - 1]);
        for &c in coefficients[..coefficients.len() - 1].iter().rev() {
            sum = sum.mul_add(x, L::splat(c));
        }
        sum
    }
}

/// 2ⁿ for n = `shifted` − ROUNDER, an integer in the range of normal exponents.
#[inline(always)]
pub(super) unsafe fn power_of_two<L: Lanes>(shifted: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe { shifted.bits_to_exponent().bits_add(L::splat(L::Elem::ONE)) }
}

/// c₀ + c₁·x + …, given x² too: even and odd powers by Horner's rule, side by side, in half the time that one chain takes.
#[inline(always)]
unsafe fn polynomial_in_halves<L: Lanes>(x: L, square: L, coefficients: &'static [L::Elem]) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe { every_second(square, coefficients, 1).mul_add(x, every_second(square, coefficients, 0)) }
}

/// c₀ + c₂·y + c₄·y² + …, or from c₁ on.
#[inline(always)]
unsafe fn every_second<L: Lanes>(y: L, coefficients: &'static [L::Elem], first: usize) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let mut i = first + (coefficients.len() - 1 - first) / 2 * 2;
        let mut sum = L::splat(coefficients[i]);
        while i > first {
            i -= 2;
            sum = sum.mul_add(y, L::splat(coefficients[i]));
        }
        sum
    }
}

/// (n + ROUNDER, expm1(r)) for x = n·ln2 + r.
#[inline(always)]
unsafe fn reduce<L: Lanes>(x: L) -> (L, L) {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let rounder = L::splat(L::Elem::ROUNDER);
        let shifted = x.mul_add(L::splat(L::Elem::LOG2_E), rounder);
        let n = shifted.sub(rounder);
        let head = n.neg_mul_add(L::splat(L::Elem::LN2_HEAD), x);
        let tail = n.mul(L::splat(L::Elem::LN2_TAIL));
        let r = head.sub(tail);
        let error = head.sub(r).sub(tail);
        let square = r.mul(r);
        let q = polynomial_in_halves(r, square, L::Elem::EXP).mul_add(r, L::splat(L::Elem::HALF));
        (shifted, square.mul_add(q, error).add(r))
    }
}

/// x limited to [low, high]; NaN passes through.
#[inline(always)]
unsafe fn clamp<L: Lanes>(x: L, low: L::Elem, high: L::Elem) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe { L::splat(low).max(L::splat(high).min(x)) }
}

/// eˣ, at most 1 ulp.
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let (shifted, p) = reduce(clamp(x, L::Elem::EXP_MIN, L::Elem::EXP_MAX));
        let rounder = L::splat(L::Elem::ROUNDER);
        let n = shifted.sub(rounder);
        // In two steps: n may lie outside the normal exponents, and a subnormal result is then rounded once.
        let first = n.mul_add(L::splat(L::Elem::HALF), rounder);
        let second = n.sub(first.sub(rounder)).add(rounder);
        p.add(L::splat(L::Elem::ONE)).mul(power_of_two(first)).mul(power_of_two(second))
    }
}

/// eˣ − 1, at most 2 ulp.
#[inline(always)]
pub(super) unsafe fn expm1<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let (shifted, p) = reduce(clamp(x, L::Elem::EXPM1_MIN, L::Elem::EXP_MAX));
        let (one, half) = (L::splat(L::Elem::ONE), L::splat(L::Elem::HALF));
        // 2ⁿ·p + (2ⁿ − 1), halved so that n = 1024 (f64) is still a normal exponent.
        let scale = power_of_two(shifted.sub(one));
        let halved = p.mul_add(scale, scale.sub(half));
        let tiny = x.abs().less(L::splat(L::Elem::TINY));
        L::select(tiny, x, halved.add(halved))
    }
}

/// tanh x on |x|, sign restored: odd exactly, and never beyond ±1. In double precision e/(e + 2) with e = expm1(2x), at
/// most 2 ulp; in single precision a fraction of polynomials, at most 6 ulp, in half the time.
#[inline(always)]
pub(super) unsafe fn tanh<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let sign = x.and(L::splat(L::Elem::SIGN));
        let magnitude = x.xor(sign);
        let limit = L::splat(L::Elem::ZERO).sub(L::splat(L::Elem::EXPM1_MIN));
        let [above, below] = L::Elem::TANH;
        if !above.is_empty() {
            let limit = limit.mul(L::splat(L::Elem::HALF));
            let x = limit.min(magnitude);
            let square = x.mul(x);
            let y = x.mul(polynomial(square, above)).div(polynomial(square, below));
            return L::splat(L::Elem::ONE).min(y).or(sign);
        }
        let twice = magnitude.add(magnitude);
        // Far from overflow, and not below 0: without what `expm1` does about the ends of its range.
        let (shifted, p) = reduce(limit.min(twice));
        let scale = power_of_two(shifted);
        let e = p.mul_add(scale, scale.sub(L::splat(L::Elem::ONE)));
        e.div(e.add(L::splat(L::Elem::TWO))).or(sign)
    }
}

/// 1/(1 + e⁻ˣ); e = e^−|x| never overflows and keeps subnormal results.
#[inline(always)]
pub(super) unsafe fn sigmoid<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let one = L::splat(L::Elem::ONE);
        let e = exp(x.abs().xor(L::splat(L::Elem::SIGN)));
        L::select(x.less(L::splat(L::Elem::ZERO)), e, one).div(e.add(one))
    }
}

/// log(1 + eˣ) = max(x, 0) + log1p(e^−|x|).
#[inline(always)]
pub(super) unsafe fn softplus<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let zero = L::splat(L::Elem::ZERO);
        let e = exp(x.abs().xor(L::splat(L::Elem::SIGN)));
        L::select(zero.less(x), x, zero).add(log1p(e))
    }
}
