//! The steps themselves.

use super::{
    Action, Contraction, Domain, Indexing, Kind, Line, Lookup, Operand, Plan, Planner, Step, lengths, results,
};
use crate::codegen::layout::{View, entries, signed};
use crate::graph::{Einsum, NodeId, Op};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};

impl Planner<'_> {
    /// Makes room for the storage that `id` lies in.
    pub(super) fn place(&mut self, id: NodeId) -> View {
        let view = self.views[&id].clone();
        if !self.memory.has(view.base) {
            let owner = NodeId(view.base);
            let output = self.spec.outputs.iter().find(|o| o.node == owner && !o.add);
            match output {
                Some(o) if self.spec.outputs.iter().filter(|p| p.slot == o.slot).count() == 1 => {
                    self.memory.output(view.base, o.slot);
                }
                _ => self.memory.scratch(view.base, self.size(owner)),
            }
        }
        view
    }

    pub(super) fn operand(&self, id: NodeId, group: &HashMap<NodeId, usize>) -> Operand {
        if let Some(value) = self.g.constant(id) {
            return Operand::Const(value);
        }
        match group.get(&id) {
            Some(&k) => Operand::Value(k),
            None => Operand::Load(self.views[&id].clone()),
        }
    }

    pub(super) fn emit_loop(&mut self, domain: Domain, group: &[NodeId]) {
        let mut at: HashMap<NodeId, usize> = HashMap::new();
        let inside: HashSet<NodeId> = group.iter().copied().collect();
        let mut lines = Vec::new();
        for &id in group {
            let node = self.g.node(id);
            let mut args: SmallVec<[Operand; 3]> = SmallVec::new();
            for (k, &a) in node.args.iter().enumerate() {
                args.push(match &node.op {
                    Op::Einsum(spec) if spec.args[k] != spec.out && self.g.constant(a).is_none() => {
                        Operand::Load(self.views[&a].relabel(&spec.args[k], &spec.out))
                    }
                    _ => self.operand(a, &at),
                });
            }
            let action = match &node.op {
                Op::Map1(f) => Action::Map1(*f),
                Op::Map2(f) => Action::Map2(*f),
                Op::Compare(r) => Action::Compare(*r),
                Op::Select => Action::Select,
                Op::Einsum(_) => Action::Product,
                Op::Reshape => Action::Copy,
                _ => unreachable!("inline operations only"),
            };
            let outside = |u: &NodeId| !inside.contains(u) || self.needs(*u).contains(&(id, false));
            let kept = self.users.get(&id).is_some_and(|users| users.iter().any(outside)) || self.roots.contains(&id);
            let store = kept.then(|| self.place_in_domain(id));
            at.insert(id, lines.len());
            lines.push(Line { action, args, store, add: false });
        }
        self.steps.push(Step::Loop { domain, lines });
    }

    /// Storage of a loop's value, walked in the loop's index space.
    pub(super) fn place_in_domain(&mut self, id: NodeId) -> View {
        let view = self.place(id);
        match self.g.node(id).op {
            Op::Reshape => {
                let (shape, batched) = self.domain(id);
                View { offset: view.offset, ..View::whole(view.base, &shape, batched, self.lanes) }
            }
            _ => view,
        }
    }

    /// `id` as one contiguous run of entries: itself, or a copy.
    pub(super) fn packed(&mut self, id: NodeId) -> View {
        let (shape, batched) = (self.g.shape(id).clone(), self.g.batched(id));
        if let Some(view) = self.views.get(&id)
            && view.is_contiguous(&shape, batched, self.lanes)
        {
            return view.clone();
        }
        let base = self.memory.anonymous(self.size(id));
        let out = View::whole(base, &shape, batched, self.lanes);
        let args = [self.operand(id, &HashMap::new())].into_iter().collect();
        let line = Line { action: Action::Copy, args, store: Some(out.clone()), add: false };
        self.steps.push(Step::Loop { domain: (shape, batched), lines: vec![line] });
        out
    }

    /// A copy of `id` with lanes, where a kernel needs all arguments batched.
    pub(super) fn packed_as(&mut self, id: NodeId, batched: bool) -> View {
        if self.g.batched(id) == batched {
            return self.packed(id);
        }
        let shape = self.g.shape(id).clone();
        let base = self.memory.anonymous(entries(&shape, batched, self.lanes));
        let out = View::whole(base, &shape, batched, self.lanes);
        let args = [self.operand(id, &HashMap::new())].into_iter().collect();
        let line = Line { action: Action::Copy, args, store: Some(out.clone()), add: false };
        self.steps.push(Step::Loop { domain: (shape, batched), lines: vec![line] });
        out
    }

    pub(super) fn emit(&mut self, id: NodeId) {
        let node = self.g.node(id).clone();
        match &node.op {
            Op::Map2(_) if self.biased.contains_key(&id) => {
                let (product, bias) = self.biased[&id];
                if let Op::Einsum(spec) = &self.g.node(product).op {
                    let bias = Some(self.views[&bias].clone());
                    self.contract(id, spec, &self.g.args(product), false, bias);
                }
            }
            _ if self.slopes.contains_key(&id) => {
                let args = self.slopes[&id];
                self.tile(id, "tanh_slope", &args);
            }
            Op::Map1(f) => self.tile(id, f.name(), &node.args),
            Op::Map2(f) => self.tile(id, f.name(), &node.args),
            Op::Iota | Op::Delta => {
                let n = node.shape[0];
                let table: Vec<f64> = match node.op {
                    Op::Iota => (0..n).map(|i| i as f64).collect(),
                    _ => (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect(),
                };
                self.memory.constant(id.0, &table);
            }
            Op::Pad(start) => {
                let out = self.place(id);
                self.steps.push(Step::Clear { out: out.clone(), n: self.size(id) });
                self.copy_into(node.args[0], out.slice(start));
            }
            Op::Concat(axis) => {
                let out = self.place(id);
                let mut start: Vec<usize> = vec![0; node.shape.len()];
                for &part in &node.args {
                    let placed = self.views.get(&part).is_some_and(|v| v.base == out.base);
                    if !placed {
                        self.copy_into(part, out.slice(&start));
                    }
                    start[*axis as usize] += self.g.shape(part)[*axis as usize];
                }
            }
            Op::Gather | Op::ScatterAdd | Op::ArgMax | Op::Search => self.index(id),
            Op::Conv(conv) => self.convolve(id, *conv, None),
            Op::Einsum(spec) => {
                let args = node.args.clone();
                self.contract(id, spec, &args, false, None);
            }
            Op::SumLanes => {
                let x = node.args[0];
                let absorbed = self.kind[&x] == Kind::Absorbed;
                if let (true, Op::Einsum(spec)) = (absorbed, &self.g.node(x).op) {
                    self.contract(id, spec, &self.g.args(x), true, None);
                } else if let (true, Op::Conv(conv)) = (absorbed, &self.g.node(x).op) {
                    self.convolve(x, *conv, Some(id));
                } else {
                    let labels: SmallVec<[u8; 4]> =
                        (0..node.shape.len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
                    let spec = Einsum { args: [labels.clone()].into_iter().collect(), out: labels };
                    self.contract(id, &spec, &[x], true, None);
                }
            }
            _ => unreachable!("loops and views are not emitted alone"),
        }
    }

    pub(super) fn tile(&mut self, id: NodeId, name: &'static str, args: &[NodeId]) {
        let batched = self.g.batched(id);
        let args = args.iter().map(|&a| self.packed_as(a, batched)).collect();
        let out = self.place(id);
        self.steps.push(Step::Tile { name, args, out, n: self.size(id) });
    }

    pub(super) fn copy_into(&mut self, part: NodeId, target: View) {
        let args = [self.operand(part, &HashMap::new())].into_iter().collect();
        let shape = self.g.shape(part).clone();
        let line = Line { action: Action::Copy, args, store: Some(target.clone()), add: false };
        self.steps.push(Step::Loop { domain: (shape, target.lane == 1), lines: vec![line] });
    }

    pub(super) fn index(&mut self, id: NodeId) {
        let node = self.g.node(id).clone();
        let lanes = if node.batched { self.lanes } else { 1 };
        let a = self.packed_as(node.args[0], node.batched);
        let b = match node.args.get(1) {
            Some(&b) => self.packed_as(b, node.batched),
            None => a.clone(),
        };
        let out = self.place(id);
        let entries = |id: NodeId| self.g.size(id);
        let (lookup, rows, width, count) = match node.op {
            Op::Gather => {
                let rows = self.g.shape(node.args[0])[0];
                (Lookup::Gather, rows, entries(node.args[0]) / rows.max(1), entries(node.args[1]))
            }
            Op::ScatterAdd => {
                let rows = node.shape[0];
                (Lookup::Scatter, rows, entries(id) / rows.max(1), entries(node.args[0]))
            }
            Op::ArgMax => {
                let rows = *self.g.shape(node.args[0]).last().unwrap_or(&1);
                (Lookup::ArgMax, rows, 1, entries(id))
            }
            _ => (Lookup::Search, self.g.shape(node.args[0])[0], 1, entries(id)),
        };
        if lookup == Lookup::Scatter {
            self.steps.push(Step::Clear { out: out.clone(), n: self.size(id) });
        }
        self.steps.push(Step::Index(Indexing { lookup, a, b, out, rows, width, count, lanes }));
    }

    /// An einsum; with `over_lanes`, summed over the samples too; with a bias, that is added.
    pub(super) fn contract(
        &mut self,
        id: NodeId,
        spec: &Einsum,
        args: &[NodeId],
        over_lanes: bool,
        bias: Option<View>,
    ) {
        let direct = self.direct_add.get(&id).copied();
        let out = match direct {
            Some(slot) => {
                self.memory.output(id.0, slot);
                self.views[&id].clone()
            }
            None => self.place(id),
        };
        let mut sizes = [1_i64; 256];
        for (labels, &x) in spec.args.iter().zip(args) {
            for (&l, &n) in labels.iter().zip(self.g.shape(x)) {
                sizes[l as usize] = signed(n);
            }
        }
        let mut summed: Vec<u8> = spec.args.iter().flatten().copied().filter(|l| !spec.out.contains(l)).collect();
        summed.sort_unstable();
        summed.dedup();
        let lanes = if args.iter().any(|&x| self.g.batched(x)) { signed(self.lanes) } else { 1 };
        let mut kept_sizes: Vec<i64> = spec.out.iter().map(|&l| sizes[l as usize]).collect();
        let mut summed_sizes: Vec<i64> = summed.iter().map(|&l| sizes[l as usize]).collect();
        let mut operands = Vec::new();
        for (labels, &x) in spec.args.iter().zip(args) {
            let view = self.contract_view(x);
            let mut kept = view.relabel(labels, &spec.out).strides.to_vec();
            let mut over = view.relabel(labels, &summed).strides.to_vec();
            if over_lanes {
                over.push(view.lane);
            } else {
                kept.push(view.lane);
            }
            operands.push((view, kept, over));
        }
        let mut steps = out.strides.to_vec();
        if over_lanes {
            summed_sizes.push(lanes);
        } else {
            kept_sizes.push(lanes);
            steps.push(out.lane);
        }
        let (kept, summed) = (kept_sizes, summed_sizes);
        self.steps.push(Step::Contract(Contraction {
            kept,
            summed,
            operands,
            out: (out, steps),
            add: direct.is_some(),
            bias,
        }));
    }

    /// The view of a contraction's operand; constants become a stored scalar.
    pub(super) fn contract_view(&mut self, x: NodeId) -> View {
        match self.g.constant(x) {
            Some(value) => {
                let base = self.memory.anonymous_constant(value);
                let strides = self.g.shape(x).iter().map(|_| 0).collect();
                View { base, offset: 0, strides, lane: 0 }
            }
            None => self.views[&x].clone(),
        }
    }

    /// Results that are not yet where they belong.
    pub(super) fn finish(mut self) -> Plan {
        for output in self.spec.outputs {
            let id = output.node;
            let placed = self.direct_add.get(&id) == Some(&output.slot)
                || (!output.add
                    && self
                        .views
                        .get(&id)
                        .is_some_and(|v| v.base == id.0 && self.memory.is_output(v.base, output.slot)));
            if placed {
                continue;
            }
            let (shape, batched) = (self.g.shape(id).clone(), self.g.batched(id));
            let base = self.memory.anonymous_output(output.slot);
            let out = View::whole(base, &shape, batched, self.lanes);
            let args = [self.operand(id, &HashMap::new())].into_iter().collect();
            let line = Line { action: Action::Copy, args, store: Some(out), add: output.add };
            self.steps.push(Step::Loop { domain: (shape, batched), lines: vec![line] });
        }
        let (inputs, outputs) = (lengths(self.spec), results(self.spec));
        Plan { steps: self.steps, memory: self.memory, inputs, outputs, lanes: self.lanes }
    }
}
