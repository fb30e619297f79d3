//! The kernels of a system as the code generator gets them, for listings and measurements.

use crate::codegen::Output;
use crate::graph::{Binary, Graph, NodeId, Op};
use crate::model::SystemParts;

/// What a kernel reads and writes.
pub(super) struct Parts {
    /// Right-hand side or vector-Jacobian product.
    pub name: &'static str,
    /// Nodes that are given.
    pub inputs: Vec<NodeId>,
    /// Results.
    pub outputs: Vec<Output>,
}

/// The right-hand side: from state, time and captures.
pub(super) fn right_hand_side(parts: &SystemParts) -> Parts {
    let [state, time, _] = parts.leaves;
    let inputs = [state, time].into_iter().chain(parts.captures.iter().copied()).collect();
    Parts { name: "right-hand side", inputs, outputs: vec![Output { node: parts.rhs, slot: 0, add: false }] }
}

/// The vector-Jacobian product: cotangents of state, time and captures, those of captures added up.
pub(super) fn pull_back(g: &Graph, parts: &SystemParts) -> Option<Parts> {
    let bars = parts.bars.as_ref()?;
    let inputs = parts.leaves.into_iter().chain(parts.captures.iter().copied()).collect();
    let mut outputs = Vec::new();
    for (slot, (k, node)) in bars.iter().enumerate().filter_map(|(k, b)| b.map(|b| (k, b))).enumerate() {
        let captured = k >= 2;
        let nodes = if captured { terms(g, node) } else { vec![node] };
        outputs.extend(nodes.into_iter().map(|node| Output { node, slot, add: captured }));
    }
    Some(Parts { name: "vector-Jacobian product", inputs, outputs })
}

/// The terms of a sum of shared values, which kernels add one by one.
fn terms(g: &Graph, id: NodeId) -> Vec<NodeId> {
    let node = g.node(id);
    if node.batched || node.op != Op::Map2(Binary::Add) {
        return vec![id];
    }
    node.args.iter().flat_map(|&a| terms(g, a)).collect()
}

/// Elementwise operations per sample.
pub(super) fn operations(g: &Graph, root: NodeId) -> u64 {
    let elementwise = |id: &NodeId| {
        let node = g.node(*id);
        node.batched && matches!(node.op, Op::Map1(_) | Op::Map2(_) | Op::Compare(_) | Op::Select)
    };
    g.reachable(&[root]).iter().filter(|id| elementwise(id)).map(|id| g.size(*id) as u64).sum()
}
