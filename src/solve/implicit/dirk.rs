//! A step of an ESDIRK method, or of an explicit one (γ = 0), and its reverse.
//!
//! With Zᵢ = zₙ + h Σ_{j≤i} aᵢⱼ kⱼ and kᵢ = f(tₙ + cᵢh, Zᵢ), the unknown of stage i is hγ kᵢ, found by Newton's method
//! with one matrix for all stages ([`Newton`]).

use super::linear::Structure;
use super::newton::{Newton, evaluate};
use super::reverse::Bars;
use super::step::{Step, add_stages, combine};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, Stats, System};
use crate::solve::tableau::Tableau;

/// Stages that a first guess is extrapolated from.
const MOST_NODES: usize = 5;

#[derive(Debug)]
pub(super) struct Dirk<R> {
    pub(super) table: &'static Tableau,
    pub(super) gamma: f64,
    pub(super) newton: Newton<R>,
    base: Vec<R>,
    pub(super) stage: Vec<R>,
    /// Weights of the stages before for a first guess of stage i: the polynomial through them at cᵢ.
    guesses: Vec<Vec<f64>>,
    w: Vec<R>,
}

impl<R: Real> Dirk<R> {
    pub(super) fn new(table: &'static Tableau, gamma: f64, structure: &Structure) -> Self {
        let zeros = || vec![R::ZERO; structure.dim];
        Self {
            table,
            gamma,
            newton: if gamma > 0.0 { Newton::new(structure) } else { Newton::new(&Structure::none()) },
            base: zeros(),
            stage: zeros(),
            guesses: (0..table.stages()).map(|i| extrapolation(table.c, i)).collect(),
            w: zeros(),
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
            let c = step.h * self.gamma;
            self.newton.begin(sys, step, c, options, stats);
            while !self.stages(sys, step, options, stats) {
                if !self.newton.again(sys, step, c, stats) {
                    return false;
                }
            }
        } else {
            self.explicit(sys, step, stats);
        }
        step.error.fill(R::ZERO);
        add_stages(&mut step.error, &step.ks, self.table.error, step.h);
        true
    }

    fn time(&self, step: &Step<R>, i: usize) -> f64 {
        if i + 1 == self.table.stages() { step.t_next } else { step.t + self.table.c[i] * step.h }
    }

    fn explicit<S: System<R>>(&mut self, sys: &mut S, step: &mut Step<R>, stats: &mut Stats) {
        let (n, last) = (step.dim, self.table.stages() - 1);
        for i in 1..=last {
            let target = if i == last { &mut step.z_new } else { &mut self.stage };
            combine(target, &step.z, &step.ks, self.table.a[i - 1], step.h);
            let state = if i == last { &step.z_new } else { &self.stage };
            evaluate(sys, self.time(step, i), state, &mut step.ks[i * n..(i + 1) * n], stats);
        }
    }

    fn stages<S: System<R>>(&mut self, sys: &mut S, step: &mut Step<R>, options: &Options, stats: &mut Stats) -> bool {
        let (n, c) = (step.dim, step.h * self.gamma);
        let inverse = R::from_f64(1.0 / c);
        for i in 1..self.table.stages() {
            combine(&mut self.base, &step.z, &step.ks, self.table.a[i - 1], step.h);
            self.newton.u.fill(R::ZERO);
            add_stages(&mut self.newton.u, &step.ks, &self.guesses[i], c);
            if !self.newton.solve(sys, self.time(step, i), &self.base, c, options, stats) {
                return false;
            }
            for (k, u) in step.ks[i * n..(i + 1) * n].iter_mut().zip(&self.newton.u) {
                *k = inverse * *u;
            }
        }
        step.z_new.copy_from_slice(&self.newton.state);
        true
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
        self.newton.accepted();
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
            let scale = options.tolerance(d).scale(step.z_new[d].to_f64().abs());
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
        for i in (1..=last).rev() {
            let t = self.time(step, i);
            combine(&mut self.stage, &step.z, &step.ks, self.table.a[i - 1], h);
            add_stages(&mut self.stage, &step.ks[i * n..(i + 1) * n], &[self.gamma], h);
            let outside = |d: usize, z_new: &[R]| if i == last { z_new[d] } else { R::ZERO };
            self.w.copy_from_slice(&bars.ks[i * n..(i + 1) * n]);
            if self.gamma > 0.0 {
                let inverse = R::from_f64(1.0 / (h * self.gamma));
                let linear = &mut self.newton.linear;
                linear.evaluate(sys, t, &self.stage, stats);
                linear.factor(h * self.gamma);
                for (d, w) in self.w.iter_mut().enumerate() {
                    *w = inverse * *w + outside(d, &bars.z_new);
                }
                linear.solve_transposed(&mut self.w);
            }
            sys.vjp(&[t], &self.stage, &self.w, &mut self.base, &mut bars.t_part, true);
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

/// Lagrange weights of the nodes before `i` at node `i`; only the last few, since a long polynomial swings.
fn extrapolation(c: &[f64], i: usize) -> Vec<f64> {
    let first = i.saturating_sub(MOST_NODES);
    let others = |j: usize| (first..i).filter(move |m| *m != j);
    let weight = |j: usize| others(j).map(|m| (c[i] - c[m]) / (c[j] - c[m])).product();
    (0..i).map(|j| if j < first { 0.0 } else { weight(j) }).collect()
}
