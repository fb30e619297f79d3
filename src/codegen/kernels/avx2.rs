//! Lanes as 256-bit registers: x86-64 with AVX2 and FMA.

use std::arch::x86_64::*;

use super::lanes::Lanes;

/// Four f64.
#[derive(Clone, Copy)]
pub struct F64x4(__m256d);

/// Eight f32.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

/// Sliding windows over these give the mask of the first `count` lanes.
static MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
static MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

macro_rules! avx2_lanes {
    (
        $name:ident, $elem:ty, $vector:ty, $width:literal, $fraction_bits:literal, $masks:ident,
        $splat:ident $load:ident $store:ident $maskload:ident $store_first:ident
        $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident $fma:ident $fnma:ident $min:ident $max:ident
        $cmp:ident $blend:ident $movemask:ident $and:ident $or:ident $xor:ident
        $to_int:ident $from_int:ident $int_add:ident $shl:ident $shr:ident, $sum:expr, $strided:expr, $pairs:expr
    ) => {
        impl $name {
            #[inline(always)]
            unsafe fn first(count: usize) -> __m256i {
                // SAFETY: count ≤ WIDTH, so the window lies inside the table; AVX is promised by the caller.
                unsafe { _mm256_loadu_si256($masks.as_ptr().add($width - count).cast()) }
            }
        }

        // SAFETY: each method is the intrinsic it names; the trait's contract gives AVX2 + FMA and valid pointers.
        unsafe impl Lanes for $name {
            type Elem = $elem;
            type Mask = $vector;
            const WIDTH: usize = $width;
            const MANY: bool = false;
            type Half = Self;

            #[inline(always)]
            unsafe fn splat(value: $elem) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $elem) {
                // SAFETY: see the impl.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $elem, count: usize) -> Self {
                // SAFETY: see the impl; masked-off lanes are not accessed.
                Self(unsafe { $maskload(from, Self::first(count)) })
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $elem, count: usize) {
                // SAFETY: see the impl; exactly `count` elements are written.
                unsafe { $store_first(self.0, to, count) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $div(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $fma(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $fnma(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn less(self, other: Self) -> $vector {
                // SAFETY: see the impl.
                unsafe { $cmp::<_CMP_LT_OQ>(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn equal(self, other: Self) -> $vector {
                // SAFETY: see the impl.
                unsafe { $cmp::<_CMP_EQ_OQ>(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn select(mask: $vector, yes: Self, no: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $blend(no.0, yes.0, mask) })
            }
            #[inline(always)]
            unsafe fn any(mask: $vector) -> bool {
                // SAFETY: see the impl.
                unsafe { $movemask(mask) != 0 }
            }
            #[inline(always)]
            unsafe fn and(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $and(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $or(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn xor(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $xor(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn bits_add(self, other: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $from_int($int_add($to_int(self.0), $to_int(other.0))) })
            }
            #[inline(always)]
            unsafe fn bits_to_exponent(self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $from_int($shl::<$fraction_bits>($to_int(self.0))) })
            }
            #[inline(always)]
            unsafe fn bits_from_exponent(self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $from_int($shr::<$fraction_bits>($to_int(self.0))) })
            }
            #[inline(always)]
            unsafe fn strided(from: *const $elem, step: isize) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $strided(from, step) })
            }
            #[inline(always)]
            unsafe fn pairs(from: *const $elem) -> [Self; 2] {
                // SAFETY: see the impl.
                let (first, second) = unsafe { $pairs(from) };
                [Self(first), Self(second)]
            }
            #[inline(always)]
            unsafe fn sum(self) -> $elem {
                // SAFETY: see the impl.
                unsafe { $sum(self.0) }
            }
        }
    };
}

avx2_lanes!(
    F64x4, f64, __m256d, 4, 52, MASK64,
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_maskload_pd store_first_f64
    _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_sqrt_pd _mm256_fmadd_pd _mm256_fnmadd_pd _mm256_min_pd _mm256_max_pd
    _mm256_cmp_pd _mm256_blendv_pd _mm256_movemask_pd _mm256_and_pd _mm256_or_pd _mm256_xor_pd
    _mm256_castpd_si256 _mm256_castsi256_pd _mm256_add_epi64 _mm256_slli_epi64 _mm256_srli_epi64, sum_f64, strided_f64, pairs_f64
);
avx2_lanes!(
    F32x8, f32, __m256, 8, 23, MASK32,
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_maskload_ps store_first_f32
    _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_sqrt_ps _mm256_fmadd_ps _mm256_fnmadd_ps _mm256_min_ps _mm256_max_ps
    _mm256_cmp_ps _mm256_blendv_ps _mm256_movemask_ps _mm256_and_ps _mm256_or_ps _mm256_xor_ps
    _mm256_castps_si256 _mm256_castsi256_ps _mm256_add_epi32 _mm256_slli_epi32 _mm256_srli_epi32, sum_f32, strided_f32, pairs_f32
);

/// Folds the upper half onto the lower until one lane is left.
#[inline(always)]
pub(super) unsafe fn sum_f64(v: __m256d) -> f64 {
    // SAFETY: AVX is promised by the caller.
    unsafe {
        let pair = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)))
    }
}

/// Folds the upper half onto the lower until one lane is left.
#[inline(always)]
pub(super) unsafe fn sum_f32(v: __m256) -> f32 {
    // SAFETY: AVX is promised by the caller.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

/// Stores by powers of two: a masked store is microcode, and many times slower, on AMD's CPUs before Zen 4.
#[inline(always)]
unsafe fn store_first_f64(v: __m256d, mut to: *mut f64, count: usize) {
    // SAFETY: AVX is promised by the caller, and that `count` elements may be written.
    unsafe {
        if count >= 4 {
            return _mm256_storeu_pd(to, v);
        }
        let mut rest = _mm256_castpd256_pd128(v);
        if count & 2 != 0 {
            _mm_storeu_pd(to, rest);
            rest = _mm256_extractf128_pd::<1>(v);
            to = to.add(2);
        }
        if count & 1 != 0 {
            _mm_store_sd(to, rest);
        }
    }
}

/// As `store_first_f64`.
#[inline(always)]
unsafe fn store_first_f32(v: __m256, mut to: *mut f32, count: usize) {
    // SAFETY: AVX is promised by the caller, and that `count` elements may be written.
    unsafe {
        if count >= 8 {
            return _mm256_storeu_ps(to, v);
        }
        let mut rest = _mm256_castps256_ps128(v);
        if count & 4 != 0 {
            _mm_storeu_ps(to, rest);
            rest = _mm256_extractf128_ps::<1>(v);
            to = to.add(4);
        }
        if count & 2 != 0 {
            _mm_store_sd(to.cast(), _mm_castps_pd(rest));
            rest = _mm_movehl_ps(rest, rest);
            to = to.add(2);
        }
        if count & 1 != 0 {
            _mm_store_ss(to, rest);
        }
    }
}

/// Loads one by one: the gathering instruction is slower on AMD's CPUs.
#[inline(always)]
pub(super) unsafe fn strided_f64(from: *const f64, step: isize) -> __m256d {
    macro_rules! at {
        ($i:expr) => {
            *from.offset($i * step)
        };
    }
    // SAFETY: AVX is promised by the caller, and the elements.
    unsafe { _mm256_set_pd(at!(3), at!(2), at!(1), at!(0)) }
}

/// Loads one by one: the gathering instruction is slower on AMD's CPUs.
#[inline(always)]
pub(super) unsafe fn strided_f32(from: *const f32, step: isize) -> __m256 {
    macro_rules! at {
        ($i:expr) => {
            *from.offset($i * step)
        };
    }
    // SAFETY: AVX is promised by the caller, and the elements.
    unsafe { _mm256_set_ps(at!(7), at!(6), at!(5), at!(4), at!(3), at!(2), at!(1), at!(0)) }
}

/// The first elements of four pairs, and the second ones.
#[inline(always)]
pub(super) unsafe fn pairs_f64(from: *const f64) -> (__m256d, __m256d) {
    // SAFETY: AVX2 is promised by the caller, and eight elements.
    unsafe {
        let (a, b) = (_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(4)));
        let (first, second) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        (_mm256_permute4x64_pd::<0b11_01_10_00>(first), _mm256_permute4x64_pd::<0b11_01_10_00>(second))
    }
}

/// The first elements of eight pairs, and the second ones.
#[inline(always)]
pub(super) unsafe fn pairs_f32(from: *const f32) -> (__m256, __m256) {
    // SAFETY: AVX2 is promised by the caller, and sixteen elements.
    unsafe {
        let (a, b) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8)));
        let (first, second) = (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b));
        let sort = |v| _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(v)));
        (sort(first), sort(second))
    }
}
