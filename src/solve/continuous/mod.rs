//! Solution, cotangents of the outputs → cotangents by the adjoint equation as a system of its own.
//!
//! a' = −aᵀ∂f/∂z is integrated from the furthest output to t0 by any method, stretch by stretch between the outputs, at
//! which a jumps by their cotangents. z is read from dense output of the steps that were taken ([`interpolated`]), or
//! integrated backwards beside a ([`carried`], for methods that `backsolve` does not step itself). The cotangent of
//! the parameters, ∫ aᵀ∂f/∂θ dt, is found by Gauss quadrature over the steps of a, whose dense output is read at the
//! nodes: it is no state and has no say in the choice of steps.

mod adjoint;
mod gauss;
mod path;

use super::backsolve::check_batch;
use super::failure::{Failure, FailureKind};
use super::forward;
use super::options::{Options, Stepping};
use super::real::Real;
use super::schedule::Schedule;
use super::system::{AdjointSystem, Cotangents, Drift, Problem, Solution, Stats, System};
use super::tape::Tape;
use adjoint::{Adjoint, Carried, Source, Stored};
pub(super) use path::{Path, degree, nodes};

/// Gauss nodes of a step at most: with more the quadrature costs more than the steps of a multistep method.
const MOST_NODES: usize = 5;

/// Integrates the adjoint equation along the steps of a [`super::solve`] with the same problem and options, with the
/// method, tolerances and limits of `options`. `values_bar` is `[T][D][L]`. The result approximates the gradient of the
/// exact solution; it is stable where integrating z backwards is not. A lane that fails here has zero cotangents, but
/// what it had added to the parameters' accumulators before stays there.
///
/// # Panics
/// If the slices do not have the documented lengths or the tape is of another number of lanes.
pub fn interpolated<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    if !options.stops.is_empty() {
        return super::stops::interpolated(sys, problem, options, tape, values_bar);
    }
    if !options.keeps_steps() {
        return super::discrete::refuse(problem, problem.z0.len(), FailureKind::KeepsNoSteps);
    }
    let schedule = Schedule::new(problem, options, sys.dim(), sys.lanes());
    let ends: Vec<(f64, f64)> = schedule.t0.iter().copied().zip(schedule.t_end.iter().copied()).collect();
    along(sys, problem, options, (tape, &ends), values_bar)
}

/// The same where the steps on the tape end elsewhere: `ends` are start and end of those of each lane, `[L]`.
pub(super) fn along<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    (tape, ends): (&Tape<R>, &[(f64, f64)]),
    values_bar: &[R],
) -> Cotangents<R> {
    assert_eq!(tape.lanes(), sys.lanes(), "the tape has L lanes");
    // Tolerances of single components are those of z.
    let options = &Options { tolerances: Vec::new(), ..options.clone() };
    let schedule = checked(sys, problem, options, &tape.failures, values_bar);
    let good: Vec<bool> =
        (0..schedule.lanes).map(|lane| problem.active[lane] && schedule.failures[lane].is_none()).collect();
    let path = Path::new(sys, ends, &good, options, tape);
    let host = hosts(&good);
    let source = Stored { path: &path, host: &host };
    Backward::new(sys, problem, options, &schedule, &source, None, values_bar).run()
}

/// As [`super::backsolve`], for methods that step one system as any other.
pub(super) fn carried<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    solution: &Solution<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let schedule = checked(sys, problem, options, &solution.failures, values_bar);
    Backward::new(sys, problem, options, &schedule, &Carried, Some(solution), values_bar).run()
}

/// The times, with the failures of the forward pass and those of the cotangents.
fn checked<R: Real, S: System<R>>(
    sys: &S,
    problem: &Problem<R>,
    options: &Options,
    forward: &[Option<Failure>],
    values_bar: &[R],
) -> Schedule {
    assert_eq!(values_bar.len(), problem.times * sys.dim() * sys.lanes(), "values_bar is [T][D][L]");
    let mut schedule = Schedule::new(problem, options, sys.dim(), sys.lanes());
    let mut failures = std::mem::take(&mut schedule.failures);
    for (failure, forward) in failures.iter_mut().zip(forward) {
        *failure = forward.clone().or_else(|| failure.take());
    }
    schedule.check_cotangents(values_bar, problem.active, &mut failures);
    schedule.failures = failures;
    check_batch(&mut schedule, problem, options);
    schedule
}

/// For every lane itself or, where it has no solution, the first one that has.
fn hosts(good: &[bool]) -> Vec<usize> {
    let first = good.iter().position(|good| *good);
    good.iter().enumerate().map(|(lane, good)| if *good { lane } else { first.unwrap_or(lane) }).collect()
}

