//! Systems whose solution is an adjoint.

use super::path::Path;
use crate::solve::implicit::differences;
use crate::solve::real::Real;
use crate::solve::sparsity::Sparsity;
use crate::solve::system::{AdjointSystem, System};
use std::sync::Arc;

/// Where the adjoint a' = −aᵀ∂f/∂z gets z from.
pub(super) trait Source<R>: std::fmt::Debug {
    /// Components that it adds to the state, before a.
    fn carried(&self, dim: usize) -> usize;
    /// z at the times `t` `[L]` from the whole state `y`, into `z` `[D][L]`.
    fn read(&self, t: &[f64], y: &[R], z: &mut [R]);
}

/// From the steps that were taken.
#[derive(Debug)]
pub(super) struct Stored<'a, R> {
    pub path: &'a Path<R>,
    /// Lane that stands in for one without a solution, `[L]`.
    pub host: &'a [usize],
}

impl<R: Real> Source<R> for Stored<'_, R> {
    fn carried(&self, _: usize) -> usize {
        0
    }

    fn read(&self, t: &[f64], _: &[R], z: &mut [R]) {
        for (lane, t) in t.iter().enumerate() {
            self.path.read(self.host[lane], *t, z, lane);
        }
    }
}

/// From integrating z' = f backwards beside it.
#[derive(Debug)]
pub(super) struct Carried;

impl<R: Real> Source<R> for Carried {
    fn carried(&self, dim: usize) -> usize {
        dim
    }

    fn read(&self, _: &[f64], y: &[R], z: &mut [R]) {
        z.copy_from_slice(&y[..z.len()]);
    }
}

/// The adjoint of a system as a system, with or without the state of that.
#[derive(Debug)]
pub(super) struct Adjoint<'a, R, S, P> {
    pub sys: &'a mut S,
    pub source: &'a P,
    /// z and wᵀ∂f/∂t.
    z: Vec<R>,
    t_bar: Vec<R>,
}

impl<'a, R: Real, S: AdjointSystem<R>, P: Source<R>> Adjoint<'a, R, S, P> {
    pub fn new(sys: &'a mut S, source: &'a P) -> Self {
        let (dim, lanes) = (sys.dim(), sys.lanes());
        Self { sys, source, z: vec![R::ZERO; dim * lanes], t_bar: vec![R::ZERO; lanes] }
    }

    /// ∂f/∂z at the state in `z`, `[D][D]`.
    fn dense_jacobian(&mut self, t: f64, dfdt: &mut [R]) -> Vec<R> {
        let dim = self.sys.dim();
        let mut dense = vec![R::ZERO; dim * dim];
        match self.sys.sparsity() {
            Some(sparsity) => {
                let mut values = vec![R::ZERO; dim * sparsity.directions()];
                self.sys.jacobian(t, &self.z, &mut values, dfdt);
                sparsity.expand(&values, &mut dense);
            }
            None => self.sys.jacobian(t, &self.z, &mut dense, dfdt),
        }
        dense
    }

    /// Evaluates −aᵀ∂f/∂z, and f before it where z is carried.
    fn evaluate(&mut self, t: &[f64], y: &[R], dy: &mut [R]) {
        self.source.read(t, y, &mut self.z);
        let a = y.len() - self.z.len();
        let (dz, da) = dy.split_at_mut(a);
        if a > 0 {
            self.sys.augmented(t, &self.z, &y[a..], dz, da, &mut self.t_bar);
        } else {
            self.sys.vjp(t, &self.z, &y[a..], da, &mut self.t_bar, false);
        }
        da.iter_mut().for_each(|x| *x = -*x);
    }
}

impl<R: Real, S: AdjointSystem<R>, P: Source<R>> System<R> for Adjoint<'_, R, S, P> {
    fn dim(&self) -> usize {
        self.sys.dim() + self.source.carried(self.sys.dim())
    }

    fn lanes(&self) -> usize {
        self.sys.lanes()
    }

    fn rhs(&mut self, t: &[f64], y: &[R], dy: &mut [R]) {
        self.evaluate(t, y, dy);
    }

    /// Where z is not carried, that of ∂f/∂z, transposed.
    fn sparsity(&self) -> Option<Arc<Sparsity>> {
        let own = if self.source.carried(self.sys.dim()) == 0 { self.sys.sparsity() } else { None };
        own?.transposed()
    }

    /// −(∂f/∂z)ᵀ; where z is carried beside it, ∂f/∂z is another block and −∂(aᵀ∂f/∂z)/∂z, by differences, the third.
    /// The derivative by time is one of differences.
    fn jacobian(&mut self, t: f64, y: &[R], dfdz: &mut [R], dfdt: &mut [R]) {
        let (n, dim) = (self.dim(), self.sys.dim());
        let a = n - dim;
        self.source.read(&[t], y, &mut self.z);
        if self.sparsity().is_some() {
            self.sys.jacobian(t, &self.z, dfdz, dfdt);
            dfdz.iter_mut().for_each(|x| *x = -*x);
            differences::by_time(self, t, y, dfdt);
            return;
        }
        let own = self.dense_jacobian(t, &mut dfdt[..dim]);
        if a > 0 {
            differences::by_state(self, t, y, 0..a, dfdz);
        }
        for i in 0..dim {
            for j in 0..dim {
                dfdz[(a + i) * n + a + j] = -own[j * dim + i];
                if a > 0 {
                    dfdz[i * n + j] = own[i * dim + j];
                    dfdz[i * n + a + j] = R::ZERO;
                }
            }
        }
        differences::by_time(self, t, y, dfdt);
    }
}
