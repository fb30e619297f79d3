//! An accepted step, as the search for events sees it.

use super::super::adams::Walk;
use super::super::implicit::TakenStep;
use super::super::kernel::Kernel;
use super::super::real::Real;

/// A step of every lane with dense output; θ is a fraction of it.
pub(super) trait Taken<R> {
    /// Times of the start and the end of a lane's step.
    fn times(&self, lane: usize) -> (f64, f64);
    /// Its signed length.
    fn length(&self, lane: usize) -> f64 {
        let (t, t_next) = self.times(lane);
        t_next - t
    }
    /// Time of a lane at θ.
    fn at(&self, lane: usize, theta: f64) -> f64 {
        let (t, t_next) = self.times(lane);
        if theta >= 1.0 { t_next } else { t + theta * self.length(lane) }
    }
    /// Writes the state of a lane at θ to its entries of `z` `[D][L]`: from dense output between the ends.
    fn state(&self, lane: usize, theta: f64, z: &mut [R]);
    /// Slope dz/dt of dense output of a lane at θ, `[D]`.
    fn slope(&self, lane: usize, theta: f64) -> Vec<R>;
}

/// A step of an explicit method, with the extra stages of its dense output.
#[derive(Debug)]
pub(super) struct Explicit<'k, R> {
    pub(super) kernel: &'k Kernel<R>,
    /// `[E][D][L]`
    pub(super) extra: &'k [R],
}

impl<R: Real> Explicit<'_, R> {
    /// Entry `i` of the state at a fraction of its lane's step.
    pub(super) fn entry(&self, theta: f64, i: usize) -> R {
        let kernel = self.kernel;
        if theta <= 0.0 {
            return kernel.z[i];
        }
        if theta >= 1.0 {
            return kernel.z_new[i];
        }
        let h = R::from_f64(kernel.h[i % kernel.lanes]);
        kernel.z[i] + h * self.combination(i, |stage| kernel.tableau.dense_weight(stage, theta))
    }

    /// Σ w k of entry `i` over all stages.
    fn combination(&self, i: usize, weight: impl Fn(usize) -> f64) -> R {
        let (n, mut sum) = (self.kernel.n().max(1), R::ZERO);
        for (stage, k) in self.kernel.ks.chunks_exact(n).chain(self.extra.chunks_exact(n)).enumerate() {
            sum += R::from_f64(weight(stage)) * k[i];
        }
        sum
    }
}

impl<R: Real> Taken<R> for Explicit<'_, R> {
    fn times(&self, lane: usize) -> (f64, f64) {
        (self.kernel.t[lane], self.kernel.t_next[lane])
    }

    fn length(&self, lane: usize) -> f64 {
        self.kernel.h[lane]
    }

    fn state(&self, lane: usize, theta: f64, z: &mut [R]) {
        (lane..z.len()).step_by(self.kernel.lanes).for_each(|i| z[i] = self.entry(theta, i));
    }

    fn slope(&self, lane: usize, theta: f64) -> Vec<R> {
        let slope = |stage| self.kernel.tableau.dense_slope(stage, theta);
        (lane..self.kernel.n()).step_by(self.kernel.lanes).map(|i| self.combination(i, slope)).collect()
    }
}

impl<R: Real> Taken<R> for TakenStep<'_, R> {
    fn times(&self, _: usize) -> (f64, f64) {
        let (t, t_next, _) = TakenStep::times(self);
        (t, t_next)
    }

    fn length(&self, _: usize) -> f64 {
        TakenStep::times(self).2
    }

    fn state(&self, _: usize, theta: f64, z: &mut [R]) {
        self.interpolate(theta, z);
    }

    fn slope(&self, _: usize, theta: f64) -> Vec<R> {
        TakenStep::slope(self, theta)
    }
}

impl<R: Real> Taken<R> for &Walk<'_, R> {
    fn times(&self, _: usize) -> (f64, f64) {
        Walk::times(self)
    }

    fn state(&self, _: usize, theta: f64, z: &mut [R]) {
        Walk::state(self, theta, z);
    }

    /// Nobody asks: these methods have no `discrete` gradient.
    fn slope(&self, _: usize, _: f64) -> Vec<R> {
        Vec::new()
    }
}
