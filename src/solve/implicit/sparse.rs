//! Sparse matrix → LU factors, by faer; solves with the matrix and with its transpose.

use crate::solve::real::Real;
use crate::solve::sparsity::Sparsity;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::SparseColMatRef;
use faer::sparse::linalg::lu::{LuRef, NumericLu};
use faer::{Conj, MatMut, Par, Spec};
use std::sync::Arc;

/// Factors of a matrix of a given structure.
pub(super) struct SparseLu<R> {
    sparsity: Arc<Sparsity>,
    /// The matrix, entry by entry.
    values: Vec<R>,
    factors: NumericLu<usize, R>,
    memory: MemBuffer,
    /// Whether there are factors: the last matrix was finite and regular.
    regular: bool,
}

impl<R> std::fmt::Debug for SparseLu<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SparseLu")
            .field("sparsity", &self.sparsity)
            .field("regular", &self.regular)
            .finish_non_exhaustive()
    }
}

impl<R: Real> SparseLu<R> {
    pub(super) fn new(sparsity: &Arc<Sparsity>) -> Self {
        let symbolic = sparsity.symbolic();
        let room = symbolic
            .factorize_numeric_lu_scratch::<R>(Par::Seq, Spec::default())
            .or(symbolic.solve_in_place_scratch::<R>(1, Par::Seq))
            .or(symbolic.solve_transpose_in_place_scratch::<R>(1, Par::Seq));
        Self {
            sparsity: sparsity.clone(),
            values: vec![R::ZERO; sparsity.matrix().1.len()],
            factors: NumericLu::new(),
            memory: MemBuffer::new(room),
            regular: false,
        }
    }

    /// Factors I·`diagonal` − J, the entries of J at their places in `dfdz`. A matrix that is singular or not finite
    /// gives solutions that are not finite.
    pub(super) fn factor(&mut self, diagonal: R, dfdz: &[R]) {
        let sparsity = self.sparsity.clone();
        let (structure, places) = sparsity.matrix();
        let mut finite = diagonal.is_finite();
        for (value, place) in self.values.iter_mut().zip(places) {
            *value = -Sparsity::read(dfdz, *place);
            finite &= value.is_finite();
        }
        self.regular = false;
        if !finite {
            return;
        }
        for j in 0..sparsity.dim() {
            let column = structure.col_range(j);
            let row = structure.row_idx()[column.clone()].binary_search(&j);
            if let Ok(k) = row {
                self.values[column.start + k] += diagonal;
            }
        }
        let matrix = SparseColMatRef::new(structure, &self.values[..]);
        let stack = MemStack::new(&mut self.memory);
        let symbolic = sparsity.symbolic();
        let done = symbolic.factorize_numeric_lu(&mut self.factors, matrix, Par::Seq, stack, Spec::default());
        self.regular = done.is_ok();
    }

    /// Overwrites b with A⁻¹ b.
    pub(super) fn solve(&mut self, b: &mut [R]) {
        self.apply(b, |factors, b, stack| factors.solve_in_place_with_conj(Conj::No, b, Par::Seq, stack));
    }

    /// Overwrites b with A⁻ᵀ b.
    pub(super) fn solve_transposed(&mut self, b: &mut [R]) {
        self.apply(b, |factors, b, stack| factors.solve_transpose_in_place_with_conj(Conj::No, b, Par::Seq, stack));
    }

    fn apply(&mut self, b: &mut [R], solve: impl FnOnce(LuRef<'_, usize, R>, MatMut<'_, R>, &mut MemStack)) {
        if !self.regular {
            b.fill(R::NAN);
            return;
        }
        let factors = LuRef::new_unchecked(self.sparsity.symbolic(), &self.factors);
        let n = b.len();
        solve(factors, MatMut::from_column_major_slice_mut(b, n, 1), MemStack::new(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::SparseLu;
    use crate::solve::sparsity::Sparsity;
    use std::sync::Arc;

    /// A matrix with a dense column and zeros on the diagonal, whose solutions are known by construction.
    #[test]
    fn solves_with_the_matrix_and_its_transpose() {
        let n = 40;
        let rows: Vec<Vec<u32>> = (0..n as u32)
            .map(|i| {
                let mut row = vec![0, (i + 1) % n as u32, (i + 5) % n as u32];
                row.sort_unstable();
                row.dedup();
                row
            })
            .collect();
        let sparsity = Arc::new(Sparsity::new(&rows).expect("sparse"));
        let mut dfdz = vec![0.0; n * sparsity.directions()];
        let mut dense = vec![0.0; n * n];
        for (i, j, place) in sparsity.iter() {
            dfdz[place] = ((7 * i + 3 * j * j) as f64).sin();
            dense[i * n + j] -= dfdz[place];
        }
        (0..n).for_each(|i| dense[i * n + i] += 0.5);
        let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
        let mut lu = SparseLu::new(&sparsity);
        lu.factor(0.5, &dfdz);
        for transposed in [false, true] {
            let entry = |i: usize, j: usize| if transposed { dense[j * n + i] } else { dense[i * n + j] };
            let mut b: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * x[j]).sum()).collect();
            if transposed {
                lu.solve_transposed(&mut b);
            } else {
                lu.solve(&mut b);
            }
            assert!(b.iter().zip(&x).all(|(b, x)| (b - x).abs() < 1e-9), "{transposed}: {b:?}");
        }
        lu.factor(0.5, &vec![f64::NAN; dfdz.len()]);
        let mut b = x.clone();
        lu.solve(&mut b);
        assert!(b.iter().all(|b| b.is_nan()));
        lu.factor(0.0, &vec![0.0; dfdz.len()]);
        lu.solve(&mut b);
        assert!(b.iter().all(|b| !b.is_finite()));
    }

    /// The five-point stencil on a square has enough fill-in for blocked elimination.
    #[test]
    fn a_stencil_in_the_plane_is_solved_to_rounding() {
        let side = 45_u32;
        let n = (side * side) as usize;
        let near = |k: u32| {
            let (i, j) = (k / side, k % side);
            let mut row = vec![k];
            row.extend((i > 0).then(|| k - side));
            row.extend((i + 1 < side).then(|| k + side));
            row.extend((j > 0).then(|| k - 1));
            row.extend((j + 1 < side).then(|| k + 1));
            row.sort_unstable();
            row
        };
        let rows: Vec<Vec<u32>> = (0..side * side).map(near).collect();
        let sparsity = Arc::new(Sparsity::new(&rows).expect("sparse"));
        let mut dfdz = vec![0.0; n * sparsity.directions()];
        for (i, j, place) in sparsity.iter() {
            dfdz[place] = if i == j { -400.0 } else { 100.0 + ((3 * i + j) as f64).sin() };
        }
        let mut lu = SparseLu::new(&sparsity);
        lu.factor(0.3, &dfdz);
        let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
        for transposed in [false, true] {
            let mut b: Vec<f64> = x.iter().map(|x| 0.3 * x).collect();
            for (i, j, place) in sparsity.iter() {
                let (to, from) = if transposed { (j, i) } else { (i, j) };
                b[to] -= dfdz[place] * x[from];
            }
            if transposed {
                lu.solve_transposed(&mut b);
            } else {
                lu.solve(&mut b);
            }
            let worst = b.iter().zip(&x).map(|(b, x)| (b - x).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-9, "{transposed}: {worst:e}");
        }
    }
}
