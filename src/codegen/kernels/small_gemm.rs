//! Register-blocked products without packing, for matrices that stay in the first-level cache.

use super::gemm::{Gemm, at, at_mut, write};
use super::lanes::{Elem, Lanes, TOGETHER};

/// Rows of C a block holds; columns (in vectors) when several rows, and when one row, are held.
const ROWS: usize = 4;
const VECTORS: usize = 3;
const VECTORS_OF_ONE_ROW: usize = 8;
/// Chains of every element where C has two rows.
const CHAINS_OF_TWO_ROWS: usize = 2;

/// C = \[C or D +\] A·B where rows of B and C are contiguous (b_col = c_col = 1) and columns of D are the same: an
/// element of A times a vector of B.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `GemmKernel`; b_col = c_col = 1, and d_col = 0 if there is a D.
#[inline(always)]
pub(super) unsafe fn columns<L: Lanes>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    let mut i = 0;
    // SAFETY: the blocks partition the rows of C.
    unsafe {
        while L::MANY && i + 2 * ROWS <= desc.m {
            row_panel::<L, { 2 * ROWS }, VECTORS, 1>(
                desc,
                at(a, i, desc.a_row),
                b,
                at_mut(c, i, desc.c_row),
                at(d, i, desc.d_row),
            );
            i += 2 * ROWS;
        }
        while i + ROWS <= desc.m {
            row_panel::<L, ROWS, VECTORS, 1>(
                desc,
                at(a, i, desc.a_row),
                b,
                at_mut(c, i, desc.c_row),
                at(d, i, desc.d_row),
            );
            i += ROWS;
        }
        let (a, c, d) = (at(a, i, desc.a_row), at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
        match desc.m - i {
            0 => {}
            1 => row_panel::<L, 1, VECTORS_OF_ONE_ROW, 1>(desc, a, b, c, d),
            // One chain would wait for its own sums where there are few others.
            2 if desc.m == 2 && L::MANY => row_panel::<L, 2, VECTORS, CHAINS_OF_TWO_ROWS>(desc, a, b, c, d),
            2 => row_panel::<L, 2, VECTORS, 1>(desc, a, b, c, d),
            _ => row_panel::<L, 3, VECTORS, 1>(desc, a, b, c, d),
        }
    }
}

/// How the columns of a block end: with a whole vector, one of which only `last` columns exist, or one more that is half
/// as wide and may exist in part.
const WHOLE: usize = 0;
const PART: usize = 1;
const HALF: usize = 2;

/// R rows of C, V vectors of columns at a time.
#[inline(always)]
unsafe fn row_panel<L: Lanes, const R: usize, const V: usize, const P: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    let mut j = 0;
    // SAFETY: the blocks partition the columns.
    unsafe {
        while j + V * L::WIDTH <= desc.n {
            column_block::<L, R, V, WHOLE, P>(desc, a, b.add(j), c.add(j), d, 0);
            j += V * L::WIDTH;
        }
        // Fewer than V whole vectors are left (one row: up to seven), taken three at a time, the last one in part.
        while j + 3 * L::WIDTH <= desc.n {
            column_block::<L, R, 3, WHOLE, P>(desc, a, b.add(j), c.add(j), d, 0);
            j += 3 * L::WIDTH;
        }
        let (vectors, last) = ((desc.n - j) / L::WIDTH, (desc.n - j) % L::WIDTH);
        let end = match last {
            0 => WHOLE,
            // Half a register is half the work where wide ones are passed through in two halves, as on Zen 4.
            _ if L::Half::WIDTH < L::WIDTH && last <= L::Half::WIDTH => HALF,
            _ => PART,
        };
        let (b, c) = (b.add(j), c.add(j));
        match (vectors, end) {
            (0, WHOLE) => {}
            (1, WHOLE) => column_block::<L, R, 1, WHOLE, P>(desc, a, b, c, d, last),
            (_, WHOLE) => column_block::<L, R, 2, WHOLE, P>(desc, a, b, c, d, last),
            (0, HALF) => column_block::<L, R, 0, HALF, P>(desc, a, b, c, d, last),
            (1, HALF) => column_block::<L, R, 1, HALF, P>(desc, a, b, c, d, last),
            (_, HALF) => column_block::<L, R, 2, HALF, P>(desc, a, b, c, d, last),
            (0, _) => column_block::<L, R, 1, PART, P>(desc, a, b, c, d, last),
            (1, _) => column_block::<L, R, 2, PART, P>(desc, a, b, c, d, last),
            (_, _) => column_block::<L, R, 3, PART, P>(desc, a, b, c, d, last),
        }
    }
}

