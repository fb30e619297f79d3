//! A step of an ESDIRK method, or of an explicit one (γ = 0), and its reverse.
//!
//! With Zᵢ = zₙ + h Σ_{j≤i} aᵢⱼ kⱼ and kᵢ = f(tₙ + cᵢh, Zᵢ), the unknown of stage i is u = hγ kᵢ, found by Newton's method
//! with one matrix for all stages and, as long as it converges quickly, for several steps: W δ = f(Z) − u/(hγ). The
//! iteration ends when η‖δ‖ ≤ κ, η = Θ/(1 − Θ), Θ being the ratio of the last two ‖δ‖ and the norm that of the error
//! control (Hairer, Wanner, Solving Ordinary Differential Equations II, section IV.8, eq. 8.10 and 8.11).

use super::reverse::Bars;
use super::step::{Linearisation, Step, add_stages, combine};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, Stats, System};
use crate::solve::tableau::Tableau;

/// Iterations of a stage before the step is tried with half its length, and where its length is fixed.
const MOST_ITERATIONS: usize = 10;
const MOST_ITERATIONS_FIXED: usize = 100;
/// Stages that a first guess is extrapolated from.
const MOST_NODES: usize = 5;
/// The Jacobian of the last step is used again while Θ stays below.
const QUICK: f64 = 1e-3;

#[derive(Debug)]
pub(super) struct Dirk<R> {
    pub(super) table: &'static Tableau,
    pub(super) gamma: f64,
    linear: Linearisation<R>,
    /// Accepted steps since the Jacobian was evaluated; `None`: never.
    age: Option<usize>,
    /// Largest Θ of the last attempt.
    slowest: f64,
    /// η of the stage before.
    eta: f64,
    base: Vec<R>,
    pub(super) stage: Vec<R>,
    u: Vec<R>,
    delta: Vec<R>,
    inverse_scale: Vec<f64>,
    /// Weights of the stages before for a first guess of stage i: the polynomial through them at cᵢ.
    guesses: Vec<Vec<f64>>,
    /// Cotangents of the stage states, `[S][D]`, in reverse.
    stage_bars: Vec<R>,
}

impl<R: Real> Dirk<R> {
    pub(super) fn new(table: &'static Tableau, gamma: f64, dim: usize) -> Self {
        let zeros = || vec![R::ZERO; dim];
        Self {
            table,
            gamma,
            linear: Linearisation::new(if gamma > 0.0 { dim } else { 0 }),
            age: None,
            slowest: 0.0,
            eta: 1.0,
            base: zeros(),
            stage: zeros(),
            u: zeros(),
            delta: zeros(),
            inverse_scale: vec![0.0; dim],
            guesses: (0..table.stages()).map(|i| extrapolation(table.c, i)).collect(),
            stage_bars: Vec::new(),
        }
    }

    /// Computes stages, new state and error; false: Newton's method did not converge.
    pub(super) fn attempt<S: System<R>>(
        &mut self,
        sys: &mut S,
        step: &mut Step<R>,
        options: &Options,
        stats: &mut Stats,
    ) -> bool {
        let n = step.dim;
        if !step.first_known {
            evaluate(sys, step.t, &step.z, &mut step.ks[..n], stats);
            step.first_known = true;
        }
        if self.gamma > 0.0 {
            self.rescale(step, options);
            if self.age.is_none_or(|age| age > 0 && self.slowest > QUICK) {
                self.linear.evaluate(sys, step.t, &step.z, stats);
                self.age = Some(0);
            }
        }
        while !self.stages(sys, step, options, stats) {
            if self.age == Some(0) {
                return false;
            }
            self.linear.evaluate(sys, step.t, &step.z, stats);
            self.age = Some(0);
        }
        step.error.fill(R::ZERO);
        add_stages(&mut step.error, &step.ks, self.table.error, step.h);
        true
    }

