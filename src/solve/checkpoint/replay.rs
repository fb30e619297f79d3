//! Explicit steps of a tile, taken again.

use super::{Plan, Player};
use crate::solve::kept::Kept;
use crate::solve::kernel::Kernel;
use crate::solve::options::{Options, Stepping};
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{Stats, System};
use crate::solve::tape::{LaneTape, Tape, View};

/// States of a tile: z and, where stages are kept, the first stage, both `[D][L]`. (A whole step computes its last stage
/// by other code than the right-hand side, so that stage is kept and not evaluated again.)
#[derive(Debug)]
pub(in crate::solve) struct Saved<R> {
    z: Vec<R>,
    first: Vec<R>,
}

/// A tile on its way.
#[derive(Debug)]
pub(in crate::solve) struct Replay<'a, R> {
    options: &'a Options,
    schedule: &'a Schedule,
    tape: View<'a, R>,
    kernel: Kernel<R>,
    /// Where right-hand sides leave what nobody reads.
    kept: Kept<R>,
    /// Where all lanes step together: the first one with a result, whose steps those without one go through.
    host: Option<usize>,
    /// Steps of every lane, 0 where there is no result, `[L]`.
    steps: Vec<usize>,
    /// Steps done, `[L]`.
    at: Vec<usize>,
    /// Lanes in motion, `[L]`.
    moving: Vec<bool>,
    /// Work done.
    pub(in crate::solve) stats: Stats,
}

impl Plan {
    /// For a tape of explicit steps; `stages`: windows keep the stages too. `None`: everything is kept.
    pub(in crate::solve) fn explicit<R: Real>(options: &Options, dim: usize, stages: bool) -> Option<Self> {
        let number = dim * size_of::<R>();
        let kept = if stages { options.method.tableau().stages() } else { 1 };
        options.memory.map(|budget| Self::new(budget, number * if stages { 2 } else { 1 }, number * kept))
    }
}

impl<'a, R: Real> Replay<'a, R> {
    pub(in crate::solve) fn new(
        options: &'a Options,
        schedule: &'a Schedule,
        tape: View<'a, R>,
        dim: usize,
        steps: Vec<usize>,
    ) -> Self {
        let lanes = schedule.lanes;
        let together = options.stepping == Stepping::Batch;
        Self {
            options,
            schedule,
            tape,
            kernel: Kernel::new(options.method.tableau(), dim, lanes, false),
            kept: tape.passing(),
            host: steps.iter().position(|steps| *steps > 0).filter(|_| together),
            steps,
            at: vec![0; lanes],
            moving: vec![false; lanes],
            stats: Stats::new(lanes),
        }
    }

    /// Times and step lengths towards `back`; false: every lane is there.
    fn aim(&mut self, back: usize) -> bool {
        for lane in 0..self.at.len() {
            let (at, s) = (self.at[lane], &self.tape.lanes[lane].s);
            let moving = at < self.steps[lane].saturating_sub(back);
            let (start, end) = (s[at], s[at + usize::from(moving)]);
            self.moving[lane] = moving;
            self.kernel.t[lane] = self.schedule.at(lane, start);
            self.kernel.t_next[lane] = self.schedule.at(lane, end);
            self.kernel.h[lane] = (end - start) * self.schedule.span[lane];
        }
        if let Some(host) = self.host {
            let kernel = &mut self.kernel;
            let (t, t_next, h) = (kernel.t[host], kernel.t_next[host], kernel.h[host]);
            for lane in (0..self.steps.len()).filter(|&lane| self.steps[lane] == 0) {
                (kernel.t[lane], kernel.t_next[lane], kernel.h[lane]) = (t, t_next, h);
            }
        }
        self.moving.contains(&true)
    }

    /// The lane whose states a lane starts from.
    fn source(&self, lane: usize) -> usize {
        if self.steps[lane] == 0 { self.host.unwrap_or(lane) } else { lane }
    }

