//! Problem of one sample → states at the output times (and the tape of accepted steps).

use super::linear::Structure;
use super::scheme::Scheme;
use super::step::Step;
use super::switch::Switch;
use super::taken::TakenStep;
use super::{Implicit, single};
use crate::solve::checkpoint::Plan;
use crate::solve::control::{Clock, first_step, trial_step};
use crate::solve::failure::{Failure, FailureKind};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{Problem, Solution, Stats, System};
use crate::solve::tape::{Tape, room};

/// Integrates one sample; as [`crate::solve::solve`].
pub(in crate::solve) fn solve<R: Real, S: System<R>>(
    method: Implicit,
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    mut tape: Option<&mut Tape<R>>,
) -> Solution<R> {
    let structure = single(sys);
    let dim = structure.dim;
    let mut schedule = Schedule::new(problem, options, dim, 1);
    let failure = schedule.failures[0].take();
    if let Some(tape) = &mut tape {
        tape.reset(problem.z0, (1, 1), true);
        tape.limit = Plan::implicit::<R>(method, options, dim).map(|plan| plan.outer);
    }
    let mut run = Run::new(method, problem, options, &schedule, &structure);
    run.failure = failure;
    run.values = vec![R::ZERO; problem.times * dim];
    if problem.active[0] {
        if run.failure.is_none() {
            run.at_start();
            run.all(sys, tape.as_deref_mut());
        }
        for &j in &schedule.order(0)[run.written..] {
            run.values[j * dim..(j + 1) * dim].fill(R::NAN);
        }
    }
    if let Some(tape) = tape {
        tape.failures[0].clone_from(&run.failure);
    }
    Solution { values: run.values, failures: vec![run.failure], stats: run.stats, stretches: Vec::new() }
}

/// One sample on its way.
pub(in crate::solve) struct Run<'a, R> {
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    schedule: &'a Schedule,
    pub(super) step: Step<R>,
    pub(in crate::solve) clock: Clock,
    pub(super) switch: Switch,
    pub(super) schemes: Vec<Scheme<R>>,
    pub(in crate::solve) stats: Stats,
    pub(in crate::solve) failure: Option<Failure>,
    /// Error of dense output, `[D]`.
    between: Vec<R>,
    /// `[T][D]`; empty: outputs are not written.
    values: Vec<R>,
    /// Outputs written, in the order from t0 outwards.
    pub(super) written: usize,
}

impl<'a, R: Real> Run<'a, R> {
    /// At its beginning, without outputs.
    pub(in crate::solve) fn new(
        method: Implicit,
        problem: &'a Problem<'a, R>,
        options: &'a Options,
        schedule: &'a Schedule,
        structure: &Structure,
    ) -> Self {
        let (schemes, dim) = (Scheme::of(method, structure), structure.dim);
        let stages = schemes.iter().map(Scheme::stages).max().unwrap_or(0);
        Self {
            problem,
            options,
            schedule,
            step: Step::new(dim, stages),
            clock: Clock::new(),
            switch: Switch::new(schemes.len()),
            schemes,
            stats: Stats::new(1),
            failure: None,
            between: vec![R::ZERO; dim],
            values: Vec::new(),
            written: 0,
        }
    }
}

