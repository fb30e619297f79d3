//! A step of a Rosenbrock method and its reverse.
//!
//! The reverse needs the derivative of the Jacobian: from W uᵢ = rᵢ follow λᵢ = W⁻ᵀ ūᵢ as the cotangent of rᵢ and
//! J̄ = Σ λᵢ uᵢᵀ as that of the Jacobian, which is pulled back once a step ([`AdjointSystem::jacobian_vjp`]).

use super::linear::{Linearisation, Structure};
use super::reverse::Bars;
use super::step::{Step, add_stages, combine};
use super::tables::RosenbrockTable;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, Stats, System};

#[derive(Debug)]
pub(super) struct Rosenbrock<R> {
    pub(super) table: &'static RosenbrockTable,
    pub(super) linear: Linearisation<R>,
    /// The Jacobian is that at the start of the step.
    fresh: bool,
    stage: Vec<R>,
    r: Vec<R>,
    dfdz_bar: Vec<R>,
    dfdt_bar: Vec<R>,
    z_part: Vec<R>,
}

impl<R: Real> Rosenbrock<R> {
    pub(super) fn new(table: &'static RosenbrockTable, structure: &Structure) -> Self {
        let zeros = || vec![R::ZERO; structure.dim];
        Self {
            table,
            linear: Linearisation::new(structure),
            fresh: false,
            stage: zeros(),
            r: zeros(),
            dfdz_bar: vec![R::ZERO; structure.values()],
            dfdt_bar: zeros(),
            z_part: zeros(),
        }
    }

    /// Computes stages, new state and error.
    pub(super) fn attempt<S: System<R>>(&mut self, sys: &mut S, step: &mut Step<R>, stats: &mut Stats) {
        let (n, h) = (step.dim, step.h);
        if !self.fresh {
            self.linear.evaluate(sys, step.t, &step.z, stats);
            self.fresh = true;
        }
        self.linear.factor(h * self.table.gamma);
        for i in 0..self.table.alpha.len() {
            let row = self.table.row(i);
            combine(&mut self.stage, &step.z, &step.ks, row, 1.0);
            let (before, u) = step.ks.split_at_mut(i * n);
            let u = &mut u[..n];
            let alpha = self.table.alpha[i];
            let t = if alpha >= 1.0 { step.t_next } else { step.t + alpha * h };
            // Before f, which the processor need not wait for then.
            self.r.fill(R::ZERO);
            add_stages(&mut self.r, &self.linear.dfdt, &[self.table.d[i]], h);
            add_stages(&mut self.r, before, if i == 0 { &[] } else { self.table.c[i - 1] }, 1.0 / h);
            sys.rhs(&[t], &self.stage, u);
            for (u, r) in u.iter_mut().zip(&self.r) {
                *u += *r;
            }
            self.linear.solve(u);
        }
        stats.rhs_calls += self.table.alpha.len();
        stats.rhs_evaluations += self.table.alpha.len();
        combine(&mut step.z_new, &step.z, &step.ks, self.table.b, 1.0);
        step.error.fill(R::ZERO);
        add_stages(&mut step.error, &step.ks, self.table.error, 1.0);
    }

    /// The Jacobian belongs to another state now.
    pub(super) fn forget(&mut self) {
        self.fresh = false;
    }

    /// Takes note of an accepted step.
    pub(super) fn accepted(&mut self, step: &mut Step<R>) {
        self.fresh = false;
        step.first_known = false;
    }

    /// Reverses a step; see [`super::dirk::Dirk::reverse`]. No stage is shared with the step before.
    pub(super) fn reverse<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        bars: &mut Bars<R>,
        stats: &mut Stats,
    ) {
        let (n, h, table) = (step.dim, step.h, self.table);
        self.linear.evaluate(sys, step.t, &step.z, stats);
        self.linear.factor(h * table.gamma);
        self.dfdz_bar.fill(R::ZERO);
        self.dfdt_bar.fill(R::ZERO);
        for d in 0..n {
            bars.z[d] += bars.z_new[d];
        }
        for i in (0..table.alpha.len()).rev() {
            let b = R::from_f64(table.b[i]);
            for d in 0..n {
                self.r[d] = bars.ks[i * n + d] + b * bars.z_new[d];
            }
            self.linear.solve_transposed(&mut self.r);
            self.matrix_bar(step, i, bars);
            combine(&mut self.stage, &step.z, &step.ks, table.row(i), 1.0);
            let alpha = table.alpha[i];
            let t = if alpha >= 1.0 { step.t_next } else { step.t + alpha * h };
            sys.vjp(&[t], &self.stage, &self.r, &mut self.z_part, &mut bars.t_part, true);
            stats.vjp_calls += 1;
            bars.stage_time(alpha);
            for d in 0..n {
                bars.z[d] += self.z_part[d];
            }
            if let Some(row) = i.checked_sub(1) {
                self.spread(step, table.a[row], table.c[row], bars);
            }
        }
        let bars_of = (&self.dfdz_bar[..], &self.dfdt_bar[..]);
        sys.jacobian_vjp(step.t, &step.z, bars_of, &mut self.z_part, &mut bars.t_part);
        stats.vjp_calls += 1;
        bars.stage_time(0.0);
        for d in 0..n {
            bars.z[d] += self.z_part[d];
        }
    }

    /// The cotangent λ of the right-hand side of stage `i`, in `r`, to W and ∂f/∂t.
    fn matrix_bar(&mut self, step: &Step<R>, i: usize, bars: &mut Bars<R>) {
        let (n, h) = (step.dim, step.h);
        let u = &step.ks[i * n..(i + 1) * n];
        let (mut along_u, mut along_t) = (0.0, 0.0);
        let weight = R::from_f64(h * self.table.d[i]);
        for (row, u_row) in u.iter().enumerate() {
            let lambda = self.r[row];
            along_u += (lambda * *u_row).to_f64();
            along_t += (lambda * self.linear.dfdt[row]).to_f64();
            self.dfdt_bar[row] += weight * lambda;
        }
        self.linear.add_product(&mut self.dfdz_bar, &self.r, u);
        bars.h += along_u / (h * h * self.table.gamma) + self.table.d[i] * along_t;
    }

    /// λ, in `r`, and the cotangent of the stage's state, in `z_part`, to the stages before.
    fn spread(&mut self, step: &Step<R>, a: &[f64], c: &[f64], bars: &mut Bars<R>) {
        let (n, h) = (step.dim, step.h);
        for (j, (a, c)) in a.iter().zip(c).enumerate() {
            let (wa, wc) = (R::from_f64(*a), R::from_f64(c / h));
            let mut product = 0.0;
            for d in 0..n {
                product += (self.r[d] * step.ks[j * n + d]).to_f64();
                bars.ks[j * n + d] += wa * self.z_part[d] + wc * self.r[d];
            }
            bars.h -= c / (h * h) * product;
        }
    }
}
