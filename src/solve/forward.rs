//! Problem → states at the output times (and the tape of accepted steps).

mod single;

use super::checkpoint::Plan;
use super::dense::Extra;
use super::implicit;
use super::kept::Kept;
use super::kernel::{Kernel, Row, combine};
use super::options::{Options, Stepping};
use super::penalty::Penalty;
use super::real::Real;
use super::schedule::Schedule;
use super::stepper::Stepper;
use super::system::{Problem, Solution, System};
use super::tableau::Method;
use super::tape::Tape;

/// Integrates every active lane from its t0 to its furthest output time, and reads the others from dense output.
/// An output at t0 is z0 exactly; the last step lands on the furthest time exactly. With a tape, the accepted steps
/// are kept for [`super::discrete`] or [`super::interpolated`].
///
/// # Panics
/// If the slices of the problem do not have the documented lengths.
pub fn solve<R: Real, S: System<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    mut tape: Option<&mut Tape<R>>,
) -> Solution<R> {
    if !options.stops.is_empty() {
        return super::stops::solve(sys, problem, options, tape);
    }
    if let Method::Implicit(method) = options.method {
        return implicit::solve(method, sys, problem, options, tape);
    }
    if !options.keeps_steps() {
        return super::grid::solve(sys, problem, options, tape);
    }
    if options.method == Method::Adams {
        if let Some(tape) = &mut tape {
            tape.reset(problem.z0, (sys.lanes(), 1), false);
        }
        return super::adams::solve(sys, problem, options, tape);
    }
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let mut schedule = Schedule::new(problem, options, dim, lanes);
    let failures = std::mem::take(&mut schedule.failures);
    let on_way = |lane: usize| problem.active[lane] && failures[lane].is_none();
    let running = (0..lanes).map(|lane| on_way(lane) && schedule.span[lane] != 0.0).collect();
    let mut outputs = Outputs::new(problem, &schedule, dim);
    for lane in (0..lanes).filter(|&lane| on_way(lane)) {
        outputs.at_start(lane);
    }
    let mut kernel = Kernel::new(options.method.tableau(), dim, lanes, false);
    let together = options.stepping == Stepping::Batch;
    let mut kept = Kept::default();
    if let Some(tape) = &mut tape {
        kept = std::mem::take(&mut tape.kept);
        let stages = options.keep_stages || sys.whole_steps();
        let plan = Plan::explicit::<R>(options, dim, stages);
        let width = if together && plan.is_none() { sys.slice().max(1) } else { 1 };
        tape.reset(problem.z0, (lanes, width), stages);
        if let Some(plan) = plan {
            tape.bound(plan.outer);
        }
        let alike = together || lanes == 1;
        kept.reset(if alike || stages { sys.kept() } else { 0 }, kernel.tableau.stages(), tape.limit.is_some());
        if !alike && tape.limit.is_none() {
            kept.apart(lanes);
        }
    }
    let mut extra = Extra::new(kernel.tableau, dim, lanes);
    let mut penalty = Penalty::new(options.penalties, &kernel);
    kernel.z.copy_from_slice(problem.z0);
    kernel.t.copy_from_slice(problem.t0);
    kernel.t_next.copy_from_slice(problem.t0);
    let mut stepper = Stepper::new(options, running, failures);
    if stepper.any_running() {
        stepper.stand_in(&mut kernel);
        kernel.first_stage_keeping(sys, kept.first());
        stepper.count_rhs(1);
        stepper.check_finite(&kernel);
        stepper.first_steps(&mut kernel, &schedule.span, |t, z, dz| sys.rhs(t, z, dz));
    }
    if sys.whole_steps() && lanes == 1 && extra.stages() == 0 && penalty.is_none() {
        single::run(sys, &mut kernel, &mut stepper, &mut outputs, (tape.as_deref_mut(), &mut kept));
    }
    while stepper.any_running() {
        stepper.propose();
        set_times(&mut kernel, &stepper, &schedule);
        stepper.limits(&kernel);
        if !stepper.any_running() {
            break;
        }
        kernel.attempt(sys, options, kept.attempt());
        stepper.count_rhs(kernel.tableau.stages() - 1);
        stepper.judge(&kernel);
        let inside = if extra.stages() == 0 { 0 } else { outputs.lanes_inside(&stepper) };
        if inside > 0 {
            extra.evaluate(&kernel, |t, z, dz| sys.rhs(t, z, dz));
            stepper.stats.rhs_calls += extra.stages();
            stepper.stats.rhs_evaluations += extra.stages() * inside;
        }
        let alike = schedule.alike && extra.stages() == 0;
        if alike {
            let host = stepper.accepted.iter().position(|accepted| *accepted);
            let s = host.map_or(0.0, |host| stepper.clock(host).s);
            outputs.in_shared_step(&stepper.accepted, s, &kernel);
        }
        if let Some(tape) = &mut tape {
            tape.push(&stepper.accepted, |lane| stepper.clock(lane).s, &kernel.z_new, &kernel.ks);
        }
        for lane in (0..lanes).filter(|&lane| stepper.accepted[lane]) {
            let s = stepper.clock(lane).s;
            if !alike {
                outputs.in_step(lane, s, &kernel, &extra);
            }
            if let Some(penalty) = &mut penalty {
                stepper.stats.penalty[lane] += penalty.of_step(&kernel, lane);
            }
            stepper.running[lane] = s < 1.0;
        }
        if together && stepper.accepted.contains(&true) {
            kernel.advance_all();
        } else {
            kernel.advance(&stepper.accepted);
        }
        if stepper.accepted.contains(&true) {
            kept.accept(&stepper.accepted);
        }
    }
    outputs.mark_missing(problem.active);
    if let Some(tape) = tape {
        tape.failures.clone_from(&stepper.failures);
        let good: Vec<bool> = (0..lanes).map(|lane| problem.active[lane] && tape.failures[lane].is_none()).collect();
        kept.settle(&good);
        tape.kept = kept;
    }
    Solution { values: outputs.values, failures: stepper.failures, stats: stepper.stats, stretches: Vec::new() }
}