/// R rows × V vectors of C, and the columns of `END`; every element in P chains, over the l that leave the same remainder.
#[inline(always)]
unsafe fn column_block<L: Lanes, const R: usize, const V: usize, const END: usize, const P: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
    last: usize,
) {
    // SAFETY: l < k, r < R rows and the columns of this block exist.
    unsafe {
        let (zero, half) = (L::splat(L::Elem::ZERO), L::Half::splat(L::Elem::ZERO));
        let mut chains = [([[zero; V]; R], [half; R]); P];
        if desc.bias != 0 {
            let (sums, halves) = &mut chains[0];
            for (r, (sums, half)) in sums.iter_mut().zip(halves).enumerate() {
                let first = *at(d, r, desc.d_row);
                *sums = [L::splat(first); V];
                *half = L::Half::splat(first);
            }
        }
        let whole = desc.k - desc.k % P;
        for l in (0..whole).step_by(P) {
            for (p, chain) in chains.iter_mut().enumerate() {
                add_product::<L, R, V, END>(desc, at(a, l + p, desc.a_col), at(b, l + p, desc.b_row), chain, last);
            }
        }
        for (l, chain) in (whole..desc.k).zip(&mut chains) {
            add_product::<L, R, V, END>(desc, at(a, l, desc.a_col), at(b, l, desc.b_row), chain, last);
        }
        let (mut sums, mut halves) = chains[0];
        for (more, more_halves) in &chains[1..] {
            for ((sums, half), (more, more_half)) in sums.iter_mut().zip(&mut halves).zip(more.iter().zip(more_halves))
            {
                for (sum, more) in sums.iter_mut().zip(more) {
                    *sum = sum.add(*more);
                }
                *half = half.add(*more_half);
            }
        }
        for (r, (sums, half)) in sums.iter().zip(halves).enumerate() {
            let c = at_mut(c, r, desc.c_row);
            for (v, sum) in sums.iter().enumerate() {
                let to = c.add(v * L::WIDTH);
                if END == PART && v == V - 1 {
                    put_first(desc, *sum, to, last);
                } else {
                    (if desc.accumulate == 0 { *sum } else { L::load(to).add(*sum) }).store(to);
                }
            }
            if END == HALF {
                put_first(desc, half, c.add(V * L::WIDTH), last);
            }
        }
    }
}

/// Adds a column of A times a row of B to the sums of a block.
#[inline(always)]
unsafe fn add_product<L: Lanes, const R: usize, const V: usize, const END: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    (sums, halves): &mut ([[L; V]; R], [L::Half; R]),
    last: usize,
) {
    // SAFETY: r < R rows and the columns of this block exist.
    unsafe {
        let (zero, half) = (L::splat(L::Elem::ZERO), L::Half::splat(L::Elem::ZERO));
        let mut row = [zero; V];
        for (v, lanes) in row.iter_mut().enumerate() {
            let from = b.add(v * L::WIDTH);
            *lanes = if END == PART && v == V - 1 { L::load_first(from, last) } else { L::load(from) };
        }
        let end = if END == HALF { L::Half::load_first(b.add(V * L::WIDTH), last) } else { half };
        for (r, (sums, half)) in sums.iter_mut().zip(halves).enumerate() {
            let factor = *at(a, r, desc.a_row);
            for (sum, lanes) in sums.iter_mut().zip(&row) {
                *sum = L::splat(factor).mul_add(*lanes, *sum);
            }
            if END == HALF {
                *half = L::Half::splat(factor).mul_add(end, *half);
            }
        }
    }
}

/// The first `count` lanes, to C.
#[inline(always)]
unsafe fn put_first<L: Lanes>(desc: &Gemm, sum: L, to: *mut L::Elem, count: usize) {
    // SAFETY: `count` columns of C exist.
    unsafe {
        let old = if desc.accumulate == 0 { None } else { Some(L::load_first(to, count)) };
        old.map_or(sum, |old| old.add(sum)).store_first(to, count);
    }
}

