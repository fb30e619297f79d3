//! ∂f/∂z at a point → solves with W = I/(hγ) − ∂f/∂z.

use super::large::{LARGE, LargeLu};
use super::lu::Lu;
use super::sparse::SparseLu;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::sparsity::Sparsity;
use crate::solve::system::{Stats, System};
use std::sync::Arc;

/// Size of a system and the structure of its Jacobian.
#[derive(Debug, Clone)]
pub(in crate::solve) struct Structure {
    pub(in crate::solve) dim: usize,
    sparsity: Option<Arc<Sparsity>>,
}

impl Structure {
    pub(in crate::solve) fn of<R: Real, S: System<R>>(sys: &S) -> Self {
        Self { dim: sys.dim(), sparsity: sys.sparsity() }
    }

    /// Of a system whose Jacobian nobody needs.
    pub(super) fn none() -> Self {
        Self { dim: 0, sparsity: None }
    }

    /// Number of values of the Jacobian.
    pub(super) fn values(&self) -> usize {
        self.dim * self.sparsity.as_ref().map_or(self.dim, |sparsity| sparsity.directions())
    }
}

#[derive(Debug)]
enum Factors<R> {
    Dense(Lu<R>),
    Large(LargeLu<R>),
    Sparse(Box<SparseLu<R>>),
}

/// ∂f/∂z and ∂f/∂t at one point, and the factors of W = I/(hγ) − ∂f/∂z.
#[derive(Debug)]
pub(super) struct Linearisation<R> {
    structure: Structure,
    dfdz: Vec<R>,
    pub(super) dfdt: Vec<R>,
    factors: Factors<R>,
    /// hγ of the factors; NaN: there are none.
    factored: f64,
}

impl<R: Real> Linearisation<R> {
    pub(super) fn new(structure: &Structure) -> Self {
        let factors = match &structure.sparsity {
            Some(sparsity) => Factors::Sparse(Box::new(SparseLu::new(sparsity))),
            None if structure.dim >= LARGE => Factors::Large(LargeLu::new(structure.dim)),
            None => Factors::Dense(Lu::new(structure.dim)),
        };
        Self {
            structure: structure.clone(),
            dfdz: vec![R::ZERO; structure.values()],
            dfdt: vec![R::ZERO; structure.dim],
            factors,
            factored: f64::NAN,
        }
    }

    pub(super) fn evaluate<S: System<R>>(&mut self, sys: &mut S, t: f64, z: &[R], stats: &mut Stats) {
        sys.jacobian(t, z, &mut self.dfdz, &mut self.dfdt);
        stats.jacobian_calls += 1;
        self.factored = f64::NAN;
    }

    /// Factors W unless that has been done.
    pub(super) fn factor(&mut self, h_gamma: f64) {
        if self.factored.total_cmp(&h_gamma).is_eq() {
            return;
        }
        let (n, diagonal, dfdz) = (self.dfdt.len(), R::from_f64(1.0 / h_gamma), &self.dfdz);
        let fill = |w: &mut [R]| {
            for (w, j) in w.iter_mut().zip(dfdz) {
                *w = -*j;
            }
            for w in w.iter_mut().step_by(n + 1) {
                *w += diagonal;
            }
        };
        match &mut self.factors {
            Factors::Dense(lu) => lu.factor(fill),
            Factors::Large(lu) => lu.factor(fill),
            Factors::Sparse(lu) => lu.factor(diagonal, dfdz),
        }
        self.factored = h_gamma;
    }

    /// Overwrites b with W⁻¹ b.
    pub(super) fn solve(&mut self, b: &mut [R]) {
        match &mut self.factors {
            Factors::Dense(lu) => lu.solve(b),
            Factors::Large(lu) => lu.solve(b),
            Factors::Sparse(lu) => lu.solve(b),
        }
    }

    /// Overwrites b with W⁻ᵀ b.
    pub(super) fn solve_transposed(&mut self, b: &mut [R]) {
        match &mut self.factors {
            Factors::Dense(lu) => lu.solve_transposed(b),
            Factors::Large(lu) => lu.solve_transposed(b),
            Factors::Sparse(lu) => lu.solve_transposed(b),
        }
    }

    /// Adds λ uᵀ to the cotangent of ∂f/∂z, its values in the same places.
    pub(super) fn add_product(&self, bar: &mut [R], lambda: &[R], u: &[R]) {
        if let Some(sparsity) = &self.structure.sparsity {
            sparsity.iter().for_each(|(i, j, place)| bar[place] += lambda[i] * u[j]);
            return;
        }
        for (row, lambda) in bar.chunks_exact_mut(u.len().max(1)).zip(lambda) {
            row.iter_mut().zip(u).for_each(|(bar, u)| *bar += *lambda * *u);
        }
    }

    /// ‖∂f/∂z‖∞, a bound of its spectral radius, of the components that steps look at: they depend on no others.
    pub(super) fn norm(&self, options: &Options) -> f64 {
        let dim = self.dfdt.len();
        let measured = options.measured(dim);
        let largest = |sums: &[f64]| sums.iter().copied().fold(0.0, f64::max);
        if let Some(sparsity) = &self.structure.sparsity {
            let mut sums = vec![0.0; dim];
            sparsity.iter().for_each(|(i, _, place)| sums[i] += self.dfdz[place].to_f64().abs());
            return largest(&sums[..measured]);
        }
        let sums = self.dfdz.chunks_exact(dim.max(1)).take(measured);
        sums.map(|row| row.iter().map(|x| x.to_f64().abs()).sum()).fold(0.0, f64::max)
    }
}
