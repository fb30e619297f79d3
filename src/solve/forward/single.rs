//! The loop for one sample whose whole steps are one call each: what [`super::solve`] does, without loops over lanes.
//! Of a small system they would take most of the time.

use super::Outputs;
use crate::solve::failure::FailureKind;
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
    mut tape: Option<&mut Tape<R>>,
) {
    let (schedule, options) = (outputs.schedule, stepper.options);
    let (span, fixed, size) =
        (schedule.span[0], options.fixed_step.is_some(), options.measured(kernel.n()).max(1) as f64);
    let (tolerances, order) = (tolerances(options), stepper.order());
    let mut attempts = 0;
    let mut next = outputs.next();
    while stepper.running[0] {
        let clock = stepper.only_clock();
        clock.propose(fixed);
        let (s, s_next) = (clock.s, clock.s_next);
        (kernel.t[0], kernel.t_next[0]) = (schedule.at(0, s), schedule.at(0, s_next));
        kernel.h[0] = (s_next - s) * span;
        let shortest = options.min_step.max(16.0 * f64::EPSILON * kernel.t[0].abs());
        let short = !fixed && s_next < 1.0 && kernel.h[0].abs() <= shortest;
        if short || clock.attempts >= options.max_steps || s_next <= s {
            stepper.limits(kernel);
            break;
        }
        let error = (kernel.step_alone(sys, tolerances) / size).sqrt();
        attempts += 1;
        if stepper.only_clock().judge(error, order, options) {
            stepper.stats.accepted[0] += 1;
            if next <= s_next {
                outputs.in_shared_step(&[true], s_next, kernel);
                next = outputs.next();
            }
            if let Some(tape) = &mut tape {
                tape.push_alone(s_next, &kernel.z_new, &kernel.ks);
            }
            stepper.running[0] = s_next < 1.0;
            kernel.advance_all();
        } else {
            stepper.stats.rejected[0] += 1;
            if fixed {
                let component = kernel.worst_component(0);
                stepper.fail(0, FailureKind::NotFinite, kernel.t[0], component);
            }
        }
    }
    let calls = attempts * (kernel.tableau.stages() - 1);
    stepper.stats.rhs_calls += calls;
    stepper.stats.rhs_evaluations += calls;
}