    fn stages<S: System<R>>(&mut self, sys: &mut S, step: &mut Step<R>, options: &Options, stats: &mut Stats) -> bool {
        let (n, last) = (step.dim, self.table.stages() - 1);
        if self.gamma > 0.0 {
            self.linear.factor(step.h * self.gamma);
        }
        self.slowest = 0.0;
        for i in 1..=last {
            combine(&mut self.base, &step.z, &step.ks, self.table.a[i - 1], step.h);
            let t = if i == last { step.t_next } else { step.t + self.table.c[i] * step.h };
            if self.gamma > 0.0 {
                if !self.newton(sys, step, i, t, options, stats) {
                    return false;
                }
            } else {
                if i < last {
                    self.stage.copy_from_slice(&self.base);
                }
                evaluate(sys, t, &self.base, &mut step.ks[i * n..(i + 1) * n], stats);
            }
        }
        let end = if self.gamma > 0.0 { &self.stage } else { &self.base };
        step.z_new.copy_from_slice(end);
        true
    }

    fn rescale(&mut self, step: &Step<R>, options: &Options) {
        for (scale, z) in self.inverse_scale.iter_mut().zip(&step.z) {
            *scale = 1.0 / (options.atol.max(1e-30) + options.rtol * z.to_f64().abs());
        }
    }

