//! The Hessian of a loss, as products with directions.

use super::{Batch, Dropped, Model, Number, Work};

/// A model compiled for second derivatives: `compile::hessian` makes it.
pub struct Hessian<T> {
    /// Its loss is the derivative of the model's along a direction, its first metric that loss; the entries of the
    /// direction are the second half of the parameters.
    model: Model<T>,
}

/// Derivatives of a mean loss L along a direction v of the natural values θ of the parameters.
#[derive(Clone, Debug, Default)]
pub struct HessianProduct {
    /// L
    pub loss: f64,
    /// ∇L · v
    pub slope: f64,
    /// ∇²L v, with the shapes of the parameters.
    pub product: Vec<Vec<f64>>,
    /// Samples left out.
    pub dropped: Vec<Dropped>,
    /// Work of the solves with tangents.
    pub forward: Work,
    /// Work of their pull-backs.
    pub backward: Work,
}

impl<T: Number> Hessian<T> {
    /// Wraps a model that was compiled with directions.
    pub fn new(model: Model<T>) -> Self {
        Self { model }
    }

    /// The product with a direction, natural values of which there is one list a parameter, at unconstrained parameters
    /// `raw`. Exact for the steps that are accepted, which count as constants.
    pub fn product(&self, raw: &[f64], direction: &[Vec<f64>], batch: &Batch) -> HessianProduct {
        let Some(entry) = &self.model.gradient else { return HessianProduct::default() };
        let values: Vec<f64> = raw.iter().chain(direction.iter().flatten()).copied().collect();
        let found = self.model.evaluate(entry, &values, batch);
        HessianProduct {
            loss: found.metrics.first().copied().unwrap_or(f64::NAN),
            slope: found.loss,
            product: found.natural,
            dropped: found.dropped,
            forward: found.forward,
            backward: found.backward,
        }
    }

    /// Number of entries that a direction has for each parameter.
    pub fn sizes(&self) -> Vec<usize> {
        let params = &self.model.lowered.params;
        params[..params.len() / 2].iter().map(|p| p.shape.iter().product()).collect()
    }
}
