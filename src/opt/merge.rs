//! Solves of one system from one start become one solve with all their output times.

use super::rebuild::Rebuilt;
use crate::graph::{Graph, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// Joins the solves that `roots` need, unless one may depend on the result of another.
pub fn merge_solves(g: &Graph, roots: &[NodeId]) -> Rebuilt {
    let order = g.reachable(roots);
    let depth = depths(g, &order);
    let pulled: HashSet<&[NodeId]> = order
        .iter()
        .filter(|id| matches!(g.node(**id).op, Op::SolveVjp(_)))
        .map(|id| &g.node(*id).args[..g.node(*id).args.len() - 1])
        .collect();
    let mut groups: HashMap<(u32, NodeId, NodeId, u32), Vec<NodeId>> = HashMap::new();
    for &id in &order {
        let node = g.node(id);
        // A solve with a pull-back of its own stays as that one knows it.
        if let Op::Solve(system) = node.op
            && !pulled.contains(node.args.as_slice())
        {
            groups.entry((system, node.args[0], node.args[1], depth[&id])).or_default().push(id);
        }
    }
    let mut leader: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        for &id in &group {
            leader.insert(id, group.clone());
        }
    }
    let mut copier = Copier { g, graph: Graph::new(), to: HashMap::new(), leader };
    let roots = roots.iter().map(|&r| copier.copy(r)).collect();
    Rebuilt { graph: copier.graph, roots }
}

/// How many solves stand one behind another up to each node: solves of equal depth cannot need one another.
fn depths(g: &Graph, order: &[NodeId]) -> HashMap<NodeId, u32> {
    let mut depth: HashMap<NodeId, u32> = HashMap::new();
    for &id in order {
        let node = g.node(id);
        let behind = node.args.iter().map(|a| depth[a]).max().unwrap_or(0);
        depth.insert(id, behind + u32::from(matches!(node.op, Op::Solve(_) | Op::SolveVjp(_))));
    }
    depth
}

struct Copier<'g> {
    g: &'g Graph,
    graph: Graph,
    to: HashMap<NodeId, NodeId>,
    leader: HashMap<NodeId, Vec<NodeId>>,
}

impl Copier<'_> {
    /// The copy of a node, arguments first; a joined solve waits for the times of all its group.
    fn copy(&mut self, root: NodeId) -> NodeId {
        let mut stack = vec![(root, false)];
        while let Some((id, ready)) = stack.pop() {
            if self.to.contains_key(&id) {
                continue;
            }
            let group = self.leader.get(&id).cloned();
            if ready {
                match group {
                    Some(group) => self.join(&group),
                    None => {
                        let mut node = self.g.node(id).clone();
                        for a in &mut node.args {
                            *a = self.to[a];
                        }
                        let copy = self.graph.add(node);
                        self.to.insert(id, copy);
                    }
                }
                continue;
            }
            stack.push((id, true));
            for member in group.unwrap_or_else(|| vec![id]) {
                stack.extend(self.g.args(member).into_iter().map(|a| (a, false)));
            }
        }
        self.to[&root]
    }

    fn join(&mut self, group: &[NodeId]) {
        let first = self.g.node(group[0]).clone();
        let Op::Solve(system) = first.op else { return };
        let times: Vec<NodeId> = group.iter().map(|&id| self.to[&self.g.args(id)[2]]).collect();
        let ts = self.graph.concat(0, &times);
        let mut args: Vec<NodeId> = first.args.iter().map(|a| self.to[a]).collect();
        args[2] = ts;
        let all = self.graph.solve(system, &args);
        let mut row = 0;
        for &id in group {
            let shape = self.g.shape(id).clone();
            let part = self.graph.slice(all, &[row, 0], &shape);
            self.to.insert(id, part);
            row += shape[0];
        }
    }
}
