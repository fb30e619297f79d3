//! log and log1p over lanes.
//!
//! Method: x = 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2, s = f/(2 + f),
//! log(1 + f) = 2·artanh(s) = f − (f²/2 − s·(f²/2 + R(s²))) (Cody and Waite 1980; Tang 1990).

use super::exponential::{polynomial, power_of_two};
use super::lanes::{Elem, Lanes};

/// x = 2ᵏ·m: (k, m), for positive normal x.
#[inline(always)]
unsafe fn split<L: Lanes>(x: L) -> (L, L) {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let moved = x.bits_add(L::splat(L::Elem::ONE_LESS_SQRT_HALF));
        let exponent = moved.bits_from_exponent().or(L::splat(L::Elem::EXPONENT_BASE));
        let m = moved.and(L::splat(L::Elem::FRACTION)).bits_add(L::splat(L::Elem::SQRT_HALF));
        (exponent.sub(L::splat(L::Elem::EXPONENT_OFFSET)), m)
    }
}

/// k·ln2 + log(1 + f).
#[inline(always)]
unsafe fn combine<L: Lanes>(k: L, f: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let s = f.div(f.add(L::splat(L::Elem::TWO)));
        let z = s.mul(s);
        let half_square = f.mul(L::splat(L::Elem::HALF)).mul(f);
        let r = polynomial(z, L::Elem::LOG).mul_add(z, half_square);
        let low = s.mul_add(r, k.mul(L::splat(L::Elem::LN2_TAIL)));
        k.mul_add(L::splat(L::Elem::LN2_HEAD), f.sub(half_square.sub(low)))
    }
}

/// `inside` where `pole` < x < ∞, else −∞ at the pole, +∞ at +∞, NaN elsewhere.
#[inline(always)]
unsafe fn with_domain<L: Lanes>(x: L, pole: L::Elem, inside: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let (pole, infinity) = (L::splat(pole), L::splat(L::Elem::INFINITY));
        let nan = L::splat(L::Elem::NAN);
        let below_infinity = L::select(x.less(infinity), inside, L::select(x.equal(infinity), infinity, nan));
        let at_pole = L::select(x.equal(pole), L::splat(L::Elem::NEG_INFINITY), nan);
        L::select(pole.less(x), below_infinity, at_pole)
    }
}

/// Natural logarithm, at most 1 ulp; log(±0) = −∞, log(x < 0) = NaN.
#[inline(always)]
pub(super) unsafe fn log<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let zero = L::splat(L::Elem::ZERO);
        let subnormal = x.less(L::splat(L::Elem::MIN_POSITIVE));
        let normal = L::select(subnormal, x.mul(L::splat(L::Elem::SUBNORMAL_SCALE)), x);
        let (k, m) = split(normal);
        let k = k.add(L::select(subnormal, L::splat(L::Elem::SUBNORMAL_EXPONENT), zero));
        with_domain(x, L::Elem::ZERO, combine(k, m.sub(L::splat(L::Elem::ONE))))
    }
}

/// log(1 + x), at most 2 ulp: log of u = 1 + x with the rounding error of the sum carried into f.
#[inline(always)]
pub(super) unsafe fn log1p<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let one = L::splat(L::Elem::ONE);
        let u = x.add(one);
        let error = L::select(x.less(one), x.sub(u.sub(one)), one.sub(u.sub(x)));
        let error = L::select(x.less(L::splat(L::Elem::HUGE)), error, L::splat(L::Elem::ZERO));
        let (k, m) = split(u);
        let cap = L::splat(L::Elem::EXPONENT_CAP);
        let capped = cap.min(k);
        let unscale = power_of_two(L::splat(L::Elem::ROUNDER).sub(capped));
        let f = error.mul_add(unscale, m.sub(one));
        let inside = with_domain(x, L::Elem::NEG_ONE, combine(k, f));
        L::select(x.abs().less(L::splat(L::Elem::TINY)), x, inside)
    }
}
