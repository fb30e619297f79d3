//! Lanes as 512-bit registers, and as 256-bit ones for the ends of rows: x86-64 with AVX-512F, DQ and VL.

use std::arch::x86_64::*;

use super::avx2::{
    pairs_f32 as pairs_f32x8, pairs_f64 as pairs_f64x4, strided_f32 as strided_f32x8, strided_f64 as strided_f64x4,
    sum_f32 as sum_f32x8, sum_f64 as sum_f64x4,
};
use super::lanes::{Lanes, TOGETHER};

/// Eight f64.
#[derive(Clone, Copy)]
pub struct F64x8(__m512d);

/// Sixteen f32.
#[derive(Clone, Copy)]
pub struct F32x16(__m512);

/// Four f64, with the masks of AVX-512.
#[derive(Clone, Copy)]
pub struct F64x4(__m256d);

/// Eight f32, with the masks of AVX-512.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

macro_rules! avx512_lanes {
    (
        $name:ident, $half:ident, $elem:ty, $width:literal, $fraction_bits:literal, $mask:ty,
        $splat:ident $load:ident $store:ident $maskload:ident $maskstore:ident
        $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident $fma:ident $fnma:ident $min:ident $max:ident
        $cmp:ident $blend:ident $and:ident $or:ident $xor:ident
        $to_int:ident $from_int:ident $int_add:ident $shl:ident $shr:ident, $sum:expr, $strided:expr, $pairs:expr $(, $sums:expr)?
    ) => {
        impl $name {
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "count ≤ WIDTH, the bits of the mask")]
            fn first(count: usize) -> $mask {
                ((1_u32 << count) - 1) as $mask
            }
        }

        // SAFETY: each method is the intrinsic it names; the trait's contract gives AVX-512F + DQ + VL and valid pointers.
        unsafe impl Lanes for $name {
            type Elem = $elem;
            type Mask = $mask;
            const WIDTH: usize = $width;
            const MANY: bool = true;
            type Half = $half;

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
                Self(unsafe { $maskload(Self::first(count), from) })
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $elem, count: usize) {
                // SAFETY: see the impl; masked-off lanes are not accessed.
                unsafe { $maskstore(to, Self::first(count), self.0) }
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
            unsafe fn less(self, other: Self) -> $mask {
                // SAFETY: see the impl.
                unsafe { $cmp::<_CMP_LT_OQ>(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn equal(self, other: Self) -> $mask {
                // SAFETY: see the impl.
                unsafe { $cmp::<_CMP_EQ_OQ>(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn select(mask: $mask, yes: Self, no: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { $blend(mask, no.0, yes.0) })
            }
            #[inline(always)]
            unsafe fn any(mask: $mask) -> bool {
                mask != 0
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
            $(#[inline(always)]
            unsafe fn sums(vectors: &[Self; TOGETHER]) -> [$elem; TOGETHER] {
                // SAFETY: see the impl.
                unsafe { $sums(vectors) }
            })?
        }
    };
}

avx512_lanes!(
    F64x8, F64x4, f64, 8, 52, __mmask8,
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_maskz_loadu_pd _mm512_mask_storeu_pd
    _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd _mm512_sqrt_pd _mm512_fmadd_pd _mm512_fnmadd_pd _mm512_min_pd _mm512_max_pd
    _mm512_cmp_pd_mask _mm512_mask_blend_pd _mm512_and_pd _mm512_or_pd _mm512_xor_pd
    _mm512_castpd_si512 _mm512_castsi512_pd _mm512_add_epi64 _mm512_slli_epi64 _mm512_srli_epi64, sum_f64, strided_f64, pairs_f64, sums_f64
);
avx512_lanes!(
    F32x16, F32x8, f32, 16, 23, __mmask16,
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_maskz_loadu_ps _mm512_mask_storeu_ps
    _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps _mm512_sqrt_ps _mm512_fmadd_ps _mm512_fnmadd_ps _mm512_min_ps _mm512_max_ps
    _mm512_cmp_ps_mask _mm512_mask_blend_ps _mm512_and_ps _mm512_or_ps _mm512_xor_ps
    _mm512_castps_si512 _mm512_castsi512_ps _mm512_add_epi32 _mm512_slli_epi32 _mm512_srli_epi32, sum_f32, strided_f32, pairs_f32, sums_f32
);

avx512_lanes!(
    F64x4, F64x4, f64, 4, 52, __mmask8,
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_maskz_loadu_pd _mm256_mask_storeu_pd
    _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_sqrt_pd _mm256_fmadd_pd _mm256_fnmadd_pd _mm256_min_pd _mm256_max_pd
    _mm256_cmp_pd_mask _mm256_mask_blend_pd _mm256_and_pd _mm256_or_pd _mm256_xor_pd
    _mm256_castpd_si256 _mm256_castsi256_pd _mm256_add_epi64 _mm256_slli_epi64 _mm256_srli_epi64, sum_f64x4, strided_f64x4, pairs_f64x4
);
avx512_lanes!(
    F32x8, F32x8, f32, 8, 23, __mmask8,
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_maskz_loadu_ps _mm256_mask_storeu_ps
    _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_sqrt_ps _mm256_fmadd_ps _mm256_fnmadd_ps _mm256_min_ps _mm256_max_ps
    _mm256_cmp_ps_mask _mm256_mask_blend_ps _mm256_and_ps _mm256_or_ps _mm256_xor_ps
    _mm256_castps_si256 _mm256_castsi256_ps _mm256_add_epi32 _mm256_slli_epi32 _mm256_srli_epi32, sum_f32x8, strided_f32x8, pairs_f32x8
);

#[inline(always)]
unsafe fn sum_f64(v: __m512d) -> f64 {
    // SAFETY: AVX-512F is promised by the caller, and contains AVX.
    unsafe { sum_f64x4(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v))) }
}

#[inline(always)]
unsafe fn sum_f32(v: __m512) -> f32 {
    // SAFETY: AVX-512F + DQ are promised by the caller, and contain AVX.
    unsafe { sum_f32x8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v))) }
}