    /// Solves stage `i` > 0.
    fn newton<S: System<R>>(
        &mut self,
        sys: &mut S,
        step: &mut Step<R>,
        i: usize,
        t: f64,
        options: &Options,
        stats: &mut Stats,
    ) -> bool {
        let n = step.dim;
        let h_gamma = step.h * self.gamma;
        let inverse = R::from_f64(1.0 / h_gamma);
        let (before, k) = step.ks.split_at_mut(i * n);
        let k = &mut k[..n];
        self.u.fill(R::ZERO);
        add_stages(&mut self.u, before, &self.guesses[i], h_gamma);
        let kappa = (10.0 * f64::EPSILON / options.rtol.max(1e-14)).max(options.rtol.sqrt().min(0.03));
        let mut previous = f64::INFINITY;
        // Of the stage before; a little less sure of itself.
        let mut eta = self.eta.max(f64::EPSILON).powf(0.8);
        let most = if options.fixed_step.is_some() { MOST_ITERATIONS_FIXED } else { MOST_ITERATIONS };
        for iteration in 0..most {
            for ((stage, base), u) in self.stage.iter_mut().zip(&self.base).zip(&self.u) {
                *stage = *base + *u;
            }
            evaluate(sys, t, &self.stage, &mut self.delta, stats);
            for (delta, u) in self.delta.iter_mut().zip(&self.u) {
                *delta = *delta - inverse * *u;
            }
            self.linear.lu.solve(&mut self.delta);
            let mut sum = 0.0;
            for ((u, delta), scale) in self.u.iter_mut().zip(&self.delta).zip(&self.inverse_scale) {
                *u += *delta;
                sum += (delta.to_f64() * scale).powi(2);
            }
            let norm = (sum / n.max(1) as f64).sqrt();
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
                eta = theta / (1.0 - theta);
            }
            if norm <= 0.0 || eta * norm <= kappa {
                self.eta = eta;
                for (((stage, base), u), k) in self.stage.iter_mut().zip(&self.base).zip(&self.u).zip(k) {
                    *stage = *base + *u;
                    *k = inverse * *u;
                }
                return true;
            }
            previous = norm;
        }
        false
    }

    /// Weights of the stages in H'(cᵢ) − kᵢ, H being dense output.
    pub(super) fn dense_slopes(&self, i: usize) -> Vec<f64> {
        let slope = |j| self.table.dense_slope(j, self.table.c[i]) - if j == i { 1.0 } else { 0.0 };
        (0..self.table.stages()).map(slope).collect()
    }

    /// Takes note of an accepted step: the last stage is the first one of the next.
    pub(super) fn accepted(&mut self, step: &mut Step<R>) {
        let last = (self.table.stages() - 1) * step.dim;
        step.ks.copy_within(last..last + step.dim, 0);
        step.first_known = true;
        self.age = self.age.map(|age| age + 1);
    }

    /// h times an estimate of the spectral radius of ∂f/∂z, from two stages at the new point (Hairer, Wanner, section
    /// IV.2); for explicit methods whose last two nodes are 1.
    /// Components count in units of their tolerances, so that rounding of a large one does not hide a small one.
    pub(super) fn stiffness(&self, step: &Step<R>, options: &Options) -> f64 {
        let (n, last) = (step.dim, self.table.stages() - 1);
        let (mut up, mut down) = (0.0, 0.0);
        for d in 0..n {
            let f = step.ks[last * n + d].to_f64() - step.ks[(last - 1) * n + d].to_f64();
            let z = step.z_new[d].to_f64() - self.stage[d].to_f64();
            let scale = options.atol.max(1e-30) + options.rtol * step.z_new[d].to_f64().abs();
            up += (f / scale).powi(2);
            down += (z / scale).powi(2);
        }
        if down > 0.0 { step.h.abs() * (up / down).sqrt() } else { 0.0 }
    }

    /// Reverses a step. On entry `bars.ks` has the cotangents of the stages from outside, `bars.z` those of the state
    /// at the start, `bars.z_new` those of the new state; on exit the cotangents of the first stage and of the start.
    pub(super) fn reverse<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        bars: &mut Bars<R>,
        stats: &mut Stats,
    ) {
        let (n, last, h) = (step.dim, self.table.stages() - 1, step.h);
        self.stage_bars.resize(n * (last + 1), R::ZERO);
        for i in (1..=last).rev() {
            let t = if i == last { step.t_next } else { step.t + self.table.c[i] * h };
            combine(&mut self.stage, &step.z, &step.ks, self.table.a[i - 1], h);
            add_stages(&mut self.stage, &step.ks[i * n..(i + 1) * n], &[self.gamma], h);
            let outside = |d: usize, z_new: &[R]| if i == last { z_new[d] } else { R::ZERO };
            self.delta.copy_from_slice(&bars.ks[i * n..(i + 1) * n]);
            if self.gamma > 0.0 {
                let inverse = R::from_f64(1.0 / (h * self.gamma));
                self.linear.evaluate(sys, t, &self.stage, stats);
                self.linear.factor(h * self.gamma);
                for (d, w) in self.delta.iter_mut().enumerate() {
                    *w = inverse * *w + outside(d, &bars.z_new);
                }
                self.linear.lu.solve_transposed(&mut self.delta);
            }
            sys.vjp(&[t], &self.stage, &self.delta, &mut self.base, &mut bars.t_part, true);
            stats.vjp_calls += 1;
            bars.stage_time(self.table.c[i]);
            for d in 0..n {
                let bar = self.base[d] + outside(d, &bars.z_new);
                self.base[d] = bar;
                bars.z[d] += bar;
            }
            self.spread(step, i, bars);
        }
    }

    /// The cotangent of the state of stage `i`, in `base`, to the stages it is made of and to the length of the step.
    fn spread(&self, step: &Step<R>, i: usize, bars: &mut Bars<R>) {
        let n = step.dim;
        let own = (i, self.gamma);
        let row = self.table.a[i - 1].iter().copied().enumerate().chain([own]);
        for (j, a) in row.filter(|(_, a)| *a != 0.0) {
            let weight = R::from_f64(step.h * a);
            let mut product = 0.0;
            for d in 0..n {
                product += (self.base[d] * step.ks[j * n + d]).to_f64();
                if j < i {
                    bars.ks[j * n + d] += weight * self.base[d];
                }
            }
            bars.h += a * product;
        }
    }
}

fn evaluate<R: Real, S: System<R>>(sys: &mut S, t: f64, z: &[R], dz: &mut [R], stats: &mut Stats) {
    sys.rhs(&[t], z, dz);
    stats.rhs_calls += 1;
    stats.rhs_evaluations += 1;
}

/// Lagrange weights of the nodes before `i` at node `i`; only the last few, since a long polynomial swings.
fn extrapolation(c: &[f64], i: usize) -> Vec<f64> {
    let first = i.saturating_sub(MOST_NODES);
    let others = |j: usize| (first..i).filter(move |m| *m != j);
    let weight = |j: usize| others(j).map(|m| (c[i] - c[m]) / (c[j] - c[m])).product();
    (0..i).map(|j| if j < first { 0.0 } else { weight(j) }).collect()
}
