//! What a run reports as it goes.

use std::path::Path;

use super::objective::{Dropped, Evaluation, Failure};
use super::state::Best;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// Steps made, this one included.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Whole passes over the data set before this step; 0 where samples come from noise.
    pub epoch: u64,
    /// Mean loss over the step's samples: at the parameters before the update (after it for `lbfgs`).
    pub loss: f64,
    /// Metrics there.
    pub metrics: Vec<(String, f64)>,
    /// Learning rate.
    pub lr: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Seconds since the start, those of the runs it resumes included.
    pub seconds: f64,
    /// Samples that failed.
    pub dropped: Vec<Dropped>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps made.
    Completed,
    /// `lbfgs`: the gradient is within the tolerance.
    Converged,
    /// `lbfgs`: no step decreases the loss within the precision of its evaluation.
    NoDecrease,
    /// No improvement for `patience` validations.
    Patience,
    /// The time was up.
    TimeBudget,
    /// Stopped from outside.
    Stopped,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Why it ended.
    pub ended: Ended,
    /// Steps made, those of the runs it resumes included.
    pub steps: u64,
    /// Last training loss; `None` where no step was made.
    pub loss: Option<f64>,
    /// Best parameters and the loss they are best in; `None` where none was monitored.
    pub best: Option<Best>,
    /// Parameters after the last step.
    pub last: Vec<f64>,
    /// Samples dropped.
    pub dropped: u64,
    /// Evaluations of the right-hand side.
    pub rhs: u64,
    /// Seconds.
    pub seconds: f64,
}

/// Watches a run. Every method does nothing by default.
pub trait Observer {
    /// After every step that succeeded.
    fn step(&mut self, _record: &StepRecord) {}
    /// After a validation; `improved`: it is the best so far.
    fn validation(&mut self, _step: u64, _evaluation: &Evaluation, _improved: bool) {}
    /// A step or a validation failed, the `in_row`-th in a row (0 for a validation); the run goes on.
    fn failed(&mut self, _step: u64, _failure: &Failure, _in_row: u64) {}
    /// A checkpoint was written.
    fn checkpointed(&mut self, _step: u64, _path: &Path) {}
    /// The run ended.
    fn done(&mut self, _report: &Report) {}
}

/// Nobody watches.
impl Observer for () {}
