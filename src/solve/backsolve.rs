//! Solution, cotangents of the outputs → cotangents by the continuous adjoint, integrated backwards.
//!
//! The adjoint of Chen, Rubanova, Bettencourt, Duvenaud, Neural Ordinary Differential Equations (2018), appendices
//! B to D: (z, a)' = (f, −aᵀ∂f/∂z) runs from the last time back to t0 and a jumps by the outputs' cotangents at their
//! times. The cotangent of the parameters, ∫ aᵀ∂f/∂θ dt, is no state: it is accumulated on accepted steps with the
//! weights of the method, so it has the method's order and no influence on the step size.

use std::ops::Range;

use super::failure::{Failure, FailureKind};
use super::kernel::Kernel;
use super::options::{Options, Stepping};
use super::real::Real;
use super::schedule::Schedule;
use super::stepper::Stepper;
use super::system::{AdjointSystem, Cotangents, Drift, Problem, Solution, Stats};
use super::tableau::Method;

/// Integrates the adjoint equation backwards, with the method, tolerances and limits of `options` for z and a alike.
/// `values_bar` is `[T][D][L]`. At every output time z starts again from the stored output (see
/// [`Options::restart`]); how far it had drifted is in [`Cotangents::drift`]. The result approximates the gradient of
/// the exact solution; it is only as good as the drift is small. A lane that fails here has zero cotangents, but
/// what it had added to the parameters' accumulators before stays there.
///
/// # Panics
/// If the slices do not have the documented lengths.
pub fn backsolve<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    solution: &Solution<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    if !options.stops.is_empty() {
        return super::stops::backsolve(sys, problem, options, solution, values_bar);
    }
    let (dim, lanes) = (sys.dim(), sys.lanes());
    assert_eq!(solution.values.len(), problem.times * dim * lanes, "values are [T][D][L]");
    assert_eq!(values_bar.len(), solution.values.len(), "values_bar is [T][D][L]");
    if options.method == Method::Adams {
        return super::adams::backsolve(sys, problem, options, solution, values_bar);
    }
    if matches!(options.method, Method::Implicit(_)) {
        return super::continuous::carried(sys, problem, options, solution, values_bar);
    }
    let mut schedule = Schedule::new(problem, options, dim, lanes);
    for (failure, forward) in schedule.failures.iter_mut().zip(&solution.failures) {
        *failure = forward.clone().or_else(|| failure.take());
    }
    let mut failures = std::mem::take(&mut schedule.failures);
    schedule.check_cotangents(values_bar, problem.active, &mut failures);
    schedule.failures = failures;
    check_batch(&mut schedule, problem, options);
    let mut backward = Backward::new(problem, options, solution, values_bar, &schedule, dim);
    backward.run(sys);
    backward.finish(sys)
}

/// One clock for all samples needs all their output times to be equal.
pub(super) fn check_batch<R: Real>(schedule: &mut Schedule, problem: &Problem<R>, options: &Options) {
    let lanes = schedule.lanes;
    let good: Vec<usize> =
        (0..lanes).filter(|&lane| problem.active[lane] && schedule.failures[lane].is_none()).collect();
    let Some(&first) = good.first() else { return };
    let time = |lane: usize, k: usize| problem.ts[schedule.order(lane)[k] * lanes + lane];
    let same = |lane: usize| (0..schedule.times).all(|k| time(lane, k).total_cmp(&time(first, k)).is_eq());
    if options.stepping == Stepping::Batch && !good.iter().all(|&lane| same(lane)) {
        for lane in good {
            let t = schedule.t0[lane];
            schedule.failures[lane] = Some(Failure { kind: FailureKind::BatchTimesDiffer, t, component: None });
        }
    }
}

