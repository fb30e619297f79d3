//! The vector abstraction the kernels are written against: `Elem` (f32, f64) and `Lanes` (a register of them).
//!
//! Every operation is exactly rounded IEEE arithmetic or a bit operation, so an elementwise algorithm written
//! once over `Lanes` gives the same bits on every tier, in every lane, and in a masked tail.

/// An element type, with the constants of the elementary-function algorithms in its precision.
pub trait Elem: Copy + PartialEq + PartialOrd + std::fmt::Debug + 'static {
    const ZERO: Self;
    const HALF: Self;
    const ONE: Self;
    const TWO: Self;
    const NEG_ONE: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const NAN: Self;
    const MIN_POSITIVE: Self;
    /// Minus zero: the sign bit alone.
    const SIGN: Self;
    /// All bits of the fraction field.
    const FRACTION: Self;
    /// The integers 1 and 2 as bit patterns (used only under `or` with `ONE`, never as subnormal numbers).
    const BIT0: Self;
    const BIT1: Self;
    /// 1.5·2^p with p fraction bits: adding it rounds to an integer left in the low bits.
    const ROUNDER: Self;
    /// 2^p, and 2^p + exponent bias: an exponent field or-ed into the first, minus the second, is the exponent.
    const EXPONENT_BASE: Self;
    const EXPONENT_OFFSET: Self;
    /// bits(√½), and bits(1) − bits(√½).
    const SQRT_HALF: Self;
    const ONE_LESS_SQRT_HALF: Self;
    /// A power of two that makes any subnormal normal, and its exponent negated.
    const SUBNORMAL_SCALE: Self;
    const SUBNORMAL_EXPONENT: Self;
    /// log2(e); ln 2 as a head whose product with any exponent is exact, and a tail.
    const LOG2_E: Self;
    const LN2_HEAD: Self;
    const LN2_TAIL: Self;
    /// Beyond these arguments exp overflows, and underflows to zero.
    const EXP_MAX: Self;
    const EXP_MIN: Self;
    /// Below this argument expm1 is −1 to working precision; above its negation tanh(x/2) is 1.
    const EXPM1_MIN: Self;
    /// |x| below which expm1(x) and log1p(x) are x to within half an ulp.
    const TINY: Self;
    /// x above which log1p(x) is log(x), and an exponent safely inside the range.
    const HUGE: Self;
    const EXPONENT_CAP: Self;
    /// (eʳ − 1 − r − r²/2)/r³ on |r| ≤ ln2/2, ascending (Chebyshev interpolation).
    const EXP: &'static [Self];
    /// tanh(x)/x as a fraction of polynomials in x² on |x| ≤ −`EXPM1_MIN`/2, ascending, both 1 at 0 (relative error
    /// 2.1e-8, by reweighted least squares); empty where e²ˣ is the way.
    const TANH: [&'static [Self]; 2];
    /// (log((1+s)/(1−s))/s − 2)/s² as a polynomial in s², s ≤ (√2−1)/(√2+1).
    const LOG: &'static [Self];
    /// (sin(r)/r − 1)/r² and (cos(r) − 1 + r²/2)/r⁴ as polynomials in r², |r| ≤ π/4.
    const SIN: &'static [Self];
    const COS: &'static [Self];
    /// 2/π; π/2 in three pieces, the first two short enough for exact reduction up to `TRIG_MAX`.
    const TWO_OVER_PI: Self;
    const PI_2: [Self; 3];
    /// |x| above which sin and cos go through the scalar reference.
    const TRIG_MAX: Self;

    /// Rounded to the type.
    fn of(value: f64) -> Self;
    fn add(self, other: Self) -> Self;
    fn fused_mul_add(self, factor: Self, addend: Self) -> Self;
    fn scalar_sin(self) -> Self;
    fn scalar_cos(self) -> Self;
}

/// Vectors whose lanes are summed together.
pub const TOGETHER: usize = 16;

/// A vector register of `WIDTH` elements.
///
/// # Safety
/// Every method may be called only on a CPU with the instruction set of the implementing tier. Pointer methods
/// need `WIDTH` (or the first `count` ≤ `WIDTH`) elements valid for the access; no alignment is needed.
pub unsafe trait Lanes: Copy {
    type Elem: Elem;
    type Mask: Copy;
    const WIDTH: usize;
    /// Whether there are 32 registers, and not 16.
    const MANY: bool;
    /// A register half as wide in which a row may end, or the same one where that saves nothing.
    type Half: Lanes<Elem = Self::Elem>;

    unsafe fn splat(value: Self::Elem) -> Self;
    unsafe fn load(from: *const Self::Elem) -> Self;
    unsafe fn store(self, to: *mut Self::Elem);
    /// The first `count` elements; the other lanes are +0 and their memory is not touched.
    unsafe fn load_first(from: *const Self::Elem, count: usize) -> Self;
    unsafe fn store_first(self, to: *mut Self::Elem, count: usize);
    /// `WIDTH` elements that are `step` apart.
    unsafe fn strided(from: *const Self::Elem, step: isize) -> Self;
    /// The first and the second elements of `WIDTH` pairs that lie one behind the other.
    unsafe fn pairs(from: *const Self::Elem) -> [Self; 2];

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// self·factor + addend, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// addend − self·factor, rounded once.
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self;

    /// The smaller one; `other` where one is not a number.
    unsafe fn min(self, other: Self) -> Self;
    /// The larger one; `other` where one is not a number.
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn less(self, other: Self) -> Self::Mask;
    unsafe fn equal(self, other: Self) -> Self::Mask;
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    unsafe fn any(mask: Self::Mask) -> bool;

    unsafe fn and(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    /// Lanes as unsigned integers, wrapping.
    unsafe fn bits_add(self, other: Self) -> Self;
    /// Bits shifted by the width of the fraction field.
    unsafe fn bits_to_exponent(self) -> Self;
    unsafe fn bits_from_exponent(self) -> Self;

    /// The sum of the lanes in a fixed order (halves folded together).
    unsafe fn sum(self) -> Self::Elem;

    /// [`Self::sum`] of each: the same bits.
    #[inline(always)]
    unsafe fn sums(vectors: &[Self; TOGETHER]) -> [Self::Elem; TOGETHER] {
        let mut sums = [Self::Elem::ZERO; TOGETHER];
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            // SAFETY: the caller has promised the tier.
            *sum = unsafe { vector.sum() };
        }
        sums
    }

    /// |self|.
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: the caller has promised the tier.
        unsafe { self.xor(self.and(Self::splat(Self::Elem::SIGN))) }
    }
}
