//! Staging: what does not change during a solve leaves its right-hand side.
//!
//! A node that depends on parameters only is computed once per update (the prologue), one that depends on the sample
//! once per sample; the right-hand side gets them as captures. The cotangents of the captures then flow back through the
//! same nodes outside of the solve (the epilogue). Exact, since parameters and inputs do not change with time.

use crate::graph::{Graph, Leaf, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// A system after staging.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The right-hand side, over `Leaf::State`, `Leaf::Time` and `Leaf::Capture`.
    pub rhs: NodeId,
    /// The captured nodes, in the order of the solve's operands behind z0, t0, ts.
    pub captures: Vec<NodeId>,
    /// The leaves that stand for them inside.
    pub leaves: Vec<NodeId>,
}

/// Splits each system's right-hand side and gives every solve that `roots` need its captures. Returns the systems and
/// the new roots.
pub fn stage(g: &mut Graph, systems: &[NodeId], roots: &[NodeId]) -> (Vec<Staged>, Vec<NodeId>) {
    let staged: Vec<Staged> = systems.iter().map(|&rhs| split(g, rhs)).collect();
    let mut to: HashMap<NodeId, NodeId> = HashMap::new();
    let mut all: Vec<NodeId> = roots.to_vec();
    all.extend(staged.iter().flat_map(|s| s.captures.iter().copied()));
    for id in g.reachable(&all) {
        let mut node = g.node(id).clone();
        for a in &mut node.args {
            *a = to.get(a).copied().unwrap_or(*a);
        }
        let new = if let Op::Solve(system) = node.op {
            let mut args = node.args.to_vec();
            let captures = &staged[system as usize].captures;
            args.extend(captures.iter().map(|c| to.get(c).copied().unwrap_or(*c)));
            g.solve(system, &args)
        } else if node.args == g.node(id).args {
            id
        } else {
            g.push(node.op.clone(), &node.args, node.shape.clone())
        };
        to.insert(id, new);
    }
    let moved = |ids: &[NodeId]| ids.iter().map(|id| to[id]).collect::<Vec<_>>();
    let roots = moved(roots);
    let staged = staged.into_iter().map(|s| Staged { captures: moved(&s.captures), ..s }).collect();
    (staged, roots)
}

fn split(g: &mut Graph, rhs: NodeId) -> Staged {
    let order = g.reachable(&[rhs]);
    let mut moving: HashSet<NodeId> = HashSet::new();
    let mut fixed: HashSet<NodeId> = HashSet::new();
    for &id in &order {
        let node = g.node(id);
        let changes = matches!(node.op, Op::Leaf(Leaf::State(_) | Leaf::Time));
        if changes || node.args.iter().any(|a| moving.contains(a)) {
            moving.insert(id);
        }
        let constant = match node.op {
            Op::Const(_) | Op::Iota | Op::Delta => true,
            Op::Leaf(_) => false,
            _ => node.args.iter().all(|a| fixed.contains(a)),
        };
        if constant {
            fixed.insert(id);
        }
    }
    let mut splitter = Splitter { g, moving, fixed, captured: Vec::new(), leaves: Vec::new(), to: HashMap::new() };
    for &id in &order {
        if splitter.moving.contains(&id) {
            splitter.copy(id);
        }
    }
    let rhs = splitter.inside(rhs);
    let (captures, leaves) = (splitter.captured, splitter.leaves);
    Staged { rhs, captures, leaves }
}

struct Splitter<'g> {
    g: &'g mut Graph,
    moving: HashSet<NodeId>,
    fixed: HashSet<NodeId>,
    captured: Vec<NodeId>,
    leaves: Vec<NodeId>,
    to: HashMap<NodeId, NodeId>,
}

impl Splitter<'_> {
    fn copy(&mut self, id: NodeId) {
        let node = self.g.node(id).clone();
        let args: Vec<NodeId> = node.args.iter().map(|&a| self.inside(a)).collect();
        let new = if args == node.args.as_slice() { id } else { self.g.push(node.op, &args, node.shape) };
        self.to.insert(id, new);
    }

    /// What stands inside the right-hand side for a node.
    fn inside(&mut self, id: NodeId) -> NodeId {
        if let Some(&new) = self.to.get(&id) {
            return new;
        }
        let node = self.g.node(id).clone();
        let new = if self.moving.contains(&id) || self.fixed.contains(&id) {
            id
        } else if matches!(node.op, Op::Broadcast(_)) {
            // A repeat is cheaper to do again than to carry in.
            let x = self.inside(node.args[0]);
            self.g.push(node.op, &[x], node.shape)
        } else {
            let index = u32::try_from(self.captured.len()).unwrap_or(u32::MAX);
            let leaf = self.g.leaf(Leaf::Capture { index, batched: node.batched }, &node.shape);
            self.captured.push(id);
            self.leaves.push(leaf);
            leaf
        };
        self.to.insert(id, new);
        new
    }
}
