//! Any explicit Runge–Kutta method, made algebraically reversible.
//!
//! `McCallum`, Foster, Efficient, accurate and stable gradients for neural ODEs, arXiv:2410.11648 (2024). Two copies of
//! the state are stepped by turns, with the increment Ψ of the method and a coupling λ just below 1:
//!
//! > y₁ = λ y + (1 − λ) z + Ψ(t, z, h),  z₁ = z − Ψ(t + h, y₁, −h)
//!
//! and back: z = z₁ + Ψ(t + h, y₁, −h), y = (y₁ − (1 − λ) z − Ψ(t, z, h))/λ. Both start as z0; the solution is y, of the
//! order of the method.

use super::super::kernel::{Kernel, Row, combine};
use super::super::options::Options;
use super::super::real::Real;
use super::super::system::{AdjointSystem, System};
use super::Scheme;

/// λ. Undoing n steps multiplies rounding errors by λ⁻ⁿ.
const COUPLING: f64 = 0.999;

/// The two copies and the method.
pub(super) struct Reversible<R> {
    y: Vec<R>,
    z: Vec<R>,
    kernel: Kernel<R>,
    columns: Vec<Row<R>>,
    increment: Vec<R>,
    mu: Vec<R>,
    w: Vec<R>,
    zero: Vec<R>,
    z_bar: Vec<R>,
    t_bar: Vec<R>,
}

impl<R: Real> Reversible<R> {
    pub(super) fn new(options: &Options, z0: &[R], dim: usize, lanes: usize) -> Self {
        let kernel = Kernel::new(options.method.tableau(), dim, lanes, true);
        let zeros = vec![R::ZERO; z0.len()];
        Self {
            y: z0.to_vec(),
            z: z0.to_vec(),
            columns: kernel.columns(),
            mu: vec![R::ZERO; kernel.ks.len()],
            kernel,
            increment: zeros.clone(),
            w: zeros.clone(),
            zero: zeros.clone(),
            z_bar: zeros,
            t_bar: vec![R::ZERO; lanes],
        }
    }

    /// Right-hand sides of an increment.
    fn stages(&self) -> usize {
        self.kernel.tableau.stages() - 1
    }

    /// The increment of the method from one of the copies (y with `backwards`, which starts at t + h).
    fn increment<S: System<R>>(&mut self, sys: &mut S, (t, h): (&[f64], &[f64]), backwards: bool) {
        let (kernel, from) = (&mut self.kernel, if backwards { &self.y } else { &self.z });
        kernel.z.copy_from_slice(from);
        for (lane, (t, h)) in t.iter().zip(h).enumerate() {
            let (start, length) = if backwards { (t + h, -h) } else { (*t, *h) };
            (kernel.t[lane], kernel.t_next[lane], kernel.h[lane]) = (start, start + length, length);
        }
        kernel.widen_steps();
        kernel.first_stage(|t, z, dz| sys.rhs(t, z, dz));
        kernel.stages(false, |t, z, dz| sys.rhs(t, z, dz));
        let last = kernel.tableau.stages() - 1;
        kernel.prepare_stage(last);
        for (increment, (new, old)) in self.increment.iter_mut().zip(kernel.z_new.iter().zip(&kernel.z)) {
            *increment = *new - *old;
        }
    }

    /// Pulls the cotangent `u` of the increment just computed back to its start (`z_bar`), its time and its length.
    fn pull<S: AdjointSystem<R>>(&mut self, sys: &mut S, u: &[R]) -> Vec<[f64; 2]> {
        let (n, lanes, stages) = (u.len(), self.kernel.lanes, self.stages());
        let mut time_bars = vec![[0.0; 2]; lanes];
        self.mu[stages * n..].copy_from_slice(u);
        self.z_bar.fill(R::ZERO);
        for i in (0..stages).rev() {
            combine(&mut self.w, &self.zero, self.kernel.h_wide(), &self.mu, &self.columns[i]);
            for (entry, (w, k)) in self.w.iter().zip(&self.kernel.ks[i * n..]).enumerate() {
                let lane = entry % lanes;
                if self.kernel.h[lane] != 0.0 {
                    time_bars[lane][1] += (*w * *k).to_f64() / self.kernel.h[lane];
                }
            }
            let mu = &mut self.mu[i * n..(i + 1) * n];
            if i == 0 {
                sys.vjp(&self.kernel.t, &self.kernel.z, &self.w, mu, &mut self.t_bar, true);
            } else {
                let (t, z) = self.kernel.stage_state(i);
                sys.vjp(t, z, &self.w, mu, &mut self.t_bar, true);
            }
            for (z_bar, mu) in self.z_bar.iter_mut().zip(&self.mu[i * n..]) {
                *z_bar += *mu;
            }
            let c = self.kernel.tableau.c[i];
            for (time_bar, t_bar) in time_bars.iter_mut().zip(&self.t_bar) {
                time_bar[0] += t_bar.to_f64();
                time_bar[1] += c * t_bar.to_f64();
            }
        }
        time_bars
    }
}

impl<R: Real> Scheme<R> for Reversible<R> {
    fn states(&mut self) -> Vec<&mut Vec<R>> {
        vec![&mut self.y, &mut self.z]
    }

    fn step<S: System<R>>(&mut self, sys: &mut S, t: &[f64], h: &[f64]) -> usize {
        let (own, other) = (R::from_f64(COUPLING), R::from_f64(1.0 - COUPLING));
        let lanes = h.len();
        let moving = |i: &usize| h[i % lanes] != 0.0;
        self.increment(sys, (t, h), false);
        for i in (0..self.y.len()).filter(moving) {
            self.y[i] = own * self.y[i] + other * self.z[i] + self.increment[i];
        }
        self.increment(sys, (t, h), true);
        for i in (0..self.z.len()).filter(moving) {
            self.z[i] = self.z[i] - self.increment[i];
        }
        2 * self.stages()
    }

    fn undo<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        (t, h): (&[f64], &[f64]),
        bars: &mut [Vec<R>],
        time_bars: &mut [[f64; 2]],
    ) -> (usize, usize) {
        let (own, other) = (R::from_f64(COUPLING), R::from_f64(1.0 - COUPLING));
        let lanes = h.len();
        let moving = |i: &usize| h[i % lanes] != 0.0;
        let masked = |bar: &[R], sign: f64| -> Vec<R> {
            let sign = R::from_f64(sign);
            bar.iter().enumerate().map(|(i, b)| if moving(&i) { sign * *b } else { R::ZERO }).collect()
        };
        // z₁ = z − Ψ(t + h, y₁, −h)
        self.increment(sys, (t, h), true);
        let back = self.pull(sys, &masked(&bars[1], -1.0));
        for i in (0..self.z.len()).filter(moving) {
            self.z[i] += self.increment[i];
            bars[0][i] += self.z_bar[i];
        }
        // y₁ = λ y + (1 − λ) z + Ψ(t, z, h)
        self.increment(sys, (t, h), false);
        let forth = self.pull(sys, &masked(&bars[0], 1.0));
        for i in (0..self.y.len()).filter(moving) {
            self.y[i] = (self.y[i] - other * self.z[i] - self.increment[i]) / own;
            let bar = bars[0][i];
            bars[1][i] += self.z_bar[i] + other * bar;
            bars[0][i] = own * bar;
        }
        for ((sum, back), forth) in time_bars.iter_mut().zip(back).zip(forth) {
            // The first starts at t + h and has the length −h.
            sum[0] += back[0] + forth[0];
            sum[1] += back[0] - back[1] + forth[1];
        }
        (2 * self.stages(), 2 * self.stages())
    }
}
