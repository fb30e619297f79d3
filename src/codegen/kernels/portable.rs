//! Lanes as plain arrays: any CPU. The compiler turns them into 128-bit registers where the target has them.
//!
//! `mul_add` is one instruction on aarch64; on an x86-64 without FMA it is a library call: correct, but slow.

use super::lanes::Lanes;

/// `N` elements in an array.
#[derive(Clone, Copy)]
pub struct Array<E, const N: usize>([E; N]);

macro_rules! portable_lanes {
    ($elem:ty, $bits:ty, $width:literal, $fraction_bits:literal) => {
        // SAFETY: nothing here needs more than the baseline instruction set; pointers are used as documented.
        unsafe impl Lanes for Array<$elem, $width> {
            type Elem = $elem;
            type Mask = [bool; $width];
            const WIDTH: usize = $width;
            const MANY: bool = false;
            type Half = Self;

            #[inline(always)]
            unsafe fn splat(value: $elem) -> Self {
                Self([value; $width])
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self {
                // SAFETY: the caller has promised WIDTH readable elements.
                Self(unsafe { from.cast::<[$elem; $width]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $elem) {
                // SAFETY: the caller has promised WIDTH writable elements.
                unsafe { to.cast::<[$elem; $width]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $elem, count: usize) -> Self {
                let mut lanes = [0.0; $width];
                // SAFETY: the caller has promised `count` ≤ WIDTH readable elements; `lanes` is a fresh local.
                unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
                Self(lanes)
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $elem, count: usize) {
                // SAFETY: the caller has promised `count` ≤ WIDTH writable elements; `self` is a local value.
                unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                Self(self.0.map(<$elem>::sqrt))
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
            }
            #[inline(always)]
            unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
                Self(std::array::from_fn(|i| (-self.0[i]).mul_add(factor.0[i], addend.0[i])))
            }

            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] }))
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] }))
            }
            #[inline(always)]
            unsafe fn less(self, other: Self) -> [bool; $width] {
                std::array::from_fn(|i| self.0[i] < other.0[i])
            }
            #[inline(always)]
            #[allow(clippy::float_cmp, reason = "the operation is IEEE equality")]
            unsafe fn equal(self, other: Self) -> [bool; $width] {
                std::array::from_fn(|i| self.0[i] == other.0[i])
            }
            #[inline(always)]
            unsafe fn select(mask: [bool; $width], yes: Self, no: Self) -> Self {
                Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
            }
            #[inline(always)]
            unsafe fn any(mask: [bool; $width]) -> bool {
                mask.iter().any(|&lane| lane)
            }

            #[inline(always)]
            unsafe fn and(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| <$elem>::from_bits(self.0[i].to_bits() & other.0[i].to_bits())))
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| <$elem>::from_bits(self.0[i].to_bits() | other.0[i].to_bits())))
            }
            #[inline(always)]
            unsafe fn xor(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| <$elem>::from_bits(self.0[i].to_bits() ^ other.0[i].to_bits())))
            }
            #[inline(always)]
            unsafe fn bits_add(self, other: Self) -> Self {
                let sum = |a: $bits, b: $bits| <$elem>::from_bits(a.wrapping_add(b));
                Self(std::array::from_fn(|i| sum(self.0[i].to_bits(), other.0[i].to_bits())))
            }
            #[inline(always)]
            unsafe fn bits_to_exponent(self) -> Self {
                Self(self.0.map(|x| <$elem>::from_bits(x.to_bits() << $fraction_bits)))
            }
            #[inline(always)]
            unsafe fn bits_from_exponent(self) -> Self {
                Self(self.0.map(|x| <$elem>::from_bits(x.to_bits() >> $fraction_bits)))
            }

            #[inline(always)]
            unsafe fn pairs(from: *const $elem) -> [Self; 2] {
                // SAFETY: the caller's promise.
                unsafe { [Self::strided(from, 2), Self::strided(from.add(1), 2)] }
            }
            #[inline(always)]
            unsafe fn strided(from: *const $elem, step: isize) -> Self {
                // SAFETY: the caller gives the elements.
                Self(std::array::from_fn(|i| unsafe { *from.offset(i.cast_signed() * step) }))
            }

            #[inline(always)]
            unsafe fn sum(self) -> $elem {
                let mut lanes = self.0;
                let mut half = $width / 2;
                while half > 0 {
                    for i in 0..half {
                        lanes[i] += lanes[i + half];
                    }
                    half /= 2;
                }
                lanes[0]
            }
        }
    };
}

portable_lanes!(f64, u64, 4, 52);
portable_lanes!(f32, u32, 8, 23);
