//! sin and cos over lanes.
//!
//! Method: x = n·π/2 + r + e, π/2 in three pieces. n·(first piece) is subtracted exactly by one fused operation,
//! n·(second piece) is exact and subtracted with its rounding error (Knuth's two-sum), the third goes into e.
//! Lanes beyond `TRIG_MAX`, where n has too many bits for that, are recomputed by the scalar reference.

use super::exponential::polynomial;
use super::lanes::{Elem, Lanes};

/// (n with its low bits in the pattern, r, e).
#[inline(always)]
unsafe fn reduce<L: Lanes>(x: L) -> (L, L, L) {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let [first, second, third] = L::Elem::PI_2;
        let rounder = L::splat(L::Elem::ROUNDER);
        let shifted = x.mul_add(L::splat(L::Elem::TWO_OVER_PI), rounder);
        let n = shifted.sub(rounder);
        let a = n.neg_mul_add(L::splat(first), x);
        let b = n.mul(L::splat(second));
        let head = a.sub(b);
        let b_seen = a.sub(head);
        let lost = a.sub(head.add(b_seen)).sub(b.sub(b_seen));
        let tail = n.neg_mul_add(L::splat(third), lost);
        let r = head.add(tail);
        (shifted, r, tail.sub(r.sub(head)))
    }
}

/// sin(r + e) for even `quadrant`, cos(r + e) for odd, negated when its bit 1 is set.
#[inline(always)]
unsafe fn sine_of_quadrant<L: Lanes>(quadrant: L, r: L, e: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let one = L::splat(L::Elem::ONE);
        let z = r.mul(r);
        let sin = r.mul(z).mul_add(polynomial(z, L::Elem::SIN), e).add(r);
        let half_square = z.mul(L::splat(L::Elem::HALF));
        let near = one.sub(half_square);
        let rest = r.neg_mul_add(e, z.mul(z).mul(polynomial(z, L::Elem::COS)));
        let cos = near.add(one.sub(near).sub(half_square).add(rest));
        let bit_clear = |bit: L::Elem| quadrant.and(L::splat(bit)).or(one).equal(one);
        let value = L::select(bit_clear(L::Elem::BIT0), sin, cos);
        let sign = L::select(bit_clear(L::Elem::BIT1), L::splat(L::Elem::ZERO), L::splat(L::Elem::SIGN));
        value.xor(sign)
    }
}

/// `value` with the lanes where |x| > `TRIG_MAX` replaced by `scalar`.
#[inline(always)]
unsafe fn patch_large<L: Lanes>(x: L, value: L, scalar: fn(L::Elem) -> L::Elem) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe { if L::any(L::splat(L::Elem::TRIG_MAX).less(x.abs())) { recompute_large(x, value, scalar) } else { value } }
}

#[cold]
#[inline(never)]
unsafe fn recompute_large<L: Lanes>(x: L, value: L, scalar: fn(L::Elem) -> L::Elem) -> L {
    let zeros = [L::Elem::ZERO; 16];
    let (mut arguments, mut magnitudes, mut values) = (zeros, zeros, zeros);
    // SAFETY: the caller has promised the tier of `L`; WIDTH ≤ 16.
    unsafe {
        x.store(arguments.as_mut_ptr());
        x.abs().store(magnitudes.as_mut_ptr());
        value.store(values.as_mut_ptr());
    }
    for ((x, magnitude), value) in arguments.iter().zip(&magnitudes).zip(&mut values).take(L::WIDTH) {
        if *magnitude > L::Elem::TRIG_MAX {
            *value = scalar(*x);
        }
    }
    // SAFETY: as above.
    unsafe { L::load(values.as_ptr()) }
}

/// Sine; sin(±∞) = NaN, sin(−0) = −0.
#[inline(always)]
pub(super) unsafe fn sin<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let (n, r, e) = reduce(x);
        let value = L::select(x.equal(L::splat(L::Elem::ZERO)), x, sine_of_quadrant(n, r, e));
        patch_large(x, value, L::Elem::scalar_sin)
    }
}

/// Cosine; cos(±∞) = NaN.
#[inline(always)]
pub(super) unsafe fn cos<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has promised the tier of `L`.
    unsafe {
        let (n, r, e) = reduce(x);
        let value = sine_of_quadrant(n.bits_add(L::splat(L::Elem::BIT0)), r, e);
        patch_large(x, value, L::Elem::scalar_cos)
    }
}