fn set_times<R: Real>(kernel: &mut Kernel<R>, stepper: &Stepper, schedule: &Schedule) {
    for lane in 0..schedule.lanes {
        if stepper.running[lane] {
            let clock = stepper.clock(lane);
            kernel.t[lane] = schedule.at(lane, clock.s);
            kernel.t_next[lane] = schedule.at(lane, clock.s_next);
            kernel.h[lane] = (clock.s_next - clock.s) * schedule.span[lane];
        } else {
            kernel.h[lane] = 0.0;
            kernel.t_next[lane] = kernel.t[lane];
        }
    }
    stepper.follow(kernel);
}

/// The states at the output times, filled in as the steps pass over them.
pub(super) struct Outputs<'a, R> {
    problem: &'a Problem<'a, R>,
    schedule: &'a Schedule,
    dim: usize,
    pub(super) values: Vec<R>,
    /// Number of outputs already written, `[L]`.
    written: Vec<usize>,
    /// Weights of the stages at an output.
    weights: Row<R>,
}

impl<'a, R: Real> Outputs<'a, R> {
    pub(super) fn new(problem: &'a Problem<'a, R>, schedule: &'a Schedule, dim: usize) -> Self {
        let values = vec![R::ZERO; schedule.times * dim * schedule.lanes];
        Self { problem, schedule, dim, values, written: vec![0; schedule.lanes], weights: Row::new() }
    }

    fn time(&self, lane: usize, j: usize) -> f64 {
        self.problem.ts[j * self.schedule.lanes + lane]
    }

    pub(super) fn write(&mut self, lane: usize, j: usize, value: impl Fn(usize) -> R) {
        let lanes = self.schedule.lanes;
        for d in 0..self.dim {
            let i = d * lanes + lane;
            self.values[j * self.dim * lanes + i] = value(i);
        }
    }

    /// The next output of a lane up to the fraction `s` of its span, with its time; it is then to be written.
    pub(super) fn passed(&mut self, lane: usize, s: f64) -> Option<(usize, f64)> {
        let j = *self.schedule.order(lane).get(self.written[lane])?;
        let t = self.time(lane, j);
        let reached = self.schedule.fraction(lane, t) <= s;
        self.written[lane] += usize::from(reached);
        reached.then_some((j, t))
    }

    /// Outputs at t0.
    pub(super) fn at_start(&mut self, lane: usize) {
        let (schedule, z0) = (self.schedule, self.problem.z0);
        for &j in schedule.order(lane) {
            if (self.time(lane, j) - schedule.t0[lane]).abs() > 0.0 {
                break;
            }
            self.write(lane, j, |i| z0[i]);
            self.written[lane] += 1;
        }
    }

