//! How a run divides the data set: batches, epochs, and which samples a step takes.

use super::objective::{Objective, Request};
use super::optim::Optimizer;
use super::rng;
use super::spec::{Length, TrainSpec};
use crate::diag::Diagnostic;

/// Samples a step where they come from noise and the batch is not given.
const DRAWS: usize = 128;
/// Steps between validations where there are no epochs.
const CHECK_EVERY: u64 = 100;
/// Keeps the shuffles apart from other uses of the seed.
const SHUFFLE: u64 = 0x5348_5546_464C_4521;

/// The sizes of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    samples: Option<usize>,
    batch: usize,
    /// Steps an epoch.
    per_epoch: u64,
    /// Steps of the run.
    pub total: u64,
    /// Steps between validations.
    pub check_every: u64,
    /// Steps of a unit of duration.
    pub unit: u64,
    lbfgs: bool,
    seed: u64,
    /// The order of the samples in an epoch.
    order: Vec<usize>,
    order_of: Option<u64>,
}

impl Plan {
    /// The sizes that the options and the data set ask for.
    pub fn new<O: Objective + ?Sized>(objective: &O, spec: &TrainSpec) -> Result<Self, Diagnostic> {
        let (samples, lbfgs) = (objective.samples(), spec.optimizer.kind == Optimizer::Lbfgs);
        if objective.is_empty() {
            let empty = Diagnostic::global("N0632", "the model has no parameters to train");
            return Err(empty.help("declare a `param` or a `net`; `pullback eval` computes the loss without training"));
        }
        if samples == Some(0) {
            let none = Diagnostic::global("N0633", "the data set has no training samples");
            return Err(none.help("check the selection of samples and the share that is kept for validation"));
        }
        if lbfgs && samples.is_some() && spec.batch.is_some() {
            let batch = Diagnostic::global("N0631", "`lbfgs` takes the whole data set in every iteration, no `batch`");
            return Err(batch.help("remove `batch`, or choose `adam`"));
        }
        let batch = match samples {
            Some(n) => spec.batch.unwrap_or(n).clamp(1, n),
            None => spec.batch.unwrap_or(DRAWS).max(1),
        };
        let per_epoch = samples.map_or(1, |n| n.div_ceil(batch) as u64);
        let (total, unit) = match spec.length {
            Length::Steps(n) => (n, 1),
            Length::Epochs(n) if samples.is_some() => (n.saturating_mul(per_epoch), per_epoch),
            Length::Epochs(_) => {
                let endless =
                    Diagnostic::global("N0630", "`epochs` needs a data set: samples drawn from noise never end");
                return Err(endless.help("give `steps` instead"));
            }
        };
        let default = if samples.is_some() || lbfgs { per_epoch } else { CHECK_EVERY };
        let check_every = spec.validate_every.unwrap_or(default).max(1);
        let order = (0..samples.unwrap_or(0)).collect();
        let seed = spec.seed;
        Ok(Self { samples, batch, per_epoch, total, check_every, unit, lbfgs, seed, order, order_of: None })
    }

    /// Whole epochs before `step`.
    pub fn epoch(&self, step: u64) -> u64 {
        if self.samples.is_some() { step / self.per_epoch } else { 0 }
    }

    /// The samples of a step. Every epoch takes each sample once, in an order of its own that depends on the seed.
    /// `lbfgs` needs one function for the whole run: its noise is that of step 0.
    pub fn request(&mut self, step: u64) -> Request<'_> {
        let step = if self.lbfgs { 0 } else { step };
        let Some(n) = self.samples else { return Request { samples: None, count: self.batch, step } };
        let epoch = self.epoch(step);
        if self.batch < n && self.order_of != Some(epoch) {
            self.order = rng::permutation(self.seed, rng::stream(&[SHUFFLE, epoch]), n);
            self.order_of = Some(epoch);
        }
        // The remainder is below the number of batches, so the product is below n + batch.
        let start = usize::try_from(step % self.per_epoch).unwrap_or(0) * self.batch;
        let samples = &self.order[start..n.min(start + self.batch)];
        Request { samples: Some(samples), count: samples.len(), step }
    }
}
