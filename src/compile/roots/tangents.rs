//! The roots of a model that is differentiated forwards: once, for its gradient, or along one direction, for what is
//! differentiated backwards again.

use super::super::tangent::{self, Augmented, Directions, Swept};
use super::Ids;
use crate::diff::DiffError;
use crate::graph::{Graph, Leaf, NodeId};
use crate::lower::{Lowered, System};

/// A loss with its tangents along every entry of the parameters (and inputs).
#[derive(Clone, Debug)]
pub(super) struct Tangents {
    pub loss: NodeId,
    pub metrics: Vec<NodeId>,
    /// `[directions]`; none: the loss does not move.
    pub along: Option<NodeId>,
}

impl Ids {
    /// Prepares the gradient by tangents along every entry of the parameters and of the `inputs`, if these are wanted.
    /// Returns the systems that were added.
    pub fn add_gradient_tangents(
        &mut self,
        g: &mut Graph,
        lowered: &Lowered,
        inputs: bool,
    ) -> Result<Vec<Augmented>, DiffError> {
        let Some(loss) = self.loss else { return Ok(Vec::new()) };
        let wrt = self.moving(g, lowered, inputs);
        if wrt.is_empty() {
            return Ok(Vec::new());
        }
        let directions = every_entry(g, &wrt);
        let Swept { mut values, tangent, systems } = self.sweep(g, &lowered.systems, directions, loss)?;
        let metrics = values.split_off(1);
        self.tangents = Some(Tangents { loss: values[0], metrics, along: tangent });
        Ok(systems)
    }

    /// Puts the derivative of the loss along a direction in its place, and the loss in the place of the metrics. The
    /// second half of the parameters are the entries of the direction.
    pub fn add_direction(&mut self, g: &mut Graph, lowered: &Lowered) -> Result<Vec<Augmented>, DiffError> {
        let Some(loss) = self.loss else { return Ok(Vec::new()) };
        let (of, along) = self.natural.split_at(self.natural.len() / 2);
        let seeds = of.iter().copied().zip(along.iter().copied()).collect();
        self.metrics.clear();
        let swept = self.sweep(g, &lowered.systems, Directions { seeds, axis: None }, loss)?;
        self.metrics = swept.values;
        self.loss = Some(swept.tangent.unwrap_or_else(|| g.scalar(0.0)));
        self.natural.truncate(self.natural.len() / 2);
        Ok(swept.systems)
    }

    /// Values that derivatives are taken with respect to: parameters, and inputs if they are wanted.
    pub(super) fn moving(&self, g: &mut Graph, lowered: &Lowered, inputs: bool) -> Vec<NodeId> {
        let mut wrt = self.natural.clone();
        if inputs {
            wrt.extend((0_u32..).zip(&lowered.inputs).map(|(k, i)| g.leaf(Leaf::Input(k), &i.shape)));
        }
        wrt
    }

    fn sweep(
        &mut self,
        g: &mut Graph,
        systems: &[System],
        directions: Directions,
        loss: NodeId,
    ) -> Result<Swept, DiffError> {
        let values: Vec<NodeId> = std::iter::once(loss).chain(self.metrics.iter().copied()).collect();
        let swept = tangent::sweep(g, systems, &self.inner(), directions, &values)?;
        for added in &swept.systems {
            self.rhs.push(added.inner[0]);
            self.events.push(added.inner[1..].to_vec());
            self.clocks.push(false);
            self.times.push(true);
        }
        Ok(swept)
    }
}

impl Tangents {
    pub fn all(&mut self) -> impl Iterator<Item = &mut NodeId> {
        std::iter::once(&mut self.loss).chain(&mut self.metrics).chain(&mut self.along)
    }

    /// Cotangents of values, for the weighted sum of the samples' losses: shared ones are summed over the samples.
    pub fn cotangents(&self, g: &mut Graph, wrt: &[NodeId]) -> Vec<Option<NodeId>> {
        let Some(along) = self.along else { return vec![None; wrt.len()] };
        let weight = g.leaf(Leaf::Weight, &[]);
        let weighted = g.times(weight, along);
        let total = g.sum_lanes(weighted);
        let mut first = 0;
        let mut bars = Vec::new();
        for &value in wrt {
            let (size, shape) = (g.size(value), g.shape(value).clone());
            let part = g.slice(if g.batched(value) { weighted } else { total }, &[first], &[size]);
            bars.push(Some(g.reshape(part, &shape)));
            first += size;
        }
        bars
    }
}

/// One direction for every entry of `wrt`: rows of an identity.
fn every_entry(g: &mut Graph, wrt: &[NodeId]) -> Directions {
    let n = wrt.iter().map(|&value| g.size(value)).sum();
    let (mut seeds, mut first) = (Vec::new(), 0);
    for &value in wrt {
        let (size, own) = (g.size(value), g.shape(value).clone());
        let unit = if size == 1 { g.full(1.0, &[1, 1]) } else { g.delta(size) };
        let rows = g.pad(unit, &[first, 0], &[n, size]);
        let shape: Vec<usize> = std::iter::once(n).chain(own).collect();
        seeds.push((value, g.reshape(rows, &shape)));
        first += size;
    }
    Directions { seeds, axis: Some(n) }
}
