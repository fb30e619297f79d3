//! Tiles of numbers → tiles of numbers: precompiled vector math and matrix products that generated code calls.
//!
//! `scalar` holds the meaning of each function. The vector kernels are written once over `Lanes` and compiled for
//! AVX-512, AVX2 + FMA and plain arrays; elementwise results have the same bits on every tier, at every position in a
//! tile and for every tile length. Bounds, in units in the last place, measured and tested: see `tests`.
#![allow(unsafe_code, reason = "kernels work on raw pointers from generated code, with CPU-specific instructions")]
#![allow(clippy::missing_safety_doc, reason = "the safety contract of the vector functions is stated once, on `Lanes`")]
#![allow(clippy::inline_always, reason = "code over `Lanes` must be inlined into the functions that enable a tier")]
#![allow(clippy::wildcard_imports, reason = "the intrinsics of std::arch, and the table inside its own modules")]
#![allow(clippy::doc_markdown, reason = "a_row, b_col, … are written as in the formulas")]
#![allow(clippy::many_single_char_names, clippy::similar_names, reason = "the letters of the formulas")]

mod conv;
mod conv_kernel;
mod conv_taps;
mod elem;
mod exponential;
mod gemm;
mod lanes;
mod logarithm;
mod minimal;
mod portable;
pub mod scalar;
mod small_gemm;
mod table;
#[cfg(test)]
mod tests;
mod thin;
mod tiles;
mod trigonometric;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

pub use conv::{ConvDesc, ConvKernel, ConvSamples};
pub use gemm::{Gemm, GemmKernel};
pub use table::{BINARY, BinaryKernel, BinaryTile, Kernels, Tier, UnaryKernel, UnaryTile, kernels};

/// The elementwise function `name` of one argument, in this CPU's fastest tier.
#[must_use]
pub fn unary(name: &str) -> Option<&'static UnaryKernel> {
    kernels().unary.iter().find(|kernel| kernel.name == name)
}

/// The elementwise function `name` of two arguments.
#[must_use]
pub fn binary(name: &str) -> Option<&'static BinaryKernel> {
    BINARY.iter().find(|kernel| kernel.name == name)
}

/// Every kernel under the name generated code imports: `exp_f64`, `pow_f32`, `gemm_f64`, …
#[must_use]
pub fn symbols() -> Vec<(&'static str, *const u8)> {
    let kernels = kernels();
    let mut symbols: Vec<(&'static str, *const u8)> =
        vec![("gemm_f64", kernels.gemm_f64 as *const u8), ("gemm_f32", kernels.gemm_f32 as *const u8)];
    symbols.push(("row_sums_f64", kernels.row_sums_f64 as *const u8));
    symbols.push(("row_sums_f32", kernels.row_sums_f32 as *const u8));
    symbols.push(("tanh_slope_f64", kernels.tanh_slope_f64 as *const u8));
    symbols.push(("tanh_slope_f32", kernels.tanh_slope_f32 as *const u8));
    symbols.extend([("conv_f64", kernels.conv_f64 as *const u8), ("conv_f32", kernels.conv_f32 as *const u8)]);
    for kernel in kernels.unary {
        symbols.push((kernel.symbol_f64, kernel.tile_f64 as *const u8));
        symbols.push((kernel.symbol_f32, kernel.tile_f32 as *const u8));
    }
    for kernel in BINARY {
        symbols.push((kernel.symbol_f64, kernel.tile_f64 as *const u8));
        symbols.push((kernel.symbol_f32, kernel.tile_f32 as *const u8));
    }
    symbols
}
