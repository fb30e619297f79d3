//! The schemes behind one interface.

use super::Implicit;
use super::bdf::{self, Bdf};
use super::dirk::Dirk;
use super::linear::Structure;
use super::reverse::Bars;
use super::rosenbrock::Rosenbrock;
use super::step::{Step, add_stages};
use super::tables::{KVAERNO5, RODAS5P};
use crate::solve::methods::TSIT5;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, Stats, System};

/// What the next step of a scheme depends on besides its start, apart from [`Scheme::numbers`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// Newton's method: time of the Jacobian, its age, largest Θ, last η.
    pub(super) jacobian: f64,
    pub(super) age: Option<usize>,
    pub(super) slowest: f64,
    pub(super) eta: f64,
    /// Differentiation formulas: order, length of the step before, steps of that length, factor for the next one.
    pub(super) order: usize,
    pub(super) before: Option<f64>,
    pub(super) equal: usize,
    pub(super) factor: f64,
}

#[derive(Debug)]
pub(super) enum Scheme<R> {
    Dirk(Dirk<R>),
    Rosenbrock(Rosenbrock<R>),
    Bdf(Bdf<R>),
}

impl<R: Real> Scheme<R> {
    /// The schemes that a method steps with: `auto` has two, the first one first.
    pub(super) fn of(method: Implicit, structure: &Structure) -> Vec<Self> {
        let rosenbrock = || Self::Rosenbrock(Rosenbrock::new(&RODAS5P, structure));
        match method {
            Implicit::Rodas5p => vec![rosenbrock()],
            Implicit::Kvaerno5 => vec![Self::Dirk(Dirk::new(&KVAERNO5.tableau, KVAERNO5.gamma, structure))],
            Implicit::Bdf => vec![Self::Bdf(Bdf::new(structure))],
            Implicit::Auto => vec![Self::Dirk(Dirk::new(&TSIT5, 0.0, structure)), rosenbrock()],
        }
    }

    pub(super) fn stages(&self) -> usize {
        match self {
            Self::Dirk(dirk) => dirk.table.stages(),
            Self::Rosenbrock(rosenbrock) => rosenbrock.table.alpha.len(),
            Self::Bdf(_) => bdf::ROWS,
        }
    }

    /// Order of the error estimate plus one.
    pub(super) fn order(&self) -> f64 {
        match self {
            Self::Dirk(dirk) => dirk.table.embedded_order.unwrap_or(0) as f64 + 1.0,
            Self::Rosenbrock(rosenbrock) => rosenbrock.table.embedded_order as f64 + 1.0,
            Self::Bdf(bdf) => bdf.order as f64 + 1.0,
        }
    }

    /// Computes a step; false: there is no solution to be had with this length.
    pub(super) fn attempt<S: System<R>>(
        &mut self,
        sys: &mut S,
        step: &mut Step<R>,
        options: &Options,
        stats: &mut Stats,
    ) -> bool {
        match self {
            Self::Dirk(dirk) => dirk.attempt(sys, step, options, stats),
            Self::Rosenbrock(rosenbrock) => {
                rosenbrock.attempt(sys, step, stats);
                true
            }
            Self::Bdf(bdf) => bdf.attempt(sys, step, options, stats),
        }
    }

    /// Takes note of an accepted step; a factor for the length of the next one where the scheme chooses that itself.
    pub(super) fn accepted(&mut self, step: &mut Step<R>, options: &Options) -> Option<f64> {
        match self {
            Self::Dirk(dirk) => dirk.accepted(step),
            Self::Rosenbrock(rosenbrock) => rosenbrock.accepted(step),
            Self::Bdf(bdf) => {
                bdf.accepted(step, options);
                return Some(bdf.factor);
            }
        }
        None
    }

    /// Order of the last attempt, for schemes that change it; [`Self::resume`] sets it again in reverse.
    pub(super) fn variable_order(&self) -> usize {
        match self {
            Self::Dirk(_) | Self::Rosenbrock(_) => 0,
            Self::Bdf(bdf) => bdf.order,
        }
    }

