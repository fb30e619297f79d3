//! Newton's method for u = c f(t, base + u) with one matrix W = I/c − ∂f/∂z for several solves.
//!
//! W δ = f(base + u) − u/c. The iteration ends when η‖δ‖ ≤ κ, η = Θ/(1 − Θ) but at least 10⁻³, Θ being the ratio of the last two ‖δ‖ and
//! the norm that of the error control (Hairer, Wanner, Solving Ordinary Differential Equations II, section IV.8,
//! eq. 8.10 and 8.11).

use super::linear::{Linearisation, Structure};
use super::scheme::Mark;
use super::step::Step;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::{Stats, System};

/// Iterations before the step is tried with half its length, and where its length is fixed.
const MOST_ITERATIONS: usize = 10;
const MOST_ITERATIONS_FIXED: usize = 100;
/// The Jacobian of the last step is used again while Θ stays below.
const QUICK: f64 = 1e-3;

#[derive(Debug)]
pub(super) struct Newton<R> {
    pub(super) linear: Linearisation<R>,
    /// Where it was evaluated.
    point: (f64, Vec<R>),
    /// Accepted steps since the Jacobian was evaluated; `None`: never.
    age: Option<usize>,
    /// Largest Θ since [`Self::begin`].
    slowest: f64,
    /// η of the solve before.
    eta: f64,
    /// The unknown: on entry of [`Self::solve`] a guess.
    pub(super) u: Vec<R>,
    /// base + u.
    pub(super) state: Vec<R>,
    delta: Vec<R>,
    inverse_scale: Vec<f64>,
}

impl<R: Real> Newton<R> {
    pub(super) fn new(structure: &Structure) -> Self {
        let dim = structure.dim;
        let zeros = || vec![R::ZERO; dim];
        Self {
            linear: Linearisation::new(structure),
            point: (0.0, zeros()),
            age: None,
            slowest: 0.0,
            eta: 1.0,
            u: zeros(),
            state: zeros(),
            delta: zeros(),
            inverse_scale: vec![0.0; dim],
        }
    }

    /// Prepares the solves of a step with constant c, and a Jacobian if the last one served badly.
    pub(super) fn begin<S: System<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        c: f64,
        options: &Options,
        stats: &mut Stats,
    ) {
        for (d, (scale, z)) in self.inverse_scale.iter_mut().zip(&step.z).enumerate() {
            *scale = 1.0 / options.tolerance(d).scale(z.to_f64().abs());
        }
        if self.age.is_none_or(|age| age > 0 && self.slowest > QUICK) {
            self.evaluate_jacobian(sys, step, stats);
        }
        self.linear.factor(c);
        self.slowest = 0.0;
    }

    fn evaluate_jacobian<S: System<R>>(&mut self, sys: &mut S, step: &Step<R>, stats: &mut Stats) {
        self.linear.evaluate(sys, step.t, &step.z, stats);
        self.point.0 = step.t;
        self.point.1.copy_from_slice(&step.z);
        self.age = Some(0);
    }

    /// What a step depends on besides its start: where the Jacobian is from, and this.
    pub(super) fn mark(&self) -> Mark {
        Mark { jacobian: self.point.0, age: self.age, slowest: self.slowest, eta: self.eta, ..Mark::default() }
    }

    pub(super) fn point(&self) -> &[R] {
        &self.point.1
    }

    /// Comes back to a mark; `numbers` start with the point. Returns the rest of them.
    pub(super) fn restore<'n, S: System<R>>(
        &mut self,
        sys: &mut S,
        mark: &Mark,
        numbers: &'n [R],
        stats: &mut Stats,
    ) -> &'n [R] {
        let (point, rest) = numbers.split_at(self.point.1.len());
        self.point.0 = mark.jacobian;
        self.point.1.copy_from_slice(point);
        (self.age, self.slowest, self.eta) = (mark.age, mark.slowest, mark.eta);
        if self.age.is_some() {
            self.linear.evaluate(sys, self.point.0, point, stats);
        }
        rest
    }

    /// After a solve that failed: evaluates the Jacobian again; false if that was done for this step.
    pub(super) fn again<S: System<R>>(&mut self, sys: &mut S, step: &Step<R>, c: f64, stats: &mut Stats) -> bool {
        if self.age == Some(0) {
            return false;
        }
        self.evaluate_jacobian(sys, step, stats);
        self.linear.factor(c);
        self.slowest = 0.0;
        true
    }

    /// Takes note of an accepted step.
    pub(super) fn accepted(&mut self) {
        self.age = self.age.map(|age| age + 1);
    }

    /// Finds u; false if the iteration does not converge.
    pub(super) fn solve<S: System<R>>(
        &mut self,
        sys: &mut S,
        t: f64,
        base: &[R],
        c: f64,
        options: &Options,
        stats: &mut Stats,
    ) -> bool {
        let inverse = R::from_f64(1.0 / c);
        let kappa = (10.0 * f64::EPSILON / options.rtol.max(1e-14)).max(options.rtol.sqrt().min(0.03));
        let mut previous = f64::INFINITY;
        // Of the solve before, a little less sure of itself: a linear stage says little about the next one.
        let mut eta = self.eta.max(QUICK).powf(0.8);
        let most = if options.fixed_step.is_some() { MOST_ITERATIONS_FIXED } else { MOST_ITERATIONS };
        for iteration in 0..most {
            self.place(base);
            evaluate(sys, t, &self.state, &mut self.delta, stats);
            let norm = self.correct(inverse, options);
            if !norm.is_finite() {
                return false;
            }
            if iteration > 0 {
                let theta = norm / previous;
                self.slowest = self.slowest.max(theta);
                // What is left after the iterations that remain must be small enough.
                let left = (most - 1 - iteration) as i32;
                if norm > 0.0 && (theta >= 0.99 || theta.powi(left) / (1.0 - theta) * norm > kappa) {
                    return false;
                }
                // The first correction may be all linear: what follows it need not converge as fast.
                eta = (theta / (1.0 - theta)).max(QUICK);
            }
            if norm <= 0.0 || eta * norm <= kappa {
                self.eta = eta;
                self.place(base);
                return true;
            }
            previous = norm;
        }
        false
    }

    fn place(&mut self, base: &[R]) {
        for ((state, base), u) in self.state.iter_mut().zip(base).zip(&self.u) {
            *state = *base + *u;
        }
    }

    /// u += W⁻¹(f − u/c), f being in `delta`; the norm of the correction.
    fn correct(&mut self, inverse: R, options: &Options) -> f64 {
        for (delta, u) in self.delta.iter_mut().zip(&self.u) {
            *delta -= inverse * *u;
        }
        self.linear.solve(&mut self.delta);
        let mut sum = 0.0;
        for ((u, delta), scale) in self.u.iter_mut().zip(&self.delta).zip(&self.inverse_scale) {
            *u += *delta;
            sum += (delta.to_f64() * scale).powi(2);
        }
        (sum / options.measured(self.u.len()).max(1) as f64).sqrt()
    }
}

pub(super) fn evaluate<R: Real, S: System<R>>(sys: &mut S, t: f64, z: &[R], dz: &mut [R], stats: &mut Stats) {
    sys.rhs(&[t], z, dz);
    stats.rhs_calls += 1;
    stats.rhs_evaluations += 1;
}
