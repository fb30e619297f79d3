//! Tape of accepted steps → the solution at any time.
//!
//! Dense output of every step is a polynomial; it is kept by its values at Chebyshev points of the step, the same for
//! every method, and read by the barycentric formula (Berrut, Trefethen, Barycentric Lagrange interpolation, SIAM Rev.
//! 46 (2004) 501–517).

use crate::solve::adams;
use crate::solve::dense::Extra;
use crate::solve::implicit::{self, Implicit};
use crate::solve::kernel::Kernel;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::System;
use crate::solve::tableau::{Method, POWERS};
use crate::solve::tape::Tape;

/// Most points of a step.
const MOST: usize = 16;

/// Degree of dense output within a step; of several the highest.
pub(in crate::solve) fn degree(method: Method) -> usize {
    match method {
        Method::Adams => adams::DEGREE,
        Method::Implicit(method) => implicit::degree(method),
        _ => {
            let dense = method.tableau().dense;
            let used = |power: &usize| dense.iter().any(|row| row[power - 1] != 0.0);
            (1..=POWERS).rev().find(used).unwrap_or(1)
        }
    }
}

/// Chebyshev points of degree `q` within a step, from 0 to 1, `[q + 1]`.
pub(in crate::solve) fn nodes(q: usize) -> impl Iterator<Item = f64> {
    (0..=q).map(move |m| 0.5 - 0.5 * (std::f64::consts::PI * m as f64 / q as f64).cos())
}

/// The solution of every lane.
#[derive(Debug)]
pub(in crate::solve) struct Path<R> {
    dim: usize,
    nodes: Vec<f64>,
    lanes: Vec<Lane<R>>,
}

#[derive(Debug)]
struct Lane<R> {
    t0: f64,
    span: f64,
    /// Ends of the steps as fractions of the span, `[N + 1]`.
    s: Vec<f64>,
    /// Values at the points of every step, neighbours sharing one, `[N q + 1][D]`.
    values: Vec<R>,
}

impl<R: Real> Path<R> {
    /// Of the steps on a tape without stops, whose fractions are of `ends` (where each lane starts and ends, `[L]`).
    /// `good` lanes have a solution.
    pub(in crate::solve) fn new<S: System<R>>(
        sys: &mut S,
        ends: &[(f64, f64)],
        good: &[bool],
        options: &Options,
        tape: &Tape<R>,
    ) -> Self {
        let (dim, q) = (sys.dim(), degree(options.method));
        let start = |(lane, ((t0, end), good)): (usize, (&(f64, f64), &bool))| {
            let s = if *good { tape.view().of(lane).s.clone() } else { vec![0.0] };
            let mut values = Vec::with_capacity((s.len() * q + 1) * dim);
            values.extend(tape.view().states(lane, 0..dim));
            Lane { t0: *t0, span: end - t0, s, values }
        };
        let lanes = ends.iter().zip(good).enumerate().map(start).collect();
        let mut path = Self { dim, nodes: nodes(q).collect(), lanes };
        match options.method {
            Method::Adams => path.copy(tape),
            Method::Implicit(method) => path.implicit(method, tape),
            _ => path.explicit(sys, options, tape),
        }
        path
    }

    /// Adams methods leave the values themselves.
    fn copy(&mut self, tape: &Tape<R>) {
        let inner = (self.nodes.len() - 2) * self.dim;
        for (lane, tape) in self.lanes.iter_mut().zip(&tape.lanes) {
            for n in 0..lane.steps() {
                lane.values.extend(&tape.k[n * inner..(n + 1) * inner]);
                lane.values.extend(&tape.z[(n + 1) * self.dim..][..self.dim]);
            }
        }
    }

    fn implicit(&mut self, method: Implicit, tape: &Tape<R>) {
        let inner = &self.nodes[1..self.nodes.len() - 1];
        for (lane, tape) in self.lanes.iter_mut().zip(&tape.lanes).filter(|(lane, _)| lane.steps() > 0) {
            implicit::dense(method, tape, self.dim, lane.span, inner, &mut lane.values);
        }
    }

