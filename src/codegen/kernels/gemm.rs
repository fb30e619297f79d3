//! C ← A·B, C ← C + A·B or, from a bias, C ← D + A·B with arbitrary strides: chooses among our own small kernels and
//! the `gemm` crate.
//!
//! Always deterministic on one machine. Each element of the column kernels and of the general loop is one chain of
//! fused operations over l = 0, 1, …, k−1, so it depends on its row of A and its column of B alone: not on its position
//! nor on m and n. The dot kernels (both operands contiguous along k) sum by lanes instead: again independent of
//! position, m and n, but with other roundings than the column kernels, so one column (n = 1) may differ in the last
//! bits from the same column among many. A bias starts the chain of the column kernels, and is added last to dot
//! products and where it had to be copied to C first. Products above `LARGE` follow the blocking of the `gemm` crate.

use super::lanes::{Elem, Lanes};
use super::small_gemm::{columns, dots};
use super::thin::{is_tall, is_wide, tall, wide};

/// Sizes and strides (in elements) of C (m×n) = \[C or D (m×n) +\] A (m×k) · B (k×n).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gemm {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Step between rows of A.
    pub a_row: isize,
    /// Step between columns of A.
    pub a_col: isize,
    /// Step between rows of B.
    pub b_row: isize,
    /// Step between columns of B.
    pub b_col: isize,
    /// Step between rows of C.
    pub c_row: isize,
    /// Step between columns of C.
    pub c_col: isize,
    /// 0: overwrite C (its old contents are not read); 1: add to it.
    pub accumulate: usize,
    /// 0: D is not there, and not read; 1: it is, and C is overwritten. Not with `accumulate`.
    pub bias: usize,
    /// Step between rows of D; 0 where they are the same.
    pub d_row: isize,
    /// Step between columns of D; 0 where they are the same.
    pub d_col: isize,
}

/// C = \[C or D +\] A·B. The operands must be valid for the described elements; C overlaps none of the others, and its
/// elements are distinct.
pub type GemmKernel<T> = unsafe extern "C" fn(desc: *const Gemm, a: *const T, b: *const T, c: *mut T, d: *const T);

/// m·n·k from which packing pays (measured).
const LARGE: usize = 32 * 32 * 32;

impl Gemm {
    /// The same product as Cᵀ = Bᵀ·Aᵀ (call with the operands exchanged).
    pub(super) fn transposed(&self) -> Gemm {
        Gemm {
            m: self.n,
            n: self.m,
            k: self.k,
            a_row: self.b_col,
            a_col: self.b_row,
            b_row: self.a_col,
            b_col: self.a_row,
            c_row: self.c_col,
            c_col: self.c_row,
            accumulate: self.accumulate,
            bias: self.bias,
            d_row: self.d_col,
            d_col: self.d_row,
        }
    }

    fn is_large(&self) -> bool {
        // Below 24 rows or columns our own kernels were faster (50×50·50×20 by a factor of two).
        self.m.min(self.n) >= 24 && self.m.saturating_mul(self.n).saturating_mul(self.k) >= LARGE
    }
}

/// `base` moved by `index` strides.
///
/// # Safety
/// The result lies in the same allocation.
#[inline(always)]
pub(super) unsafe fn at<T>(base: *const T, index: usize, stride: isize) -> *const T {
    // SAFETY: the caller's promise. An index counts elements in memory, so it fits in isize.
    unsafe { base.offset(index.cast_signed() * stride) }
}

/// As `at`, to write.
///
/// # Safety
/// The result lies in the same allocation.
#[inline(always)]
pub(super) unsafe fn at_mut<T>(base: *mut T, index: usize, stride: isize) -> *mut T {
    // SAFETY: as for `at`.
    unsafe { base.offset(index.cast_signed() * stride) }
}

/// How a product is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Packed,
    Columns,
    ColumnsTransposed,
    Tall,
    TallTransposed,
    Wide,
    WideTransposed,
    Dots,
    General,
}

impl Way {
    /// The fastest one for these sizes and strides.
    #[inline(always)]
    fn of<L: Lanes>(desc: &Gemm) -> Self {
        let rows_side_by_side = desc.b_col == 1 && desc.c_col == 1;
        if desc.is_large() {
            Self::Packed
        } else if desc.m > 1 && desc.n > 1 && rows_side_by_side {
            Self::Columns
        } else if is_tall::<L>(desc) {
            Self::Tall
        } else if is_wide::<L>(desc) {
            Self::Wide
        } else if desc.m == 1 && is_tall::<L>(&desc.transposed()) {
            Self::TallTransposed
        } else if desc.m == 1 && is_wide::<L>(&desc.transposed()) {
            Self::WideTransposed
        } else if desc.n > 1 && rows_side_by_side {
            Self::Columns
        } else if desc.m > 1 && desc.a_row == 1 && desc.c_row == 1 {
            Self::ColumnsTransposed
        } else if desc.k == 1 || (desc.a_col == 1 && desc.b_row == 1) {
            Self::Dots
        } else {
            Self::General
        }
    }

