//! Products of matrices whose rows are whole vectors.

use super::super::lanes::{Elem, Lanes};

/// Rows of a product that are held in registers: with two vectors of columns, 12 independent sums.
const ROWS: usize = 6;

/// C = A·B, or C + A·B with `ADD`, for m rows of A, k columns of A and n columns of B, n whole vectors. A has the given
/// steps between rows and columns; rows of B and C have n contiguous entries, and their own steps.
#[inline(always)]
pub(super) unsafe fn rows<L: Lanes, const ADD: bool>(
    (a, a_row, a_col): (*const L::Elem, usize, usize),
    (b, b_row): (*const L::Elem, usize),
    (c, c_row): (*mut L::Elem, usize),
    (m, k, n): (usize, usize, usize),
) {
    let mut j = 0;
    while j < n {
        let two = n - j > L::WIDTH;
        let mut i = 0;
        while i < m {
            let rows = (m - i).min(ROWS);
            // SAFETY: these rows and columns exist.
            unsafe {
                let (a, b, c) = ((a.add(i * a_row), a_row, a_col), (b.add(j), b_row), (c.add(i * c_row + j), c_row));
                match (rows, two) {
                    (ROWS, true) => register_block::<L, ROWS, 2, ADD>(a, b, c, k),
                    (ROWS, false) => register_block::<L, ROWS, 1, ADD>(a, b, c, k),
                    (4 | 5, true) => register_block::<L, 4, 2, ADD>(a, b, c, k),
                    (4 | 5, false) => register_block::<L, 4, 1, ADD>(a, b, c, k),
                    (_, true) => register_block::<L, 1, 2, ADD>(a, b, c, k),
                    (_, false) => register_block::<L, 1, 1, ADD>(a, b, c, k),
                }
            }
            i += match rows {
                ROWS => ROWS,
                4 | 5 => 4,
                _ => 1,
            };
        }
        j += if two { 2 * L::WIDTH } else { L::WIDTH };
    }
}

/// R rows by V vectors of C.
#[inline(always)]
unsafe fn register_block<L: Lanes, const R: usize, const V: usize, const ADD: bool>(
    (a, a_row, a_col): (*const L::Elem, usize, usize),
    (b, b_row): (*const L::Elem, usize),
    (c, c_row): (*mut L::Elem, usize),
    k: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(L::Elem::ZERO); V]; R];
        for l in 0..k {
            let (a, b) = (a.add(l * a_col), b.add(l * b_row));
            let mut row = [L::splat(L::Elem::ZERO); V];
            for (v, lanes) in row.iter_mut().enumerate() {
                *lanes = L::load(b.add(v * L::WIDTH));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = L::splat(*a.add(r * a_row));
                for (sum, lanes) in sums.iter_mut().zip(&row) {
                    *sum = factor.mul_add(*lanes, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = c.add(r * c_row + v * L::WIDTH);
                (if ADD { L::load(to).add(*sum) } else { *sum }).store(to);
            }
        }
    }
}
