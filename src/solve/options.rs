//! Choices of an integration.

use super::control::Controller;
use super::failure::FailureKind;
use super::tableau::Method;

/// Which samples share a step size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepping {
    /// Every sample has its own step size.
    PerSample,
    /// One step size for the whole tile, from the error norm over all samples. Needs equal first and last times.
    Batch,
}

/// How to integrate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The method.
    pub method: Method,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Length of the first step tried, in units of t; `None`: chosen automatically.
    pub first_step: Option<f64>,
    /// Constant length of the steps, in units of t, without error control; the last step is shortened.
    pub fixed_step: Option<f64>,
    /// Limit of the number of steps of a lane, rejected ones included.
    pub max_steps: usize,
    /// Steps shorter than this (in units of t) fail; the limit of rounding applies in any case.
    pub min_step: f64,
    /// How the step size follows the error.
    pub controller: Controller,
    /// Which samples share a step size.
    pub stepping: Stepping,
    /// The tape keeps the stages of every step: more memory, no evaluation of the right-hand side in reverse.
    pub keep_stages: bool,
    /// The method is made algebraically reversible: steps of fixed length, which are undone in reverse.
    pub reversible: bool,
    /// For a symplectic method: which components are positions, `[D]`.
    pub positions: Vec<bool>,
    /// `backsolve` takes the stored state again at every output time instead of its own.
    pub restart: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::Tsit5,
            rtol: 1e-6,
            atol: 1e-8,
            first_step: None,
            fixed_step: None,
            max_steps: 100_000,
            min_step: 0.0,
            controller: Controller::PI,
            stepping: Stepping::PerSample,
            keep_stages: false,
            reversible: false,
            positions: Vec::new(),
            restart: true,
        }
    }
}

impl Options {
    /// Whether the tape keeps every step; else they are undone from the last state.
    #[must_use]
    pub fn keeps_steps(&self) -> bool {
        !super::grid::undoes(self)
    }

    /// The first thing wrong with these options, if any.
    pub(super) fn check(&self) -> Option<FailureKind> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let tolerances = self.rtol.is_finite()
            && self.atol.is_finite()
            && self.rtol >= 0.0
            && self.atol >= 0.0
            && self.rtol + self.atol > 0.0;
        let steps = self.first_step.is_none_or(positive) && self.fixed_step.is_none_or(positive);
        if !tolerances || !steps || self.min_step.is_nan() {
            Some(FailureKind::BadOptions)
        } else if self.fixed_step.is_none() && (self.reversible || self.method.tableau().embedded_order.is_none()) {
            Some(FailureKind::NeedsFixedStep)
        } else {
            None
        }
    }
}