    fn explicit<S: System<R>>(&mut self, sys: &mut S, options: &Options, tape: &Tape<R>) {
        let lanes = self.lanes.len();
        let steps: Vec<usize> = self.lanes.iter().map(Lane::steps).collect();
        let longest = steps.iter().copied().max().unwrap_or(0);
        let Some(host) = steps.iter().position(|own| *own == longest && longest > 0) else { return };
        let mut kernel = Kernel::new(options.method.tableau(), self.dim, lanes, false);
        let mut extra = Extra::new(kernel.tableau, self.dim, lanes);
        let mut last = vec![R::ZERO; kernel.n()];
        for n in 0..longest {
            for (lane, own) in steps.iter().enumerate() {
                // What lanes without a step do is not used: they go along with one that has it.
                self.load(&mut kernel, if n < *own { lane } else { host }, lane, n, tape);
            }
            kernel.widen_steps();
            if !tape.stages_kept {
                kernel.first_stage(|t, z, dz| sys.rhs(t, z, dz));
                kernel.stages(true, |t, z, dz| sys.rhs(t, z, dz));
            } else if steps.contains(&(n + 1)) {
                // The last stage of the last step is nobody's first one.
                sys.rhs(&kernel.t_next, &kernel.z_new, &mut last);
                for lane in (0..lanes).filter(|&lane| steps[lane] == n + 1 || steps[lane] <= n && longest == n + 1) {
                    let at = kernel.ks.len() - kernel.n();
                    (lane..last.len()).step_by(lanes).for_each(|i| kernel.ks[at + i] = last[i]);
                }
            }
            if extra.stages() > 0 {
                extra.evaluate(&kernel, |t, z, dz| sys.rhs(t, z, dz));
            }
            for lane in (0..lanes).filter(|&lane| n < steps[lane]) {
                self.add(&kernel, &extra, lane);
            }
        }
    }

    /// Puts step `n` of lane `from` into lane `to` of the kernel; the last stage only where a step follows.
    fn load(&self, kernel: &mut Kernel<R>, from: usize, to: usize, n: usize, tape: &Tape<R>) {
        let (dim, lanes, own) = (self.dim, kernel.lanes, &self.lanes[from]);
        let tape = tape.view();
        kernel.t[to] = own.at(own.s[n]);
        kernel.t_next[to] = own.at(own.s[n + 1]);
        kernel.h[to] = (own.s[n + 1] - own.s[n]) * own.span;
        let [mut z, mut z_new] = [n, n + 1].map(|n| tape.states(from, n * dim..(n + 1) * dim));
        for d in 0..dim {
            kernel.z[d * lanes + to] = z.next().unwrap_or(R::ZERO);
            kernel.z_new[d * lanes + to] = z_new.next().unwrap_or(R::ZERO);
        }
        if tape.stages_kept {
            let stages = (kernel.tableau.stages() - 1) * dim;
            let known = tape.stages(from, n * stages..(n + 1) * stages + dim);
            known.enumerate().for_each(|(i, k)| kernel.ks[i * lanes + to] = k);
        }
    }

    /// Adds the values of the step in the kernel.
    fn add(&mut self, kernel: &Kernel<R>, extra: &Extra<R>, lane: usize) {
        let (n, lanes, tableau) = (kernel.n(), kernel.lanes, kernel.tableau);
        let stages = tableau.stages();
        for &theta in &self.nodes[1..self.nodes.len() - 1] {
            let weights: Vec<R> = (0..tableau.dense.len())
                .map(|i| R::from_f64(kernel.h[lane] * tableau.dense_weight(i, theta)))
                .collect();
            for i in (lane..n).step_by(lanes) {
                let mut sum = kernel.z[i];
                for (stage, weight) in weights.iter().enumerate() {
                    let k = match stage.checked_sub(stages) {
                        None => kernel.ks[stage * n + i],
                        Some(extra_stage) => extra.ks[extra_stage * n + i],
                    };
                    sum += *weight * k;
                }
                self.lanes[lane].values.push(sum);
            }
        }
        self.lanes[lane].values.extend(kernel.z_new[lane..].iter().step_by(lanes));
    }

