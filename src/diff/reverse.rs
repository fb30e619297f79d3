//! The reverse sweep: from cotangents of outputs to cotangents of inputs.

use super::{DiffError, Result, rules};
use crate::graph::{Binary, Einsum, Graph, NodeId, Op, Unary};
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashSet};

/// What happens where a per-sample cotangent reaches a value that all samples share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is summed over the samples: the gradient of an objective.
    Total,
    /// It stays per sample: a derivative inside the model.
    PerSample,
}

/// wᵀ ∂y/∂x for each x, given pairs (y, w). `None` is a structural zero.
///
/// # Errors
/// When a node on the way has no rule in this mode.
pub fn vjp(g: &mut Graph, outputs: &[(NodeId, NodeId)], wrt: &[NodeId], mode: Mode) -> Result<Vec<Option<NodeId>>> {
    let roots: Vec<NodeId> = outputs.iter().map(|o| o.0).collect();
    let reach = dependents(g, &roots, wrt);
    let guarded = reach.iter().any(|&id| g.node(id).op == Op::Select);
    let mut sweep = Sweep { g, reach, bars: BTreeMap::new(), mode, guarded };
    for &(y, w) in outputs {
        sweep.give(y, w);
    }
    let mut found: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    while let Some((id, bar)) = sweep.bars.pop_last() {
        if wrt.contains(&id) {
            found.insert(id, bar);
        }
        sweep.visit(id, bar)?;
    }
    Ok(wrt.iter().map(|x| found.get(x).copied()).collect())
}

/// The nodes under `roots` that depend on one of `wrt`.
pub(super) fn dependents(g: &Graph, roots: &[NodeId], wrt: &[NodeId]) -> HashSet<NodeId> {
    let mut reach: HashSet<NodeId> = HashSet::new();
    let lowest = wrt.iter().min().copied();
    for id in g.reachable(roots) {
        if Some(id) >= lowest
            && (wrt.contains(&id) || (g.node(id).op != Op::Stop && g.node(id).args.iter().any(|a| reach.contains(a))))
        {
            reach.insert(id);
        }
    }
    reach
}

struct Sweep<'g> {
    g: &'g mut Graph,
    reach: HashSet<NodeId>,
    bars: BTreeMap<NodeId, NodeId>,
    mode: Mode,
    guarded: bool,
}