/// C = \[C or D +\] A·B where rows of A and columns of B are contiguous (a_col = b_row = 1, or k = 1): dot products by
/// lanes.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `GemmKernel`; a_col = b_row = 1 or k ≤ 1.
#[inline(always)]
pub(super) unsafe fn dots<L: Lanes>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    let mut j = 0;
    // SAFETY: the blocks partition the columns of C.
    unsafe {
        // A few short rows of C: as many sums at a time as are added up together.
        if L::MANY && desc.m < ROWS && desc.n >= TOGETHER && desc.c_col == 1 {
            let turned = desc.transposed();
            for i in 0..desc.m {
                let (a, c, d) = (at(a, i, desc.a_row), at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
                dot_panel::<L, TOGETHER, 1>(&turned, b, a, c, d);
            }
            return;
        }
        while L::MANY && j + 4 <= desc.n {
            dot_panel::<L, 4, 4>(desc, a, at(b, j, desc.b_col), at_mut(c, j, desc.c_col), at(d, j, desc.d_col));
            j += 4;
        }
        while j + 3 <= desc.n {
            dot_panel::<L, ROWS, 3>(desc, a, at(b, j, desc.b_col), at_mut(c, j, desc.c_col), at(d, j, desc.d_col));
            j += 3;
        }
        let (b, c, d) = (at(b, j, desc.b_col), at_mut(c, j, desc.c_col), at(d, j, desc.d_col));
        match (desc.n - j, L::MANY) {
            (0, _) => {}
            // More rows would be further apart than a cache likes whose rows are powers of two.
            (1, _) => dot_panel::<L, 8, 1>(desc, a, b, c, d),
            (_, false) => dot_panel::<L, ROWS, 2>(desc, a, b, c, d),
            (_, true) => dot_panel::<L, 8, 2>(desc, a, b, c, d),
        }
    }
}