    /// Whether it starts from the bias; else that is copied to C first.
    #[inline(always)]
    fn takes_bias(self, desc: &Gemm) -> bool {
        match self {
            Self::Columns => desc.d_col == 0,
            Self::ColumnsTransposed => desc.d_row == 0,
            Self::Tall => desc.d_row == 1,
            Self::TallTransposed => desc.d_col == 1,
            Self::Dots => true,
            Self::Packed | Self::Wide | Self::WideTransposed | Self::General => false,
        }
    }
}

/// # Safety
/// The CPU has the tier of `L`; the contract of `GemmKernel`.
#[inline(always)]
pub(super) unsafe fn multiply<L: Lanes>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    if desc.m == 0 || desc.n == 0 {
        return;
    }
    debug_assert!(desc.accumulate == 0 || desc.bias == 0, "a product is added to C or starts from a bias");
    let way = Way::of::<L>(desc);
    let mut desc = desc;
    let onto_bias;
    // SAFETY: the caller's promise; each kernel is called with the strides it asks for.
    unsafe {
        if desc.bias != 0 && !way.takes_bias(desc) {
            copy_bias(desc, c, d);
            onto_bias = Gemm { accumulate: 1, bias: 0, ..*desc };
            desc = &onto_bias;
        }
        match way {
            Way::Packed => packed(desc, a, b, c),
            Way::Columns => columns::<L>(desc, a, b, c, d),
            Way::ColumnsTransposed => columns::<L>(&desc.transposed(), b, a, c, d),
            Way::Tall => tall::<L>(desc, a, b, c, d),
            Way::TallTransposed => tall::<L>(&desc.transposed(), b, a, c, d),
            Way::Wide => wide::<L>(desc, a, b, c),
            Way::WideTransposed => wide::<L>(&desc.transposed(), b, a, c),
            Way::Dots => dots::<L>(desc, a, b, c, d),
            Way::General => general(desc, a, b, c),
        }
    }
}

/// # Safety
/// D and C of `GemmKernel`.
#[inline(never)]
unsafe fn copy_bias<T: Copy>(desc: &Gemm, c: *mut T, d: *const T) {
    for i in 0..desc.m {
        // SAFETY: i < m, j < n.
        unsafe {
            let (c, d) = (at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
            if desc.c_col == 1 && desc.d_col == 0 {
                let first = *d;
                (0..desc.n).for_each(|j| *c.add(j) = first);
            } else {
                (0..desc.n).for_each(|j| *at_mut(c, j, desc.c_col) = *at(d, j, desc.d_col));
            }
        }
    }
}

/// The `gemm` crate: packs, blocks for the caches, chooses its own instruction set.
unsafe fn packed<T: Elem>(desc: &Gemm, a: *const T, b: *const T, c: *mut T) {
    let add = desc.accumulate != 0;
    // SAFETY: the caller's promise of `GemmKernel` is what the crate asks for.
    unsafe {
        ::gemm::gemm(
            desc.m,
            desc.n,
            desc.k,
            c,
            desc.c_col,
            desc.c_row,
            add,
            a,
            desc.a_col,
            desc.a_row,
            b,
            desc.b_col,
            desc.b_row,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
}

/// Any strides, one element at a time.
#[inline(always)]
unsafe fn general<T: Elem>(desc: &Gemm, a: *const T, b: *const T, c: *mut T) {
    for i in 0..desc.m {
        for j in 0..desc.n {
            // SAFETY: i < m, j < n, l < k.
            unsafe {
                let (row, column) = (at(a, i, desc.a_row), at(b, j, desc.b_col));
                let mut sum = T::ZERO;
                for l in 0..desc.k {
                    sum = (*at(row, l, desc.a_col)).fused_mul_add(*at(column, l, desc.b_row), sum);
                }
                write(desc, at_mut(at_mut(c, i, desc.c_row), j, desc.c_col), sum);
            }
        }
    }
}

/// Stores one element of the product.
#[inline(always)]
pub(super) unsafe fn write<T: Elem>(desc: &Gemm, to: *mut T, sum: T) {
    // SAFETY: the caller gives an element of C.
    unsafe { *to = if desc.accumulate == 0 { sum } else { (*to).add(sum) } }
}
