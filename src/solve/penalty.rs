//! Stages of accepted steps → what the steps cost the error control, as penalties of a loss, and their cotangents.
//!
//! Pal, Ma, Shah, Rackauckas, Opening the Blackbox: Accelerating Neural Differential Equations by Regularizing Internal
//! Solver Heuristics, ICML 2021. Both are functions of the stages, which have their cotangents already, so that the
//! reverse pass needs no further derivative of the model. The positions of the steps count as constants there.

use super::kernel::{Kernel, Row, row};
use super::real::Real;
use super::tableau::Tableau;

/// Weights of penalties in a loss; zero: the penalty is not computed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalties {
    /// Of Σ |hⱼ| ‖eⱼ‖ over the accepted steps j with the embedded error estimate e, its root mean square over the
    /// components.
    pub error: f64,
    /// Of Σ ‖`k_S` − `k_S−1`‖ / ‖`z_S` − `z_S−1`‖ over the accepted steps, with the last two stages k and their states
    /// z, both at the end of the step: an estimate of the spectral radius of ∂f/∂z.
    pub stiffness: f64,
}

impl Penalties {
    /// Whether there is nothing to compute.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.error == 0.0 && self.stiffness == 0.0
    }

    /// The same penalties of a loss that counts with this weight.
    #[must_use]
    pub fn scaled(&self, weight: f64) -> Self {
        Self { error: weight * self.error, stiffness: weight * self.stiffness }
    }
}

impl Tableau {
    /// Whether the last two stages are both at the end of the step, so that they tell how stiff the model is.
    #[must_use]
    pub fn tells_stiffness(&self) -> bool {
        self.stages() > 2 && self.c[self.stages() - 2].total_cmp(&1.0).is_eq()
    }
}

/// The penalties of a method's steps.
#[derive(Debug)]
pub(super) struct Penalty<R> {
    weights: Penalties,
    error: Row<R>,
    /// Weights of `z_S` − `z_S−1` = h Σ dⱼ kⱼ.
    apart: Row<R>,
    /// A combination of stages for one lane, `[D]`.
    sum: Vec<f64>,
    /// `k_S` − `k_S−1` of one lane, `[D]`.
    change: Vec<f64>,
}

impl<R: Real> Penalty<R> {
    /// `None` where both weights are zero.
    pub(super) fn new(weights: Penalties, kernel: &Kernel<R>) -> Option<Self> {
        if weights.is_none() {
            return None;
        }
        let tableau = kernel.tableau;
        let rows = tableau.a;
        let before = |j: usize| rows.len().checked_sub(2).and_then(|i| rows[i].get(j)).copied().unwrap_or(0.0);
        let apart = tableau.b().iter().enumerate().map(|(j, b)| b - before(j));
        let weights = if tableau.tells_stiffness() { weights } else { Penalties { stiffness: 0.0, ..weights } };
        Some(Self {
            weights,
            error: row(tableau.error.iter().copied()),
            apart: row(apart),
            sum: vec![0.0; kernel.dim],
            change: vec![0.0; kernel.dim],
        })
    }

    /// Their weighted sum for the step that a lane has just taken.
    pub(super) fn of_step(&mut self, kernel: &Kernel<R>, lane: usize) -> f64 {
        let error = if self.weights.error == 0.0 { 0.0 } else { self.error_norm(kernel, lane) };
        let stiffness = if self.weights.stiffness == 0.0 { 0.0 } else { self.stiffness(kernel, lane).0 };
        self.weights.error * kernel.h[lane].abs() * error + self.weights.stiffness * stiffness
    }

    /// Adds their derivatives for the step of a lane by the stages to `dense` `[S][D][L]`, and returns that by the length
    /// of the step, without what the caller adds for every cotangent of a stage: that times the stage over h.
    pub(super) fn pull_step(&mut self, kernel: &Kernel<R>, lane: usize, dense: &mut [R]) -> f64 {
        let mut h_bar = 0.0;
        if self.weights.error != 0.0 {
            h_bar += self.pull_error(kernel, lane, dense);
        }
        if self.weights.stiffness != 0.0 {
            h_bar += self.pull_stiffness(kernel, lane, dense);
        }
        h_bar
    }

