//! Implicit steps, taken again.
//!
//! An implicit step depends on more than its start: on the age of the Jacobian, on how fast Newton's iteration went, on
//! the differences of the steps before, and on what was tried in vain. So all of that is kept with a state, the Jacobian
//! as the point at which it is evaluated again, and the steps in between are chosen again as they were.

use super::Implicit;
use super::bdf::ROWS;
use super::forward::Run;
use super::scheme::Mark;
use super::switch::Switch;
use crate::solve::checkpoint::{Plan, Player};
use crate::solve::control::Clock;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::System;
use crate::solve::tape::Tape;

/// Schemes of a method at most.
const SCHEMES: usize = 2;

/// All that is needed to step on from an accepted state.
#[derive(Debug, Clone)]
pub(in crate::solve) struct Saved<R> {
    /// The state, its first stage, and what the schemes keep.
    numbers: Vec<R>,
    first_known: bool,
    written: usize,
    clock: Clock,
    switch: Switch,
    marks: [Mark; SCHEMES],
}

impl<R> Saved<R> {
    /// Memory in use.
    pub(in crate::solve) fn bytes(&self) -> usize {
        size_of::<Self>() + self.numbers.len() * size_of::<R>()
    }
}

/// Bytes of a kept state and of a step in a window, for numbers of this size.
pub(in crate::solve) fn sizes(method: Implicit, dim: usize, number: usize) -> (usize, usize) {
    let kept = match method {
        Implicit::Rodas5p | Implicit::Auto => 0,
        Implicit::Kvaerno5 => 1,
        Implicit::Bdf => 1 + ROWS,
    };
    let state = size_of::<Saved<f64>>() + number * dim * (2 + kept);
    // A window has position, scheme and order of its steps too.
    (state, number * dim * (1 + method.stages()) + size_of::<f64>() + 2)
}

impl Plan {
    /// For a tape of implicit steps; `None`: everything is kept.
    pub(super) fn implicit<R: Real>(method: Implicit, options: &Options, dim: usize) -> Option<Self> {
        let (state, step) = sizes(method, dim, size_of::<R>());
        options.memory.map(|budget| Self::new(budget, state, step))
    }
}

impl<R: Real> Run<'_, R> {
    /// What is needed to come back to the last accepted state.
    pub(super) fn save(&self) -> Saved<R> {
        let dim = self.step.dim;
        let kept: usize =
            self.schemes.iter().map(|scheme| scheme.numbers().map(<[R]>::len).iter().sum::<usize>()).sum();
        let mut numbers = Vec::with_capacity(2 * dim + kept);
        numbers.extend_from_slice(&self.step.z);
        numbers.extend_from_slice(&self.step.ks[..dim]);
        let mut marks = [Mark::default(); SCHEMES];
        for (scheme, mark) in self.schemes.iter().zip(&mut marks) {
            *mark = scheme.mark();
            scheme.numbers().iter().for_each(|list| numbers.extend_from_slice(list));
        }
        let (clock, switch) = (self.clock.clone(), self.switch.clone());
        Saved { numbers, first_known: self.step.first_known, written: self.written, clock, switch, marks }
    }

    /// Comes back.
    pub(super) fn restore<S: System<R>>(&mut self, sys: &mut S, saved: &Saved<R>) {
        let dim = self.step.dim;
        let (z, rest) = saved.numbers.split_at(dim);
        let (first, mut rest) = rest.split_at(dim);
        self.step.z.copy_from_slice(z);
        self.step.ks[..dim].copy_from_slice(first);
        self.step.first_known = saved.first_known;
        self.written = saved.written;
        (self.clock, self.switch) = (saved.clock.clone(), saved.switch.clone());
        for (scheme, mark) in self.schemes.iter_mut().zip(&saved.marks) {
            rest = scheme.restore(sys, mark, rest, &mut self.stats);
        }
    }
}

/// One sample on its way.
pub(super) struct Replay<'a, R> {
    pub(super) run: Run<'a, R>,
    tape: &'a Tape<R>,
    /// Steps done.
    at: usize,
}

impl<'a, R: Real> Replay<'a, R> {
    pub(super) fn new(run: Run<'a, R>, tape: &'a Tape<R>) -> Self {
        Self { run, tape, at: 0 }
    }
}

impl<R: Real> Player<R> for Replay<'_, R> {
    type Saved = Saved<R>;

    fn start<S: System<R>>(&mut self, sys: &mut S, back: usize) {
        let tape = &self.tape.lanes[0];
        let slot = (tape.steps() - back) / tape.stride;
        self.at = slot * tape.stride;
        self.run.restore(sys, &tape.saved[slot]);
    }

    fn advance<S: System<R>>(&mut self, sys: &mut S, back: usize, mut window: Option<&mut Tape<R>>) {
        if let Some(window) = &mut window {
            window.lanes[0].clear(self.at);
            window.lanes[0].keep(0, &self.run.step.z, 1, &[]);
        }
        let end = self.tape.lanes[0].steps() - back;
        while self.at < end && self.run.failure.is_none() {
            if self.run.tried(sys) {
                self.run.accept(window.as_deref_mut());
                self.at += 1;
            }
        }
    }

    fn save(&self) -> Saved<R> {
        self.run.save()
    }

    fn restore<S: System<R>>(&mut self, sys: &mut S, back: usize, saved: &Saved<R>) {
        self.at = self.tape.lanes[0].steps() - back;
        self.run.restore(sys, saved);
    }
}
