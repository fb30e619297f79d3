//! When `auto` changes from the explicit to the implicit method and back.

use super::scheme::Scheme;
use super::step::Step;
use crate::solve::options::Options;
use crate::solve::real::Real;

/// h times the spectral radius above which the step of `tsit5` is limited by stability and not by accuracy. Its region
/// of stability reaches to −3.5 on the real axis, but the error estimate keeps the step shorter there: between 2 and 3.3
/// on Robertson's problem.
const STIFF: f64 = 2.0;
/// The same from ‖h ∂f/∂z‖∞ (a bound) below which the explicit method is taken again.
const EASY: f64 = 1.5;
/// Steps in a row that must agree (Hairer, Wanner, Solving Ordinary Differential Equations II, section IV.2).
const STIFF_STEPS: usize = 15;
const EASY_STEPS: usize = 6;
/// Steps that are not stiff after which the count starts again.
const FORGET: usize = 6;

#[derive(Debug, Clone)]
pub(super) struct Switch {
    schemes: usize,
    current: usize,
    votes: usize,
    against: usize,
}

impl Switch {
    pub(super) fn new(schemes: usize) -> Self {
        Self { schemes, current: 0, votes: 0, against: 0 }
    }

    /// Index of the scheme to step with.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// Takes note of an accepted step.
    pub(super) fn observe<R: Real>(&mut self, scheme: &Scheme<R>, step: &Step<R>, options: &Options) {
        if self.schemes == 1 {
            return;
        }
        let (vote, needed) = match scheme {
            Scheme::Dirk(dirk) => (dirk.stiffness(step, options) > STIFF, STIFF_STEPS),
            Scheme::Rosenbrock(rosenbrock) => (rosenbrock.linear.norm(options) * step.h.abs() < EASY, EASY_STEPS),
            Scheme::Bdf(_) => (false, EASY_STEPS),
        };
        if vote {
            (self.votes, self.against) = (self.votes + 1, 0);
        } else {
            self.against += 1;
            if self.against >= FORGET {
                self.votes = 0;
            }
        }
        if self.votes >= needed {
            (self.votes, self.against) = (0, 0);
            self.current = 1 - self.current;
        }
    }
}
