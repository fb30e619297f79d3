//! Rebuilding a graph node by node, with a rule applied to each.

use super::rules;
use crate::graph::{Graph, Node, NodeId};
use std::collections::HashMap;

/// A graph and where the roots went.
pub struct Rebuilt {
    /// The new graph.
    pub graph: Graph,
    /// New id of each root, in order.
    pub roots: Vec<NodeId>,
}

/// Copies what `roots` need into a new graph, `build` making the copy of each node from its copied arguments.
pub(super) fn rebuild(
    g: &Graph,
    roots: &[NodeId],
    mut build: impl FnMut(&mut Graph, NodeId, &Node) -> NodeId,
) -> Rebuilt {
    let mut graph = Graph::new();
    let roots = copy(g, roots, &mut graph, &mut build);
    Rebuilt { graph, roots }
}

fn copy(
    g: &Graph,
    roots: &[NodeId],
    into: &mut Graph,
    build: &mut dyn FnMut(&mut Graph, NodeId, &Node) -> NodeId,
) -> Vec<NodeId> {
    let mut to: HashMap<NodeId, NodeId> = HashMap::new();
    for id in g.reachable(roots) {
        let mut node = g.node(id).clone();
        for a in &mut node.args {
            *a = to[a];
        }
        let new = build(into, id, &node);
        to.insert(id, new);
    }
    roots.iter().map(|r| to[r]).collect()
}

/// Copies `roots` and what they need into another graph, with some nodes of it in the place of some of theirs.
pub fn graft(g: &Graph, roots: &[NodeId], into: &mut Graph, with: &[(NodeId, NodeId)]) -> Vec<NodeId> {
    let with: HashMap<NodeId, NodeId> = with.iter().copied().collect();
    copy(g, roots, into, &mut |graph, id, node| with.get(&id).copied().unwrap_or_else(|| graph.add(node.clone())))
}

/// Puts other nodes in the place of some.
pub fn replace(
    g: &Graph,
    roots: &[NodeId],
    mut with: impl FnMut(&mut Graph, NodeId, &Node) -> Option<NodeId>,
) -> Rebuilt {
    rebuild(g, roots, |graph, id, node| with(graph, id, node).unwrap_or_else(|| graph.add(node.clone())))
}

/// Applies the rewrite table to every node once, arguments first.
pub fn simplify(g: &Graph, roots: &[NodeId]) -> Rebuilt {
    rebuild(g, roots, |graph, _, node| rules::apply(graph, node).unwrap_or_else(|| graph.add(node.clone())))
}
