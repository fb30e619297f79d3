//! What a gradient keeps of the steps of a solve, known before anything runs.

use super::output::{bytes, count};
use crate::compile::{self, Derived};
use crate::lower::{Gradient, Lowered};
use crate::solve::Method;

/// Steps of a solve that an estimate of memory assumes.
const STEPS: usize = 100;

/// Bytes that the tape of a sample takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// For every accepted step; 0: no step is kept.
    pub per_step: usize,
    /// What the states of the steps take at most besides, where there is a budget.
    pub at_most: Option<usize>,
}

impl Kept {
    /// Of system `k`, with numbers of some bytes and a batch of so many samples.
    pub fn of(lowered: &Lowered, derived: &Derived, k: usize, number: usize, batch: usize) -> Self {
        let system = &lowered.systems[k];
        let options = &system.options;
        // Dense output of the steps, and both once more for the adjoint, which takes about as many steps between outputs.
        let (path, times) = match system.gradient {
            Gradient::Discrete if options.keeps_steps() => (0, 1),
            Gradient::Interpolated => (size_of::<f64>() + number * system.dim * options.dense_degree(), 2),
            Gradient::Discrete | Gradient::Backsolve | Gradient::Forward => return Self::default(),
        };
        // Its position; of an implicit step also the scheme and its order. The last stage of an explicit one is the
        // first one of the next.
        let (position, stages) = match options.method {
            Method::Implicit(method) => (size_of::<f64>() + 2, method.stages()),
            Method::Adams => (size_of::<f64>(), options.dense_degree() - 1),
            _ if options.keep_stages => (size_of::<f64>(), options.method.tableau().stages() - 1),
            _ => (size_of::<f64>(), 0),
        };
        if options.memory.is_some() {
            return Self { per_step: position, at_most: options.memory };
        }
        let (g, lanes) = (&derived.graph, compile::lanes_for(lowered, batch));
        let left = compile::kept(g, &derived.systems[k], system, lanes);
        let left: usize = left.iter().map(|&id| g.size(id)).sum();
        let step = position + number * (system.dim * (1 + stages) + left * stages);
        Self { per_step: times * (step + path), at_most: None }
    }

    /// The same as a sentence.
    pub fn describe(self, batch: usize) -> String {
        let samples = count(batch, "sample");
        match (self.per_step, self.at_most) {
            (0, _) => "training keeps no steps: memory does not grow with the length of the solve".to_owned(),
            (step, Some(most)) => format!(
                "training keeps at most {} a sample, and {} a step: at most {} for {STEPS} steps of {samples}",
                bytes(most as f64),
                bytes(step as f64),
                bytes(((most + step * STEPS) * batch) as f64)
            ),
            (step, None) => format!(
                "training keeps {} a step and sample: about {} for {STEPS} steps of {samples}",
                bytes(step as f64),
                bytes((step * STEPS * batch) as f64)
            ),
        }
    }
}
