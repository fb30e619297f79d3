//! The kernels of each tier as tables, and the choice of the tier this CPU runs.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::avx2::{F32x8, F64x4};
#[cfg(target_arch = "x86_64")]
use super::avx512::{F32x16, F64x8};
use super::conv::{ConvDesc, ConvKernel};
use super::gemm::{Gemm, GemmKernel};
use super::portable::Array;
use super::{conv, gemm, scalar, small_gemm, tiles};

/// y\[i\] = f(x\[i\]) for i < n; `x == y` is allowed, partial overlap is not.
pub type UnaryTile<T> = unsafe extern "C" fn(x: *const T, y: *mut T, n: usize);

/// y\[i\] = f(a\[i\], b\[i\]) for i < n; `y` may equal `a` or `b`, partial overlap is not allowed.
pub type BinaryTile<T> = unsafe extern "C" fn(a: *const T, b: *const T, y: *mut T, n: usize);

/// An elementwise function of one argument: its meaning and its tile kernels.
#[derive(Clone, Copy)]
pub struct UnaryKernel {
    /// Its name, as in the operator table.
    pub name: &'static str,
    /// Symbol of the f64 tile.
    pub symbol_f64: &'static str,
    /// Symbol of the f32 tile.
    pub symbol_f32: &'static str,
    /// The meaning, in double precision.
    pub scalar: fn(f64) -> f64,
    /// The meaning, rounded to single precision.
    pub scalar_f32: fn(f32) -> f32,
    /// The f64 tile.
    pub tile_f64: UnaryTile<f64>,
    /// The f32 tile.
    pub tile_f32: UnaryTile<f32>,
}

/// An elementwise function of two arguments: its meaning and its tile kernels.
#[derive(Clone, Copy)]
pub struct BinaryKernel {
    /// Its name, as in the operator table.
    pub name: &'static str,
    /// Symbol of the f64 tile.
    pub symbol_f64: &'static str,
    /// Symbol of the f32 tile.
    pub symbol_f32: &'static str,
    /// The meaning, in double precision.
    pub scalar: fn(f64, f64) -> f64,
    /// The meaning, rounded to single precision.
    pub scalar_f32: fn(f32, f32) -> f32,
    /// The f64 tile.
    pub tile_f64: BinaryTile<f64>,
    /// The f32 tile.
    pub tile_f32: BinaryTile<f32>,
}

/// An instruction set the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// x86-64 with AVX-512F, DQ and VL: 8 f64 or 16 f32 lanes.
    Avx512,
    /// x86-64 with AVX2 and FMA: 4 f64 or 8 f32 lanes.
    Avx2,
    /// Any CPU.
    Portable,
}

/// All kernels of a tier.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Which instruction set.
    pub tier: Tier,
    /// Functions of one argument.
    pub unary: &'static [UnaryKernel],
    /// Matrix product in f64.
    pub gemm_f64: GemmKernel<f64>,
    /// Matrix product in f32.
    pub gemm_f32: GemmKernel<f32>,
    /// Sums of rows in f64: A → C; B and n do not count, and rows of A are contiguous.
    pub row_sums_f64: GemmKernel<f64>,
    /// Sums of rows in f32.
    pub row_sums_f32: GemmKernel<f32>,
    /// g·(1 − y²) in f64.
    pub tanh_slope_f64: BinaryTile<f64>,
    /// g·(1 − y²) in f32.
    pub tanh_slope_f32: BinaryTile<f32>,
    /// Convolution in f64.
    pub conv_f64: ConvKernel<f64>,
    /// Convolution in f32.
    pub conv_f32: ConvKernel<f32>,
}

macro_rules! unary_entry {
    ($name:ident, $tile_f64:expr, $tile_f32:expr) => {
        UnaryKernel {
            name: stringify!($name),
            symbol_f64: concat!(stringify!($name), "_f64"),
            symbol_f32: concat!(stringify!($name), "_f32"),
            scalar: scalar::$name,
            scalar_f32: |x| scalar::round_to_f32(scalar::$name(f64::from(x))),
            tile_f64: $tile_f64,
            tile_f32: $tile_f32,
        }
    };
}

