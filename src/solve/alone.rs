//! Whole steps of one sample, one after the other, in buffers that stay where they are: of a small system, collecting
//! and checking the operands of every step would take longer than the step.

use super::dense::Weights;
use super::real::Real;

/// Operands and results of [`super::System::step_alone`].
#[derive(Debug)]
pub struct StepAlone<'a, R> {
    /// State at its start, `[D]`.
    pub z: &'a mut [R],
    /// Its signed length, `[1]`.
    pub h: &'a mut [R],
    /// The first stage, `[D]`.
    pub first: &'a mut [R],
    /// Absolute and relative tolerance, `[2]`.
    pub tolerances: &'a mut [R],
    /// Result: the other stages, `[S − 1][D]`.
    pub later: &'a mut [R],
    /// Result: the state at its end, `[D]`.
    pub z_new: &'a mut [R],
    /// Result: Σ over the components of the squared scaled error, `[1]`. Not a number where the new state or the
    /// right-hand side there is not finite.
    pub error: &'a mut [R],
    /// Result: what the stages after the first leave for their pull-backs, `[S − 1][kept]` (see
    /// [`super::System::kept`]).
    pub kept: &'a mut [R],
}

/// An accepted step, to be reversed.
#[derive(Debug, Clone, Copy)]
pub struct TakenStep<'a, R> {
    /// Time at its start.
    pub t: f64,
    /// Time at its end.
    pub t_next: f64,
    /// Its signed length.
    pub h: R,
    /// State at its start, `[D]`.
    pub z: &'a [R],
    /// State at its end, `[D]`.
    pub z_new: &'a [R],
    /// Its stages, `[S][D]`.
    pub ks: &'a [R],
    /// What the stages after the first left, `[S − 1][kept]`, where the tape has it; else they are evaluated again.
    pub kept: Option<&'a [R]>,
}

/// Further operands and results of [`super::AdjointSystem::reverse_alone`].
#[derive(Debug)]
pub struct ReverseAlone<'a, R> {
    /// Cotangents of the stages by dense output, `[S][D]`.
    pub dense: &'a mut [R],
    /// Cotangent of the last stage as the first one of the step after, `[D]`.
    pub carry: &'a mut [R],
    /// Cotangent of the new state, `[D]`.
    pub z_new_bar: &'a mut [R],
    /// Cotangent of the state at the start by dense output, `[D]`.
    pub z_bar: &'a mut [R],
    /// Result: cotangent of the state at the start, `[D]`.
    pub total: &'a mut [R],
    /// Result: cotangent of the first stage, `[D]`.
    pub first_bar: &'a mut [R],
    /// Result: cotangent of the time at its start, `[1]`.
    pub t_bar: &'a mut [R],
    /// Result: cotangent of its length, `[1]`; not a number where the length is 0.
    pub h_bar: &'a mut [R],
}

impl<R: Real> StepAlone<'_, R> {
    /// The state at the fraction `theta` of the step by dense output, which needs no extra stages.
    pub(super) fn interpolate(&self, weights: &Weights, theta: f64, out: &mut [R]) {
        let h = self.h[0];
        if weights.interpolate_few(theta, self.z, |_| h, (self.first, self.later), out) {
            return;
        }
        out.fill(R::ZERO);
        let ks = std::iter::once(&*self.first).chain(self.later.chunks_exact(out.len()));
        for (weight, k) in weights.at(theta).zip(ks) {
            let weight = R::from_f64(weight);
            out.iter_mut().zip(k).for_each(|(x, k)| *x += weight * *k);
        }
        out.iter_mut().zip(&*self.z).for_each(|(x, z)| *x = *z + h * *x);
    }

    /// Moves to the end of the step.
    pub(super) fn advance(&mut self) {
        self.z.copy_from_slice(self.z_new);
        let last = self.later.len() - self.first.len();
        self.first.copy_from_slice(&self.later[last..]);
    }
}