impl Sweep<'_> {
    /// Adds `bar` to the cotangent of `x`, if anybody wants it.
    fn give(&mut self, x: NodeId, bar: NodeId) {
        if !self.reach.contains(&x) {
            return;
        }
        let bar = if self.mode == Mode::Total && !self.g.batched(x) { self.g.sum_lanes(bar) } else { bar };
        let total = match self.bars.get(&x) {
            Some(&sum) => self.g.plus(sum, bar),
            None => bar,
        };
        self.bars.insert(x, total);
    }

    fn wants(&self, x: NodeId) -> bool {
        self.reach.contains(&x)
    }

    fn product(&mut self, bar: NodeId, factor: NodeId, singular: bool) -> NodeId {
        match self.g.constant(factor) {
            Some(1.0) => bar,
            Some(-1.0) => self.g.map1(Unary::Neg, bar),
            _ if singular && self.guarded => self.g.map2(Binary::Guard, bar, factor),
            _ => self.g.times(bar, factor),
        }
    }

    fn visit(&mut self, id: NodeId, bar: NodeId) -> Result<()> {
        let node = self.g.node(id).clone();
        let args = &node.args;
        match &node.op {
            Op::Const(_) | Op::Leaf(_) | Op::Iota | Op::Delta | Op::Stop => {}
            Op::Compare(_) | Op::ArgMax | Op::Search => {}
            Op::Map1(f) => {
                if let Some(p) = rules::partial1(self.g, *f, args[0], id) {
                    let x_bar = self.product(bar, p, rules::singular1(*f));
                    self.give(args[0], x_bar);
                }
            }
            Op::Map2(f) => {
                let (pa, pb) = rules::partial2(self.g, *f, args[0], args[1], id);
                for (x, p) in [(args[0], pa), (args[1], pb)] {
                    if let (Some(p), true) = (p, self.wants(x)) {
                        let x_bar = self.product(bar, p, rules::singular2(*f));
                        self.give(x, x_bar);
                    }
                }
            }
            Op::Select => {
                let zero = self.g.scalar(0.0);
                for (k, x) in [(1, args[1]), (2, args[2])] {
                    if self.wants(x) {
                        let pair = if k == 1 { (bar, zero) } else { (zero, bar) };
                        let x_bar = self.g.select(args[0], pair.0, pair.1);
                        self.give(x, x_bar);
                    }
                }
            }
            Op::Einsum(spec) => self.einsum(spec, args, bar),
            Op::Conv(conv) => {
                for (k, &x) in args.iter().enumerate() {
                    if self.wants(x) {
                        let x_bar = self.g.conv_transpose(*conv, args, bar, k);
                        self.give(x, x_bar);
                    }
                }
            }
            Op::SumLanes => self.give(args[0], bar),
            Op::Solve(system) => self.solve(id, *system, args, bar)?,
            Op::SolveVjp(_) | Op::SolvePart { .. } => {
                return Err(DiffError { node: id, why: "the gradient of a solve is differentiated again" });
            }
            Op::Broadcast(axes) => {
                let from: SmallVec<[u8; 4]> =
                    (0..self.g.shape(bar).len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
                let spec = Einsum { args: [from].into_iter().collect(), out: axes.clone() };
                let x_bar = self.g.einsum(spec, &[bar]);
                self.give(args[0], x_bar);
            }
            Op::Reshape => {
                let shape = self.g.shape(args[0]).clone();
                let x_bar = self.g.reshape(bar, &shape);
                self.give(args[0], x_bar);
            }
            Op::Slice(start) => {
                let shape = self.g.shape(args[0]).clone();
                let x_bar = self.g.pad(bar, start, &shape);
                self.give(args[0], x_bar);
            }
            Op::Pad(start) => {
                let shape = self.g.shape(args[0]).clone();
                let x_bar = self.g.slice(bar, start, &shape);
                self.give(args[0], x_bar);
            }
            Op::Concat(axis) => self.concat(*axis as usize, args, bar),
            Op::Gather => {
                let rows = self.g.shape(args[0])[0];
                let x_bar = self.g.scatter_add(args[1], bar, rows);
                self.give(args[0], x_bar);
            }
            Op::ScatterAdd => {
                let x_bar = self.g.gather(bar, args[0]);
                self.give(args[1], x_bar);
            }
        }
        Ok(())
    }

    /// The cotangent of argument k is the same product with the cotangent in its place.
    fn einsum(&mut self, spec: &Einsum, args: &[NodeId], bar: NodeId) {
        for (k, &x) in args.iter().enumerate() {
            if !self.wants(x) {
                continue;
            }
            let mut labels = spec.args.clone();
            let target = std::mem::replace(&mut labels[k], spec.out.clone());
            let mut operands: SmallVec<[NodeId; 4]> = args.into();
            operands[k] = bar;
            let x_bar = self.transposed(labels, &operands, &target, x);
            self.give(x, x_bar);
        }
    }

    /// Σ into `target`, whose indices may repeat (a diagonal) or stand in no operand (a sum's transpose).
    fn transposed(
        &mut self,
        mut labels: SmallVec<[SmallVec<[u8; 4]>; 2]>,
        operands: &[NodeId],
        target: &[u8],
        x: NodeId,
    ) -> NodeId {
        let mut fresh = Einsum { args: labels.clone(), out: target.into() }.fresh();
        let mut operands: Vec<NodeId> = operands.to_vec();
        let mut out: SmallVec<[u8; 4]> = SmallVec::new();
        let shape = self.g.shape(x).clone();
        for (axis, &l) in target.iter().enumerate() {
            if out.contains(&l) {
                // A repeated index: the transpose of a diagonal puts an identity there.
                operands.push(self.g.delta(shape[axis]));
                labels.push([l, fresh].into_iter().collect());
                out.push(fresh);
                fresh += 1;
            } else {
                out.push(l);
            }
        }
        let (mut present, mut axes) = (SmallVec::new(), Vec::new());
        for (axis, &l) in out.iter().enumerate() {
            if labels.iter().any(|a| a.contains(&l)) {
                present.push(l);
                axes.push(u8::try_from(axis).unwrap_or(u8::MAX));
            }
        }
        let sum = self.g.einsum(Einsum { args: labels, out: present }, &operands);
        self.g.broadcast(sum, &axes, &shape)
    }

    /// Each part gets its piece of the cotangent.
    fn concat(&mut self, axis: usize, parts: &[NodeId], bar: NodeId) {
        let mut start = vec![0; self.g.shape(bar).len()];
        for &part in parts {
            let size = self.g.shape(part).clone();
            if self.wants(part) {
                let x_bar = self.g.slice(bar, &start, &size);
                self.give(part, x_bar);
            }
            start[axis] += size[axis];
        }
    }

    fn solve(&mut self, id: NodeId, system: u32, args: &[NodeId], bar: NodeId) -> Result<()> {
        let mut with_bar: Vec<NodeId> = args.to_vec();
        with_bar.push(bar);
        let pulled = self.g.push(Op::SolveVjp(system), &with_bar, SmallVec::new());
        for (k, &x) in args.iter().enumerate() {
            if self.wants(x) {
                let total = self.mode == Mode::Total;
                if !total && k >= 3 && !self.g.batched(x) {
                    // Accumulated over the samples as the solver goes: it has no value per sample.
                    return Err(DiffError {
                        node: id,
                        why: "a solution has no derivative per sample with respect to this",
                    });
                }
                let shape = self.g.shape(x).clone();
                let part = Op::SolvePart { argument: u32::try_from(k).unwrap_or(u32::MAX), total };
                let x_bar = self.g.push(part, &[pulled], shape);
                self.give(x, x_bar);
            }
        }
        Ok(())
    }
}
