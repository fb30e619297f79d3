//! Errors of an attempt → accepted lanes, next lengths, failures; shared by all directions of integration.

use super::control::{Clock, first_step, trial_step};
use super::failure::{Failure, FailureKind};
use super::kernel::{Kernel, larger};
use super::options::{Norm, Options, Stepping};
use super::real::Real;
use super::system::Stats;

/// Step control of a tile. Lanes of one *group* share a clock: every lane is its own group, or all are one.
#[derive(Debug)]
pub(super) struct Stepper<'o> {
    pub(super) options: &'o Options,
    /// Order of the error estimate plus one: the power of the step length that the error follows.
    order: f64,
    group: Vec<usize>,
    clocks: Vec<Clock>,
    group_running: Vec<bool>,
    /// Lanes on their way, `[L]`.
    pub(super) running: Vec<bool>,
    /// Lanes whose last attempt was accepted, `[L]`.
    pub(super) accepted: Vec<bool>,
    pub(super) stats: Stats,
    pub(super) failures: Vec<Option<Failure>>,
}

impl<'o> Stepper<'o> {
    pub(super) fn new(options: &'o Options, running: Vec<bool>, failures: Vec<Option<Failure>>) -> Self {
        let lanes = running.len();
        let (group, groups) = match options.stepping {
            Stepping::PerSample => ((0..lanes).collect(), lanes),
            Stepping::Batch => (vec![0; lanes], 1),
        };
        Self {
            options,
            order: options.method.tableau().error_power(),
            group,
            clocks: vec![Clock::new(); groups],
            group_running: vec![false; groups],
            running,
            accepted: vec![false; lanes],
            stats: Stats::new(lanes),
            failures,
        }
    }

    pub(super) fn clock(&self, lane: usize) -> &Clock {
        &self.clocks[self.group[lane]]
    }

    /// The clock of a single lane.
    pub(super) fn only_clock(&mut self) -> &mut Clock {
        &mut self.clocks[0]
    }

    /// Order of the error estimate plus one.
    pub(super) fn order(&self) -> f64 {
        self.order
    }

    /// Starts the next span of a lane of signed length `span` with a step of length `h`.
    pub(super) fn restart(&mut self, lane: usize, span: f64, h: f64) {
        let length = self.options.fixed_step.unwrap_or(h.abs());
        let clock = &mut self.clocks[self.group[lane]];
        clock.restart(length / span.abs());
        clock.longest = self.options.max_step / span.abs();
    }

    /// Puts the lanes that are not on their way where one is that is, where one clock is shared.
    pub(super) fn stand_in<R: Real>(&self, kernel: &mut Kernel<R>) {
        let Some(host) = self.running.iter().position(|running| *running).filter(|_| self.shares_clock()) else {
            return;
        };
        (0..self.running.len()).filter(|&lane| !self.running[lane]).for_each(|lane| kernel.copy_lane(host, lane));
        self.follow(kernel);
    }

    /// Takes the lanes that are not on their way along with one that is, where one clock is shared: all lanes have the
    /// same times then. What they compute is dropped.
    pub(super) fn follow<R: Real>(&self, kernel: &mut Kernel<R>) {
        let Some(host) = self.running.iter().position(|running| *running).filter(|_| self.shares_clock()) else {
            return;
        };
        let (t, t_next, h) = (kernel.t[host], kernel.t_next[host], kernel.h[host]);
        for lane in (0..self.running.len()).filter(|&lane| !self.running[lane]) {
            (kernel.t[lane], kernel.t_next[lane], kernel.h[lane]) = (t, t_next, h);
        }
    }

    /// Whether all lanes step together.
    pub(super) fn shares_clock(&self) -> bool {
        self.options.stepping == Stepping::Batch
    }

    pub(super) fn any_running(&self) -> bool {
        self.running.contains(&true)
    }

    pub(super) fn count_rhs(&mut self, calls: usize) {
        self.stats.rhs_calls += calls;
        self.stats.rhs_evaluations += calls * self.running.iter().filter(|running| **running).count();
    }

    pub(super) fn fail(&mut self, lane: usize, kind: FailureKind, t: f64, component: Option<usize>) {
        self.running[lane] = false;
        self.failures[lane] = Some(Failure { kind, t, component });
    }

    /// Fails the running lanes whose state or first stage is not finite.
    pub(super) fn check_finite<R: Real>(&mut self, kernel: &Kernel<R>) {
        for lane in 0..self.running.len() {
            if self.running[lane]
                && let Some(component) = kernel.not_finite(lane)
            {
                self.fail(lane, FailureKind::NotFinite, kernel.t[lane], Some(component));
            }
        }
    }

