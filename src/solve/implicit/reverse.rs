//! Tape of accepted steps, cotangents of the outputs → cotangents of everything the outputs depend on.
//!
//! The map that is differentiated is that of [`crate::solve::discrete`]: step positions are frozen as fractions of the
//! span. The stages of an ESDIRK step are differentiated as what they solve (implicit function theorem), so the result
//! is exact up to the error that Newton's method left; a Rosenbrock step is exact up to rounding.

use super::forward::Run;
use super::linear::Structure;
use super::replay::Replay;
use super::scheme::Scheme;
use super::step::Step;
use super::{Implicit, single};
use crate::solve::checkpoint::{Descent, Plan, replay::window};
use crate::solve::failure::{Failure, FailureKind};
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{AdjointSystem, Cotangents, Problem, Stats};
use crate::solve::tape::Tape;

/// Cotangents while a step is reversed.
#[derive(Debug)]
pub(super) struct Bars<R> {
    /// Of the stages, `[S][D]`.
    pub(super) ks: Vec<R>,
    /// Of the state at the start of the step, `[D]`.
    pub(super) z: Vec<R>,
    /// Of the state at its end, `[D]`.
    pub(super) z_new: Vec<R>,
    /// Of its start and of its length.
    pub(super) t: f64,
    pub(super) h: f64,
    /// Of the time of the last evaluation, `[1]`.
    pub(super) t_part: Vec<R>,
}

impl<R: Real> Bars<R> {
    fn new(dim: usize, stages: usize) -> Self {
        let zeros = || vec![R::ZERO; dim];
        Self { ks: vec![R::ZERO; dim * stages], z: zeros(), z_new: zeros(), t: 0.0, h: 0.0, t_part: vec![R::ZERO] }
    }

    /// Takes `t_part` as that of the time tₙ + c h.
    pub(super) fn stage_time(&mut self, c: f64) {
        let t = self.t_part[0].to_f64();
        self.t += t;
        self.h += c * t;
    }
}

/// Reverses the accepted steps of a solve with an implicit method; as [`crate::solve::discrete`].
pub(in crate::solve) fn discrete<R: Real, S: AdjointSystem<R>>(
    method: Implicit,
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let structure = single(sys);
    let dim = structure.dim;
    assert_eq!(values_bar.len(), problem.times * dim, "values_bar is [T][D][L]");
    let schedule = Schedule::new(problem, options, dim, 1);
    let mut failures = tape.failures.clone();
    schedule.check_cotangents(values_bar, problem.active, &mut failures);
    let cotangents = Cotangents {
        z0: vec![R::ZERO; dim],
        t0: vec![0.0],
        ts: vec![0.0; problem.times],
        stats: Stats::new(1),
        drift: None,
        failures,
    };
    let mut schemes = Scheme::of(method, &structure);
    let stages = schemes.iter().map(Scheme::stages).max().unwrap_or(0);
    let mut reverse = Reverse {
        problem,
        tape,
        replay: None,
        values_bar,
        schedule: &schedule,
        step: Step::new(dim, stages),
        bars: Bars::new(dim, stages),
        remaining: problem.times,
        t_end_bar: 0.0,
        cotangents,
    };
    if problem.active[0] && reverse.cotangents.failures[0].is_none() {
        if tape.steps(0) == 0 {
            reverse.no_step(sys);
        } else {
            reverse.replay = replay(method, problem, options, tape, &schedule, &structure);
            reverse.run(sys, &mut schemes);
            if let Some(replay) = &reverse.replay {
                let (stats, more) = (&mut reverse.cotangents.stats, &replay.player.run.stats);
                stats.rhs_calls += more.rhs_calls;
                stats.rhs_evaluations += more.rhs_evaluations;
                stats.jacobian_calls += more.jacobian_calls;
            }
        }
        reverse.judge();
    }
    reverse.cotangents
}

