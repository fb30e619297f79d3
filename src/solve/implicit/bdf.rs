//! A step of the numerical differentiation formulas (NDF) of orders 1 to 5, and its reverse.
//!
//! Shampine, Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1–22, section 2: backward differences
//! ∇ʲzₙ on an equidistant grid, with κₖ for a smaller error than that of the backward differentiation formulas (BDF).
//! The prediction is y = Σ_{j≤k} ∇ʲzₙ, the correction d solves d + ψ = c f(tₙ₊₁, y + d), c = h/αₖ,
//! ψ = Σ γⱼ∇ʲzₙ/αₖ, and the new differences follow from d by addition. For another step length the polynomial through
//! the differences is read on the new grid. All of that is linear but the solve, and so is its reverse.

use super::linear::Structure;
use super::newton::{Newton, evaluate};
use super::reverse::Bars;
use super::scheme::Mark;
use super::step::{Step, add_stages};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, Stats, System};

/// Highest order.
pub(super) const HIGHEST: usize = 5;
/// Rows of a table of differences: up to the one that tells whether a higher order pays.
pub(super) const ROWS: usize = HIGHEST + 3;
/// κₖ of order k, table 1 of the paper.
const KAPPA: [f64; HIGHEST + 2] = [0.0, -0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0, 0.0];
/// γₖ = Σ_{j≤k} 1/j.
const GAMMA: [f64; HIGHEST + 2] = [0.0, 1.0, 1.5, 11.0 / 6.0, 25.0 / 12.0, 137.0 / 60.0, 49.0 / 20.0];
/// The error estimate counts this many times: a multistep method takes many small steps, whose errors add up.
const CAUTION: f64 = 8.0;
/// A step is lengthened from this factor on.
const WORTH: f64 = 1.2;

/// αₖ = (1 − κₖ) γₖ.
fn alpha(k: usize) -> f64 {
    (1.0 - KAPPA[k]) * GAMMA[k]
}

/// Constant of the leading error term of order k, which multiplies ∇ᵏ⁺¹z.
fn error_constant(k: usize) -> f64 {
    KAPPA[k] * GAMMA[k] + 1.0 / (k + 1) as f64
}

/// The ratio of two step lengths where they differ by more than rounding.
fn ratio(h: f64, before: Option<f64>) -> Option<f64> {
    let r = h / before?;
    if (r - 1.0).abs() < 1e-10 { None } else { Some(r) }
}

/// Differences on the grid with r times the step length from those on the old one, as a matrix for rows 1..=k:
/// row j of the result is Σᵢ m\[j\]\[i\] ∇ⁱ. (The polynomial Σ ∇ⁱ ∏_{m<i} (s + m)/(m + 1) at s = −l r, differenced.)
fn regrid(k: usize, r: f64) -> [[f64; HIGHEST + 1]; HIGHEST + 1] {
    let mut values = [[0.0; HIGHEST + 1]; HIGHEST + 1];
    for (l, row) in values.iter_mut().enumerate().take(k + 1) {
        let s = -(l as f64) * r;
        let mut product = 1.0;
        for (i, value) in row.iter_mut().enumerate().take(k + 1) {
            *value = product;
            product *= (s + i as f64) / (i + 1) as f64;
        }
    }
    // Backward differences of the values at s = 0, −r, −2r, …
    for level in 1..=k {
        for l in (level..=k).rev() {
            let upper = values[l - 1];
            for (value, upper) in values[l].iter_mut().zip(upper) {
                *value = upper - *value;
            }
        }
    }
    values
}

/// Weight of ∇ʲ in the solution at tₙ + θh and its derivative, the base being zₙ = zₙ₊₁ − ∇zₙ₊₁.
pub(super) fn dense(order: usize, j: usize, theta: f64) -> (f64, f64) {
    if j == 0 || j > order {
        return (0.0, 0.0);
    }
    let s = theta - 1.0;
    let (mut value, mut slope) = (1.0, 0.0);
    for m in 0..j {
        let (factor, width) = ((s + m as f64) / (m + 1) as f64, 1.0 / (m + 1) as f64);
        (value, slope) = (value * factor, slope * factor + value * width);
    }
    if j == 1 { (value + 1.0, slope) } else { (value, slope) }
}

#[derive(Debug)]
pub(super) struct Bdf<R> {
    pub(super) order: usize,
    newton: Newton<R>,
    /// Differences at the start of the step, on the grid of the step before, `[ROWS][D]`.
    table: Vec<R>,
    /// Length of the step before; `None`: this is the first one.
    before: Option<f64>,
    /// Steps of this length and order.
    equal: usize,
    /// Factor for the length of the next step.
    pub(super) factor: f64,
    psi: Vec<R>,
    base: Vec<R>,
    part: Vec<R>,
    /// In reverse: cotangents of the differences at the end of the step, from the step after, `[ROWS][D]`.
    carry: Vec<R>,
}

