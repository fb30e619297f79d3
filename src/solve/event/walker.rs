//! What steps one sample from event to event: an implicit method, or Adams' formulas.

use super::super::adams::Walk;
use super::super::failure::Failure;
use super::super::implicit::{Run, TakenStep};
use super::super::real::Real;
use super::super::system::{Stats, System};
use super::record::EventTape;
use super::taken::Taken;

/// A sample on its way from one event towards the end.
pub(super) trait Walker<R: Real> {
    /// A step that was accepted.
    type Step<'w>: Taken<R>
    where
        Self: 'w;

    /// Chooses the first step.
    fn begin<S: System<R>>(&mut self, sys: &mut S);
    /// Whether there is a way to go: no failure, and not at the end.
    fn goes_on(&self) -> bool;
    /// Tries the next step; whether it is accepted.
    fn tried<S: System<R>>(&mut self, sys: &mut S) -> bool;
    /// The step that was accepted last.
    fn taken(&self) -> Self::Step<'_>;
    /// Its end as a fraction of the span.
    fn position(&self) -> f64;
    /// Adds it to a tape.
    fn keep(&self, tape: &mut EventTape<R>);
    /// Goes on from its end.
    fn accept(&mut self);
    /// Attempts, work and failure.
    fn finish(self) -> (usize, Stats, Option<Failure>);
}

impl<R: Real> Walker<R> for Run<'_, R> {
    type Step<'w>
        = TakenStep<'w, R>
    where
        Self: 'w;

    fn begin<S: System<R>>(&mut self, sys: &mut S) {
        self.at_start();
        Run::begin(self, sys);
    }

    fn goes_on(&self) -> bool {
        self.failure.is_none() && self.clock.s < 1.0
    }

    fn tried<S: System<R>>(&mut self, sys: &mut S) -> bool {
        Run::tried(self, sys)
    }

    fn taken(&self) -> TakenStep<'_, R> {
        Run::taken(self)
    }

    fn position(&self) -> f64 {
        self.clock.s
    }

    fn keep(&self, tape: &mut EventTape<R>) {
        let taken = Run::taken(self);
        let (scheme, stages) = taken.kept();
        if let Some(tape) = tape.under_way() {
            tape.push_single(self.clock.s, scheme);
            tape.keep_alone(taken.end(), stages);
        }
    }

    fn accept(&mut self) {
        Run::accept(self, None);
    }

    fn finish(self) -> (usize, Stats, Option<Failure>) {
        (self.clock.attempts, self.stats, self.failure)
    }
}

impl<R: Real> Walker<R> for Walk<'_, R> {
    type Step<'w>
        = &'w Self
    where
        Self: 'w;

    fn begin<S: System<R>>(&mut self, sys: &mut S) {
        Walk::begin(self, sys);
    }

    fn goes_on(&self) -> bool {
        self.failure().is_none() && Walk::position(self) < 1.0
    }

    fn tried<S: System<R>>(&mut self, sys: &mut S) -> bool {
        Walk::tried(self, sys)
    }

    fn taken(&self) -> &Self {
        self
    }

    fn position(&self) -> f64 {
        Walk::position(self)
    }

    fn keep(&self, tape: &mut EventTape<R>) {
        if let Some(tape) = tape.under_way() {
            Walk::keep(self, &mut tape.k, &mut tape.s, &mut tape.z);
        }
    }

    fn accept(&mut self) {}

    fn finish(self) -> (usize, Stats, Option<Failure>) {
        let failure = self.failure().cloned();
        let (attempts, stats) = self.work();
        (attempts, stats, failure)
    }
}
