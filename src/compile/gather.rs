//! Sums over samples in a pull-back → factors that it leaves, and one sum of their products for many of its calls.
//!
//! The cotangent of a matrix of parameters is a sum of outer products, one a sample, stage and step. Added up one call at
//! a time, the whole matrix is read and written for each; of the factors of several calls it is one matrix product.

use crate::graph::{Einsum, Graph, Leaf, NodeId, Op};
use crate::model::{Gathered, GatheredSum as Sum};

/// Entries of an outer product from which its factors are gathered: a smaller one is added up in less time than it takes
/// to put them aside (measured).
const WORTH: usize = 1024;

/// Calls whose factors are gathered: with more it is no faster, and they take more of the cache (measured).
const CALLS: usize = 16;

struct Builder(Gathered);

impl Builder {
    fn factor(&mut self, g: &Graph, node: NodeId) -> NodeId {
        let all = &mut self.0;
        if let Some(k) = all.factors.iter().position(|f| *f == node) {
            return all.inputs[k];
        }
        let shape: Vec<usize> = std::iter::once(all.calls).chain(g.shape(node).iter().copied()).collect();
        let leaf = Leaf::Seed(u32::try_from(all.inputs.len()).unwrap_or(u32::MAX));
        let input = all.graph.leaf(leaf, &shape);
        all.factors.push(node);
        all.inputs.push(input);
        input
    }

    fn push(&mut self, target: usize, single: NodeId, batched: NodeId) {
        let all = self.0.graph.sum_lanes(batched);
        self.0.sums.push(Sum { target, single, all });
    }
}

/// The sums over samples among `terms` (each with what it is added to) that are worth gathering:
/// products larger than their factors, and what is a factor of one.
pub(super) fn gather(g: &Graph, terms: &[(usize, NodeId)]) -> Option<Gathered> {
    let empty =
        Gathered { factors: Vec::new(), graph: Graph::new(), inputs: Vec::new(), sums: Vec::new(), calls: CALLS };
    let mut builder = Builder(empty);
    let of_lanes = |id: NodeId| (g.node(id).op == Op::SumLanes).then(|| g.args(id)[0]);
    for &(target, single) in terms {
        let Some((spec, factors)) = of_lanes(single).and_then(|x| outer_product(g, x)) else { continue };
        let xs: Vec<NodeId> = factors.iter().map(|&f| builder.factor(g, f)).collect();
        let call = spec.fresh();
        let mut spec = spec.clone();
        spec.args.iter_mut().for_each(|axes| axes.insert(0, call));
        let product = builder.0.graph.einsum(spec, &xs);
        builder.push(target, single, product);
    }
    let products: Vec<(usize, NodeId)> = builder.0.sums.iter().map(|sum| (sum.target, sum.single)).collect();
    for &(target, single) in terms.iter().filter(|term| !products.contains(term)) {
        let known = of_lanes(single).and_then(|x| builder.0.factors.iter().position(|f| *f == x));
        if let Some(k) = known {
            let sum = builder.0.graph.sum_axes(builder.0.inputs[k], &[0]);
            builder.push(target, single, sum);
        }
    }
    let Gathered { sums, .. } = &builder.0;
    debug_assert!(
        sums.iter().all(|s| {
            let same = |of: (usize, NodeId)| of == (s.target, s.single);
            let gathered = sums.iter().filter(|s| same((s.target, s.single))).count();
            gathered == terms.iter().filter(|term| same(**term)).count()
        }),
        "a term that comes twice is gathered twice"
    );
    (!sums.is_empty()).then_some(builder.0)
}

/// An outer product of values of the samples: what is summed within a sample is a matrix product by itself.
fn outer_product(g: &Graph, x: NodeId) -> Option<(&Einsum, Vec<NodeId>)> {
    let Op::Einsum(spec) = &g.node(x).op else { return None };
    let factors: Vec<NodeId> = g.args(x).to_vec();
    let size: usize = factors.iter().map(|&f| g.size(f)).sum();
    let outer = spec.args.iter().flatten().all(|axis| spec.out.contains(axis));
    let worth = outer && g.size(x) >= WORTH && g.size(x) > size && factors.iter().all(|&f| g.batched(f));
    worth.then_some((spec, factors))
}
