//! A model with its data as what training minimises.

use super::{Batch, Entry, Evaluated, Model, Number, Purpose};
use crate::data::Dataset;
use crate::train::{Dropped, Evaluation, Failure, Objective, Request};

/// Where the samples of training come from.
pub struct ObjectiveSetup {
    /// Training samples; none for a model of noise alone.
    pub train: Option<Dataset>,
    /// Held-back samples.
    pub validation: Option<Dataset>,
    /// Draws that stand for a validation set where there is no data; 0 for none.
    pub validation_draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// A model bound to its data.
pub struct ModelObjective<'m, T> {
    model: &'m Model<T>,
    setup: ObjectiveSetup,
}

/// The draws of validation never meet those of training.
const VALIDATION_STEP: u64 = u64::MAX;

impl<'m, T: Number> ModelObjective<'m, T> {
    /// Binds a model that was compiled with loss and gradient.
    pub fn new(model: &'m Model<T>, setup: ObjectiveSetup) -> Self {
        Self { model, setup }
    }

    fn run(
        &self,
        purpose: Purpose,
        entry: &Entry<T>,
        params: &[f64],
        batch: &Batch,
    ) -> Result<(Evaluation, Evaluated), Failure> {
        let found = self.model.evaluate_for(purpose, entry, params, batch);
        if found.dropped.len() == batch.samples.len() {
            let reason = found.dropped.first().map_or("there are no samples", |d| d.reason.as_str());
            return Err(Failure {
                message: format!("every sample failed; the first one: {reason}"),
                advice: "start from other parameters, lower the learning rate, or loosen the tolerances".into(),
            });
        }
        let names = self.model.lowered.metrics.iter().map(|m| m.0.clone());
        let evaluation = Evaluation {
            loss: found.loss,
            metrics: names.zip(found.metrics.iter().copied()).collect(),
            dropped: found.dropped.iter().map(|d| Dropped { sample: d.sample, reason: d.reason.clone() }).collect(),
            rhs: found.forward.rhs + found.backward.rhs,
        };
        Ok((evaluation, found))
    }
}

impl<T: Number> Objective for ModelObjective<'_, T> {
    fn len(&self) -> usize {
        self.model.raw_len()
    }

    fn samples(&self) -> Option<usize> {
        self.setup.train.as_ref().map(|d| d.len)
    }

    fn evaluate(
        &mut self,
        params: &[f64],
        request: &Request<'_>,
        gradient: Option<&mut [f64]>,
    ) -> Result<Evaluation, Failure> {
        let draws: Vec<usize> = (0..request.count).collect();
        let batch = Batch {
            data: self.setup.train.as_ref(),
            samples: request.samples.unwrap_or(&draws),
            seed: self.setup.seed,
            step: request.step,
        };
        let entry = match &gradient {
            Some(_) => self.model.gradient.as_ref(),
            None => self.model.value.as_ref(),
        };
        let entry = entry.ok_or_else(|| Failure {
            message: "the model has no loss".into(),
            advice: "add `loss = …` to the file".into(),
        })?;
        let (evaluation, found) = self.run(Purpose::Training, entry, params, &batch)?;
        if let Some(gradient) = gradient {
            gradient.copy_from_slice(&found.raw);
        }
        Ok(evaluation)
    }

    fn validate(&mut self, params: &[f64], _step: u64) -> Result<Option<Evaluation>, Failure> {
        let samples: Vec<usize> = match &self.setup.validation {
            Some(data) => (0..data.len).collect(),
            None => (0..self.setup.validation_draws).collect(),
        };
        let (Some(entry), false) = (&self.model.value, samples.is_empty()) else { return Ok(None) };
        let data = self.setup.validation.as_ref().or(self.setup.train.as_ref());
        let batch = Batch { data, samples: &samples, seed: self.setup.seed, step: VALIDATION_STEP };
        Ok(Some(self.run(Purpose::Evaluation, entry, params, &batch)?.0))
    }
}