/// One module per tier: its `extern "C"` functions (with the tier's instructions enabled) and their table.
macro_rules! tier {
    (
        $module:ident, $tier:ident, [$feature:meta], $f64:ty, $f32:ty;
        vector $($name:ident = $function:ident),*;
        scalar $($scalar_name:ident),*;
    ) => {
        mod $module {
            use super::*;

            $(mod $name {
                use super::*;

                #[$feature]
                pub(super) unsafe extern "C" fn tile_f64(x: *const f64, y: *mut f64, n: usize) {
                    // SAFETY: the instructions are enabled here; the pointers are the caller's promise.
                    unsafe { tiles::map::<$f64, tiles::$function>(x, y, n) }
                }
                #[$feature]
                pub(super) unsafe extern "C" fn tile_f32(x: *const f32, y: *mut f32, n: usize) {
                    // SAFETY: as above.
                    unsafe { tiles::map::<$f32, tiles::$function>(x, y, n) }
                }
            })*

            #[$feature]
            unsafe extern "C" fn gemm_f64(
                desc: *const Gemm, a: *const f64, b: *const f64, c: *mut f64, d: *const f64,
            ) {
                // SAFETY: the instructions are enabled here; pointers and strides are the caller's promise.
                unsafe { gemm::multiply::<$f64>(&*desc, a, b, c, d) }
            }
            #[$feature]
            unsafe extern "C" fn gemm_f32(
                desc: *const Gemm, a: *const f32, b: *const f32, c: *mut f32, d: *const f32,
            ) {
                // SAFETY: as above.
                unsafe { gemm::multiply::<$f32>(&*desc, a, b, c, d) }
            }

            #[$feature]
            unsafe extern "C" fn row_sums_f64(
                desc: *const Gemm, a: *const f64, _: *const f64, c: *mut f64, _: *const f64,
            ) {
                // SAFETY: as above.
                unsafe { small_gemm::row_sums::<$f64>(&*desc, a, c) }
            }
            #[$feature]
            unsafe extern "C" fn row_sums_f32(
                desc: *const Gemm, a: *const f32, _: *const f32, c: *mut f32, _: *const f32,
            ) {
                // SAFETY: as above.
                unsafe { small_gemm::row_sums::<$f32>(&*desc, a, c) }
            }

            #[$feature]
            unsafe extern "C" fn tanh_slope_f64(g: *const f64, y: *const f64, out: *mut f64, n: usize) {
                // SAFETY: the instructions are enabled here; the pointers are the caller's promise.
                unsafe { tiles::tanh_slope::<$f64>(g, y, out, n) }
            }
            #[$feature]
            unsafe extern "C" fn tanh_slope_f32(g: *const f32, y: *const f32, out: *mut f32, n: usize) {
                // SAFETY: as above.
                unsafe { tiles::tanh_slope::<$f32>(g, y, out, n) }
            }

            #[$feature]
            unsafe extern "C" fn conv_f64(
                desc: *const ConvDesc, a: *const f64, b: *const f64, out: *mut f64, scratch: *mut f64,
            ) {
                // SAFETY: the instructions are enabled here; pointers and sizes are the caller's promise.
                unsafe { conv::convolve::<$f64>(&*desc, a, b, out, scratch) }
            }
            #[$feature]
            unsafe extern "C" fn conv_f32(
                desc: *const ConvDesc, a: *const f32, b: *const f32, out: *mut f32, scratch: *mut f32,
            ) {
                // SAFETY: as above.
                unsafe { conv::convolve::<$f32>(&*desc, a, b, out, scratch) }
            }

            static UNARY: &[UnaryKernel] = &[
                $(unary_entry!($name, $name::tile_f64, $name::tile_f32),)*
                $(unary_entry!($scalar_name, scalar_tiles::$scalar_name::tile_f64, scalar_tiles::$scalar_name::tile_f32),)*
            ];

            pub(super) static KERNELS: Kernels = Kernels {
                tier: Tier::$tier, unary: UNARY, gemm_f64, gemm_f32, row_sums_f64, row_sums_f32, tanh_slope_f64,
                tanh_slope_f32, conv_f64, conv_f32,
            };
        }
    };
}

/// The functions without a vector algorithm: a loop over the scalar meaning, the same on every tier.
mod scalar_tiles {
    use super::{scalar, tiles};

