//! Rebuilding a sub-graph with other values in the place of some of its nodes: as they are, or for many at once along a
//! new leading axis.

use crate::graph::{Graph, NodeId, Op, Shape};
use smallvec::smallvec;
use std::collections::HashMap;

/// `root` with every key of `map` replaced by its value (of the same shape).
pub(crate) fn substitute(g: &mut Graph, root: NodeId, map: &HashMap<NodeId, NodeId>) -> NodeId {
    let mut done = map.clone();
    for id in g.reachable(&[root]) {
        let node = g.node(id).clone();
        if done.contains_key(&id) || !node.args.iter().any(|a| done.contains_key(a)) {
            continue;
        }
        let args: Vec<NodeId> = node.args.iter().map(|a| done.get(a).copied().unwrap_or(*a)).collect();
        let new = g.push(node.op, &args, node.shape);
        done.insert(id, new);
    }
    done.get(&root).copied().unwrap_or(root)
}

/// `root` for `n` values of the keys of `map` at once: values and result have a leading axis of size n.
pub(crate) fn lift(g: &mut Graph, root: NodeId, map: &HashMap<NodeId, NodeId>, n: usize) -> NodeId {
    let mut lifting = Lifting { g, done: map.clone(), n };
    for id in lifting.g.reachable(&[root]) {
        let args = lifting.g.args(id);
        if !lifting.done.contains_key(&id) && args.iter().any(|a| lifting.done.contains_key(a)) {
            let new = lifting.node(id);
            lifting.done.insert(id, new);
        }
    }
    lifting.wide(root)
}

struct Lifting<'g> {
    g: &'g mut Graph,
    done: HashMap<NodeId, NodeId>,
    n: usize,
}

impl Lifting<'_> {
    fn shape(&self, id: NodeId) -> Shape {
        let mut shape: Shape = smallvec![self.n];
        shape.extend_from_slice(self.g.shape(id));
        shape
    }

    /// The lifted value; repeated if the node does not vary.
    fn wide(&mut self, id: NodeId) -> NodeId {
        if let Some(&lifted) = self.done.get(&id) {
            return lifted;
        }
        let shape = self.shape(id);
        let axes: Vec<u8> = (1..shape.len()).map(axis).collect();
        self.g.broadcast(id, &axes, &shape)
    }

    fn node(&mut self, id: NodeId) -> NodeId {
        let node = self.g.node(id).clone();
        let shape = self.shape(id);
        let first = node.args[0];
        match &node.op {
            Op::Map1(_) | Op::Map2(_) | Op::Compare(_) | Op::Select | Op::Stop => {
                let args: Vec<NodeId> = node.args.iter().map(|a| self.wide(*a)).collect();
                self.g.push(node.op, &args, shape)
            }
            Op::Einsum(spec) => {
                let mut spec = spec.clone();
                let fresh = spec.fresh();
                let mut args = Vec::new();
                for (labels, a) in spec.args.iter_mut().zip(&node.args) {
                    if let Some(lifted) = self.done.get(a) {
                        labels.insert(0, fresh);
                        args.push(*lifted);
                    } else {
                        args.push(*a);
                    }
                }
                spec.out.insert(0, fresh);
                self.g.einsum(spec, &args)
            }
            Op::Conv(conv) => match [0_usize, 1].map(|k| self.done.get(&node.args[k]).copied()) {
                [Some(x), None] => self.g.conv_many(*conv, &[x, node.args[1]], 0, &node.shape),
                [None, Some(x)] => self.g.conv_many(*conv, &[first, x], 1, &node.shape),
                [Some(_), Some(_)] | [None, None] => self.one_by_one(id),
            },
            Op::Broadcast(axes) => {
                let axes: Vec<u8> = std::iter::once(0).chain(axes.iter().map(|a| a + 1)).collect();
                let x = self.wide(first);
                self.g.broadcast(x, &axes, &shape)
            }
            Op::Reshape => {
                let x = self.wide(first);
                self.g.reshape(x, &shape)
            }
            Op::Slice(start) => {
                let start: Vec<usize> = std::iter::once(0).chain(start.iter().copied()).collect();
                let x = self.wide(first);
                self.g.slice(x, &start, &shape)
            }
            Op::Pad(start) => {
                let start: Vec<usize> = std::iter::once(0).chain(start.iter().copied()).collect();
                let x = self.wide(first);
                self.g.pad(x, &start, &shape)
            }
            Op::Concat(axis) => {
                let args: Vec<NodeId> = node.args.iter().map(|a| self.wide(*a)).collect();
                self.g.concat(*axis as usize + 1, &args)
            }
            Op::ArgMax => {
                let x = self.wide(first);
                self.g.argmax(x)
            }
            Op::Search if !self.done.contains_key(&first) => {
                let t = self.wide(node.args[1]);
                self.g.push(Op::Search, &[first, t], shape)
            }
            Op::Gather => self.gather(id, first, node.args[1], &shape),
            Op::ScatterAdd
            | Op::Search
            | Op::SumLanes
            | Op::Solve(_)
            | Op::SolveVjp(_)
            | Op::SolvePart { .. }
            | Op::Const(_)
            | Op::Leaf(_)
            | Op::Iota
            | Op::Delta => self.one_by_one(id),
        }
    }

    fn gather(&mut self, id: NodeId, x: NodeId, index: NodeId, shape: &Shape) -> NodeId {
        match (self.done.get(&x).copied(), self.done.get(&index).copied()) {
            (None, Some(index)) => {
                let flat = self.g.size(index);
                let index = self.g.reshape(index, &[flat]);
                let rows = self.g.gather(x, index);
                self.g.reshape(rows, shape)
            }
            (Some(x), None) => {
                // Rows first, then back: the index selects along the second axis of the lifted tensor.
                let rank = self.g.shape(x).len();
                let order: Vec<usize> = [1, 0].into_iter().chain(2..rank).collect();
                let turned = self.g.transpose(x, &order);
                let rows = self.g.gather(turned, index);
                let new = self.g.shape(index).len();
                let order: Vec<usize> = [new].into_iter().chain(0..new).chain(new + 1..shape.len()).collect();
                self.g.transpose(rows, &order)
            }
            (Some(_), Some(_)) | (None, None) => self.one_by_one(id),
        }
    }

    /// The operation once for each value, for what has no form with a leading axis.
    fn one_by_one(&mut self, id: NodeId) -> NodeId {
        let node = self.g.node(id).clone();
        let mut single: Shape = smallvec![1];
        single.extend_from_slice(&node.shape);
        let mut parts = Vec::new();
        for i in 0..self.n {
            let mut args = Vec::new();
            for a in &node.args {
                args.push(match self.done.get(a) {
                    Some(&lifted) => self.g.row(lifted, i),
                    None => *a,
                });
            }
            let value = self.g.push(node.op.clone(), &args, node.shape.clone());
            parts.push(self.g.reshape(value, &single));
        }
        self.g.concat(0, &parts)
    }
}

fn axis(a: usize) -> u8 {
    u8::try_from(a).unwrap_or(u8::MAX)
}