impl<R: Real> Run<'_, R> {
    fn all<S: System<R>>(&mut self, sys: &mut S, mut tape: Option<&mut Tape<R>>) {
        if self.schedule.span[0] == 0.0 {
            return;
        }
        self.begin(sys);
        if let Some(tape) = tape.as_mut().filter(|tape| tape.limit.is_some()) {
            tape.lanes[0].saved.push(self.save());
        }
        while self.failure.is_none() && self.clock.s < 1.0 {
            if self.tried(sys) {
                self.accept(tape.as_deref_mut());
            }
        }
    }

    /// Goes to the start and chooses the length of the first step.
    pub(in crate::solve) fn begin<S: System<R>>(&mut self, sys: &mut S) {
        self.step.z.copy_from_slice(self.problem.z0);
        self.step.t = self.schedule.t0[0];
        self.first_step(sys);
    }

    /// Tries the next step; whether it is accepted.
    pub(in crate::solve) fn tried<S: System<R>>(&mut self, sys: &mut S) -> bool {
        self.clock.propose(self.options.fixed_step.is_some());
        self.step.t = self.schedule.at(0, self.clock.s);
        self.step.t_next = self.schedule.at(0, self.clock.s_next);
        self.step.h = (self.clock.s_next - self.clock.s) * self.schedule.span[0];
        self.limits();
        self.failure.is_none() && self.attempt(sys)
    }

    fn fail(&mut self, kind: FailureKind, component: Option<usize>) {
        self.failure = Some(Failure { kind, t: self.step.t, component });
    }

    /// Chooses the length of the first step (as the explicit methods do).
    fn first_step<S: System<R>>(&mut self, sys: &mut S) {
        let span = self.schedule.span[0];
        let (dim, step) = (self.step.dim, &mut self.step);
        sys.rhs(&[step.t], &step.z, &mut step.ks[..dim]);
        self.stats.rhs_calls += 1;
        self.stats.rhs_evaluations += 1;
        step.first_known = true;
        if let Some(component) = (0..dim).find(|&d| !step.z[d].is_finite() || !step.ks[d].is_finite()) {
            self.fail(FailureKind::NotFinite, Some(component));
            return;
        }
        if let Some(length) = self.options.first_step(0) {
            self.clock.ds = length / span.abs();
            return;
        }
        let options = self.options;
        let norm = |value: &dyn Fn(usize) -> f64, z: &[R]| {
            let scale = |d: usize| options.tolerance(d).scale(z[d].to_f64().abs());
            let sum: f64 = (0..dim).map(|d| (value(d) / scale(d)).powi(2)).sum();
            (sum / options.measured(dim).max(1) as f64).sqrt()
        };
        let (d0, d1) = (norm(&|d| step.z[d].to_f64(), &step.z), norm(&|d| step.ks[d].to_f64(), &step.z));
        let trial = trial_step(d0, d1).min(span.abs());
        let h = trial.copysign(span);
        for d in 0..dim {
            step.z_new[d] = step.z[d] + R::from_f64(h) * step.ks[d];
        }
        sys.rhs(&[step.t + h], &step.z_new, &mut step.error);
        self.stats.rhs_calls += 1;
        self.stats.rhs_evaluations += 1;
        let d2 = norm(&|d| (step.error[d] - step.ks[d]).to_f64(), &step.z) / trial;
        let length = first_step(trial, d1, d2, self.schemes[0].order());
        self.clock.ds = length / span.abs();
    }

    /// Fails where the proposed step may not be taken.
    fn limits(&mut self) {
        let shortest = self.options.min_step.max(16.0 * f64::EPSILON * self.step.t.abs());
        let adaptive = self.options.fixed_step.is_none();
        let short = adaptive && self.clock.s_next < 1.0 && self.step.h.abs() <= shortest;
        if self.clock.attempts >= self.options.max_steps {
            self.fail(FailureKind::MaxSteps, self.step.worst_component());
        } else if short || self.clock.s_next <= self.clock.s {
            let kind = if self.clock.not_finite { FailureKind::NotFinite } else { FailureKind::StepUnderflow };
            self.fail(kind, self.step.worst_component());
        }
    }

    fn attempt<S: System<R>>(&mut self, sys: &mut S) -> bool {
        let scheme = &mut self.schemes[self.switch.current()];
        let solved = scheme.attempt(sys, &mut self.step, self.options, &mut self.stats);
        let order = scheme.order();
        let error = match (solved, self.options.fixed_step) {
            (true, None) if self.options.read_between || self.output_inside() => self.error_with_outputs(),
            (true, _) => self.step.norm(&self.step.error, self.options),
            // An error for which the controller halves the step.
            (false, None) => (2.0 * self.options.controller.safety).powf(order),
            (false, Some(_)) => f64::NAN,
        };
        let good = self.clock.judge(error, order, self.options);
        if good {
            self.stats.accepted[0] += 1;
        } else {
            self.stats.rejected[0] += 1;
            if self.options.fixed_step.is_some() {
                self.fail(FailureKind::NotFinite, self.step.worst_component());
            }
        }
        good
    }

    /// Whether an output lies within the attempt and not at its end.
    fn output_inside(&self) -> bool {
        let next = self.schedule.order(0).get(self.written).map(|&j| self.schedule.fraction(0, self.problem.ts[j]));
        next.is_some_and(|s| s < self.clock.s_next)
    }

    /// The larger one of the step's error and of that of dense output.
    fn error_with_outputs(&mut self) -> f64 {
        let error = self.step.norm(&self.step.error, self.options);
        let scheme = &self.schemes[self.switch.current()];
        if error <= 1.0 && scheme.dense_error(&self.step, &mut self.between) {
            let between = self.step.norm(&self.between, self.options);
            return if between > error { between } else { error };
        }
        error
    }

    /// A step that was accepted, before it is taken.
    pub(in crate::solve) fn taken(&self) -> TakenStep<'_, R> {
        TakenStep { step: &self.step, current: self.switch.current(), scheme: &self.schemes[self.switch.current()] }
    }

    /// Takes an accepted step, and adds it to a tape.
    pub(in crate::solve) fn accept(&mut self, mut tape: Option<&mut Tape<R>>) {
        let (current, dim) = (self.switch.current(), self.step.dim);
        let stages = self.schemes[current].stages();
        let order = self.schemes[current].variable_order();
        self.outputs(current);
        if let Some(tape) = &mut tape {
            tape.push_single(self.clock.s, (current, order), &self.step.z_new, &self.step.ks[..stages * dim]);
        }
        self.switch.observe(&self.schemes[current], &self.step, self.options);
        if let Some(factor) = self.schemes[current].accepted(&mut self.step, self.options)
            && self.options.fixed_step.is_none()
        {
            self.clock.ds = factor * (self.step.h / self.schedule.span[0]);
        }
        self.step.first_known &= self.switch.current() == current;
        std::mem::swap(&mut self.step.z, &mut self.step.z_new);
        if let Some((tape, limit)) = tape.and_then(|tape| tape.limit.map(|limit| (tape, limit))) {
            let lane = &mut tape.lanes[0];
            if lane.makes_room(limit, lane.saved.len()) {
                room(&mut lane.saved, 1, limit);
                lane.saved.push(self.save());
            }
        }
    }

    /// Outputs at the start.
    pub(in crate::solve) fn at_start(&mut self) {
        let dim = self.step.dim;
        for &j in self.schedule.order(0) {
            if (self.problem.ts[j] - self.schedule.t0[0]).abs() > 0.0 {
                break;
            }
            if !self.values.is_empty() {
                self.values[j * dim..(j + 1) * dim].copy_from_slice(self.problem.z0);
            }
            self.written += 1;
        }
    }

    /// Outputs within the accepted step.
    fn outputs(&mut self, current: usize) {
        let (dim, step, schedule) = (self.step.dim, &self.step, self.schedule);
        for &j in &schedule.order(0)[self.written..] {
            let t = self.problem.ts[j];
            if schedule.fraction(0, t) > self.clock.s {
                break;
            }
            self.written += 1;
            if self.values.is_empty() {
                continue;
            }
            let taken = TakenStep { step, current, scheme: &self.schemes[current] };
            let theta = if t.total_cmp(&schedule.t_end[0]).is_eq() { 1.0 } else { (t - step.t) / step.h };
            taken.interpolate(theta, &mut self.values[j * dim..(j + 1) * dim]);
        }
    }
}