    /// Length of the first step of every group, given the first stage; `span` is signed, `[L]`.
    pub(super) fn first_steps<R: Real>(
        &mut self,
        kernel: &mut Kernel<R>,
        span: &[f64],
        mut rhs: impl FnMut(&[f64], &[R], &mut [R]),
    ) {
        for (lane, span) in span.iter().enumerate() {
            self.clocks[self.group[lane]].longest = self.options.max_step / span.abs();
        }
        let mut chosen = self.running.clone();
        for (lane, span) in span.iter().enumerate().filter(|(lane, _)| self.running[*lane]) {
            if let Some(step) = self.options.first_step(lane) {
                self.clocks[self.group[lane]].ds = step / span.abs();
                chosen[lane] = false;
            }
        }
        if !chosen.contains(&true) {
            return;
        }
        let n = kernel.n();
        let d0 = self.group_norms(kernel, |kernel, i| kernel.z[i].to_f64());
        let d1 = self.group_norms(kernel, |kernel, i| kernel.ks[i].to_f64());
        let mut trial = vec![0.0; span.len()];
        for lane in (0..span.len()).filter(|&lane| self.running[lane]) {
            let group = self.group[lane];
            trial[lane] = trial_step(d0[group], d1[group]).min(span[lane].abs());
            kernel.h[lane] = trial[lane].copysign(span[lane]);
            kernel.t_next[lane] = kernel.t[lane] + kernel.h[lane];
        }
        self.follow(kernel);
        kernel.euler_step();
        rhs(&kernel.t_next, &kernel.z_new, &mut kernel.ks[n..2 * n]);
        self.count_rhs(1);
        let d2 = self.group_norms(kernel, |kernel, i| (kernel.ks[n + i] - kernel.ks[i]).to_f64());
        for lane in (0..span.len()).filter(|&lane| self.running[lane]) {
            let (group, h0) = (self.group[lane], trial[lane]);
            let h = first_step(h0, d1[group], d2[group] / h0, self.order);
            if chosen[lane] {
                self.clocks[group].ds = h / span[lane].abs();
            }
        }
    }

    /// Root mean square over each group of `value` divided by atol + rtol |z|.
    fn group_norms<R: Real>(&self, kernel: &Kernel<R>, value: impl Fn(&Kernel<R>, usize) -> f64) -> Vec<f64> {
        let mut sums = vec![(0.0, 0usize); self.clocks.len()];
        let measured = self.options.measured(kernel.dim);
        for d in 0..kernel.dim {
            let tolerance = self.options.tolerance(d);
            for lane in (0..kernel.lanes).filter(|&lane| self.running[lane]) {
                let i = d * kernel.lanes + lane;
                let scale = tolerance.scale(kernel.z[i].to_f64().abs());
                let (sum, count) = &mut sums[self.group[lane]];
                *sum += (value(kernel, i) / scale).powi(2);
                *count += usize::from(d < measured);
            }
        }
        sums.into_iter().map(|(sum, count)| (sum / count.max(1) as f64).sqrt()).collect()
    }

    /// Every running group chooses the end of its next attempt.
    pub(super) fn propose(&mut self) {
        self.group_running.fill(false);
        for lane in 0..self.running.len() {
            self.group_running[self.group[lane]] |= self.running[lane];
        }
        for (clock, running) in self.clocks.iter_mut().zip(&self.group_running) {
            if *running {
                clock.propose(self.options.fixed_step.is_some());
            }
        }
    }

    /// Fails the lanes that may not take the proposed step (which the kernel knows by now).
    pub(super) fn limits<R: Real>(&mut self, kernel: &Kernel<R>) {
        for lane in 0..self.running.len() {
            if !self.running[lane] {
                continue;
            }
            let (clock, t, h) = (self.clock(lane), kernel.t[lane], kernel.h[lane].abs());
            let shortest = self.options.min_step.max(16.0 * f64::EPSILON * t.abs());
            let short = self.options.fixed_step.is_none() && clock.s_next < 1.0 && h <= shortest;
            if clock.attempts >= self.options.max_steps {
                self.fail(lane, FailureKind::MaxSteps, t, kernel.worst_component(lane));
            } else if short || clock.s_next <= clock.s {
                let kind = if clock.not_finite { FailureKind::NotFinite } else { FailureKind::StepUnderflow };
                self.fail(lane, kind, t, kernel.worst_component(lane));
            }
        }
    }

    /// Judges the attempt: sets `accepted`, moves the clocks.
    pub(super) fn judge<R: Real>(&mut self, kernel: &Kernel<R>) {
        let fixed = self.options.fixed_step.is_some();
        let measured = self.options.measured(kernel.dim);
        for group in 0..self.clocks.len() {
            let members = if self.clocks.len() == 1 { 0..self.running.len() } else { group..group + 1 };
            let (mut sum, mut count) = (0.0, 0usize);
            for lane in members.clone().filter(|&lane| self.running[lane]) {
                match self.options.norm {
                    Norm::Rms => (sum, count) = (sum + kernel.sums[lane], count + measured),
                    Norm::Max => (sum, count) = (larger(sum, kernel.sums[lane]), 1),
                }
            }
            if !members.clone().any(|lane| self.running[lane]) {
                self.accepted[members].fill(false);
                continue;
            }
            let square = sum / count.max(1) as f64;
            let good = self.clocks[group].judge_square(square, self.order, self.options);
            for lane in members {
                self.accepted[lane] = good && self.running[lane];
                if !self.running[lane] {
                    continue;
                }
                if good {
                    self.stats.accepted[lane] += 1;
                } else {
                    self.stats.rejected[lane] += 1;
                }
                if fixed && !good {
                    self.fail(lane, FailureKind::NotFinite, kernel.t[lane], kernel.worst_component(lane));
                }
            }
        }
    }
}
