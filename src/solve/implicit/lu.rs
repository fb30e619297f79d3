//! Dense matrix → LU factors; solves with the matrix and with its transpose.

use crate::solve::real::Real;

/// Factors P A = L U of a small dense matrix (partial pivoting), row-major.
#[derive(Debug, Clone, Default)]
pub(super) struct Lu<R> {
    n: usize,
    /// L below the diagonal (its diagonal is 1), U above it; the diagonal holds 1/Uᵢᵢ.
    factors: Vec<R>,
    /// Row that was swapped with row k at step k.
    pivots: Vec<usize>,
    work: Vec<R>,
}

impl<R: Real> Lu<R> {
    pub(super) fn new(n: usize) -> Self {
        Self { n, factors: vec![R::ZERO; n * n], pivots: vec![0; n], work: vec![R::ZERO; n] }
    }

    /// Factors the matrix that `fill` writes, `[n][n]` row-major. A singular matrix gives factors that are not finite,
    /// and so do its solutions.
    pub(super) fn factor(&mut self, fill: impl FnOnce(&mut [R])) {
        fill(&mut self.factors);
        let (a, pivots) = (&mut self.factors[..], &mut self.pivots[..]);
        match self.n {
            1 => factor(1, a, pivots),
            2 => factor(2, a, pivots),
            3 => factor(3, a, pivots),
            4 => factor(4, a, pivots),
            n => factor(n, a, pivots),
        }
    }

    /// Overwrites b with A⁻¹ b.
    pub(super) fn solve(&self, b: &mut [R]) {
        let (a, pivots) = (&self.factors[..], &self.pivots[..]);
        match self.n {
            1 => solve(1, a, pivots, b),
            2 => solve(2, a, pivots, b),
            3 => solve(3, a, pivots, b),
            4 => solve(4, a, pivots, b),
            n => solve(n, a, pivots, b),
        }
    }

    /// Overwrites b with A⁻ᵀ b.
    pub(super) fn solve_transposed(&mut self, b: &mut [R]) {
        let n = self.n;
        let work = &mut self.work;
        work.copy_from_slice(&b[..n]);
        for i in 0..n {
            let row = &self.factors[i * n..(i + 1) * n];
            let x = work[i] * row[i];
            work[i] = x;
            for (w, u) in work[i + 1..].iter_mut().zip(&row[i + 1..]) {
                *w -= *u * x;
            }
        }
        for i in (1..n).rev() {
            let x = work[i];
            for (w, l) in work[..i].iter_mut().zip(&self.factors[i * n..]) {
                *w -= *l * x;
            }
        }
        for k in (0..n).rev() {
            work.swap(k, self.pivots[k]);
        }
        b[..n].copy_from_slice(work);
    }
}

/// Gaussian elimination; compiled once more for each small n.
#[allow(clippy::inline_always, reason = "the loops of small systems are to be unrolled")]
#[inline(always)]
fn factor<R: Real>(n: usize, a: &mut [R], pivots: &mut [usize]) {
    let (a, pivots) = (&mut a[..n * n], &mut pivots[..n]);
    for k in 0..n {
        let mut pivot = k;
        for i in k + 1..n {
            if a[i * n + k].abs() > a[pivot * n + k].abs() {
                pivot = i;
            }
        }
        pivots[k] = pivot;
        if pivot != k {
            for j in 0..n {
                a.swap(k * n + j, pivot * n + j);
            }
        }
        let inverse = R::from_f64(1.0) / a[k * n + k];
        a[k * n + k] = inverse;
        for i in k + 1..n {
            let factor = a[i * n + k] * inverse;
            a[i * n + k] = factor;
            for j in k + 1..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
        }
    }
}

/// Forward and back substitution.
#[allow(clippy::inline_always, reason = "the loops of small systems are to be unrolled")]
#[inline(always)]
fn solve<R: Real>(n: usize, a: &[R], pivots: &[usize], b: &mut [R]) {
    let (a, pivots, b) = (&a[..n * n], &pivots[..n], &mut b[..n]);
    for (k, pivot) in pivots.iter().enumerate() {
        b.swap(k, *pivot);
    }
    for i in 1..n {
        let mut sum = b[i];
        for j in 0..i {
            sum -= a[i * n + j] * b[j];
        }
        b[i] = sum;
    }
    for i in (0..n).rev() {
        let mut sum = b[i];
        for j in i + 1..n {
            sum -= a[i * n + j] * b[j];
        }
        b[i] = sum * a[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::Lu;

    /// Rows that need pivoting, and a right-hand side whose solutions are known by construction.
    #[test]
    fn solves_with_the_matrix_and_its_transpose() {
        let n = 5;
        let entry =
            |i: usize, j: usize| ((7 * i + 3 * j * j + i * j) as f64).sin() + if i + j == 4 { 3.0 } else { 0.0 };
        let mut lu = Lu::new(n);
        lu.factor(|a| (0..n * n).for_each(|k| a[k] = if k == 0 { 0.0 } else { entry(k / n, k % n) }));
        let at = |i: usize, j: usize| if i + j == 0 { 0.0 } else { entry(i, j) };
        let x = [1.0, -2.0, 0.5, 3.0, -1.5];
        let product = |transposed: bool| -> Vec<f64> {
            let a = |i, j| if transposed { at(j, i) } else { at(i, j) };
            (0..n).map(|i| (0..n).map(|j| a(i, j) * x[j]).sum()).collect()
        };
        let (mut b, mut c) = (product(false), product(true));
        lu.solve(&mut b);
        lu.solve_transposed(&mut c);
        for found in [b, c] {
            assert!(found.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-13), "{found:?}");
        }
    }

    #[test]
    fn a_singular_matrix_is_noticed() {
        let mut lu = Lu::new(2);
        lu.factor(|a| a.copy_from_slice(&[1.0, 2.0, 2.0, 4.0]));
        let mut b = [1.0, 0.0];
        lu.solve(&mut b);
        assert!(b.iter().any(|x| !f64::is_finite(*x)));
    }
}