/// Two vectors folded into one by an addition of two shuffles of them.
macro_rules! fold {
    ($add:ident($low:expr, $high:expr); $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        $add($low(a, b), $high(a, b))
    }};
}

/// Upper halves onto lower ones as in `sum_f64`, two vectors in one.
#[inline(always)]
unsafe fn sums_f64(v: &[F64x8; TOGETHER]) -> [f64; TOGETHER] {
    macro_rules! halves {
        ($a:expr, $b:expr) => {
            fold!(_mm512_add_pd(_mm512_shuffle_f64x2::<0x44>, _mm512_shuffle_f64x2::<0xee>); $a, $b)
        };
    }
    macro_rules! four {
        ($i:expr) => {
            fold!(_mm512_add_pd(_mm512_shuffle_f64x2::<0x88>, _mm512_shuffle_f64x2::<0xdd>);
                halves!(v[$i].0, v[$i + 2].0), halves!(v[$i + 4].0, v[$i + 6].0))
        };
    }
    macro_rules! eight {
        ($i:expr) => {
            fold!(_mm512_add_pd(_mm512_unpacklo_pd, _mm512_unpackhi_pd); four!($i), four!($i + 1))
        };
    }
    let mut sums = [0.0; TOGETHER];
    // SAFETY: AVX-512F is promised by the caller.
    unsafe {
        _mm512_storeu_pd(sums.as_mut_ptr(), eight!(0));
        _mm512_storeu_pd(sums.as_mut_ptr().add(8), eight!(8));
    }
    sums
}

/// Upper halves onto lower ones as in `sum_f32`, two vectors in one.
#[inline(always)]
unsafe fn sums_f32(v: &[F32x16; TOGETHER]) -> [f32; TOGETHER] {
    macro_rules! halves {
        ($a:expr, $b:expr) => {
            fold!(_mm512_add_ps(_mm512_shuffle_f32x4::<0x44>, _mm512_shuffle_f32x4::<0xee>); $a, $b)
        };
    }
    macro_rules! four {
        ($i:expr) => {
            fold!(_mm512_add_ps(_mm512_shuffle_f32x4::<0x88>, _mm512_shuffle_f32x4::<0xdd>);
                halves!(v[$i].0, v[$i + 4].0), halves!(v[$i + 8].0, v[$i + 12].0))
        };
    }
    macro_rules! eight {
        ($i:expr) => {
            fold!(_mm512_add_ps(_mm512_unpacklo_ps, _mm512_unpackhi_ps); four!($i), four!($i + 1))
        };
    }
    let mut sums = [0.0; TOGETHER];
    // SAFETY: AVX-512F is promised by the caller.
    unsafe {
        let all = fold!(_mm512_add_ps(_mm512_shuffle_ps::<0x44>, _mm512_shuffle_ps::<0xee>); eight!(0), eight!(2));
        _mm512_storeu_ps(sums.as_mut_ptr(), all);
    }
    sums
}

/// Loads one by one: the gathering instruction is slower on AMD's CPUs.
#[inline(always)]
unsafe fn strided_f64(from: *const f64, step: isize) -> __m512d {
    macro_rules! at {
        ($i:expr) => {
            *from.offset($i * step)
        };
    }
    // SAFETY: AVX is promised by the caller, and the elements.
    unsafe { _mm512_set_pd(at!(7), at!(6), at!(5), at!(4), at!(3), at!(2), at!(1), at!(0)) }
}

/// Loads one by one: the gathering instruction is slower on AMD's CPUs.
#[inline(always)]
unsafe fn strided_f32(from: *const f32, step: isize) -> __m512 {
    macro_rules! at {
        ($i:expr) => {
            *from.offset($i * step)
        };
    }
    // SAFETY: AVX is promised by the caller, and the elements.
    unsafe {
        _mm512_set_ps(
            at!(15),
            at!(14),
            at!(13),
            at!(12),
            at!(11),
            at!(10),
            at!(9),
            at!(8),
            at!(7),
            at!(6),
            at!(5),
            at!(4),
            at!(3),
            at!(2),
            at!(1),
            at!(0),
        )
    }
}

/// Two vectors, the second elements of all pairs behind the first ones.
#[inline(always)]
unsafe fn pairs_f64(from: *const f64) -> (__m512d, __m512d) {
    // SAFETY: AVX-512F is promised by the caller, and sixteen elements.
    unsafe {
        let (a, b) = (_mm512_loadu_pd(from), _mm512_loadu_pd(from.add(8)));
        let first = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
        let second = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
        (_mm512_permutex2var_pd(a, first, b), _mm512_permutex2var_pd(a, second, b))
    }
}

/// Two vectors, the second elements of all pairs behind the first ones.
#[inline(always)]
unsafe fn pairs_f32(from: *const f32) -> (__m512, __m512) {
    // SAFETY: AVX-512F is promised by the caller, and 32 elements.
    unsafe {
        let (a, b) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16)));
        let first = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        let second = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
        (_mm512_permutex2var_ps(a, first, b), _mm512_permutex2var_ps(a, second, b))
    }
}