struct Backward<'a, R> {
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    solution: &'a Solution<R>,
    values_bar: &'a [R],
    schedule: &'a Schedule,
    /// The tile with state (z, a), `[2D][L]`.
    kernel: Kernel<R>,
    stepper: Stepper<'a>,
    /// Number of elements of z, D L.
    n: usize,
    /// Lane whose last state stands in for lanes without a result.
    host: Vec<usize>,
    /// Ends of the stretch between outputs under way, `[L]`.
    from: Vec<f64>,
    to: Vec<f64>,
    /// Positions (in the order from t0 outwards) of the outputs at `from`, whose time derivatives are still due.
    pending: Vec<Range<usize>>,
    /// Step length to go on with after an output, `[L]`, for the lanes that have just arrived at one.
    arrived: Vec<Option<f64>>,
    restarted: Vec<bool>,
    first: Vec<R>,
    z_stage: Vec<R>,
    t_stage: Vec<f64>,
    w: Vec<R>,
    z_bar: Vec<R>,
    t_bar: Vec<R>,
    vjp_calls: usize,
    ts_bar: Vec<f64>,
    drift: Option<Drift>,
}

impl<'a, R: Real> Backward<'a, R> {
    fn new(
        problem: &'a Problem<'a, R>,
        options: &'a Options,
        solution: &'a Solution<R>,
        values_bar: &'a [R],
        schedule: &'a Schedule,
        dim: usize,
    ) -> Self {
        let lanes = schedule.lanes;
        let n = dim * lanes;
        let good = |lane: usize| problem.active[lane] && schedule.failures[lane].is_none();
        let stand_in = (0..lanes).find(|&lane| good(lane));
        let running = (0..lanes).map(good).collect();
        Self {
            problem,
            options,
            solution,
            values_bar,
            schedule,
            kernel: Kernel::new(options.method.tableau(), 2 * dim, lanes, true),
            stepper: Stepper::new(options, running, schedule.failures.clone()),
            n,
            host: (0..lanes).map(|lane| if good(lane) { lane } else { stand_in.unwrap_or(lane) }).collect(),
            from: schedule.t_end.clone(),
            to: schedule.t_end.clone(),
            pending: vec![schedule.times..schedule.times; lanes],
            arrived: vec![None; lanes],
            restarted: vec![true; lanes],
            first: vec![R::ZERO; 2 * n],
            z_stage: vec![R::ZERO; n],
            t_stage: vec![0.0; lanes],
            w: vec![R::ZERO; n],
            z_bar: vec![R::ZERO; n],
            t_bar: vec![R::ZERO; lanes],
            vjp_calls: 0,
            ts_bar: vec![0.0; schedule.times * lanes],
            drift: None,
        }
    }