    /// Number of steps of a lane.
    pub(in crate::solve) fn steps(&self, lane: usize) -> usize {
        self.lanes[lane].steps()
    }

    /// Start and signed length of a step.
    pub(in crate::solve) fn step(&self, lane: usize, n: usize) -> (f64, f64) {
        let own = &self.lanes[lane];
        (own.at(own.s[n]), (own.s[n + 1] - own.s[n]) * own.span)
    }

    /// The state of a lane at time `t` into lane `to` of `out` `[D][L]`.
    pub(in crate::solve) fn read(&self, lane: usize, t: f64, out: &mut [R], to: usize) {
        let lanes = self.lanes.len();
        let own = &self.lanes[lane];
        let steps = self.steps(lane);
        let s = if own.span == 0.0 { 0.0 } else { (t - own.t0) / own.span };
        let n = own.s.partition_point(|start| *start <= s).clamp(1, steps.max(1)) - 1;
        if steps == 0 {
            out[to..].iter_mut().step_by(lanes).zip(&own.values).for_each(|(out, z)| *out = *z);
            return;
        }
        let theta = (s - own.s[n]) / (own.s[n + 1] - own.s[n]);
        let mut weights = [0.0; MOST];
        lagrange(&self.nodes, theta, &mut weights);
        let q = self.nodes.len() - 1;
        let values = &own.values[n * q * self.dim..][..(q + 1) * self.dim];
        for (d, out) in out[to..].iter_mut().step_by(lanes).enumerate() {
            let terms = values[d..].iter().step_by(self.dim).zip(&weights);
            *out = terms.fold(R::ZERO, |sum, (z, weight)| sum + R::from_f64(*weight) * *z);
        }
    }
}

impl<R> Lane<R> {
    fn at(&self, s: f64) -> f64 {
        self.t0 + s * self.span
    }

    fn steps(&self) -> usize {
        self.s.len().saturating_sub(1)
    }
}

/// Weights of the values at Chebyshev points in the value at θ.
fn lagrange(nodes: &[f64], theta: f64, weights: &mut [f64]) {
    let last = nodes.len() - 1;
    let mut sum = 0.0;
    for (m, node) in nodes.iter().enumerate() {
        let distance = theta - node;
        if distance == 0.0 {
            weights.fill(0.0);
            weights[m] = 1.0;
            return;
        }
        let half = if m == 0 || m == last { 0.5 } else { 1.0 };
        weights[m] = half * if m % 2 == 0 { 1.0 } else { -1.0 } / distance;
        sum += weights[m];
    }
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

#[cfg(test)]
mod tests {
    use super::{lagrange, nodes};

    /// A polynomial of the degree is read exactly, inside and a little beside.
    #[test]
    fn polynomials_are_read_exactly() {
        for q in 1..=13 {
            let points: Vec<f64> = nodes(q).collect();
            let f = |x: f64| (0..=q).map(|p| (p as f64 + 1.0).sin() * x.powi(i32::try_from(p).unwrap())).sum::<f64>();
            for theta in [-0.01, 0.0, 0.1, 0.37, 0.5, 0.9, 1.0, 1.02] {
                let mut weights = [0.0; super::MOST];
                lagrange(&points, theta, &mut weights);
                let found: f64 = points.iter().zip(weights).map(|(x, w)| w * f(*x)).sum();
                assert!((found - f(theta)).abs() < 1e-13, "{q} {theta}: {found} {}", f(theta));
            }
        }
    }
}