impl<R: Real> Bdf<R> {
    pub(super) fn new(structure: &Structure) -> Self {
        let dim = structure.dim;
        let zeros = || vec![R::ZERO; dim];
        Self {
            order: 1,
            newton: Newton::new(structure),
            table: vec![R::ZERO; ROWS * dim],
            before: None,
            equal: 0,
            factor: 1.0,
            psi: zeros(),
            base: zeros(),
            part: zeros(),
            carry: vec![R::ZERO; ROWS * dim],
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let (order, before, equal, factor) = (self.order, self.before, self.equal, self.factor);
        Mark { order, before, equal, factor, ..self.newton.mark() }
    }

    pub(super) fn numbers(&self) -> [&[R]; 2] {
        [self.newton.point(), &self.table]
    }

    /// See [`super::scheme::Scheme::restore`].
    pub(super) fn restore<'n, S: System<R>>(
        &mut self,
        sys: &mut S,
        mark: &Mark,
        numbers: &'n [R],
        stats: &mut Stats,
    ) -> &'n [R] {
        let (table, rest) = self.newton.restore(sys, mark, numbers, stats).split_at(self.table.len());
        self.table.copy_from_slice(table);
        (self.order, self.before, self.equal, self.factor) = (mark.order, mark.before, mark.equal, mark.factor);
        rest
    }

    /// Computes the differences at the end of the step, its state and its error; false: Newton's method did not converge.
    pub(super) fn attempt<S: System<R>>(
        &mut self,
        sys: &mut S,
        step: &mut Step<R>,
        options: &Options,
        stats: &mut Stats,
    ) -> bool {
        let (n, k) = (step.dim, self.order);
        if self.before.is_none() {
            self.start(sys, step, stats);
        }
        step.ks.copy_from_slice(&self.table);
        if let Some(r) = ratio(step.h, self.before) {
            self.equal = 0;
            self.regrid_rows(&mut step.ks, n, r);
        }
        let c = step.h / alpha(k);
        self.psi.fill(R::ZERO);
        add_stages(&mut self.psi, &step.ks, &GAMMA[..=k], 1.0 / alpha(k));
        self.base.fill(R::ZERO);
        add_stages(&mut self.base, &step.ks, &[1.0; HIGHEST + 1][..=k], 1.0);
        for (base, psi) in self.base.iter_mut().zip(&self.psi) {
            *base -= *psi;
        }
        self.newton.begin(sys, step, c, options, stats);
        loop {
            self.newton.u.copy_from_slice(&self.psi);
            if self.newton.solve(sys, step.t_next, &self.base, c, options, stats) {
                break;
            }
            if !self.newton.again(sys, step, c, stats) {
                return false;
            }
        }
        let constant = R::from_f64(CAUTION * error_constant(k));
        for d in 0..n {
            let correction = self.newton.u[d] - self.psi[d];
            step.error[d] = constant * correction;
            step.ks[(k + 2) * n + d] = correction - step.ks[(k + 1) * n + d];
            step.ks[(k + 1) * n + d] = correction;
            for j in (0..=k).rev() {
                step.ks[j * n + d] = step.ks[j * n + d] + step.ks[(j + 1) * n + d];
            }
        }
        step.z_new.copy_from_slice(&step.ks[..n]);
        true
    }

    /// Differences of order 0 and 1 at the very start: z and h f.
    fn start<S: System<R>>(&mut self, sys: &mut S, step: &mut Step<R>, stats: &mut Stats) {
        let n = step.dim;
        evaluate(sys, step.t, &step.z, &mut self.part, stats);
        let h = R::from_f64(step.h);
        self.table.fill(R::ZERO);
        self.table[..n].copy_from_slice(&step.z);
        for (row, f) in self.table[n..2 * n].iter_mut().zip(&self.part) {
            *row = h * *f;
        }
    }

    fn regrid_rows(&self, rows: &mut [R], n: usize, r: f64) {
        let matrix = regrid(self.order, r);
        for j in 1..=self.order {
            let target = &mut rows[j * n..(j + 1) * n];
            target.fill(R::ZERO);
            add_stages(target, &self.table, &matrix[j][..=self.order], 1.0);
        }
    }

    /// Takes note of an accepted step and chooses order and length of the next one.
    pub(super) fn accepted(&mut self, step: &mut Step<R>, options: &Options) {
        let (n, k) = (step.dim, self.order);
        self.newton.accepted();
        self.table.copy_from_slice(&step.ks);
        self.before = Some(step.h);
        step.first_known = false;
        self.equal += 1;
        self.factor = 1.0;
        if self.equal <= k {
            return;
        }
        // The length that each order would allow, by its own leading error term.
        let allowed = |order: usize| {
            let row = &step.ks[(order + 1) * n..(order + 2) * n];
            let error = CAUTION * error_constant(order).abs() * step.norm(row, options);
            error.max(1e-10).powf(-1.0 / (order + 1) as f64)
        };
        let mut best = (k, allowed(k));
        for order in [k - 1, k + 1] {
            let factor = if (1..=HIGHEST).contains(&order) { allowed(order) } else { 0.0 };
            if factor > best.1 {
                best = (order, factor);
            }
        }
        let factor = (options.controller.safety * best.1).min(options.controller.max_factor);
        if best.0 != k || factor >= WORTH {
            (self.order, self.factor, self.equal) = (best.0, factor, 0);
        }
    }

    /// Reverses a step of order `order` that came after one of length `before`; see [`super::dirk::Dirk::reverse`].
    /// Cotangents of the state go to the step before within the table of differences.
    pub(super) fn reverse<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        before: Option<f64>,
        bars: &mut Bars<R>,
        stats: &mut Stats,
    ) {
        let (n, k, h) = (step.dim, self.order, step.h);
        for (carry, bar) in self.carry.iter_mut().zip(&bars.ks) {
            *carry += *bar;
        }
        for (carry, bar) in self.carry.iter_mut().zip(&bars.z_new) {
            *carry += *bar;
        }
        // New differences are d plus the sum of the old ones of the same and higher order.
        for j in 1..=k + 1 {
            for d in 0..n {
                let lower = self.carry[(j - 1) * n + d];
                self.carry[j * n + d] += lower;
            }
        }
        let c = h / alpha(k);
        let (inverse, w) = (R::from_f64(1.0 / c), &mut self.psi);
        w.copy_from_slice(&self.carry[(k + 1) * n..(k + 2) * n]);
        self.carry[(k + 1) * n..].fill(R::ZERO);
        let linear = &mut self.newton.linear;
        linear.evaluate(sys, step.t_next, &step.z_new, stats);
        linear.factor(c);
        w.iter_mut().for_each(|w| *w = inverse * *w);
        // d̄ = (I − cJᵀ)⁻¹ …, so that W⁻ᵀ(…)/c is that; c times it is the cotangent of f.
        linear.solve_transposed(w);
        w.iter_mut().for_each(|w| *w = R::from_f64(c) * *w);
        sys.vjp(&[step.t_next], &step.z_new, w, &mut self.part, &mut bars.t_part, true);
        sys.rhs(&[step.t_next], &step.z_new, &mut self.base);
        stats.vjp_calls += 1;
        stats.rhs_calls += 1;
        bars.stage_time(1.0);
        for (d, w) in w.iter().enumerate() {
            bars.h += (*w * self.base[d]).to_f64() / h;
            for (j, gamma) in GAMMA.iter().enumerate().take(k + 1) {
                let psi = R::from_f64(gamma / alpha(k)) * inverse * *w;
                self.carry[j * n + d] += self.part[d] - psi;
            }
        }
        self.hand_over(sys, step, before, bars, stats);
    }

    /// Cotangents of the differences on this step's grid to those on the grid of the step before, or to the start.
    fn hand_over<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        before: Option<f64>,
        bars: &mut Bars<R>,
        stats: &mut Stats,
    ) {
        let (n, k) = (step.dim, self.order);
        if let Some(r) = ratio(step.h, before) {
            let matrix = regrid(k, r);
            for d in 0..n {
                let mut column = [R::ZERO; HIGHEST + 1];
                for (i, sum) in column.iter_mut().enumerate().take(k + 1) {
                    for (j, row) in matrix.iter().enumerate().take(k + 1).skip(1) {
                        *sum += R::from_f64(row[i]) * self.carry[j * n + d];
                    }
                }
                self.carry[d] += column[0];
                (1..=k).for_each(|i| self.carry[i * n + d] = column[i]);
            }
        }
        // The base of dense output is the state at the start.
        for (carry, z) in self.carry.iter_mut().zip(&mut bars.z) {
            *carry += *z;
            *z = R::ZERO;
        }
        if before.is_none() {
            let w: Vec<R> = self.carry[n..2 * n].iter().map(|bar| R::from_f64(step.h) * *bar).collect();
            sys.vjp(&[step.t], &step.z, &w, &mut self.part, &mut bars.t_part, true);
            bars.stage_time(0.0);
            sys.rhs(&[step.t], &step.z, &mut self.base);
            stats.vjp_calls += 1;
            stats.rhs_calls += 1;
            for d in 0..n {
                bars.h += (self.carry[n + d] * self.base[d]).to_f64();
                bars.z[d] = self.carry[d] + self.part[d];
            }
        }
    }
}
