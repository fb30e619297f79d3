//! The loop for one sample whose whole steps are reversed by one call each: what [`super::discrete`] does, without loops
//! over lanes. Of a small system they would take most of the time.

use super::Reverse;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, ReverseStep};

impl<R: Real> Reverse<'_, R> {
    /// Reverses all steps. The tape has their stages.
    pub(super) fn run_alone<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let (n, stages) = (self.kernel.n(), self.kernel.tableau.stages());
        let (steps, tape) = (self.steps[0], &self.tape.lanes[0]);
        let (last, span) = ((stages - 1) * n, self.schedule.span[0]);
        let end = steps * n;
        // The last stage of the last step; that of the others is the first one of the step after.
        self.kernel.ks[..last].copy_from_slice(&tape.k[(steps - 1) * last..steps * last]);
        let t_end = [self.schedule.at(0, 1.0)];
        sys.rhs(&t_end, &tape.z[end..end + n], &mut self.kernel.ks[last..]);
        self.step[0] = Some(steps - 1);
        self.count_rhs(1);
        let final_ks = self.kernel.ks.clone();
        let mut clean = false;
        for step in (0..steps).rev() {
            let (s, s_next) = (tape.s[step], tape.s[step + 1]);
            let (t, t_next) = (self.schedule.at(0, s), self.schedule.at(0, s_next));
            let h = (s_next - s) * span;
            let ks = if step + 1 == steps { &final_ks } else { &tape.k[step * last..][..stages * n] };
            (self.kernel.t[0], self.kernel.h[0], self.step[0]) = (t, h, Some(step));
            if self.has_outputs(step, steps) || !clean {
                clean = !self.has_outputs(step, steps);
                if self.times {
                    self.kernel.ks.copy_from_slice(ks);
                }
                self.outputs(steps - 1 - step);
            }
            sys.reverse_step(&mut ReverseStep {
                t: &[t],
                t_next: &[t_next],
                h: &[R::from_f64(h)],
                z: &tape.z[step * n..][..n],
                z_new: &tape.z[(step + 1) * n..][..n],
                ks,
                dense: &self.dense,
                carry: &self.carry,
                z_new_bar: &self.mu[last..],
                z_bar: &self.z_bar,
                total: &mut self.total,
                first_bar: &mut self.w,
                t_bar: &mut self.t_bar,
                h_bar: &mut self.length_bar,
            });
            self.mu[last..].copy_from_slice(&self.total);
            std::mem::swap(&mut self.carry, &mut self.w);
            if self.times {
                self.give_times(s, s_next - s);
            }
        }
        self.first.copy_from_slice(&self.carry);
        self.cotangents.stats.accepted[0] += steps;
        self.cotangents.stats.vjp_calls += steps * (stages - 1);
    }

    /// Whether outputs lie in the step, or at its end where that is the end of all.
    fn has_outputs(&self, step: usize, steps: usize) -> bool {
        let Some(k) = self.remaining[0].checked_sub(1) else { return false };
        let t = self.problem.ts[self.schedule.order(0)[k]];
        step == 0 || step + 1 == steps || self.schedule.fraction(0, t) > self.tape.lanes[0].s[step]
    }

    /// The times of a step move with t0 and with the end of the span.
    fn give_times(&mut self, s: f64, ds: f64) {
        let t_n = self.t_n_bar[0] + self.t_bar[0].to_f64();
        let h = self.h_bar[0] + self.length_bar[0].to_f64();
        self.cotangents.t0[0] += t_n * (1.0 - s) - h * ds;
        self.t_end_bar[0] += t_n * s + h * ds;
    }
}