    fn run<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        for lane in 0..self.schedule.lanes {
            self.park(lane);
            if self.stepper.running[lane] {
                self.jump(lane);
            }
        }
        if !self.stepper.any_running() {
            return;
        }
        self.evaluate_restarted(sys);
        let span: Vec<f64> = self.to.iter().zip(&self.from).map(|(to, from)| to - from).collect();
        let (kernel, t_bar) = (&mut self.kernel, &mut self.t_bar);
        self.stepper.first_steps(kernel, &span, |t, y, dy| augmented(sys, t, y, dy, t_bar));
        while self.stepper.any_running() {
            self.stepper.propose();
            self.set_times();
            self.stepper.limits(&self.kernel);
            if !self.stepper.any_running() {
                break;
            }
            self.step(sys);
        }
    }

    fn step<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        self.kernel.widen_steps();
        let t_bar = &mut self.t_bar;
        self.kernel.stages(true, |t, y, dy| augmented(sys, t, y, dy, t_bar));
        self.stepper.count_rhs(self.kernel.tableau.stages() - 1);
        self.kernel.squared_errors(self.options);
        self.stepper.judge(&self.kernel);
        self.quadrature(sys);
        self.kernel.advance(&self.stepper.accepted);
        for lane in 0..self.schedule.lanes {
            let clock = self.stepper.clock(lane);
            let arrived = self.stepper.accepted[lane] && clock.s >= 1.0;
            self.arrived[lane] = arrived.then(|| clock.ds * (self.to[lane] - self.from[lane]).abs());
            self.restarted[lane] = arrived;
        }
        for lane in 0..self.schedule.lanes {
            if let Some(h) = self.arrived[lane] {
                self.from[lane] = self.to[lane];
                self.kernel.t[lane] = self.from[lane];
                self.jump(lane);
                self.stepper.restart(lane, self.to[lane] - self.from[lane], h);
            }
        }
        if (0..self.schedule.lanes).any(|lane| self.restarted[lane] && self.stepper.running[lane]) {
            self.evaluate_restarted(sys);
        }
    }

    /// Puts the lane, or the one that stands in for it, at its last time with a = 0.
    fn park(&mut self, lane: usize) {
        let (lanes, host) = (self.schedule.lanes, self.host[lane]);
        self.kernel.t[lane] = self.schedule.t_end[host];
        for d in 0..self.kernel.dim / 2 {
            self.kernel.z[d * lanes + lane] = self.parked(lane, d);
        }
    }

    /// Component of a state at which the right-hand side is known to be finite.
    fn parked(&self, lane: usize, d: usize) -> R {
        let (lanes, host) = (self.schedule.lanes, self.host[lane]);
        let i = d * lanes + host;
        if self.schedule.times == 0 {
            self.problem.z0[i]
        } else {
            self.solution.values[self.schedule.owner[host] * self.n + i]
        }
    }

    fn time(&self, lane: usize, k: usize) -> f64 {
        self.problem.ts[self.schedule.order(lane)[k] * self.schedule.lanes + lane]
    }

    /// At `from`: measures the drift, takes the outputs there into a, restarts z from them and finds the next time.
    fn jump(&mut self, lane: usize) {
        let lanes = self.schedule.lanes;
        let (t, t0, end) = (self.from[lane], self.schedule.t0[lane], self.pending[lane].start);
        let mut start = end;
        while start > 0 && self.time(lane, start - 1).total_cmp(&t).is_eq() {
            start -= 1;
            let j = self.schedule.order(lane)[start];
            for i in (lane..self.n).step_by(lanes) {
                self.kernel.z[self.n + i] += self.values_bar[j * self.n + i];
            }
        }
        self.pending[lane] = start..end;
        let at_start = (t - t0).abs() <= 0.0;
        let stored = |backward: &Self, i: usize| {
            let j = backward.schedule.order(lane).get(start).copied();
            match j {
                Some(j) if !at_start => backward.solution.values[j * backward.n + i],
                _ => backward.problem.z0[i],
            }
        };
        for i in (lane..self.n).step_by(lanes) {
            let z = stored(self, i);
            self.measure(lane, i / lanes, t, self.kernel.z[i], z);
            if self.options.restart {
                self.kernel.z[i] = z;
            }
        }
        self.to[lane] = if start > 0 { self.time(lane, start - 1) } else { t0 };
        self.stepper.running[lane] = !at_start;
    }

    fn measure(&mut self, lane: usize, component: usize, t: f64, back: R, stored: R) {
        if t.total_cmp(&self.schedule.t_end[lane]).is_eq() {
            return;
        }
        let stored = stored.to_f64();
        let absolute = (back.to_f64() - stored).abs();
        let relative = absolute / self.options.tolerance(component).scale(stored.abs());
        let drift = self.drift.get_or_insert(Drift { absolute, relative, lane, t });
        drift.absolute = drift.absolute.max(absolute);
        if relative > drift.relative {
            *drift = Drift { absolute: drift.absolute, relative, lane, t };
        }
    }

    /// The first stage of the lanes that start at an output, and the derivatives with respect to its time.
    fn evaluate_restarted<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let (n, lanes) = (self.n, self.schedule.lanes);
        self.stepper.follow(&mut self.kernel);
        augmented(sys, &self.kernel.t, &self.kernel.z, &mut self.first, &mut self.t_bar);
        self.stepper.count_rhs(1);
        for lane in 0..lanes {
            if !self.restarted[lane] {
                continue;
            }
            for i in (lane..2 * n).step_by(lanes) {
                self.kernel.ks[i] = self.first[i];
            }
            if self.stepper.running[lane] {
                self.time_cotangents(lane);
            }
        }
        self.stepper.check_finite(&self.kernel);
    }

    /// dL/dts = g·f at the outputs of the lane where it stands; f is the first stage.
    fn time_cotangents(&mut self, lane: usize) {
        let lanes = self.schedule.lanes;
        for k in self.pending[lane].clone() {
            let j = self.schedule.order(lane)[k];
            let rows = (lane..self.n).step_by(lanes);
            let product: f64 = rows.map(|i| (self.values_bar[j * self.n + i] * self.kernel.ks[i]).to_f64()).sum();
            self.ts_bar[j * lanes + lane] = product;
        }
    }

    fn set_times(&mut self) {
        for lane in 0..self.schedule.lanes {
            let (from, span) = (self.from[lane], self.to[lane] - self.from[lane]);
            let clock = self.stepper.clock(lane);
            if self.stepper.running[lane] {
                self.kernel.t[lane] = from + clock.s * span;
                self.kernel.t_next[lane] = if clock.s_next >= 1.0 { self.to[lane] } else { from + clock.s_next * span };
                self.kernel.h[lane] = (clock.s_next - clock.s) * span;
            } else {
                self.kernel.h[lane] = 0.0;
                self.kernel.t_next[lane] = self.kernel.t[lane];
            }
        }
        self.stepper.follow(&mut self.kernel);
    }

    /// Adds −h Σ bᵢ aᵢᵀ∂f/∂θ of the accepted lanes to the parameters' accumulators. The others add 0 · ∂f/∂θ at a
    /// state and a time where that is 0.
    fn quadrature<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let Some(host) = self.stepper.accepted.iter().position(|accepted| *accepted) else { return };
        let (lanes, together) = (self.schedule.lanes, self.stepper.shares_clock());
        for (stage, b) in self.kernel.tableau.b().iter().enumerate().filter(|(_, b)| **b != 0.0) {
            for lane in 0..lanes {
                let accepted = self.stepper.accepted[lane];
                let c = self.kernel.tableau.c[stage];
                let t = self.kernel.t[lane] + c * self.kernel.h[lane];
                self.t_stage[lane] = if accepted || together { t } else { self.schedule.t_end[self.host[lane]] };
                let weight = R::from_f64(-self.kernel.h[lane] * b);
                for d in 0..self.kernel.dim / 2 {
                    let i = d * lanes + lane;
                    let y = self.kernel.state(stage);
                    let (z, w) = match accepted {
                        true => (y[i], weight * y[self.n + i]),
                        false if together => (y[d * lanes + host], R::ZERO),
                        false => (self.parked(lane, d), R::ZERO),
                    };
                    self.z_stage[i] = z;
                    self.w[i] = w;
                }
            }
            sys.vjp(&self.t_stage, &self.z_stage, &self.w, &mut self.z_bar, &mut self.t_bar, true);
            self.vjp_calls += 1;
        }
    }

    /// What happens at t0.
    fn finish<S: AdjointSystem<R>>(mut self, sys: &mut S) -> Cotangents<R> {
        let (n, lanes) = (self.n, self.schedule.lanes);
        let good: Vec<bool> =
            (0..lanes).map(|lane| self.problem.active[lane] && self.stepper.failures[lane].is_none()).collect();
        let mut z0 = vec![R::ZERO; n];
        let mut t0 = vec![0.0; lanes];
        if good.contains(&true) {
            sys.rhs(self.problem.t0, self.problem.z0, &mut self.kernel.ks[..n]);
            self.stepper.stats.rhs_calls += 1;
        }
        for lane in 0..lanes {
            if !good[lane] {
                (0..self.schedule.times).for_each(|j| self.ts_bar[j * lanes + lane] = 0.0);
                continue;
            }
            self.time_cotangents(lane);
            for i in (lane..n).step_by(lanes) {
                let a = self.kernel.z[n + i];
                z0[i] = a;
                t0[lane] -= (a * self.kernel.ks[i]).to_f64();
            }
        }
        let stats = Stats { vjp_calls: self.vjp_calls, ..self.stepper.stats };
        Cotangents { z0, t0, ts: self.ts_bar, stats, drift: self.drift, failures: self.stepper.failures }
    }
}

/// Right-hand side of (z, a).
pub(super) fn augmented<R: Real, S: AdjointSystem<R>>(sys: &mut S, t: &[f64], y: &[R], dy: &mut [R], t_bar: &mut [R]) {
    let (z, a) = y.split_at(y.len() / 2);
    let (dz, da) = dy.split_at_mut(y.len() / 2);
    sys.augmented(t, z, a, dz, da, t_bar);
    for value in da {
        *value = -*value;
    }
}