    macro_rules! scalar_tiles {
        ($($name:ident),*) => {$(
            pub(super) mod $name {
                use super::{scalar, tiles};

                pub(in super::super) unsafe extern "C" fn tile_f64(x: *const f64, y: *mut f64, n: usize) {
                    // SAFETY: the pointers are the caller's promise.
                    unsafe { tiles::map_scalar(x, y, n, scalar::$name) }
                }
                pub(in super::super) unsafe extern "C" fn tile_f32(x: *const f32, y: *mut f32, n: usize) {
                    // SAFETY: as above.
                    unsafe { tiles::map_scalar(x, y, n, |x| scalar::round_to_f32(scalar::$name(f64::from(x)))) }
                }
            }
        )*};
    }
    scalar_tiles!(tan, asin, acos, atan, sinh, cosh, erf, lgamma, digamma, trigamma);

    macro_rules! scalar_tiles2 {
        ($($name:ident),*) => {$(
            pub(super) mod $name {
                use super::{scalar, tiles};

                pub(in super::super) unsafe extern "C" fn tile_f64(
                    a: *const f64, b: *const f64, y: *mut f64, n: usize,
                ) {
                    // SAFETY: the pointers are the caller's promise.
                    unsafe { tiles::map_scalar2(a, b, y, n, scalar::$name) }
                }
                pub(in super::super) unsafe extern "C" fn tile_f32(
                    a: *const f32, b: *const f32, y: *mut f32, n: usize,
                ) {
                    let f = |a, b| scalar::round_to_f32(scalar::$name(f64::from(a), f64::from(b)));
                    // SAFETY: as above.
                    unsafe { tiles::map_scalar2(a, b, y, n, f) }
                }
            }
        )*};
    }
    scalar_tiles2!(pow, atan2);
}

macro_rules! binary_entry {
    ($name:ident) => {
        BinaryKernel {
            name: stringify!($name),
            symbol_f64: concat!(stringify!($name), "_f64"),
            symbol_f32: concat!(stringify!($name), "_f32"),
            scalar: scalar::$name,
            scalar_f32: |a, b| scalar::round_to_f32(scalar::$name(f64::from(a), f64::from(b))),
            tile_f64: scalar_tiles::$name::tile_f64,
            tile_f32: scalar_tiles::$name::tile_f32,
        }
    };
}

/// The functions of two arguments (the same on every tier).
pub static BINARY: &[BinaryKernel] = &[binary_entry!(pow), binary_entry!(atan2)];

macro_rules! tiers {
    ($($(#[$cfg:meta])? ($($head:tt)*))*) => {$(
        $(#[$cfg])?
        tier! {
            $($head)*;
            vector exp = Exp, expm1 = Expm1, log = Log, log1p = Log1p, sqrt = Sqrt, sin = Sin, cos = Cos, tanh = Tanh,
                sigmoid = Sigmoid, softplus = Softplus;
            scalar tan, asin, acos, atan, sinh, cosh, erf, lgamma, digamma, trigamma;
        }
    )*};
}

tiers! {
    #[cfg(target_arch = "x86_64")]
    (avx512, Avx512, [target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")],
        F64x8, F32x16)
    #[cfg(target_arch = "x86_64")]
    (avx2, Avx2, [target_feature(enable = "avx2,fma")], F64x4, F32x8)
    (portable, Portable, [inline(never)], Array<f64, 4>, Array<f32, 8>)
}

impl Tier {
    /// The tiers this CPU can run, fastest first; never empty.
    #[must_use]
    pub fn supported() -> Vec<Tier> {
        [Tier::Avx512, Tier::Avx2, Tier::Portable].into_iter().filter(|tier| tier.kernels().is_some()).collect()
    }

    /// The kernels of this tier, if this CPU can run them.
    #[must_use]
    pub fn kernels(self) -> Option<&'static Kernels> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => {
                let has = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma");
                has.then_some(&avx512::KERNELS)
            }
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => {
                (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(&avx2::KERNELS)
            }
            #[cfg(not(target_arch = "x86_64"))]
            Tier::Avx512 | Tier::Avx2 => None,
            Tier::Portable => Some(&portable::KERNELS),
        }
    }
}

/// The kernels of the fastest tier of this CPU (detected once).
#[must_use]
pub fn kernels() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| [Tier::Avx512, Tier::Avx2].into_iter().find_map(Tier::kernels).unwrap_or(&portable::KERNELS))
}
