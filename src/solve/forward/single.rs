//! The loop for one sample whose whole steps are one call each: what [`super::solve`] does, without loops over lanes.
//! Of a small system they would take most of the time.

use super::Outputs;
use crate::solve::alone::StepAlone;
use crate::solve::dense::Weights;
use crate::solve::failure::FailureKind;
use crate::solve::kept::Kept;
use crate::solve::kernel::{Kernel, tolerances};
use crate::solve::real::Real;
use crate::solve::stepper::Stepper;
use crate::solve::system::System;
use crate::solve::tape::Tape;

/// Steps to the end, or to a failure.
pub(super) fn run<R: Real, S: System<R>>(
    sys: &mut S,
    kernel: &mut Kernel<R>,
    stepper: &mut Stepper,
    outputs: &mut Outputs<R>,
    (mut tape, kept): (Option<&mut Tape<R>>, &mut Kept<R>),
) {
    let (schedule, options) = (outputs.schedule, stepper.options);
    let (span, fixed) = (schedule.span[0], options.fixed_step.is_some());
    let share = 1.0 / options.measured(kernel.n()).max(1) as f64;
    let order = stepper.order();
    let (mut accepted, mut attempts) = (0, 0);
    let mut next = outputs.next();
    enter(sys, kernel, tolerances(options));
    while stepper.running[0] {
        let clock = stepper.only_clock();
        clock.propose(fixed);
        let (s, s_next) = (clock.s, clock.s_next);
        let (t, t_next, h) = (schedule.at(0, s), schedule.at(0, s_next), (s_next - s) * span);
        let shortest = options.min_step.max(16.0 * f64::EPSILON * t.abs());
        let short = !fixed && s_next < 1.0 && h.abs() <= shortest;
        if short || clock.attempts >= options.max_steps || s_next <= s {
            leave(sys, kernel, (t, t_next, h));
            stepper.limits(kernel);
            break;
        }
        sys.step_alone(t, t_next, R::from_f64(h));
        attempts += 1;
        let mut step = sys.alone();
        if clock.judge_square(step.error[0].to_f64() * share, order, options) {
            accepted += 1;
            if next <= s_next {
                outputs.in_step_alone(s_next, (t, h), &step, &kernel.weights);
                next = outputs.next();
            }
            if let Some(tape) = &mut tape {
                tape.push_alone(s_next, step.z_new, step.first, step.later);
                keep(kept, step.kept);
            }
            step.advance();
            stepper.running[0] = s_next < 1.0;
        } else if fixed {
            leave(sys, kernel, (t, t_next, h));
            stepper.fail(0, FailureKind::NotFinite, t, kernel.worst_component(0));
        }
    }
    let calls = attempts * (kernel.tableau.stages() - 1);
    stepper.stats.accepted[0] += accepted;
    stepper.stats.rejected[0] += attempts - accepted;
    stepper.stats.rhs_calls += calls;
    stepper.stats.rhs_evaluations += calls;
}

/// Keeps what the stages of an accepted step left, where anything is kept.
fn keep<R: Real>(kept: &mut Kept<R>, left: &[R]) {
    let room = kept.attempt();
    if !room.is_empty() {
        room.copy_from_slice(left);
        kept.accept(&[true]);
    }
}

/// Hands the state over to the buffers of whole steps.
fn enter<R: Real, S: System<R>>(sys: &mut S, kernel: &Kernel<R>, tolerances: [R; 2]) {
    let step = sys.alone();
    step.z.copy_from_slice(&kernel.z);
    step.first.copy_from_slice(&kernel.ks[..kernel.n()]);
    step.tolerances.copy_from_slice(&tolerances);
}

/// Hands the attempt back, for what is said of a failure.
fn leave<R: Real, S: System<R>>(sys: &mut S, kernel: &mut Kernel<R>, (t, t_next, h): (f64, f64, f64)) {
    let n = kernel.n();
    let step = sys.alone();
    kernel.z.copy_from_slice(step.z);
    kernel.z_new.copy_from_slice(step.z_new);
    kernel.ks[..n].copy_from_slice(step.first);
    kernel.ks[n..].copy_from_slice(step.later);
    (kernel.t[0], kernel.t_next[0], kernel.h[0]) = (t, t_next, h);
    kernel.widen_steps();
}

impl<R: Real> Outputs<'_, R> {
    /// Outputs within the accepted step from `t` of length `h`, which ends at the fraction `s`.
    fn in_step_alone(&mut self, s: f64, (t, h): (f64, f64), step: &StepAlone<R>, weights: &Weights) {
        let (schedule, n) = (self.schedule, self.dim);
        for &j in &schedule.order(0)[self.written[0]..] {
            let at = self.time(0, j);
            if schedule.fraction(0, at) > s {
                break;
            }
            let values = &mut self.values[j * n..(j + 1) * n];
            if at.total_cmp(&schedule.t_end[0]).is_eq() {
                values.copy_from_slice(step.z_new);
            } else {
                step.interpolate(weights, (at - t) / h, values);
            }
            self.written[0] += 1;
        }
    }
}