struct Backward<'a, R, S, P> {
    sys: &'a mut S,
    problem: &'a Problem<'a, R>,
    options: Options,
    schedule: &'a Schedule,
    source: &'a P,
    /// Where z is carried: the outputs, from which it starts again.
    solution: Option<&'a Solution<R>>,
    values_bar: &'a [R],
    /// Lanes with a result so far, `[L]`.
    good: Vec<bool>,
    host: Vec<usize>,
    /// The state: a, or z and a.
    y: Vec<R>,
    /// z, `[D][L]`.
    z: Vec<R>,
    w: Vec<R>,
    f: Vec<R>,
    t_bar: Vec<R>,
    /// Gauss nodes within a step, and their weights.
    rule: Vec<(f64, f64)>,
    found: Cotangents<R>,
}

impl<'a, R: Real, S: AdjointSystem<R>, P: Source<R>> Backward<'a, R, S, P> {
    fn new(
        sys: &'a mut S,
        problem: &'a Problem<'a, R>,
        options: &Options,
        schedule: &'a Schedule,
        source: &'a P,
        solution: Option<&'a Solution<R>>,
        values_bar: &'a [R],
    ) -> Self {
        let (dim, lanes) = (sys.dim(), sys.lanes());
        let n = dim * lanes;
        let zeros = || vec![R::ZERO; n];
        let good: Vec<bool> =
            (0..lanes).map(|lane| problem.active[lane] && schedule.failures[lane].is_none()).collect();
        Self {
            host: hosts(&good),
            good,
            y: vec![R::ZERO; n + source.carried(dim) * lanes],
            z: zeros(),
            w: zeros(),
            f: zeros(),
            t_bar: vec![R::ZERO; lanes],
            rule: gauss::gauss((degree(options.method) + 1).div_ceil(2).min(MOST_NODES)),
            found: Cotangents {
                z0: zeros(),
                t0: vec![0.0; lanes],
                ts: vec![0.0; problem.ts.len()],
                stats: Stats::new(lanes),
                drift: None,
                failures: schedule.failures.clone(),
            },
            sys,
            problem,
            // The quadrature reads a on the way.
            options: Options { read_between: true, ..options.clone() },
            schedule,
            source,
            solution,
            values_bar,
        }
    }

    /// Number of elements of z.
    fn n(&self) -> usize {
        self.z.len()
    }

    fn rows(&self, lane: usize) -> impl Iterator<Item = usize> + use<R, S, P> {
        (lane..self.n()).step_by(self.schedule.lanes)
    }

    /// Time of the `k`-th output from t0 outwards; of none before the first one, t0.
    fn time(&self, lane: usize, k: Option<usize>) -> f64 {
        let host = self.host[lane];
        match k {
            Some(k) => self.problem.ts[self.schedule.order(host)[k] * self.schedule.lanes + host],
            None => self.schedule.t0[host],
        }
    }

    fn times(&self, k: Option<usize>) -> Vec<f64> {
        (0..self.schedule.lanes).map(|lane| self.time(lane, k)).collect()
    }

    fn run(mut self) -> Cotangents<R> {
        for k in (0..self.schedule.times).rev() {
            if !self.good.contains(&true) {
                break;
            }
            let (from, to) = (self.times(Some(k)), self.times(k.checked_sub(1)));
            self.arrive(&from, Some(k));
            if from.iter().zip(&to).any(|(from, to)| from.total_cmp(to).is_ne()) {
                self.stretch(&from, &to);
            }
        }
        if self.good.contains(&true) {
            self.arrive(&self.times(None), None);
        }
        self.finish()
    }

    /// Where z is carried, at an output or at t0: measures its drift, and takes it from where it is known.
    fn refresh(&mut self, solution: &Solution<R>, t: &[f64], k: Option<usize>) {
        let (n, lanes) = (self.n(), self.schedule.lanes);
        for (lane, t) in t.iter().enumerate() {
            let from = self.host[lane];
            let first = t.total_cmp(&self.schedule.t_end[from]).is_eq();
            let output = k.map(|k| self.schedule.order(from)[k]);
            for (i, host) in self.rows(lane).zip(self.rows(from)) {
                let stored = output.map_or(self.problem.z0[host], |j| solution.values[j * n + host]);
                if self.good[lane] && !first {
                    self.measure(lane, i / lanes, *t, self.y[i], stored);
                }
                if first || self.options.restart || !self.good[lane] {
                    self.y[i] = stored;
                }
            }
        }
    }

    /// At an output, or at t0: the cotangents of the state and the time, and those of the output into a.
    fn arrive(&mut self, t: &[f64], k: Option<usize>) {
        let (n, lanes, a) = (self.n(), self.schedule.lanes, self.y.len() - self.n());
        if let Some(solution) = self.solution {
            self.refresh(solution, t, k);
        }
        self.source.read(t, &self.y, &mut self.z);
        if self.options.time_cotangents {
            self.sys.rhs(t, &self.z, &mut self.f);
            self.found.stats.rhs_calls += 1;
        }
        for lane in (0..lanes).filter(|&lane| self.good[lane]) {
            let j = k.map(|k| self.schedule.order(lane)[k]);
            let bar = |i: usize| j.map_or(-self.y[a + i], |j| self.values_bar[j * n + i]);
            let along: f64 = self.rows(lane).map(|i| (bar(i) * self.f[i]).to_f64()).sum();
            match j {
                Some(j) => self.found.ts[j * lanes + lane] = along,
                None => self.found.t0[lane] = along,
            }
            if let Some(j) = j {
                for i in self.rows(lane) {
                    self.y[a + i] += self.values_bar[j * n + i];
                }
            }
        }
    }

