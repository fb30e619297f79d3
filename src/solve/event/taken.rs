//! An accepted step, as the search for events sees it.

use super::super::implicit::TakenStep;
use super::super::kernel::Kernel;
use super::super::real::Real;

/// A step of every lane with dense output; θ is a fraction of it.
pub(super) trait Taken<R> {
    /// Time of a lane at θ.
    fn at(&self, lane: usize, theta: f64) -> f64;
    /// Writes the state of a lane at θ to its entries of `z` `[D][L]`: from dense output between the ends.
    fn state(&self, lane: usize, theta: f64, z: &mut [R]);
    /// Slope dz/dt of dense output of a lane at θ, `[D]`.
    fn slope(&self, lane: usize, theta: f64) -> Vec<R>;
}

impl<R: Real> Taken<R> for Kernel<R> {
    fn at(&self, lane: usize, theta: f64) -> f64 {
        if theta >= 1.0 { self.t_next[lane] } else { self.t[lane] + theta * self.h[lane] }
    }

    fn state(&self, lane: usize, theta: f64, z: &mut [R]) {
        (lane..self.n()).step_by(self.lanes).for_each(|i| z[i] = entry(self, theta, i));
    }

    fn slope(&self, lane: usize, theta: f64) -> Vec<R> {
        let entry = |i: usize| {
            let mut sum = R::ZERO;
            for stage in 0..self.tableau.stages() {
                sum += R::from_f64(self.tableau.dense_slope(stage, theta)) * self.ks[stage * self.n() + i];
            }
            sum
        };
        (lane..self.n()).step_by(self.lanes).map(entry).collect()
    }
}

/// Entry `i` of the state at a fraction of its lane's step.
pub(super) fn entry<R: Real>(kernel: &Kernel<R>, theta: f64, i: usize) -> R {
    if theta <= 0.0 {
        return kernel.z[i];
    }
    if theta >= 1.0 {
        return kernel.z_new[i];
    }
    let (n, h) = (kernel.n(), R::from_f64(kernel.h[i % kernel.lanes]));
    let mut sum = R::ZERO;
    for stage in 0..kernel.tableau.stages() {
        sum += R::from_f64(kernel.tableau.dense_weight(stage, theta)) * kernel.ks[stage * n + i];
    }
    kernel.z[i] + h * sum
}

impl<R: Real> Taken<R> for TakenStep<'_, R> {
    fn at(&self, _: usize, theta: f64) -> f64 {
        let (t, t_next, h) = self.times();
        if theta >= 1.0 { t_next } else { t + theta * h }
    }

    fn state(&self, _: usize, theta: f64, z: &mut [R]) {
        self.interpolate(theta, z);
    }

    fn slope(&self, _: usize, theta: f64) -> Vec<R> {
        TakenStep::slope(self, theta)
    }
}
