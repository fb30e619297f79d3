//! A step that was accepted → states between its ends.

use super::scheme::Scheme;
use super::step::Step;
use crate::solve::real::Real;

/// A step with its dense output.
#[derive(Debug)]
pub(in crate::solve) struct TakenStep<'r, R> {
    pub(super) step: &'r Step<R>,
    /// Index of the scheme.
    pub(super) current: usize,
    pub(super) scheme: &'r Scheme<R>,
}

impl<R: Real> TakenStep<'_, R> {
    /// Times at its start and its end, and its signed length.
    pub(in crate::solve) fn times(&self) -> (f64, f64, f64) {
        (self.step.t, self.step.t_next, self.step.h)
    }

    /// State at its end.
    pub(in crate::solve) fn end(&self) -> &[R] {
        &self.step.z_new
    }

    /// Index and order of the scheme, and the stages: what a tape keeps.
    pub(in crate::solve) fn kept(&self) -> ((usize, usize), &[R]) {
        let size = self.scheme.stages() * self.step.dim;
        ((self.current, self.scheme.variable_order()), &self.step.ks[..size])
    }

    /// The state at a fraction of the step.
    pub(in crate::solve) fn interpolate(&self, theta: f64, out: &mut [R]) {
        if theta >= 1.0 {
            out.copy_from_slice(&self.step.z_new);
            return;
        }
        out.copy_from_slice(&self.step.z);
        if theta > 0.0 {
            let scale = if self.scheme.stages_are_slopes() { self.step.h } else { 1.0 };
            self.add(|i| scale * self.scheme.dense(i, theta).0, out);
        }
    }

    /// Slope dz/dt of dense output there.
    pub(in crate::solve) fn slope(&self, theta: f64) -> Vec<R> {
        let mut out = vec![R::ZERO; self.step.dim];
        let scale = if self.scheme.stages_are_slopes() { 1.0 } else { 1.0 / self.step.h };
        self.add(|i| scale * self.scheme.dense(i, theta).1, &mut out);
        out
    }

    fn add(&self, weight: impl Fn(usize) -> f64, out: &mut [R]) {
        for (i, k) in self.step.ks.chunks_exact(self.step.dim.max(1)).take(self.scheme.stages()).enumerate() {
            let weight = R::from_f64(weight(i));
            out.iter_mut().zip(k).for_each(|(out, k)| *out += weight * *k);
        }
    }
}