    fn measure(&mut self, lane: usize, component: usize, t: f64, back: R, stored: R) {
        let stored = stored.to_f64();
        let absolute = (back.to_f64() - stored).abs();
        let relative = absolute / self.options.tolerance(component).scale(stored.abs());
        self.found.drift = Drift::worse(self.found.drift, Some(Drift { absolute, relative, lane, t }));
    }

    /// Integrates from one output to the next.
    fn stretch(&mut self, from: &[f64], to: &[f64]) {
        let problem = Problem { z0: &self.y, t0: from, ts: to, times: 1, active: &self.good };
        let mut tape = Tape::new();
        let mut adjoint = Adjoint::new(&mut *self.sys, self.source);
        let solution = forward::solve(&mut adjoint, &problem, &self.options, Some(&mut tape));
        let ends: Vec<(f64, f64)> = from.iter().copied().zip(to.iter().copied()).collect();
        let solved: Vec<bool> =
            self.good.iter().zip(&solution.failures).map(|(good, f)| *good && f.is_none()).collect();
        let path = Path::new(&mut adjoint, &ends, &solved, &self.options, &tape);
        self.found.stats.add(&solution.stats);
        let dim = self.sys.dim();
        for lane in 0..self.schedule.lanes {
            if !self.good[lane] {
                continue;
            }
            if let Some(failure) = &solution.failures[lane] {
                // Behind z comes a, component for component.
                let component = failure.component.map(|component| component % dim);
                self.found.failures[lane] = Some(Failure { component, ..failure.clone() });
                self.good[lane] = false;
                continue;
            }
            for i in (lane..self.y.len()).step_by(self.schedule.lanes) {
                self.y[i] = solution.values[i];
            }
        }
        self.quadrature(&path, from);
        self.resume(&path);
    }

    /// The next stretch goes on with the length of the steps of this one; its last step was cut.
    fn resume(&mut self, path: &Path<R>) {
        let length = |n: usize, lane: usize| path.step(lane, n).1.abs();
        let longest = |lane: usize| {
            let steps = path.steps(lane);
            (steps.saturating_sub(2)..steps).map(|n| length(n, lane)).fold(0.0, f64::max)
        };
        let lengths: Vec<f64> = (0..self.schedule.lanes).map(longest).collect();
        if self.options.first_steps.is_empty() {
            self.options.first_steps = lengths;
        } else {
            let known = self.options.first_steps.iter_mut().zip(lengths);
            known.filter(|(_, new)| *new > 0.0).for_each(|(old, new)| *old = new);
        }
    }

    /// Adds −Σ h wⱼ aᵀ∂f/∂θ of the steps of a stretch to the parameters' accumulators. Lanes without a step add 0 · ∂f/∂θ
    /// where that is 0.
    fn quadrature(&mut self, path: &Path<R>, from: &[f64]) {
        let lanes = self.schedule.lanes;
        let steps: Vec<usize> = (0..lanes).map(|lane| if self.good[lane] { path.steps(lane) } else { 0 }).collect();
        let (n, a) = (self.n(), self.y.len() - self.n());
        let mut y = self.y.clone();
        let mut t = from.to_vec();
        for step in 0..steps.iter().copied().max().unwrap_or(0) {
            let Some(first) = steps.iter().position(|own| *own > step) else { break };
            for (node, weight) in self.rule.clone() {
                for (lane, t) in t.iter_mut().enumerate() {
                    let own = steps[lane] > step;
                    // Lanes that share their time go along with one that has the step.
                    let read =
                        if own { Some(lane) } else { (self.options.stepping == Stepping::Batch).then_some(first) };
                    *t = read.map_or(from[lane], |read| {
                        let (start, h) = path.step(read, step);
                        start + node * h
                    });
                    path.read(read.unwrap_or(self.host[lane]), *t, &mut y, lane);
                    let factor = if own { -path.step(lane, step).1 * weight } else { 0.0 };
                    for i in (lane..n).step_by(lanes) {
                        self.w[i] = if own { R::from_f64(factor) * y[a + i] } else { R::ZERO };
                    }
                }
                self.source.read(&t, &y, &mut self.z);
                self.sys.vjp(&t, &self.z, &self.w, &mut self.f, &mut self.t_bar, true);
                self.found.stats.vjp_calls += 1;
            }
        }
    }

    fn finish(mut self) -> Cotangents<R> {
        let a = self.y.len() - self.n();
        for lane in 0..self.schedule.lanes {
            for i in self.rows(lane) {
                self.found.z0[i] = if self.good[lane] { self.y[a + i] } else { R::ZERO };
            }
            if !self.good[lane] {
                self.found.t0[lane] = 0.0;
                (lane..self.found.ts.len()).step_by(self.schedule.lanes).for_each(|i| self.found.ts[i] = 0.0);
            }
        }
        self.found
    }
}