    /// Root mean square of e = h Σ eⱼ kⱼ, which stays in `sum`.
    fn error_norm(&mut self, kernel: &Kernel<R>, lane: usize) -> f64 {
        weighted(&mut self.sum, kernel, lane, &self.error);
        (square(&self.sum) / self.sum.len().max(1) as f64).sqrt()
    }

    fn pull_error(&mut self, kernel: &Kernel<R>, lane: usize, dense: &mut [R]) -> f64 {
        let (norm, h) = (self.error_norm(kernel, lane), kernel.h[lane]);
        if norm > 0.0 {
            let factor = self.weights.error * h.abs() / (norm * self.sum.len() as f64);
            self.sum.iter_mut().for_each(|e| *e *= factor);
            spread(dense, kernel, lane, &self.error, &self.sum);
        }
        self.weights.error * norm * h.signum()
    }

    /// ‖`k_S` − `k_S−1`‖ / ‖`z_S` − `z_S−1`‖ and the denominator; 0 where the denominator is.
    fn stiffness(&mut self, kernel: &Kernel<R>, lane: usize) -> (f64, f64) {
        let n = kernel.n();
        let (earlier, last) = (kernel.ks.len() - 2 * n, kernel.ks.len() - n);
        for (d, change) in self.change.iter_mut().enumerate() {
            let i = d * kernel.lanes + lane;
            *change = (kernel.ks[last + i] - kernel.ks[earlier + i]).to_f64();
        }
        weighted(&mut self.sum, kernel, lane, &self.apart);
        let distance = square(&self.sum).sqrt();
        (if distance > 0.0 { square(&self.change).sqrt() / distance } else { 0.0 }, distance)
    }

    fn pull_stiffness(&mut self, kernel: &Kernel<R>, lane: usize, dense: &mut [R]) -> f64 {
        let (ratio, distance) = self.stiffness(kernel, lane);
        if ratio <= 0.0 {
            return 0.0;
        }
        let n = kernel.n();
        let (earlier, last) = (kernel.ks.len() - 2 * n, kernel.ks.len() - n);
        let weight = self.weights.stiffness;
        // d‖u‖ = u·du/‖u‖, and ‖u‖ is the ratio times the distance.
        let factor = weight / (ratio * distance * distance);
        for (d, change) in self.change.iter().enumerate() {
            let (i, bar) = (d * kernel.lanes + lane, R::from_f64(factor * change));
            dense[last + i] += bar;
            dense[earlier + i] += -bar;
        }
        let factor = -weight * ratio / (distance * distance);
        self.sum.iter_mut().for_each(|x| *x *= factor);
        spread(dense, kernel, lane, &self.apart, &self.sum);
        // The difference of the stages is no multiple of h: what the caller adds for it is taken back.
        -weight * ratio / kernel.h[lane]
    }
}

/// h Σ a k of one lane.
fn weighted<R: Real>(out: &mut [f64], kernel: &Kernel<R>, lane: usize, row: &Row<R>) {
    for (d, out) in out.iter_mut().enumerate() {
        let i = d * kernel.lanes + lane;
        let sum: f64 = row.iter().map(|(j, a)| (*a * kernel.ks[j * kernel.n() + i]).to_f64()).sum();
        *out = kernel.h[lane] * sum;
    }
}

/// The transpose of [`weighted`], added.
fn spread<R: Real>(dense: &mut [R], kernel: &Kernel<R>, lane: usize, row: &Row<R>, bar: &[f64]) {
    for (j, a) in row {
        for (d, bar) in bar.iter().enumerate() {
            dense[j * kernel.n() + d * kernel.lanes + lane] += *a * R::from_f64(kernel.h[lane] * bar);
        }
    }
}

fn square(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}
