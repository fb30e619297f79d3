//! Tape → the step of every lane that is reversed next, with its stages and what they left.

use super::Reverse;
use crate::solve::real::Real;
use crate::solve::system::AdjointSystem;

impl<'a, R: Real> Reverse<'a, R> {
    /// What stage `i` of the step left for its pull-back, where the tape keeps that.
    pub(super) fn kept(&self, i: usize) -> Option<&'a [R]> {
        let kept = &self.tape.kept;
        kept.stage(self.block.filter(|_| kept.is_on())?, i)
    }

    /// Chooses the step of every lane: the `back`th from its end or, where what the attempts left is kept, that of the
    /// `back`th attempt from the end.
    pub(super) fn choose(&mut self, attempts: Option<usize>, back: usize) {
        let attempt = attempts.map(|attempts| attempts - 1 - back);
        for lane in 0..self.step.len() {
            let idles = attempt.is_some_and(|attempt| !self.tape.kept.is_step(attempt, lane));
            self.step[lane] = if idles { None } else { self.left[lane].checked_sub(1) };
            self.left[lane] = self.step[lane].unwrap_or(self.left[lane]);
        }
        self.block = attempt.or_else(|| self.step[self.host?]);
    }

    /// The last stages of the lanes' last steps, where the first ones of the steps after will be.
    pub(super) fn final_slopes<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let (n, lanes, dim) = (self.kernel.n(), self.kernel.lanes, self.kernel.dim);
        for lane in (0..lanes).filter(|&lane| self.steps[lane] > 0) {
            let z = &self.tape.lanes[lane].z[self.steps[lane] * dim..][..dim];
            z.iter().enumerate().for_each(|(d, z)| self.kernel.z_new[d * lanes + lane] = *z);
            self.kernel.t_next[lane] = self.schedule.at(lane, 1.0);
        }
        sys.rhs(&self.kernel.t_next, &self.kernel.z_new, &mut self.kernel.ks[..n]);
        self.cotangents.stats.rhs_calls += 1;
        self.cotangents.stats.rhs_evaluations += self.steps.iter().filter(|steps| **steps > 0).count();
    }

    /// The lane whose steps a lane goes through: its own, or that of one with a result where all step together.
    fn source(&self, lane: usize) -> usize {
        if self.together && !self.good[lane] { self.host.unwrap_or(lane) } else { lane }
    }

    /// Puts the step of every lane with its stages into the kernel; it is the `back`th one.
    pub(super) fn load<S: AdjointSystem<R>>(&mut self, sys: &mut S, back: usize) {
        if let Some(replay) = &mut self.replay {
            replay.reach(sys, back);
        }
        let states = self.replay.as_ref().map_or(self.tape, |replay| &replay.window);
        let (n, lanes, last) = (self.kernel.n(), self.kernel.lanes, self.kernel.ks.len() - self.kernel.n());
        // The last stage is the first one of the step after.
        self.kernel.ks.copy_within(..n, last);
        for lane in 0..lanes {
            self.kernel.h[lane] = 0.0;
            let source = self.source(lane);
            let (from, to) = self.step[source].map_or((0, 0), |step| (step, step + 1));
            if self.steps[source] == 0 {
                continue;
            }
            let tape = &self.tape.lanes[source];
            let (s, s_next) = (tape.s[from], tape.s[to]);
            self.kernel.t[lane] = self.schedule.at(source, s);
            self.kernel.t_next[lane] = self.schedule.at(source, s_next);
            self.kernel.h[lane] = (s_next - s) * self.schedule.span[source];
            let (dim, kept) = (self.kernel.dim, &states.lanes[source]);
            let (from, to) = (from - kept.first, to - kept.first);
            for d in 0..dim {
                self.kernel.z[d * lanes + lane] = kept.z[from * dim + d];
                self.kernel.z_new[d * lanes + lane] = kept.z[to * dim + d];
            }
        }
        self.kernel.widen_steps();
        if back == 0 && self.tape.kept.attempts().is_none() {
            sys.rhs(&self.kernel.t_next, &self.kernel.z_new, &mut self.kernel.ks[last..]);
            self.count_rhs(1);
        }
        if self.tape.stages_kept {
            self.load_stages(!sys.whole_steps());
        } else {
            self.kernel.first_stage(|t, z, dz| sys.rhs(t, z, dz));
            self.kernel.stages(false, |t, z, dz| sys.rhs(t, z, dz));
            self.count_rhs(self.kernel.tableau.stages() - 1);
        }
    }

    /// Stages from the tape; `states`: and the states they were evaluated at.
    fn load_stages(&mut self, states: bool) {
        let (n, lanes, dim) = (self.kernel.n(), self.kernel.lanes, self.kernel.dim);
        let kept = self.kernel.tableau.stages() - 1;
        let kept_steps = self.replay.as_ref().map_or(self.tape, |replay| &replay.window);
        for lane in 0..lanes {
            let source = self.source(lane);
            let Some(step) = self.step[source] else { continue };
            let tape = &kept_steps.lanes[source];
            let k = &tape.k[(step - tape.first) * kept * dim..][..kept * dim];
            for (row, value) in k.iter().enumerate() {
                self.kernel.ks[row * lanes + lane] = *value;
            }
        }
        debug_assert_eq!(kept * n, self.kernel.ks.len() - n);
        for i in 1..if states { kept } else { 1 } {
            self.kernel.prepare_stage(i);
        }
    }
}
