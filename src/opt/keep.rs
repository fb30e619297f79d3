//! A right-hand side and its pull-back → the values that are worth keeping from the one for the other.

use crate::graph::{Binary, Graph, NodeId, Op, Unary};
use std::collections::{HashMap, HashSet};

/// The nodes under `rhs` that the pull-back `bars` would compute again and that cost more than the memory
/// they take: products, sums and transcendental functions. Sums and products of single entries are done again.
pub fn worth_keeping(g: &Graph, rhs: NodeId, bars: &[NodeId]) -> Vec<NodeId> {
    let order = g.reachable(&[rhs]);
    let forward: HashSet<NodeId> = order.iter().copied().collect();
    let mut search = Search { g, kept: HashSet::new(), free: HashMap::new() };
    for &id in &order {
        let free = search.is_free(id);
        search.free.insert(id, free);
    }
    for id in g.reachable(bars) {
        if !forward.contains(&id) {
            for x in g.args(id).into_iter().filter(|x| forward.contains(x)) {
                search.need(x);
            }
        }
    }
    for &bar in bars.iter().filter(|bar| forward.contains(bar)) {
        search.need(bar);
    }
    search.spare();
    let mut kept: Vec<NodeId> = search.kept.into_iter().collect();
    kept.sort_unstable();
    kept
}

struct Search<'g> {
    g: &'g Graph,
    kept: HashSet<NodeId>,
    /// Whether a node costs nothing to have again: leaves, what the samples share, and views and cheap functions of
    /// those.
    free: HashMap<NodeId, bool>,
}

impl Search<'_> {
    fn is_free(&self, id: NodeId) -> bool {
        let node = self.g.node(id);
        let given = matches!(node.op, Op::Leaf(_) | Op::Const(_) | Op::Iota | Op::Delta);
        given || (cheap(self.g, id) && node.args.iter().all(|a| self.free[a]))
    }

    /// Keeps what the pull-back needs to have this value.
    fn need(&mut self, id: NodeId) {
        let at = source(self.g, id);
        if !self.free[&at] {
            self.kept.insert(at);
        }
    }

    /// Does not keep cheap functions of what is kept anyway.
    fn spare(&mut self) {
        let mut kept: Vec<NodeId> = self.kept.iter().copied().collect();
        kept.sort_unstable();
        for id in kept.into_iter().rev() {
            let known = |a: &NodeId| self.free[a] || self.kept.contains(&source(self.g, *a));
            if cheap(self.g, id) && self.g.args(id).iter().all(known) {
                self.kept.remove(&id);
            }
        }
    }
}

/// The value that a node is a view of.
fn source(g: &Graph, id: NodeId) -> NodeId {
    let mut at = id;
    while matches!(g.node(at).op, Op::Reshape | Op::Slice(_) | Op::Broadcast(_) | Op::Stop) {
        at = g.args(at)[0];
    }
    at
}

/// Whether computing a node again costs about as much as reading it.
fn cheap(g: &Graph, id: NodeId) -> bool {
    match &g.node(id).op {
        Op::Leaf(_) | Op::Const(_) | Op::Iota | Op::Delta | Op::Compare(_) | Op::Select | Op::Stop => true,
        Op::Broadcast(_) | Op::Reshape | Op::Slice(_) | Op::Pad(_) | Op::Concat(_) => true,
        Op::Map1(f) => matches!(f, Unary::Neg | Unary::Abs | Unary::Sign | Unary::Not | Unary::Floor),
        Op::Map2(f) => !matches!(f, Binary::Div | Binary::Pow | Binary::Atan2),
        // A product without a sum is elementwise.
        Op::Einsum(spec) => spec.args.iter().flatten().all(|axis| spec.out.contains(axis)),
        Op::Conv(_) | Op::Gather | Op::ScatterAdd | Op::ArgMax | Op::Search => false,
        Op::SumLanes | Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => false,
    }
}