    /// Number of lanes whose accepted step has an output inside, to be read from dense output.
    fn lanes_inside(&self, stepper: &Stepper) -> usize {
        let inside = |lane: usize| {
            let next = self.schedule.order(lane).get(self.written[lane]).map(|&j| self.time(lane, j));
            next.is_some_and(|t| {
                t.total_cmp(&self.schedule.t_end[lane]).is_ne()
                    && self.schedule.fraction(lane, t) <= stepper.clock(lane).s
            })
        };
        (0..self.schedule.lanes).filter(|&lane| stepper.accepted[lane] && inside(lane)).count()
    }

    /// Outputs within the accepted step, which ends at the fraction `s`.
    fn in_step(&mut self, lane: usize, s: f64, kernel: &Kernel<R>, extra: &Extra<R>) {
        let schedule = self.schedule;
        for &j in &schedule.order(lane)[self.written[lane]..] {
            let t = self.time(lane, j);
            let fraction = schedule.fraction(lane, t);
            if fraction > s {
                break;
            }
            if t.total_cmp(&schedule.t_end[lane]).is_eq() {
                self.write(lane, j, |i| kernel.z_new[i]);
            } else {
                let theta = (t - kernel.t[lane]) / kernel.h[lane];
                self.interpolate(lane, j, theta, kernel, extra);
            }
            self.written[lane] += 1;
        }
    }

    /// The same for all lanes at once, where they are alike.
    fn in_shared_step(&mut self, accepted: &[bool], s: f64, kernel: &Kernel<R>) {
        let Some(host) = accepted.iter().position(|accepted| *accepted) else { return };
        let (schedule, n) = (self.schedule, kernel.n());
        let first = self.written[host];
        let mut written = first;
        for &j in &schedule.order(host)[first..] {
            let t = self.time(host, j);
            if schedule.fraction(host, t) > s {
                break;
            }
            let values = &mut self.values[j * n..(j + 1) * n];
            if t.total_cmp(&schedule.t_end[host]).is_eq() {
                values.copy_from_slice(&kernel.z_new);
            } else {
                let theta = (t - kernel.t[host]) / kernel.h[host];
                let h = |i: usize| kernel.h_wide()[i];
                if !kernel.weights.interpolate_few(theta, &kernel.z, h, kernel.ks.split_at(n), values) {
                    self.weights.clear();
                    let weights = kernel.weights.at(theta).enumerate().filter(|(_, w)| *w != 0.0);
                    self.weights.extend(weights.map(|(i, w)| (i, R::from_f64(w))));
                    combine(values, &kernel.z, kernel.h_wide(), &kernel.ks, &self.weights);
                }
            }
            written += 1;
        }
        for (count, accepted) in self.written.iter_mut().zip(accepted) {
            *count = if *accepted { written } else { *count };
        }
    }

    /// Fraction of the span at which the next output of the first lane lies; infinite behind the last.
    fn next(&self) -> f64 {
        let next = self.schedule.order(0).get(self.written[0]);
        next.map_or(f64::INFINITY, |&j| self.schedule.fraction(0, self.time(0, j)))
    }

    fn interpolate(&mut self, lane: usize, j: usize, theta: f64, kernel: &Kernel<R>, extra: &Extra<R>) {
        let (n, lanes, h) = (kernel.n(), self.schedule.lanes, R::from_f64(kernel.h[lane]));
        let values = &mut self.values[j * n..(j + 1) * n];
        let rows = || (lane..n).step_by(lanes);
        rows().for_each(|i| values[i] = R::ZERO);
        let own = kernel.ks.chunks_exact(n.max(1)).zip(kernel.weights.at(theta));
        let stages = kernel.tableau.stages();
        let more =
            extra.ks.chunks_exact(n.max(1)).zip((stages..).map(|stage| kernel.tableau.dense_weight(stage, theta)));
        for (k, weight) in own.chain(more) {
            let weight = R::from_f64(weight);
            rows().for_each(|i| values[i] += weight * k[i]);
        }
        rows().for_each(|i| values[i] = kernel.z[i] + h * values[i]);
    }

    /// NaN at the outputs that were not reached, and 0 in padding.
    pub(super) fn mark_missing(&mut self, active: &[bool]) {
        if self.schedule.alike {
            for row in self.values.chunks_exact_mut(self.schedule.lanes) {
                for (value, _) in row.iter_mut().zip(active).filter(|(_, active)| !**active) {
                    *value = R::ZERO;
                }
            }
        }
        for lane in (0..self.schedule.lanes).filter(|&lane| active[lane]) {
            for &j in &self.schedule.order(lane)[self.written[lane]..] {
                self.write(lane, j, |_| R::NAN);
            }
        }
    }
}
