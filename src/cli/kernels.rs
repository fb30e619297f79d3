//! The kernels of a system by name, for listings and measurements.

use crate::graph::{Graph, NodeId, Op};
use crate::model::{KernelParts, SystemParts};

/// Name of the vector-Jacobian product.
pub(super) const VJP: &str = "vector-Jacobian product";

/// The right-hand side and, where there are any, its vector-Jacobian product, Jacobian, and the pull-back of that.
pub(super) fn kernels(g: &Graph, parts: &SystemParts) -> Vec<(&'static str, KernelParts)> {
    let pull_back = parts.pull_back(g, false, true).map(|p| (VJP, p));
    let jacobian = parts.jacobian().map(|p| ("Jacobian", p));
    let curvature = parts.jacobian_pull_back(g).map(|p| ("pull-back of the Jacobian", p));
    let rest = pull_back.into_iter().chain(jacobian).chain(curvature);
    std::iter::once(("right-hand side", parts.right_hand_side())).chain(rest).collect()
}

/// Elementwise operations per sample.
pub(super) fn operations(g: &Graph, root: NodeId) -> u64 {
    let elementwise = |id: &NodeId| {
        let node = g.node(*id);
        node.batched && matches!(node.op, Op::Map1(_) | Op::Map2(_) | Op::Compare(_) | Op::Select)
    };
    g.reachable(&[root]).iter().filter(|id| elementwise(id)).map(|id| g.size(*id) as u64).sum()
}