    fn count(&mut self, calls: usize) {
        self.stats.rhs_calls += calls;
        self.stats.rhs_evaluations += calls * self.moving.iter().filter(|moving| **moving).count();
    }

    fn evaluate_first<S: System<R>>(&mut self, sys: &mut S, back: usize) {
        self.aim(back);
        self.kernel.first_stage_keeping(sys, self.kept.first());
        self.count(1);
    }
}

impl<R: Real> Player<R> for Replay<'_, R> {
    type Saved = Saved<R>;

    fn start<S: System<R>>(&mut self, sys: &mut S, back: usize) {
        let (dim, lanes) = (self.kernel.dim, self.kernel.lanes);
        for lane in 0..lanes {
            let source = self.source(lane);
            let tape = &self.tape.lanes[source];
            let slot = self.steps[source].saturating_sub(back) / tape.stride;
            self.at[lane] = if source == lane { slot * tape.stride } else { 0 };
            (0..dim).for_each(|d| self.kernel.z[d * lanes + lane] = tape.z[slot * dim + d]);
        }
        self.evaluate_first(sys, 0);
        for lane in (0..lanes).filter(|&lane| self.tape.stages_kept && self.at[lane] > 0) {
            let tape = &self.tape.lanes[lane];
            let slot = self.at[lane] / tape.stride;
            (0..dim).for_each(|d| self.kernel.ks[d * lanes + lane] = tape.k[slot * dim + d]);
        }
    }

    fn advance<S: System<R>>(&mut self, sys: &mut S, back: usize, mut window: Option<&mut Tape<R>>) {
        let lanes = self.kernel.lanes;
        if let Some(window) = &mut window {
            for (lane, tape) in window.lanes.iter_mut().enumerate() {
                tape.clear(self.at[lane]);
                tape.keep(lane, &self.kernel.z, lanes, &[]);
            }
        }
        while self.aim(back) {
            self.kernel.again(sys, self.options, self.kept.attempt());
            self.count(self.kernel.tableau.stages() - 1);
            for lane in (0..self.at.len()).filter(|&lane| self.moving[lane]) {
                self.at[lane] += 1;
                if let Some(window) = &mut window {
                    let stages = window_stages(self.tape, &self.kernel);
                    window.lanes[lane].keep(lane, &self.kernel.z_new, lanes, stages);
                }
            }
            self.kernel.advance(&self.moving);
        }
    }

    fn save(&self) -> Saved<R> {
        let first = if self.tape.stages_kept { self.kernel.ks[..self.kernel.n()].to_vec() } else { Vec::new() };
        Saved { z: self.kernel.z.clone(), first }
    }

    fn restore<S: System<R>>(&mut self, sys: &mut S, back: usize, saved: &Saved<R>) {
        self.kernel.z.copy_from_slice(&saved.z);
        for (at, steps) in self.at.iter_mut().zip(&self.steps) {
            *at = steps.saturating_sub(back);
        }
        if saved.first.is_empty() {
            self.evaluate_first(sys, 0);
        } else {
            self.kernel.ks[..saved.first.len()].copy_from_slice(&saved.first);
        }
    }
}

/// Stages that a window keeps of a step.
fn window_stages<'k, R: Real>(tape: View<R>, kernel: &'k Kernel<R>) -> &'k [R] {
    if tape.stages_kept { &kernel.ks[..kernel.ks.len() - kernel.n()] } else { &[] }
}

/// An empty window for the lanes of a tape, with room for `steps` steps.
pub(in crate::solve) fn window<R: Real>(tape: View<R>, steps: usize, dim: usize, kept: usize) -> Tape<R> {
    let lane = |_: &LaneTape<R>| LaneTape {
        z: Vec::with_capacity((steps + 1) * dim),
        k: Vec::with_capacity(steps * kept * dim),
        ..LaneTape::default()
    };
    Tape { lanes: tape.lanes.iter().map(lane).collect(), stages_kept: tape.stages_kept, ..Tape::new() }
}