/// What brings back the steps that a tape with a limit does not keep.
fn replay<'a, R: Real>(
    method: Implicit,
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    tape: &'a Tape<R>,
    schedule: &'a Schedule,
    structure: &Structure,
) -> Option<Descent<R, Replay<'a, R>>> {
    let dim = structure.dim;
    let plan = Plan::implicit::<R>(method, options, dim).filter(|_| tape.limit.is_some())?;
    let (steps, run) = (tape.steps(0), Run::new(method, problem, options, schedule, structure));
    let window = window(tape.view(), plan.window.min(steps), dim, method.stages());
    Some(Descent::new(Replay::new(run, tape), plan, steps, tape.view().stride(), window))
}

struct Reverse<'a, R: Real> {
    problem: &'a Problem<'a, R>,
    tape: &'a Tape<R>,
    /// Where the tape has a limit: what brings back the steps that it does not keep.
    replay: Option<Descent<R, Replay<'a, R>>>,
    values_bar: &'a [R],
    schedule: &'a Schedule,
    step: Step<R>,
    bars: Bars<R>,
    /// Outputs not yet reached going backwards.
    remaining: usize,
    t_end_bar: f64,
    cotangents: Cotangents<R>,
}

impl<R: Real> Reverse<'_, R> {
    fn run<S: AdjointSystem<R>>(&mut self, sys: &mut S, schemes: &mut [Scheme<R>]) {
        let (dim, lane) = (self.step.dim, &self.tape.lanes[0]);
        let steps = lane.steps();
        // Where the stages of a step end in the list of those that are kept.
        let mut end = lane.k.len();
        let mut carry = vec![R::ZERO; dim];
        let owner = self.schedule.owner[0];
        self.bars.z_new.copy_from_slice(&self.values_bar[owner * dim..(owner + 1) * dim]);
        for n in (0..steps).rev() {
            let kind = lane.scheme[n];
            let scheme = &mut schemes[usize::from(kind)];
            scheme.resume(usize::from(lane.order[n]));
            let size = scheme.stages() * dim;
            if let Some(replay) = &mut self.replay
                && replay.reach(sys, steps - 1 - n)
            {
                end = replay.window.lanes[0].k.len();
            }
            end -= size;
            self.load(n, end..end + size);
            self.bars.ks.fill(R::ZERO);
            self.bars.z.fill(R::ZERO);
            (self.bars.t, self.bars.h) = (0.0, 0.0);
            self.outputs(n, scheme);
            if scheme.shares_first() {
                for (k, carry) in self.bars.ks[size - dim..size].iter_mut().zip(&carry) {
                    *k += *carry;
                }
            }
            let before = n.checked_sub(1).map(|n| (lane.s[n + 1] - lane.s[n]) * self.schedule.span[0]);
            scheme.reverse(sys, &self.step, before, &mut self.bars, &mut self.cotangents.stats);
            carry.fill(R::ZERO);
            if scheme.shares_first() {
                if n > 0 && lane.scheme[n - 1] == kind {
                    carry.copy_from_slice(&self.bars.ks[..dim]);
                } else {
                    self.first_stage(sys);
                }
            }
            let (s, next) = (lane.s[n], lane.s[n + 1]);
            self.cotangents.t0[0] += self.bars.t * (1.0 - s) - self.bars.h * (next - s);
            self.t_end_bar += self.bars.t * s + self.bars.h * (next - s);
            self.cotangents.stats.accepted[0] += 1;
            std::mem::swap(&mut self.bars.z, &mut self.bars.z_new);
        }
        self.cotangents.z0.copy_from_slice(&self.bars.z_new);
        self.cotangents.ts[owner] += self.t_end_bar;
    }

    fn load(&mut self, n: usize, stages: std::ops::Range<usize>) {
        let (dim, lane) = (self.step.dim, &self.tape.lanes[0]);
        let kept = self.replay.as_ref().map_or(lane, |replay| &replay.window.lanes[0]);
        let step = &mut self.step;
        step.t = self.schedule.at(0, lane.s[n]);
        step.t_next = self.schedule.at(0, lane.s[n + 1]);
        step.h = (lane.s[n + 1] - lane.s[n]) * self.schedule.span[0];
        let ks = &kept.k[stages];
        let states = &kept.z[(n - kept.first) * dim..][..2 * dim];
        step.z.copy_from_slice(&states[..dim]);
        step.z_new.copy_from_slice(&states[dim..]);
        step.ks[..ks.len()].copy_from_slice(ks);
    }

    /// The first stage where it was evaluated at the start of the step.
    fn first_stage<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let dim = self.step.dim;
        let mut part = vec![R::ZERO; dim];
        let w = &self.bars.ks[..dim];
        if w.iter().all(|w| *w == R::ZERO) {
            return;
        }
        sys.vjp(&[self.step.t], &self.step.z, w, &mut part, &mut self.bars.t_part, true);
        self.cotangents.stats.vjp_calls += 1;
        self.bars.stage_time(0.0);
        self.bars.z.iter_mut().zip(&part).for_each(|(bar, x)| *bar += *x);
    }

    /// Spreads the cotangents of the outputs within step `n` over its stages, its start and its times.
    fn outputs(&mut self, n: usize, scheme: &Scheme<R>) {
        let start = self.tape.lanes[0].s[n];
        while let Some(k) = self.remaining.checked_sub(1) {
            let j = self.schedule.order(0)[k];
            let t = self.problem.ts[j];
            if n > 0 && self.schedule.fraction(0, t) <= start {
                break;
            }
            self.remaining = k;
            if j != self.schedule.owner[0] {
                self.dense_output(j, t, scheme);
            }
        }
    }

    fn dense_output(&mut self, j: usize, t: f64, scheme: &Scheme<R>) {
        let (dim, h) = (self.step.dim, self.step.h);
        let theta = (t - self.step.t) / h;
        let scale = if scheme.stages_are_slopes() { h } else { 1.0 };
        let bar = &self.values_bar[j * dim..(j + 1) * dim];
        let mut slope = 0.0;
        for i in 0..scheme.stages() {
            let (weight, derivative) = scheme.dense(i, theta);
            let mut product = 0.0;
            let wide = R::from_f64(scale * weight);
            for (d, bar) in bar.iter().enumerate() {
                self.bars.ks[i * dim + d] += wide * *bar;
                product += (*bar * self.step.ks[i * dim + d]).to_f64();
            }
            slope += scale * derivative * product / h;
            if scheme.stages_are_slopes() {
                self.bars.h += weight * product;
            }
        }
        self.bars.z.iter_mut().zip(bar).for_each(|(z, bar)| *z += *bar);
        // θ = (t − tₙ)/h.
        self.cotangents.ts[j] += slope;
        self.bars.t -= slope;
        self.bars.h -= theta * slope;
    }

    /// All outputs are z0; to first order, z(t) = z0 + (t − t0) f(t0, z0).
    fn no_step<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let dim = self.step.dim;
        let mut f = vec![R::ZERO; dim];
        sys.rhs(self.problem.t0, self.problem.z0, &mut f);
        self.cotangents.stats.rhs_calls += 1;
        for (j, bar) in self.values_bar.chunks_exact(dim.max(1)).enumerate() {
            let along: f64 = bar.iter().zip(&f).map(|(bar, f)| (*bar * *f).to_f64()).sum();
            self.cotangents.ts[j] += along;
            self.cotangents.t0[0] -= along;
            self.cotangents.z0.iter_mut().zip(bar).for_each(|(z, bar)| *z += *bar);
        }
    }

    /// A cotangent that is not finite is a failure and gives zeros.
    fn judge(&mut self) {
        let found = &mut self.cotangents;
        if let Some(component) = found.z0.iter().position(|z| !z.is_finite()) {
            let t = self.schedule.t0[0];
            found.failures[0] = Some(Failure { kind: FailureKind::NotFinite, t, component: Some(component) });
            found.z0.fill(R::ZERO);
            found.ts.fill(0.0);
            found.t0.fill(0.0);
        }
    }
}
