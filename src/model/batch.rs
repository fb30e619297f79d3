//! What a batch of samples brings: data, fresh draws, lengths.

use super::Purpose;
use crate::data::Dataset;
use crate::graph::Leaf;
use crate::lower::{Lowered, NoiseDist};
use crate::train::rng;

/// Samples to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The data, if the model has inputs.
    pub data: Option<&'a Dataset>,
    /// Indices into the data; for a model of noise alone, numbers of draws.
    pub samples: &'a [usize],
    /// Seed of the draws.
    pub seed: u64,
    /// Which step of training: keys the draws.
    pub step: u64,
}

/// Keys the draws that all samples of a step share.
const SHARED: u64 = u64::MAX;

impl Batch<'_> {
    /// Writes one sample's value of a leaf; `out` has the leaf's number of entries.
    pub(super) fn fill(&self, model: &Lowered, leaf: Leaf, sample: usize, purpose: Purpose, out: &mut [f64]) {
        match leaf {
            Leaf::Input(k) => {
                let name = &model.inputs[k as usize].name;
                if let Some(column) = self.data.and_then(|d| d.column(name)) {
                    column.fill(sample, out);
                }
            }
            Leaf::Noise(k) => self.draw(&model.noises[k as usize].dist, k, sample, purpose, out),
            Leaf::Length(k) => out[0] = self.length(model, k, sample),
            Leaf::Param(_)
            | Leaf::Natural(_)
            | Leaf::Time
            | Leaf::Clock
            | Leaf::State(_)
            | Leaf::Capture { .. }
            | Leaf::Weight
            | Leaf::Seed(_) => {}
        }
    }

    /// The size of a ragged dimension: that of the first input that has it.
    fn length(&self, model: &Lowered, dim: u32, sample: usize) -> f64 {
        let has = |i: &&crate::lower::Input| i.ragged == Some(dim as usize);
        let column = model.inputs.iter().find(has).and_then(|i| self.data.and_then(|d| d.column(&i.name)));
        let length = column.map_or(model.ragged[dim as usize].1, |c| c.len_of(sample));
        length as f64
    }

    fn draw(&self, dist: &NoiseDist, noise: u32, sample: usize, purpose: Purpose, out: &mut [f64]) {
        let sample = if matches!(dist, NoiseDist::Steer { .. }) { SHARED } else { sample as u64 };
        let stream = rng::stream(&[u64::from(noise) + 1, self.step, sample]);
        for (i, x) in out.iter_mut().enumerate() {
            let i = i as u64;
            *x = match dist {
                NoiseDist::Normal { mean, std } => mean + std * rng::normal(self.seed, stream, i),
                NoiseDist::Uniform { a, b } => a + (b - a) * rng::uniform(self.seed, stream, i),
                NoiseDist::Bernoulli { p } => rng::bernoulli(self.seed, stream, i, *p),
                NoiseDist::Steer { centre, radius } => match purpose {
                    Purpose::Training => centre + radius * (2.0 * rng::uniform(self.seed, stream, i) - 1.0),
                    Purpose::Evaluation => *centre,
                },
            };
        }
    }
}
