//! Parameters: start values, and the way between natural and unconstrained ones.

use super::{Batch, Model, Number};
use crate::lower::{Init, Lowered, Param};
use crate::train::rng;

/// Natural start values, drawn from `seed` where the model says so.
pub fn initial(model: &Lowered, seed: u64) -> Vec<Vec<f64>> {
    model.params.iter().enumerate().map(|(k, p)| draw(p, k as u64, seed)).collect()
}

/// Draws of start values never meet those of `noise`.
const STREAM: u64 = u64::MAX;

fn draw(param: &Param, k: u64, seed: u64) -> Vec<f64> {
    let n: usize = param.shape.iter().product();
    let stream = rng::stream(&[STREAM, k]);
    match &param.init {
        Init::Constant(values) => values.clone(),
        Init::Normal { mean, std } => (0..n as u64).map(|i| mean + std * rng::normal(seed, stream, i)).collect(),
        Init::Uniform { low, high } => {
            (0..n as u64).map(|i| low + (high - low) * rng::uniform(seed, stream, i)).collect()
        }
    }
}

/// Unconstrained values of natural ones, one after another.
pub fn unconstrain(model: &Lowered, natural: &[Vec<f64>]) -> Vec<f64> {
    model.params.iter().zip(natural).flat_map(|(p, values)| p.domain.unconstrained(values)).collect()
}

impl<T: Number> Model<T> {
    /// Natural values of unconstrained ones.
    pub fn constrain(&self, raw: &[f64]) -> Vec<Vec<f64>> {
        let Some(entry) = &self.natural else { return Vec::new() };
        let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
        self.evaluate(entry, raw, &batch).outputs.into_iter().next().map(|o| o.values).unwrap_or_default()
    }
}
