//! Staging: what does not change during a solve leaves its right-hand side.
//!
//! A node that depends on parameters only is computed once per update (the prologue), one that depends on the sample
//! once per sample; the right-hand side gets them as captures. The cotangents of the captures then flow back through the
//! same nodes outside of the solve (the epilogue). Exact, since parameters and inputs do not change with time.
//!
//! Where the samples step together, time is one more value that they share: what depends on nothing else is computed
//! once per evaluation instead of once per sample.

use crate::graph::{Graph, Leaf, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// A system after staging.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The right-hand side and what else is computed on the way, over `Leaf::State`, `Leaf::Time` and `Leaf::Capture`.
    pub inner: Vec<NodeId>,
    /// The captured nodes, in the order of the solve's operands behind z0, t0, ts.
    pub captures: Vec<NodeId>,
    /// The leaves that stand for them inside.
    pub leaves: Vec<NodeId>,
}

/// Splits what each system computes on the way and gives every solve that `roots` need its captures. Returns the
/// systems and the new roots.
pub fn stage(g: &mut Graph, systems: &[Vec<NodeId>], roots: &[NodeId]) -> (Vec<Staged>, Vec<NodeId>) {
    let staged: Vec<Staged> = systems.iter().map(|inner| split(g, inner)).collect();
    let mut wiring = Wiring { g, staged: &staged, to: HashMap::new() };
    let roots = roots.iter().map(|&r| wiring.wire(r)).collect();
    let captures: Vec<Vec<NodeId>> =
        staged.iter().map(|s| s.captures.iter().map(|&c| wiring.wire(c)).collect()).collect();
    let staged = staged.iter().zip(captures).map(|(s, captures)| Staged { captures, ..s.clone() }).collect();
    (staged, roots)
}

/// Gives solves and their pull-backs the captures of their systems, which may come from other solves.
struct Wiring<'g> {
    g: &'g mut Graph,
    staged: &'g [Staged],
    to: HashMap<NodeId, NodeId>,
}

impl Wiring<'_> {
    fn wire(&mut self, root: NodeId) -> NodeId {
        let mut stack = vec![(root, false)];
        while let Some((id, ready)) = stack.pop() {
            if self.to.contains_key(&id) {
                continue;
            }
            let node = self.g.node(id).clone();
            let captures: &[NodeId] = match node.op {
                Op::Solve(system) | Op::SolveVjp(system) => &self.staged[system as usize].captures,
                _ => &[],
            };
            if !ready {
                stack.push((id, true));
                stack.extend(node.args.iter().chain(captures).map(|&a| (a, false)));
                continue;
            }
            // The cotangent of a pull-back stays last.
            let own = if matches!(node.op, Op::SolveVjp(_)) { node.args.len() - 1 } else { node.args.len() };
            let (first, last) = node.args.split_at(own);
            let args: Vec<NodeId> = first.iter().chain(captures).chain(last).map(|a| self.to[a]).collect();
            let new = if args == node.args.as_slice() { id } else { self.g.push(node.op, &args, node.shape) };
            self.to.insert(id, new);
        }
        self.to[&root]
    }
}

/// The value with time shared by the samples.
pub fn share_time(g: &mut Graph, root: NodeId) -> NodeId {
    let (time, clock) = (g.leaf(Leaf::Time, &[]), g.leaf(Leaf::Clock, &[]));
    let mut to: HashMap<NodeId, NodeId> = HashMap::from([(time, clock)]);
    for id in g.reachable(&[root]) {
        if !to.contains_key(&id) {
            let node = g.node(id).clone();
            let args: Vec<NodeId> = node.args.iter().map(|a| to[a]).collect();
            let new = if args == node.args.as_slice() { id } else { g.push(node.op, &args, node.shape) };
            to.insert(id, new);
        }
    }
    laned(g, to[&root])
}

/// A right-hand side that neither state nor time enters is still one for every sample.
fn laned(g: &mut Graph, rhs: NodeId) -> NodeId {
    let mut node = g.node(rhs).clone();
    if node.batched {
        return rhs;
    }
    let axes = (0..node.shape.len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
    (node.op, node.args, node.batched) = (Op::Broadcast(axes), [rhs].into_iter().collect(), true);
    g.add(node)
}

fn split(g: &mut Graph, inner: &[NodeId]) -> Staged {
    let order = g.reachable(inner);
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
            Op::Leaf(_) | Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => false,
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
    let inner = inner.iter().map(|&root| {
        let root = splitter.inside(root);
        laned(splitter.g, root)
    });
    let inner = inner.collect();
    let (captures, leaves) = (splitter.captured, splitter.leaves);
    Staged { inner, captures, leaves }
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
