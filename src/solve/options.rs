//! Choices of an integration.

use super::control::Controller;
use super::failure::FailureKind;
use super::penalty::Penalties;
use super::tableau::Method;

/// Which samples share a step size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepping {
    /// Every sample has its own step size.
    PerSample,
    /// One step size for the whole tile, from the error norm over all samples. Needs equal first and last times.
    Batch,
}

/// How the scaled errors of the components make one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Root mean square.
    Rms,
    /// The largest.
    Max,
}

/// What error a component may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
}

impl Tolerance {
    /// Size of an error of 1 where the component has this absolute value. Without an absolute tolerance, a component
    /// that is zero and stays zero has no error, not 0/0.
    pub(super) fn scale(self, size: f64) -> f64 {
        self.atol.max(1e-30) + self.rtol * size
    }

    fn is_good(self) -> bool {
        let both = [self.rtol, self.atol];
        both.iter().all(|x| x.is_finite() && *x >= 0.0) && self.rtol + self.atol > 0.0
    }
}

/// How to integrate.
#[allow(clippy::struct_excessive_bools, reason = "independent choices")]
#[derive(Debug, Clone)]
pub struct Options {
    /// The method.
    pub method: Method,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Tolerances of the components in place of the two above, `[D]`; empty: all have those.
    pub tolerances: Vec<Tolerance>,
    /// How the errors of the components make one number.
    pub norm: Norm,
    /// Number of leading components that the choice of steps looks at; `None`: all. The others only have to be finite:
    /// tangents follow the steps of their solution.
    pub measured: Option<usize>,
    /// Length of the first step tried, in units of t; `None`: chosen automatically.
    pub first_step: Option<f64>,
    /// The same for every lane, `[L]`, in the place of that; empty: all have that.
    pub first_steps: Vec<f64>,
    /// Constant length of the steps, in units of t, without error control; the last step is shortened.
    pub fixed_step: Option<f64>,
    /// Limit of the number of steps of a lane, rejected ones included.
    pub max_steps: usize,
    /// Steps shorter than this (in units of t) fail; the limit of rounding applies in any case.
    pub min_step: f64,
    /// Longest step of adaptive methods, in units of t.
    pub max_step: f64,
    /// Times at which the right-hand side jumps: steps end and start there, and no stage is on the wrong side.
    pub stops: Vec<f64>,
    /// How the step size follows the error.
    pub controller: Controller,
    /// Which samples share a step size.
    pub stepping: Stepping,
    /// The tape keeps the stages of every step: more memory, no evaluation of the right-hand side in reverse.
    pub keep_stages: bool,
    /// Most bytes that the tape keeps of the states of a sample; what does not fit is computed again in reverse.
    /// `None`: every step is kept. For methods whose steps are kept; systems with events keep every step.
    pub memory: Option<usize>,
    /// The method is made algebraically reversible: steps of fixed length, which are undone in reverse.
    pub reversible: bool,
    /// For a symplectic method: which components are positions, `[D]`.
    pub positions: Vec<bool>,
    /// Derivatives by t0 and by the output times are wanted; else [`super::discrete`] leaves them 0.
    pub time_cotangents: bool,
    /// `backsolve` takes the stored state again at every output time instead of its own.
    pub restart: bool,
    /// The solution is read between the outputs too, so that implicit methods control the error of dense output in every
    /// step and not only in those with an output inside.
    pub read_between: bool,
    /// Penalties on the steps that a solve adds up and `discrete` differentiates, for explicit Runge–Kutta methods.
    pub penalties: Penalties,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::Tsit5,
            rtol: 1e-6,
            atol: 1e-8,
            tolerances: Vec::new(),
            norm: Norm::Rms,
            measured: None,
            first_step: None,
            first_steps: Vec::new(),
            fixed_step: None,
            max_steps: 100_000,
            min_step: 0.0,
            max_step: f64::INFINITY,
            stops: Vec::new(),
            controller: Controller::PI,
            stepping: Stepping::PerSample,
            keep_stages: true,
            memory: None,
            reversible: false,
            positions: Vec::new(),
            time_cotangents: true,
            restart: true,
            read_between: false,
            penalties: Penalties::default(),
        }
    }
}

impl Options {
    /// Whether the tape keeps every step; else they are undone from the last state.
    #[must_use]
    pub fn keeps_steps(&self) -> bool {
        !super::grid::undoes(self)
    }

    /// Values within a step and at its end that [`super::interpolated`] reads the solution from, of each component.
    #[must_use]
    pub fn dense_degree(&self) -> usize {
        super::continuous::degree(self.method)
    }

    /// The smallest [`Self::memory`] that can be kept for `dim` components, in bytes.
    #[must_use]
    pub fn least_memory(&self, dim: usize) -> usize {
        super::checkpoint::least(self, dim, size_of::<f64>())
    }

    /// Length of the first step of a lane, where it is not to be chosen.
    pub(super) fn first_step(&self, lane: usize) -> Option<f64> {
        let own = self.first_steps.get(lane).copied().filter(|length| *length > 0.0);
        self.fixed_step.or(own).or(self.first_step)
    }

    /// Number of components, of `dim`, that the norm of an error is over.
    pub(super) fn measured(&self, dim: usize) -> usize {
        self.measured.map_or(dim, |measured| measured.min(dim))
    }

    /// Tolerance of a component; those beyond the ones of the state (of the adjoint) have the common one. Where steps
    /// do not look, every error is tolerated that is finite.
    pub(super) fn tolerance(&self, component: usize) -> Tolerance {
        if self.measured.is_some_and(|measured| component >= measured) {
            return Tolerance { rtol: 0.0, atol: f64::INFINITY };
        }
        let common = Tolerance { rtol: self.rtol, atol: self.atol };
        self.tolerances.get(component).copied().unwrap_or(common)
    }

    /// The first thing wrong with these options, if any.
    pub(super) fn check(&self) -> Option<FailureKind> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let common = Tolerance { rtol: self.rtol, atol: self.atol };
        let tolerances = common.is_good() && self.tolerances.iter().all(|tolerance| tolerance.is_good());
        let steps = self.first_step.is_none_or(positive) && self.fixed_step.is_none_or(positive);
        let limits = !self.min_step.is_nan() && self.max_step > 0.0 && self.stops.iter().all(|t| t.is_finite());
        let choosing = self.method == Method::Adams && self.fixed_step.is_some();
        if !tolerances || !steps || !limits || choosing {
            Some(FailureKind::BadOptions)
        } else if self.fixed_step.is_none() && (self.reversible || self.method.tableau().embedded_order.is_none()) {
            Some(FailureKind::NeedsFixedStep)
        } else {
            None
        }
    }
}
