//! A matrix with few columns, or with few rows, times one column: vectors run along the long side, so that there is no
//! sum over the lanes of a vector for each short row.

use super::gemm::{Gemm, at, at_mut, write};
use super::lanes::{Elem, Lanes};

/// The most entries along the short side.
const FEW: usize = 4;

/// Whether `tall` takes this product.
pub(super) fn is_tall<L: Lanes>(desc: &Gemm) -> bool {
    desc.n == 1 && (1..=FEW).contains(&desc.k) && desc.m >= 2 * L::WIDTH && desc.a_row != 1 && desc.c_row == 1
}

/// Whether `wide` takes this product.
pub(super) fn is_wide<L: Lanes>(desc: &Gemm) -> bool {
    desc.n == 1 && desc.m <= FEW && desc.k >= 2 * L::WIDTH && desc.a_col != 1 && desc.b_row == 1
}

/// C = \[C or D +\] A·b for a matrix with few columns. Each entry is one chain of fused operations, as in the column
/// kernels.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `GemmKernel`; `is_tall`, and d_row = 1 if there is a D.
#[inline(always)]
pub(super) unsafe fn tall<L: Lanes>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match desc.k {
            1 => tall_of::<L, 1>(desc, a, b, c, d),
            2 => tall_of::<L, 2>(desc, a, b, c, d),
            3 => tall_of::<L, 3>(desc, a, b, c, d),
            _ => tall_of::<L, FEW>(desc, a, b, c, d),
        }
    }
}

#[inline(always)]
unsafe fn tall_of<L: Lanes, const K: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    // SAFETY: i < m rows and l < K columns exist.
    unsafe {
        let mut factors = [L::Elem::ZERO; K];
        for (l, factor) in factors.iter_mut().enumerate() {
            *factor = *at(b, l, desc.b_row);
        }
        let mut i = 0;
        while i + L::WIDTH <= desc.m {
            let (a, c) = (at(a, i, desc.a_row), c.add(i));
            let mut sum = if desc.bias == 0 { L::splat(L::Elem::ZERO) } else { L::load(d.add(i)) };
            if K == 2 && desc.a_row == 2 && desc.a_col == 1 {
                for (column, factor) in L::pairs(a).into_iter().zip(factors) {
                    sum = column.mul_add(L::splat(factor), sum);
                }
            } else {
                for (l, factor) in factors.iter().enumerate() {
                    sum = L::strided(at(a, l, desc.a_col), desc.a_row).mul_add(L::splat(*factor), sum);
                }
            }
            (if desc.accumulate == 0 { sum } else { L::load(c).add(sum) }).store(c);
            i += L::WIDTH;
        }
        while i < desc.m {
            let a = at(a, i, desc.a_row);
            let mut sum = if desc.bias == 0 { L::Elem::ZERO } else { *d.add(i) };
            for (l, factor) in factors.iter().enumerate() {
                sum = (*at(a, l, desc.a_col)).fused_mul_add(*factor, sum);
            }
            write(desc, c.add(i), sum);
            i += 1;
        }
    }
}

/// C (+)= A·b for a matrix with few rows whose entries lie apart: two vectors of partial sums a row, then what is left.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `GemmKernel`; `is_wide`.
#[inline(always)]
pub(super) unsafe fn wide<L: Lanes>(desc: &Gemm, a: *const L::Elem, b: *const L::Elem, c: *mut L::Elem) {
    if desc.m == 2 && desc.a_row == 1 && desc.a_col == 2 {
        // SAFETY: the caller's promise.
        return unsafe { wide_pairs::<L>(desc, a, b, c) };
    }
    for i in 0..desc.m {
        // SAFETY: i < m rows and l < k columns exist.
        unsafe {
            let a = at(a, i, desc.a_row);
            let mut sums = [L::splat(L::Elem::ZERO); 2];
            let mut l = 0;
            while l + 2 * L::WIDTH <= desc.k {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let l = l + v * L::WIDTH;
                    *sum = L::strided(at(a, l, desc.a_col), desc.a_col).mul_add(L::load(b.add(l)), *sum);
                }
                l += 2 * L::WIDTH;
            }
            let mut sum = sums[0].add(sums[1]).sum();
            while l < desc.k {
                sum = (*at(a, l, desc.a_col)).fused_mul_add(*b.add(l), sum);
                l += 1;
            }
            write(desc, at_mut(c, i, desc.c_row), sum);
        }
    }
}

/// The same for two rows whose entries take turns.
#[inline(always)]
unsafe fn wide_pairs<L: Lanes>(desc: &Gemm, a: *const L::Elem, b: *const L::Elem, c: *mut L::Elem) {
    // SAFETY: l < k columns of two entries exist.
    unsafe {
        let mut sums = [[L::splat(L::Elem::ZERO); 2]; 2];
        let mut l = 0;
        while l + 2 * L::WIDTH <= desc.k {
            for v in 0..2 {
                add_pairs(L::pairs(a.add(2 * l)), L::load(b.add(l)), v, &mut sums);
                l += L::WIDTH;
            }
        }
        if l + L::WIDTH <= desc.k {
            add_pairs(L::pairs(a.add(2 * l)), L::load(b.add(l)), 0, &mut sums);
            l += L::WIDTH;
        }
        for (i, sums) in sums.iter().enumerate() {
            let mut sum = sums[0].add(sums[1]).sum();
            for l in l..desc.k {
                sum = (*a.add(2 * l + i)).fused_mul_add(*b.add(l), sum);
            }
            write(desc, at_mut(c, i, desc.c_row), sum);
        }
    }
}

/// Adds the products of both rows with the entries of the column to sum `v` of each row.
#[inline(always)]
unsafe fn add_pairs<L: Lanes>(rows: [L; 2], column: L, v: usize, sums: &mut [[L; 2]; 2]) {
    for (sums, row) in sums.iter_mut().zip(rows) {
        // SAFETY: the caller's tier.
        sums[v] = unsafe { row.mul_add(column, sums[v]) };
    }
}
