//! Solution, cotangents of the outputs → cotangents by the continuous adjoint, see [`crate::solve::backsolve`]: (z, a)
//! by Adams steps, restarted at every output, the parameters by the corrector's quadrature.

#![allow(clippy::needless_range_loop, reason = "an index runs over several tables")]

use super::quadrature::Quadrature;
use super::tile::Tile;
use crate::solve::backsolve::{augmented, check_batch};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{AdjointSystem, Cotangents, Drift, Problem, Solution, Stats};

/// As [`crate::solve::backsolve`], with the lengths already checked.
pub(in crate::solve) fn backsolve<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    solution: &Solution<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let mut schedule = Schedule::new(problem, options, dim, lanes);
    let mut failures = std::mem::take(&mut schedule.failures);
    for (failure, forward) in failures.iter_mut().zip(&solution.failures) {
        *failure = forward.clone().or_else(|| failure.take());
    }
    schedule.check_cotangents(values_bar, problem.active, &mut failures);
    schedule.failures = failures;
    check_batch(&mut schedule, problem, options);
    let mut backward = Backward::new(problem, options, solution, values_bar, &schedule, dim);
    backward.run(sys);
    backward.finish(sys)
}

struct Backward<'a, R> {
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    solution: &'a Solution<R>,
    values_bar: &'a [R],
    schedule: &'a Schedule,
    /// With state (z, a), `[2D][L]`.
    tile: Tile<'a, R>,
    quadrature: Quadrature<R>,
    /// Number of elements of z, D L.
    n: usize,
    /// Lane whose last state stands in for lanes without a result.
    host: Vec<usize>,
    /// Position (in the order from t0 outwards) of the first output that has been taken in, `[L]`.
    taken: Vec<usize>,
    /// Positions of the outputs where the lane stands, whose time derivatives are still due: from `taken` to this one.
    due: Vec<usize>,
    to: Vec<f64>,
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
        let good = |lane: usize| problem.active[lane] && schedule.failures[lane].is_none();
        let stand_in = (0..lanes).find(|&lane| good(lane));
        let host: Vec<usize> =
            (0..lanes).map(|lane| if good(lane) { lane } else { stand_in.unwrap_or(lane) }).collect();
        let starts: Vec<f64> = host.iter().map(|&host| schedule.t_end[host]).collect();
        let running = (0..lanes).map(good).collect();
        Self {
            problem,
            options,
            solution,
            values_bar,
            schedule,
            tile: Tile::new(options, 2 * dim, running, schedule.failures.clone(), &starts),
            quadrature: Quadrature::new(lanes),
            n: dim * lanes,
            host,
            taken: vec![schedule.times; lanes],
            due: vec![schedule.times; lanes],
            to: starts,
            t_bar: vec![R::ZERO; lanes],
            vjp_calls: 0,
            ts_bar: vec![0.0; schedule.times * lanes],
            drift: None,
        }
    }

    fn run<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let lanes = self.schedule.lanes;
        for lane in 0..lanes {
            for (d, z) in self.parked(lane).1.into_iter().enumerate() {
                self.tile.z[d * lanes + lane] = z;
            }
            if self.tile.running[lane] {
                self.jump(lane);
            }
        }
        if !self.tile.any_running() {
            return;
        }
        self.start(sys, &vec![true; lanes]);
        while self.tile.any_running() {
            self.tile.propose();
            if !self.tile.any_running() {
                break;
            }
            let t_bar = &mut self.t_bar;
            self.tile.attempt(|t, y, dy| augmented(sys, t, y, dy, t_bar));
            let mut arrived = vec![false; lanes];
            for lane in 0..lanes {
                if !self.tile.accepted[lane] {
                    continue;
                }
                let state = &self.tile.lanes[lane];
                self.quadrature.step(lane, &state.history, state.order_used, &self.tile.z);
                arrived[lane] = state.history.now().total_cmp(&self.to[lane]).is_eq();
                if arrived[lane] {
                    self.jump(lane);
                }
            }
            if (0..lanes).any(|lane| arrived[lane] && self.tile.running[lane]) {
                self.start(sys, &arrived);
            }
            if self.quadrature.is_full() {
                self.flush(sys);
            }
        }
    }

    fn start<S: AdjointSystem<R>>(&mut self, sys: &mut S, fresh: &[bool]) {
        let t_bar = &mut self.t_bar;
        self.tile.start(fresh, &self.to, |t, y, dy| augmented(sys, t, y, dy, t_bar));
        for (lane, fresh) in fresh.iter().enumerate() {
            if !(*fresh && self.tile.running[lane]) {
                continue;
            }
            self.time_cotangents(lane);
            let now = self.tile.lanes[lane].history.now();
            self.quadrature.restart(lane, now, &self.tile.z);
        }
    }

    fn flush<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        for lane in (0..self.schedule.lanes).filter(|&lane| self.tile.failures[lane].is_some()) {
            self.quadrature.drop_lane(lane);
        }
        let (schedule, solution, problem, host, n) = (self.schedule, self.solution, self.problem, &self.host, self.n);
        self.vjp_calls += self.quadrature.flush(sys, |lane| idle(schedule, solution, problem, host[lane], n));
    }

    /// Time and state at which the right-hand side is known to be finite.
    fn parked(&self, lane: usize) -> (f64, Vec<R>) {
        idle(self.schedule, self.solution, self.problem, self.host[lane], self.n)
    }

    fn time(&self, lane: usize, k: usize) -> f64 {
        self.problem.ts[self.schedule.order(lane)[k] * self.schedule.lanes + lane]
    }

    /// Measures the drift, takes the outputs where the lane stands into a, restarts z from them, finds the next time.
    fn jump(&mut self, lane: usize) {
        let (lanes, t, t0) = (self.schedule.lanes, self.tile.lanes[lane].history.now(), self.schedule.t0[lane]);
        let end = self.taken[lane];
        let mut first = end;
        while first > 0 && self.time(lane, first - 1).total_cmp(&t).is_eq() {
            first -= 1;
            let j = self.schedule.order(lane)[first];
            for i in (lane..self.n).step_by(lanes) {
                self.tile.z[self.n + i] += self.values_bar[j * self.n + i];
            }
        }
        (self.taken[lane], self.due[lane]) = (first, end);
        let at_start = (t - t0).abs() <= 0.0;
        let j = self.schedule.order(lane).get(first).copied().filter(|_| !at_start);
        for i in (lane..self.n).step_by(lanes) {
            let z = j.map_or(self.problem.z0[i], |j| self.solution.values[j * self.n + i]);
            self.measure(lane, i / lanes, t, self.tile.z[i], z);
            if self.options.restart {
                self.tile.z[i] = z;
            }
        }
        self.to[lane] = if first > 0 { self.time(lane, first - 1) } else { t0 };
        if at_start {
            self.tile.running[lane] = false;
            self.quadrature.close(lane);
        }
    }

    fn measure(&mut self, lane: usize, component: usize, t: f64, back: R, stored: R) {
        if t.total_cmp(&self.schedule.t_end[lane]).is_eq() {
            return;
        }
        let stored = stored.to_f64();
        let absolute = (back.to_f64() - stored).abs();
        let relative = absolute / self.options.tolerance(component).scale(stored.abs());
        self.drift = Drift::worse(self.drift, Some(Drift { absolute, relative, lane, t }));
    }

    /// dL/dts = g·f at the outputs of the lane where it stands.
    fn time_cotangents(&mut self, lane: usize) {
        let lanes = self.schedule.lanes;
        for k in self.taken[lane]..self.due[lane] {
            let j = self.schedule.order(lane)[k];
            let rows = (lane..self.n).step_by(lanes);
            self.ts_bar[j * lanes + lane] =
                rows.map(|i| (self.values_bar[j * self.n + i] * self.tile.f[i]).to_f64()).sum();
        }
    }

    /// What happens at t0.
    fn finish<S: AdjointSystem<R>>(mut self, sys: &mut S) -> Cotangents<R> {
        let (n, lanes) = (self.n, self.schedule.lanes);
        self.flush(sys);
        let good: Vec<bool> =
            (0..lanes).map(|lane| self.problem.active[lane] && self.tile.failures[lane].is_none()).collect();
        let (mut z0, mut t0) = (vec![R::ZERO; n], vec![0.0; lanes]);
        if good.contains(&true) {
            sys.rhs(self.problem.t0, self.problem.z0, &mut self.tile.f[..n]);
            self.tile.stats.rhs_calls += 1;
        }
        for lane in 0..lanes {
            if !good[lane] {
                (0..self.schedule.times).for_each(|j| self.ts_bar[j * lanes + lane] = 0.0);
                continue;
            }
            self.time_cotangents(lane);
            for i in (lane..n).step_by(lanes) {
                let a = self.tile.z[n + i];
                z0[i] = a;
                t0[lane] -= (a * self.tile.f[i]).to_f64();
            }
        }
        let stats = Stats { vjp_calls: self.vjp_calls, ..self.tile.stats };
        Cotangents { z0, t0, ts: self.ts_bar, stats, drift: self.drift, failures: self.tile.failures }
    }
}

/// End time and last state, `[D]`, of a lane.
fn idle<R: Real>(
    schedule: &Schedule,
    solution: &Solution<R>,
    problem: &Problem<R>,
    lane: usize,
    n: usize,
) -> (f64, Vec<R>) {
    let values = if schedule.times == 0 { problem.z0 } else { &solution.values[schedule.owner[lane] * n..][..n] };
    (schedule.t_end[lane], values.iter().skip(lane).step_by(schedule.lanes).copied().collect())
}
