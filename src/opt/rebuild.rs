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
    let mut to: HashMap<NodeId, NodeId> = HashMap::new();
    for id in g.reachable(roots) {
        let mut node = g.node(id).clone();
        for a in &mut node.args {
            *a = to[a];
        }
        let new = build(&mut graph, id, &node);
        to.insert(id, new);
    }
    let roots = roots.iter().map(|r| to[r]).collect();
    Rebuilt { graph, roots }
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
