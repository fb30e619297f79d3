//! Large dense matrix → LU factors, by faer; solves with the matrix and with its transpose.

use crate::solve::real::Real;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::{factor, solve};
use faer::perm::PermRef;
use faer::{Conj, MatMut, MatRef, Par, Spec};

/// Components from which blocked elimination is faster than [`super::lu::Lu`].
pub(super) const LARGE: usize = 40;

/// Factors of a dense matrix (partial pivoting). What is row-major here is column-major there: they are those of the
/// transposed matrix.
pub(super) struct LargeLu<R> {
    n: usize,
    factors: Vec<R>,
    order: Vec<usize>,
    place: Vec<usize>,
    memory: MemBuffer,
}

impl<R> std::fmt::Debug for LargeLu<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LargeLu").field("n", &self.n).finish_non_exhaustive()
    }
}

impl<R: Real> LargeLu<R> {
    pub(super) fn new(n: usize) -> Self {
        let room = factor::lu_in_place_scratch::<usize, R>(n, n, Par::Seq, Spec::default())
            .or(solve::solve_in_place_scratch::<usize, R>(n, 1, Par::Seq))
            .or(solve::solve_transpose_in_place_scratch::<usize, R>(n, 1, Par::Seq));
        let order: Vec<usize> = (0..n).collect();
        Self { n, factors: vec![R::ZERO; n * n], place: order.clone(), order, memory: MemBuffer::new(room) }
    }

    /// Factors the matrix that `fill` writes, `[n][n]` row-major. A matrix that is singular or not finite gives solutions
    /// that are not finite.
    pub(super) fn factor(&mut self, fill: impl FnOnce(&mut [R])) {
        fill(&mut self.factors);
        let matrix = MatMut::from_column_major_slice_mut(&mut self.factors, self.n, self.n);
        let stack = MemStack::new(&mut self.memory);
        factor::lu_in_place(matrix, &mut self.order, &mut self.place, Par::Seq, stack, Spec::default());
    }

    /// Overwrites b with A⁻¹ b.
    pub(super) fn solve(&mut self, b: &mut [R]) {
        self.apply(b, solve::solve_transpose_in_place_with_conj);
    }

    /// Overwrites b with A⁻ᵀ b.
    pub(super) fn solve_transposed(&mut self, b: &mut [R]) {
        self.apply(b, solve::solve_in_place_with_conj);
    }

    fn apply(&mut self, b: &mut [R], solve: Solve<R>) {
        let factors = MatRef::from_column_major_slice(&self.factors, self.n, self.n);
        let order = PermRef::new_checked(&self.order, &self.place, self.n);
        let b = MatMut::from_column_major_slice_mut(b, self.n, 1);
        solve(factors, factors, order, Conj::No, b, Par::Seq, MemStack::new(&mut self.memory));
    }
}

type Solve<R> = fn(MatRef<'_, R>, MatRef<'_, R>, PermRef<'_, usize>, Conj, MatMut<'_, R>, Par, &mut MemStack);

#[cfg(test)]
mod tests {
    use super::LargeLu;
    use crate::solve::implicit::lu::Lu;

    /// The same as elimination by hand, for a matrix that needs pivoting.
    #[test]
    fn solves_as_the_small_one_does() {
        let n = 70;
        let entry = |k: usize| if k == 0 { 0.0 } else { ((k * k) as f64).sin() };
        let (mut large, mut small) = (LargeLu::new(n), Lu::new(n));
        large.factor(|a| (0..n * n).for_each(|k| a[k] = entry(k)));
        small.factor(|a| (0..n * n).for_each(|k| a[k] = entry(k)));
        let b: Vec<f64> = (0..n).map(|k| (k as f64).cos()).collect();
        for transposed in [false, true] {
            let (mut x, mut y) = (b.clone(), b.clone());
            if transposed {
                large.solve_transposed(&mut x);
            } else {
                large.solve(&mut x);
            }
            if transposed {
                small.solve_transposed(&mut y);
            } else {
                small.solve(&mut y);
            }
            assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-9 * (1.0 + y.abs())), "{transposed}");
        }
        large.factor(|a| a.fill(1.0));
        let mut x = b;
        large.solve(&mut x);
        assert!(x.iter().any(|x| !x.is_finite()));
    }
}