/// S columns of C, R rows at a time.
#[inline(always)]
unsafe fn dot_panel<L: Lanes, const R: usize, const S: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    let mut i = 0;
    // SAFETY: the blocks partition the rows of C.
    unsafe {
        while i + R <= desc.m {
            dot_block::<L, R, S>(desc, at(a, i, desc.a_row), b, at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
            i += R;
        }
        while R > 4 && i + 4 <= desc.m {
            dot_block::<L, 4, S>(desc, at(a, i, desc.a_row), b, at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
            i += 4;
        }
        while i + 2 <= desc.m {
            dot_block::<L, 2, S>(desc, at(a, i, desc.a_row), b, at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
            i += 2;
        }
        if i < desc.m {
            dot_block::<L, 1, S>(desc, at(a, i, desc.a_row), b, at_mut(c, i, desc.c_row), at(d, i, desc.d_row));
        }
    }
}

/// R×S elements of C. Every element has one vector of partial sums, whatever the block, so its bits do not depend on it.
#[inline(always)]
unsafe fn dot_block<L: Lanes, const R: usize, const S: usize>(
    desc: &Gemm,
    a: *const L::Elem,
    b: *const L::Elem,
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    // SAFETY: l + WIDTH ≤ k in the loop and k − l < WIDTH elements are left after it; the masked lanes are zeros.
    unsafe {
        let zero = L::splat(L::Elem::ZERO);
        let mut sums = [[zero; S]; R];
        let mut l = 0;
        while l < desc.k {
            let left = desc.k - l;
            let mut columns = [zero; S];
            let mut rows = [zero; R];
            if left >= L::WIDTH {
                for (s, lanes) in columns.iter_mut().enumerate() {
                    *lanes = L::load(at(b, s, desc.b_col).add(l));
                }
                for (r, lanes) in rows.iter_mut().enumerate() {
                    *lanes = L::load(at(a, r, desc.a_row).add(l));
                }
            } else {
                for (s, lanes) in columns.iter_mut().enumerate() {
                    *lanes = L::load_first(at(b, s, desc.b_col).add(l), left);
                }
                for (r, lanes) in rows.iter_mut().enumerate() {
                    *lanes = L::load_first(at(a, r, desc.a_row).add(l), left);
                }
            }
            for (sums, row) in sums.iter_mut().zip(&rows) {
                for (sum, column) in sums.iter_mut().zip(&columns) {
                    *sum = row.mul_add(*column, *sum);
                }
            }
            l += L::WIDTH;
        }
        write_sums::<L, R, S>(desc, &sums, c, d);
    }
}

/// The sums of the lanes of a block, to C.
#[inline(always)]
unsafe fn write_sums<L: Lanes, const R: usize, const S: usize>(
    desc: &Gemm,
    sums: &[[L; S]; R],
    c: *mut L::Elem,
    d: *const L::Elem,
) {
    // SAFETY: r < R and s < S elements exist.
    unsafe {
        if R * S < 4 {
            for (r, sums) in sums.iter().enumerate() {
                for (s, sum) in sums.iter().enumerate() {
                    let sum = plus_bias(desc, at(at(d, r, desc.d_row), s, desc.d_col), sum.sum());
                    write(desc, at_mut(at_mut(c, r, desc.c_row), s, desc.c_col), sum);
                }
            }
            return;
        }
        let mut vectors = [L::splat(L::Elem::ZERO); TOGETHER];
        for (vector, sum) in vectors.iter_mut().zip(sums.as_flattened()) {
            *vector = *sum;
        }
        let totals = L::sums(&vectors);
        let in_one_row = |row: isize, col: isize| {
            if S == 1 { row == 1 } else { col == 1 && (R == 1 || row == S.cast_signed()) }
        };
        if in_one_row(desc.c_row, desc.c_col) && (desc.bias == 0 || in_one_row(desc.d_row, desc.d_col)) {
            let mut i = 0;
            while i < R * S {
                let count = (R * S - i).min(L::WIDTH);
                let mut total = L::load_first(totals.as_ptr().add(i), count);
                if desc.bias != 0 {
                    total = L::load_first(d.add(i), count).add(total);
                }
                put_first(desc, total, c.add(i), count);
                i += count;
            }
            return;
        }
        for (r, totals) in totals.chunks_exact(S).take(R).enumerate() {
            for (s, total) in totals.iter().enumerate() {
                let sum = plus_bias(desc, at(at(d, r, desc.d_row), s, desc.d_col), *total);
                write(desc, at_mut(at_mut(c, r, desc.c_row), s, desc.c_col), sum);
            }
        }
    }
}

/// D + the sum, if there is a D.
#[inline(always)]
unsafe fn plus_bias<T: Elem>(desc: &Gemm, d: *const T, sum: T) -> T {
    // SAFETY: the caller gives an element of D.
    if desc.bias == 0 { sum } else { unsafe { (*d).add(sum) } }
}

/// C (+)= the sums of the rows of A, which are contiguous (a_col = 1); n and B do not count, and there is no D.
///
/// # Safety
/// The CPU has the tier of `L`; A and C of `GemmKernel`; a_col = 1.
#[inline(always)]
pub(super) unsafe fn row_sums<L: Lanes>(desc: &Gemm, a: *const L::Elem, c: *mut L::Elem) {
    let mut i = 0;
    // SAFETY: the blocks partition the rows.
    unsafe {
        while i + TOGETHER <= desc.m {
            row_block::<L, TOGETHER>(desc, at(a, i, desc.a_row), at_mut(c, i, desc.c_row));
            i += TOGETHER;
        }
        while i + 4 <= desc.m {
            row_block::<L, 4>(desc, at(a, i, desc.a_row), at_mut(c, i, desc.c_row));
            i += 4;
        }
        while i < desc.m {
            row_block::<L, 1>(desc, at(a, i, desc.a_row), at_mut(c, i, desc.c_row));
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn row_block<L: Lanes, const R: usize>(desc: &Gemm, a: *const L::Elem, c: *mut L::Elem) {
    // SAFETY: as in `dot_block`.
    unsafe {
        let mut sums = [[L::splat(L::Elem::ZERO)]; R];
        let mut l = 0;
        while l < desc.k {
            let left = desc.k - l;
            for (r, sum) in sums.iter_mut().enumerate() {
                let from = at(a, r, desc.a_row).add(l);
                sum[0] = sum[0].add(if left >= L::WIDTH { L::load(from) } else { L::load_first(from, left) });
            }
            l += L::WIDTH;
        }
        write_sums::<L, R, 1>(desc, &sums, c, c);
    }
}
