//! Tape → the step of every lane that is reversed next, with its stages and what they left.

use super::Reverse;
use crate::solve::real::Real;
use crate::solve::system::AdjointSystem;
use crate::solve::tape::{LaneTape, View, spread};

impl<'a, R: Real> Reverse<'a, R> {
    /// What stage `i` of the step left for its pull-back, where the tape keeps that.
    pub(super) fn kept(&self, i: usize) -> Option<&'a [R]> {
        self.tape.kept_stage(self.block?, i)
    }

    /// Chooses the step of every lane: the `back`th from its end or, where what the attempts left is kept, that of the
    /// `back`th attempt from the end.
    pub(super) fn choose(&mut self, attempts: Option<usize>, back: usize) {
        let attempt = attempts.map(|attempts| attempts - 1 - back);
        for lane in 0..self.step.len() {
            let idles = attempt.is_some_and(|attempt| !self.tape.is_step(attempt, lane));
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
            let tape = self.tape.of(source);
            let (s, s_next) = (tape.s[from], tape.s[to]);
            self.kernel.t[lane] = self.schedule.at(source, s);
            self.kernel.t_next[lane] = self.schedule.at(source, s_next);
            self.kernel.h[lane] = (s_next - s) * self.schedule.span[source];
        }
        self.load_states();
        self.kernel.widen_steps();
        if back == 0 && self.tape.attempts().is_none() {
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

    /// The steps that are at hand.
    fn at_hand(&self) -> View<'_, R> {
        self.replay.as_ref().map_or(self.tape, |replay| replay.window.view())
    }

    /// The states at both ends of the step.
    fn load_states(&mut self) {
        let (lanes, dim) = (self.kernel.lanes, self.kernel.dim);
        let (mut z, mut z_new) = (std::mem::take(&mut self.kernel.z), std::mem::take(&mut self.kernel.z_new));
        for (states, after) in [(&mut z, 0), (&mut z_new, 1)] {
            if self.tape.width > 1 {
                self.load_together(|tape| &tape.z, (dim, after), states);
                continue;
            }
            spread(states, lanes, |lane| {
                let source = self.source(lane);
                let tape = &self.at_hand().lanes[source];
                let at = self.step[source].map_or(0, |step| step + after);
                (self.steps[source] > 0).then(|| &tape.z[(at - tape.first) * dim..][..dim])
            });
        }
        (self.kernel.z, self.kernel.z_new) = (z, z_new);
    }

    /// Rows of the step under way from a tape whose lanes step together; those without a result get what the first one
    /// with a result has. A step has `rows` rows, of which there are `after` more steps to skip.
    fn load_together(&self, list: impl Fn(&LaneTape<R>) -> &[R], (rows, after): (usize, usize), out: &mut [R]) {
        let Some((host, step)) = self.host.and_then(|host| Some((host, self.step[host]?))) else { return };
        self.tape.copy_together(list, (step + after) * rows, out);
        for lane in (0..self.good.len()).filter(|&lane| !self.good[lane]) {
            out.chunks_exact_mut(self.good.len()).for_each(|row| row[lane] = row[host]);
        }
    }

    /// Stages from the tape; `states`: and the states they were evaluated at.
    fn load_stages(&mut self, states: bool) {
        let (n, dim) = (self.kernel.n(), self.kernel.dim);
        let kept = self.kernel.tableau.stages() - 1;
        let mut ks = std::mem::take(&mut self.kernel.ks);
        if self.tape.width > 1 {
            self.load_together(|tape| &tape.k, (kept * dim, 0), &mut ks[..kept * n]);
        } else {
            spread(&mut ks[..kept * n], self.kernel.lanes, |lane| {
                let source = self.source(lane);
                let tape = &self.at_hand().lanes[source];
                Some(&tape.k[(self.step[source]? - tape.first) * kept * dim..][..kept * dim])
            });
        }
        self.kernel.ks = ks;
        for i in 1..if states { kept } else { 1 } {
            self.kernel.prepare_stage(i);
        }
    }
}
