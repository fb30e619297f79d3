//! The loop for one sample whose whole steps are reversed by one call each: what [`super::discrete`] does, without loops
//! over lanes. Of a small system they would take most of the time.

use super::Reverse;
use crate::solve::alone::TakenStep;
use crate::solve::real::Real;
use crate::solve::system::AdjointSystem;

impl<R: Real> Reverse<'_, R> {
    /// Reverses all steps. The tape has their stages.
    pub(super) fn run_alone<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let (n, stages) = (self.kernel.n(), self.kernel.tableau.stages());
        let (steps, tape) = (self.steps[0], &self.tape.lanes[0]);
        let (last, span) = ((stages - 1) * n, self.schedule.span[0]);
        self.last_slope(sys);
        self.end_output(0);
        let final_ks = std::mem::take(&mut self.kernel.ks);
        let buffers = sys.alone_in_reverse();
        buffers.z_new_bar.copy_from_slice(&self.mu[last..]);
        buffers.carry.fill(R::ZERO);
        let mut clean = false;
        let mut next = self.next_output();
        for step in (0..steps).rev() {
            let (s, s_next) = (tape.s[step], tape.s[step + 1]);
            let (t, t_next) = (self.schedule.at(0, s), self.schedule.at(0, s_next));
            let h = (s_next - s) * span;
            let ks = if step + 1 == steps { &final_ks } else { &tape.k[step * last..][..stages * n] };
            if !clean || step == 0 || next > s {
                let buffers = sys.alone_in_reverse();
                buffers.dense.fill(R::ZERO);
                buffers.z_bar.fill(R::ZERO);
                (self.t_n_bar[0], self.h_bar[0]) = (0.0, 0.0);
                clean = true;
                while step == 0 || next > s {
                    let Some(j) = self.take_output() else { break };
                    next = self.next_output();
                    if j != self.schedule.owner[0] {
                        self.output_alone(j, (t, h), ks, buffers.dense, buffers.z_bar);
                        clean = false;
                    }
                }
            }
            let (z, z_new) = tape.z[step * n..][..2 * n].split_at(n);
            sys.reverse_alone(&TakenStep {
                t,
                t_next,
                h: R::from_f64(h),
                z,
                z_new,
                ks,
                kept: self.tape.kept_step(step),
            });
            let buffers = sys.alone_in_reverse();
            buffers.z_new_bar.copy_from_slice(buffers.total);
            buffers.carry.copy_from_slice(buffers.first_bar);
            if self.times {
                let bars = (buffers.t_bar[0].to_f64(), buffers.h_bar[0].to_f64());
                self.give_times(s, s_next - s, bars);
            }
        }
        let buffers = sys.alone_in_reverse();
        self.mu[last..].copy_from_slice(buffers.z_new_bar);
        self.first.copy_from_slice(buffers.carry);
        sys.end_reverse();
        self.kernel.ks = final_ks;
        self.cotangents.stats.accepted[0] += steps;
        self.cotangents.stats.vjp_calls += steps * (stages - 1);
    }

    /// The last stage of the last step; that of the others is the first one of the step after.
    fn last_slope<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let (n, steps, tape) = (self.kernel.n(), self.steps[0], &self.tape.lanes[0]);
        let last = (self.kernel.tableau.stages() - 1) * n;
        self.kernel.ks[..last].copy_from_slice(&tape.k[(steps - 1) * last..steps * last]);
        let t_end = [self.schedule.at(0, 1.0)];
        sys.rhs(&t_end, &tape.z[steps * n..][..n], &mut self.kernel.ks[last..]);
        self.step[0] = Some(steps - 1);
        self.count_rhs(1);
    }

    /// The fraction of the span at which the next output lies, going backwards; negative where there is none.
    fn next_output(&self) -> f64 {
        let next = self.remaining[0].checked_sub(1).map(|k| self.problem.ts[self.schedule.order(0)[k]]);
        next.map_or(-1.0, |t| self.schedule.fraction(0, t))
    }

    fn take_output(&mut self) -> Option<usize> {
        self.remaining[0] = self.remaining[0].checked_sub(1)?;
        Some(self.schedule.order(0)[self.remaining[0]])
    }

    /// Adds the cotangent of output `j` to those of the stages `dense` and of the state `z_bar` of its step.
    fn output_alone(&mut self, j: usize, (t, h): (f64, f64), ks: &[R], dense: &mut [R], z_bar: &mut [R]) {
        let (n, tableau) = (z_bar.len(), self.kernel.tableau);
        let theta = (self.problem.ts[j] - t) / h;
        let bar = &self.values_bar[j * n..][..n];
        for (weight, dense) in self.kernel.weights.at(theta).zip(dense.chunks_exact_mut(n.max(1))) {
            let weight = R::from_f64(h * weight);
            dense.iter_mut().zip(bar).for_each(|(dense, bar)| *dense += weight * *bar);
        }
        z_bar.iter_mut().zip(bar).for_each(|(z_bar, bar)| *z_bar += *bar);
        if !self.times {
            return;
        }
        let mut slope = 0.0;
        for (stage, k) in ks.chunks_exact(n.max(1)).enumerate() {
            let product: f64 = bar.iter().zip(k).map(|(bar, k)| (*bar * *k).to_f64()).sum();
            slope += tableau.dense_slope(stage, theta) * product;
        }
        self.cotangents.ts[j] += slope;
        self.t_n_bar[0] -= slope;
        self.h_bar[0] -= theta * slope;
    }

    /// The times of a step move with t0 and with the end of the span.
    fn give_times(&mut self, s: f64, ds: f64, (t_bar, h_bar): (f64, f64)) {
        let (t_n, h) = (self.t_n_bar[0] + t_bar, self.h_bar[0] + h_bar);
        self.cotangents.t0[0] += t_n * (1.0 - s) - h * ds;
        self.t_end_bar[0] += t_n * s + h * ds;
    }
}
