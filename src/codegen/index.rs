//! Table look-ups over contiguous values, lanes innermost. Indices are whole numbers stored as entries; they are clamped
//! to the rows there are, and NaN counts as 0.
#![allow(unsafe_code, reason = "these are called by generated code with raw pointers")]

use super::kernel::Element;

/// Sizes of a look-up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// Rows of the table.
    pub rows: usize,
    /// Entries of a row.
    pub width: usize,
    /// Number of indices.
    pub count: usize,
    /// Samples side by side.
    pub lanes: usize,
}

fn row<T: Element>(index: T, rows: usize) -> usize {
    let index = index.widen();
    if index >= 0.0 { (index as usize).min(rows - 1) } else { 0 }
}

/// out\[i, w\] = table\[index\[i\], w\]
unsafe extern "C" fn gather<T: Element>(d: *const Lookup, table: *const T, index: *const T, out: *mut T) {
    // SAFETY: generated code passes buffers of the sizes it describes.
    unsafe {
        let Lookup { rows, width, count, lanes } = *d;
        for i in 0..count {
            for l in 0..lanes {
                let r = row(*index.add(i * lanes + l), rows);
                for w in 0..width {
                    *out.add((i * width + w) * lanes + l) = *table.add((r * width + w) * lanes + l);
                }
            }
        }
    }
}

/// out\[index\[i\], w\] += updates\[i, w\]
unsafe extern "C" fn scatter<T: Element>(d: *const Lookup, index: *const T, updates: *const T, out: *mut T) {
    // SAFETY: generated code passes buffers of the sizes it describes.
    unsafe {
        let Lookup { rows, width, count, lanes } = *d;
        for i in 0..count {
            for l in 0..lanes {
                let r = row(*index.add(i * lanes + l), rows);
                for w in 0..width {
                    let at = out.add((r * width + w) * lanes + l);
                    *at = T::narrow((*at).widen() + (*updates.add((i * width + w) * lanes + l)).widen());
                }
            }
        }
    }
}

/// out\[i\] = position of the first largest of x\[i, …\]; a NaN counts as largest.
unsafe extern "C" fn argmax<T: Element>(d: *const Lookup, x: *const T, _: *const T, out: *mut T) {
    // SAFETY: generated code passes buffers of the sizes it describes.
    unsafe {
        let Lookup { rows, count, lanes, .. } = *d;
        for i in 0..count {
            for l in 0..lanes {
                let at = |r: usize| (*x.add((i * rows + r) * lanes + l)).widen();
                let mut best = 0;
                for r in 1..rows {
                    if at(r) > at(best) || (at(r).is_nan() && !at(best).is_nan()) {
                        best = r;
                    }
                }
                *out.add(i * lanes + l) = T::narrow(best as f64);
            }
        }
    }
}

/// out\[i\] = the interval of increasing `ts` that t\[i\] lies in.
unsafe extern "C" fn search<T: Element>(d: *const Lookup, ts: *const T, t: *const T, out: *mut T) {
    // SAFETY: generated code passes buffers of the sizes it describes.
    unsafe {
        let Lookup { rows, count, lanes, .. } = *d;
        for i in 0..count {
            for l in 0..lanes {
                let t = (*t.add(i * lanes + l)).widen();
                let (mut low, mut high) = (0, rows.saturating_sub(1));
                while high > low + 1 {
                    let middle = usize::midpoint(low, high);
                    if (*ts.add(middle * lanes + l)).widen() <= t { low = middle } else { high = middle }
                }
                *out.add(i * lanes + l) = T::narrow(low as f64);
            }
        }
    }
}

/// Writes zeros.
unsafe extern "C" fn clear<T: Element>(n: *const usize, out: *mut T) {
    // SAFETY: generated code passes a buffer of the size it describes.
    unsafe { out.write_bytes(0, *n) };
}

/// Every kernel that generated code may import, under its name there.
pub(super) fn symbols() -> Vec<(&'static str, *const u8)> {
    let mut all = super::kernels::symbols();
    all.extend([
        ("gather_f64", gather::<f64> as *const u8),
        ("gather_f32", gather::<f32> as *const u8),
        ("scatter_f64", scatter::<f64> as *const u8),
        ("scatter_f32", scatter::<f32> as *const u8),
        ("argmax_f64", argmax::<f64> as *const u8),
        ("argmax_f32", argmax::<f32> as *const u8),
        ("search_f64", search::<f64> as *const u8),
        ("search_f32", search::<f32> as *const u8),
        ("clear_f64", clear::<f64> as *const u8),
        ("clear_f32", clear::<f32> as *const u8),
    ]);
    all
}

/// Number of arguments of a kernel.
pub(super) fn arity(name: &str) -> usize {
    match name {
        "clear" => 2,
        "conv" => 5,
        "gemm" | "row_sums" => 5,
        "tanh_slope" | "gather" | "scatter" | "argmax" | "search" => 4,
        _ if super::kernels::binary(name).is_some() => 4,
        _ => 3,
    }
}