    pub(super) fn resume(&mut self, order: usize) {
        match self {
            Self::Dirk(_) | Self::Rosenbrock(_) => {}
            Self::Bdf(bdf) => bdf.order = order,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        match self {
            Self::Dirk(dirk) => dirk.newton.mark(),
            Self::Rosenbrock(_) => Mark::default(),
            Self::Bdf(bdf) => bdf.mark(),
        }
    }

    /// Numbers that go with the mark.
    pub(super) fn numbers(&self) -> [&[R]; 2] {
        match self {
            Self::Dirk(dirk) => [dirk.newton.point(), &[]],
            Self::Rosenbrock(_) => [&[], &[]],
            Self::Bdf(bdf) => bdf.numbers(),
        }
    }

    /// Comes back to a mark with its numbers, which are the first ones of these. Returns the others.
    pub(super) fn restore<'n, S: System<R>>(
        &mut self,
        sys: &mut S,
        mark: &Mark,
        numbers: &'n [R],
        stats: &mut Stats,
    ) -> &'n [R] {
        match self {
            Self::Dirk(dirk) => dirk.newton.restore(sys, mark, numbers, stats),
            Self::Rosenbrock(rosenbrock) => {
                rosenbrock.forget();
                numbers
            }
            Self::Bdf(bdf) => bdf.restore(sys, mark, numbers, stats),
        }
    }

    /// Whether the first stage is f at the start, shared with the step before if that is of the same scheme.
    pub(super) fn shares_first(&self) -> bool {
        match self {
            Self::Dirk(_) => true,
            Self::Rosenbrock(_) | Self::Bdf(_) => false,
        }
    }

    /// Weight of stage `i` in dense output z(tₙ + θh) = zₙ + s Σ wᵢ(θ) kᵢ and its derivative; s is h for stages that are
    /// slopes and 1 for those that are increments.
    pub(super) fn dense(&self, i: usize, theta: f64) -> (f64, f64) {
        match self {
            Self::Dirk(dirk) => (dirk.table.dense_weight(i, theta), dirk.table.dense_slope(i, theta)),
            Self::Rosenbrock(r) => (r.table.dense_weight(i, theta), r.table.dense_slope(i, theta)),
            Self::Bdf(bdf) => bdf::dense(bdf.order, i, theta),
        }
    }

    /// Estimate of the largest error of dense output within the step, `[D]`; the explicit method has none. An L-stable
    /// method can step over a stiff component so far that the ends are right and what lies between is not.
    ///
    /// Cubic Hermite polynomial: h (H' − k) at the stage at c = 0.896; for a remainder of fourth order the error in the
    /// middle is 0.425 times that. `rodas5p`: a hundredth of the last coefficient, which is between twice too little (on
    /// y' = λ(y − cos t) − sin t, λ = 1e6) and ten times too much (λ = 1).
    pub(super) fn dense_error(&self, step: &Step<R>, out: &mut [R]) -> bool {
        out.fill(R::ZERO);
        match self {
            Self::Dirk(dirk) if dirk.gamma > 0.0 => {
                let probe = 3;
                let slopes = dirk.dense_slopes(probe);
                add_stages(out, &step.ks, &slopes, 0.425 * step.h);
                true
            }
            Self::Dirk(_) | Self::Bdf(_) => false,
            Self::Rosenbrock(rosenbrock) => {
                add_stages(out, &step.ks, rosenbrock.table.dense[2], 0.01);
                true
            }
        }
    }

    /// Whether stages are slopes.
    pub(super) fn stages_are_slopes(&self) -> bool {
        match self {
            Self::Dirk(_) => true,
            Self::Rosenbrock(_) | Self::Bdf(_) => false,
        }
    }

    /// Reverses a step; `before` is the length of the one before it.
    pub(super) fn reverse<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &Step<R>,
        before: Option<f64>,
        bars: &mut Bars<R>,
        stats: &mut Stats,
    ) {
        match self {
            Self::Dirk(dirk) => dirk.reverse(sys, step, bars, stats),
            Self::Rosenbrock(rosenbrock) => rosenbrock.reverse(sys, step, bars, stats),
            Self::Bdf(bdf) => bdf.reverse(sys, step, before, bars, stats),
        }
    }
}
