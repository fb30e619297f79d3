//! Graph → steps: which values live where, and in what order loops and kernels run.
//!
//! Elementwise nodes over the same index space are gathered into one loop, where values pass in registers; slices,
//! repeats and transposes are views and cost nothing; the rest are calls of precompiled kernels.

use super::layout::{View, entries};
use super::memory::Memory;
use crate::graph::{Binary, Einsum, Graph, NodeId, Op, Relation, Shape, Unary};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a kernel is made from.
pub struct Spec<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// Nodes whose values are given, in the order of the kernel's inputs.
    pub inputs: &'g [NodeId],
    /// Results, in the order of the kernel's outputs.
    pub outputs: &'g [Output],
    /// Number of samples side by side.
    pub lanes: usize,
}

/// One result of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Which node.
    pub node: NodeId,
    /// Which buffer; several results may add to one.
    pub slot: usize,
    /// Added to the buffer instead of replacing it.
    pub add: bool,
}

/// An index space: a shape, with or without lanes.
pub type Domain = (Shape, bool);

/// Where an operand of a loop's operation comes from.
#[derive(Clone, Debug)]
pub enum Operand {
    /// An earlier operation of the same loop.
    Value(usize),
    /// Memory.
    Load(View),
    /// A constant.
    Const(f64),
}

/// An operation inside a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A unary operator with inline code.
    Map1(Unary),
    /// A binary operator with inline code.
    Map2(Binary),
    /// A comparison.
    Compare(Relation),
    /// A choice.
    Select,
    /// The product of all operands.
    Product,
    /// The operand.
    Copy,
}

/// One operation of a loop.
#[derive(Clone, Debug)]
pub struct Line {
    /// What.
    pub action: Action,
    /// From what.
    pub args: SmallVec<[Operand; 3]>,
    /// Where the value is stored, if it is needed outside the loop.
    pub store: Option<View>,
    /// Added to what is stored there.
    pub add: bool,
}

/// One step of a kernel.
#[derive(Clone, Debug)]
pub enum Step {
    /// A fused elementwise loop.
    Loop {
        /// Its index space.
        domain: Domain,
        /// Its operations.
        lines: Vec<Line>,
    },
    /// A precompiled elementwise function over contiguous entries.
    Tile {
        /// Its name in the kernel table, without the type.
        name: &'static str,
        /// Arguments.
        args: SmallVec<[View; 2]>,
        /// Result.
        out: View,
        /// Number of entries.
        n: usize,
    },
    /// Products summed over indices; the last index is the lanes.
    Contract(Contraction),
    /// A table look-up or its transpose.
    Index(Indexing),
    /// Zeros.
    Clear {
        /// Where (contiguous).
        out: View,
        /// How many.
        n: usize,
    },
}

/// Σ over `summed` of the product of `operands`, for every point of `kept`.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// Sizes of the kept indices, lanes last.
    pub kept: Vec<i64>,
    /// Sizes of the summed indices.
    pub summed: Vec<i64>,
    /// Each operand: first entry, steps over kept, steps over summed.
    pub operands: Vec<(View, Vec<i64>, Vec<i64>)>,
    /// Result and its steps over kept.
    pub out: (View, Vec<i64>),
    /// Added to the result instead of replacing it.
    pub add: bool,
}

/// Which look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// out[i, …] = table[index[i], …]
    Gather,
    /// out[index[i], …] += updates[i, …]
    Scatter,
    /// Position of the first largest entry.
    ArgMax,
    /// The interval of an increasing table.
    Search,
}

/// A look-up over contiguous copies.
#[derive(Clone, Debug)]
pub struct Indexing {
    /// Which.
    pub lookup: Lookup,
    /// Table (gather), index (scatter), values (argmax), table (search).
    pub a: View,
    /// Index (gather), updates (scatter), point (search); as `a` for argmax.
    pub b: View,
    /// Result.
    pub out: View,
    /// Rows of the table.
    pub rows: usize,
    /// Entries of a row.
    pub width: usize,
    /// Number of indices.
    pub count: usize,
    /// Lanes of the result.
    pub lanes: usize,
}

/// A whole kernel.
#[derive(Debug)]
pub struct Plan {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Where each stored value (`View::base`) lies.
    pub memory: Memory,
    /// Number of input buffers with their lengths.
    pub inputs: Vec<usize>,
    /// Number of output buffers with their lengths.
    pub outputs: Vec<usize>,
    /// Samples side by side.
    pub lanes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Given,
    Constant,
    View,
    Inline,
    Tile,
    Contract,
    Move,
    Index,
    Table,
    /// Computed inside the sum over samples that uses it.
    Absorbed,
}

/// The longest loop body; longer ones spill more than fusing saves.
const LONGEST_BODY: usize = 192;

/// Plans a kernel.
pub fn plan(spec: &Spec) -> Plan {
    let mut planner = Planner::new(spec);
    planner.views();
    planner.schedule();
    planner.finish()
}

struct Planner<'s> {
    spec: &'s Spec<'s>,
    g: &'s Graph,
    lanes: usize,
    order: Vec<NodeId>,
    kind: HashMap<NodeId, Kind>,
    users: HashMap<NodeId, Vec<NodeId>>,
    views: HashMap<NodeId, View>,
    alias: HashMap<NodeId, (NodeId, usize)>,
    direct_add: HashMap<NodeId, usize>,
    left: HashMap<NodeId, usize>,
    memory: Memory,
    steps: Vec<Step>,
    roots: HashSet<NodeId>,
}

impl<'s> Planner<'s> {
    fn new(spec: &'s Spec<'s>) -> Self {
        let g = spec.graph;
        let roots: Vec<NodeId> = spec.outputs.iter().map(|o| o.node).collect();
        let given: HashSet<NodeId> = spec.inputs.iter().copied().collect();
        let order = needed(g, &roots, &given);
        let mut planner = Self {
            spec,
            g,
            lanes: spec.lanes,
            order,
            kind: HashMap::new(),
            users: HashMap::new(),
            views: HashMap::new(),
            alias: HashMap::new(),
            direct_add: HashMap::new(),
            left: HashMap::new(),
            memory: Memory::default(),
            steps: Vec::new(),
            roots: roots.into_iter().collect(),
        };
        planner.classify(&given);
        planner
    }

    fn size(&self, id: NodeId) -> usize {
        entries(self.g.shape(id), self.g.batched(id), self.lanes)
    }

    fn domain(&self, id: NodeId) -> Domain {
        let of = match self.g.node(id).op {
            Op::Reshape => self.g.args(id)[0],
            _ => id,
        };
        (self.g.shape(of).clone(), self.g.batched(of))
    }

    fn classify(&mut self, given: &HashSet<NodeId>) {
        let mut uses: HashMap<NodeId, usize> = HashMap::new();
        for &id in self.order.iter().filter(|id| !given.contains(id)) {
            for a in self.g.args(id) {
                *uses.entry(a).or_default() += 1;
            }
        }
        for output in self.spec.outputs {
            *uses.entry(output.node).or_default() += 1;
        }
        for id in self.order.clone() {
            let kind = if given.contains(&id) { Kind::Given } else { self.kind_of(id) };
            self.kind.insert(id, kind);
            if kind != Kind::Given && self.g.node(id).op == Op::SumLanes {
                let x = self.g.args(id)[0];
                if self.kind[&x] == Kind::Contract && uses[&x] == 1 && matches!(self.g.node(x).op, Op::Einsum(_)) {
                    self.kind.insert(x, Kind::Absorbed);
                }
                // A product without a sum joins the sum over samples too.
                if self.kind[&x] == Kind::Inline && uses[&x] == 1 && matches!(self.g.node(x).op, Op::Einsum(_)) {
                    self.kind.insert(x, Kind::Absorbed);
                }
            }
        }
        for output in self.spec.outputs {
            if output.add && self.kind[&output.node] == Kind::Contract && uses[&output.node] == 1 {
                self.direct_add.insert(output.node, output.slot);
            }
        }
        self.place_parts(&uses);
    }

    /// Values that can be computed where they are needed: parts of a concatenation, the argument of a kernel in place.
    fn place_parts(&mut self, uses: &HashMap<NodeId, usize>) {
        let taken = |id: NodeId, kind: &HashMap<NodeId, Kind>| {
            uses[&id] == 1 && matches!(kind[&id], Kind::Inline | Kind::Tile | Kind::Contract)
        };
        for &id in self.order.iter().rev() {
            let node = self.g.node(id);
            match (&node.op, self.kind[&id]) {
                (Op::Concat(0), Kind::Move) => {
                    let mut offset = 0;
                    for &part in &node.args {
                        let fits = node.batched == self.g.batched(part);
                        let target = self.through_reshape(part, uses);
                        if fits && taken(target, &self.kind) && !self.alias.contains_key(&target) {
                            self.alias.insert(target, (id, offset));
                        }
                        offset += entries(self.g.shape(part), node.batched, self.lanes);
                    }
                }
                (Op::Map1(_), Kind::Tile) => {
                    let x = node.args[0];
                    if uses[&x] == 1 && self.kind[&x] == Kind::Inline && self.g.batched(x) == node.batched {
                        self.alias.insert(x, (id, 0));
                    }
                }
                _ => {}
            }
        }
    }

    /// The value behind reshapes that nobody else uses: it lies in the same order.
    fn through_reshape(&self, id: NodeId, uses: &HashMap<NodeId, usize>) -> NodeId {
        let mut id = id;
        while self.g.node(id).op == Op::Reshape && self.kind[&id] == Kind::View && uses[&id] == 1 {
            id = self.g.args(id)[0];
        }
        id
    }

    fn kind_of(&self, id: NodeId) -> Kind {
        if self.g.constant(id).is_some() {
            return Kind::Constant;
        }
        match &self.g.node(id).op {
            Op::Const(_) => Kind::Constant,
            Op::Leaf(_) => unreachable!("leaves are given: {:?}", self.g.node(id)),
            Op::Iota | Op::Delta => Kind::Table,
            Op::Map1(f) => match inline1(*f) {
                true => Kind::Inline,
                false => Kind::Tile,
            },
            Op::Map2(f) => match f {
                Binary::Pow | Binary::Atan2 => Kind::Tile,
                Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Min | Binary::Max | Binary::Guard => {
                    Kind::Inline
                }
            },
            Op::Compare(_) | Op::Select => Kind::Inline,
            Op::Stop | Op::Broadcast(_) | Op::Slice(_) | Op::Reshape => Kind::View,
            Op::Einsum(spec) => einsum_kind(spec),
            Op::Pad(_) | Op::Concat(_) => Kind::Move,
            Op::Gather | Op::ScatterAdd | Op::ArgMax | Op::Search => Kind::Index,
            Op::SumLanes => Kind::Contract,
            Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart(_) => unreachable!("solves run between kernels"),
        }
    }

    /// The view of every node, as boxes of stored values.
    fn views(&mut self) {
        for id in self.order.clone() {
            let view = match self.kind[&id] {
                Kind::Constant | Kind::Absorbed => continue,
                Kind::View => self.derived(id),
                Kind::Given | Kind::Inline | Kind::Tile | Kind::Contract | Kind::Move | Kind::Index | Kind::Table => {
                    None
                }
            };
            if view.is_none() && self.kind[&id] == Kind::View {
                // A reshape that strides cannot say is a copy.
                self.kind.insert(id, Kind::Inline);
            }
            let view = view.unwrap_or_else(|| self.own(id));
            self.views.insert(id, view);
        }
    }

    /// The storage of a computed node: its own, or a part of the one it is computed into.
    fn own(&self, id: NodeId) -> View {
        let (mut base, mut shift) = (id, 0);
        while let Some(&(outer, offset)) = self.alias.get(&base) {
            base = outer;
            shift += offset;
        }
        let node = self.g.node(id);
        let whole = View::whole(base.0, &node.shape, node.batched, self.lanes);
        View { offset: super::layout::signed(shift), ..whole }
    }

    fn derived(&self, id: NodeId) -> Option<View> {
        let node = self.g.node(id);
        let x = node.args[0];
        let view = &self.views[&x];
        Some(match &node.op {
            Op::Stop => view.clone(),
            Op::Broadcast(axes) => view.broadcast(axes, node.shape.len()),
            Op::Slice(start) => view.slice(start),
            Op::Reshape => return view.reshape(self.g.shape(x), &node.shape),
            Op::Einsum(spec) => view.relabel(&spec.args[0], &spec.out),
            _ => unreachable!("only views are derived"),
        })
    }

    /// What must be computed before `id`, and whether its value can pass in a register.
    fn needs(&self, id: NodeId) -> Vec<(NodeId, bool)> {
        let node = self.g.node(id);
        let mut needs = Vec::new();
        for (k, &arg) in node.args.iter().enumerate() {
            if self.kind[&arg] == Kind::Absorbed {
                needs.extend(self.needs(arg).into_iter().map(|(n, _)| (n, false)));
                continue;
            }
            let (base, moved) = self.source(arg);
            let Some(base) = base else { continue };
            let direct = !moved
                && self.kind[&id] == Kind::Inline
                && self.kind[&base] == Kind::Inline
                && self.domain(base) == self.domain(id)
                && node.op != Op::Reshape
                && self.g.node(base).op != Op::Reshape
                && match &node.op {
                    Op::Einsum(spec) => spec.args[k] == spec.out,
                    _ => true,
                };
            needs.push((base, direct));
        }
        needs.sort_unstable();
        needs.dedup_by(|b, a| {
            let same = a.0 == b.0;
            if same {
                a.1 &= b.1;
            }
            same
        });
        needs
    }

    /// The computed node behind a chain of views (none: given or constant), and whether there was a view.
    fn source(&self, id: NodeId) -> (Option<NodeId>, bool) {
        let (mut id, mut moved) = (id, false);
        loop {
            match self.kind[&id] {
                Kind::Given | Kind::Constant => return (None, moved),
                Kind::View => {
                    id = self.g.args(id)[0];
                    moved = true;
                }
                Kind::Inline
                | Kind::Tile
                | Kind::Contract
                | Kind::Move
                | Kind::Index
                | Kind::Table
                | Kind::Absorbed => return (Some(id), moved),
            }
        }
    }

    fn computed(&self, id: NodeId) -> bool {
        match self.kind[&id] {
            Kind::Given | Kind::Constant | Kind::View | Kind::Absorbed => false,
            Kind::Inline | Kind::Tile | Kind::Contract | Kind::Move | Kind::Index | Kind::Table => true,
        }
    }

    fn schedule(&mut self) {
        let work: Vec<NodeId> = self.order.iter().copied().filter(|&id| self.computed(id)).collect();
        let mut waits: HashMap<NodeId, usize> = HashMap::new();
        let mut direct: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut later: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut queue = Queue::default();
        for &id in &work {
            let needs = self.needs(id);
            waits.insert(id, needs.len());
            for &(base, is_direct) in &needs {
                self.users.entry(base).or_default().push(id);
                let list = if is_direct { &mut direct } else { &mut later };
                list.entry(base).or_default().push(id);
            }
            if needs.is_empty() {
                queue.push(self, id);
            }
        }
        for (slot, &id) in self.spec.inputs.iter().enumerate() {
            self.memory.input(id.0, slot);
        }
        for &root in &self.roots {
            if let (Some(base), _) = self.source(root) {
                // Results outlive every step.
                self.users.entry(base).or_default().push(root);
            }
        }
        self.left = self.users.iter().map(|(k, v)| (*k, v.len())).collect();
        let release = |queue: &mut Queue, planner: &Self, list: Option<Vec<NodeId>>, waits: &mut HashMap<NodeId, usize>| {
            for user in list.unwrap_or_default() {
                if let Some(n) = waits.get_mut(&user) {
                    *n -= 1;
                    if *n == 0 {
                        queue.push(planner, user);
                    }
                }
            }
        };
        loop {
            if let Some(id) = queue.others.pop_first() {
                self.emit(id);
                self.spend(id);
                release(&mut queue, self, later.remove(&id), &mut waits);
                release(&mut queue, self, direct.remove(&id), &mut waits);
                continue;
            }
            let Some(domain) = queue.first_domain() else { break };
            let mut group: Vec<NodeId> = Vec::new();
            while group.len() < LONGEST_BODY
                && let Some(id) = queue.pop(&domain)
            {
                group.push(id);
                release(&mut queue, self, direct.remove(&id), &mut waits);
            }
            self.emit_loop(domain, &group);
            for id in group {
                self.spend(id);
                release(&mut queue, self, later.remove(&id), &mut waits);
            }
        }
    }

    /// The node is computed: what nobody needs any more gives its memory back.
    fn spend(&mut self, id: NodeId) {
        for (base, _) in self.needs(id) {
            let left = self.left.entry(base).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && !self.alias.contains_key(&base) {
                self.memory.free(base.0);
            }
        }
    }

    /// Makes room for the storage that `id` lies in.
    fn place(&mut self, id: NodeId) -> View {
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

    fn operand(&self, id: NodeId, group: &HashMap<NodeId, usize>) -> Operand {
        if let Some(value) = self.g.constant(id) {
            return Operand::Const(value);
        }
        match group.get(&id) {
            Some(&k) => Operand::Value(k),
            None => Operand::Load(self.views[&id].clone()),
        }
    }

    fn emit_loop(&mut self, domain: Domain, group: &[NodeId]) {
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
    fn place_in_domain(&mut self, id: NodeId) -> View {
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
    fn packed(&mut self, id: NodeId) -> View {
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
    fn packed_as(&mut self, id: NodeId, batched: bool) -> View {
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

    fn emit(&mut self, id: NodeId) {
        let node = self.g.node(id).clone();
        match &node.op {
            Op::Map1(f) => self.tile(id, f.name()),
            Op::Map2(f) => self.tile(id, f.name()),
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
            Op::Einsum(spec) => {
                let args = node.args.clone();
                self.contract(id, spec, &args, false);
            }
            Op::SumLanes => {
                let x = node.args[0];
                if self.kind[&x] == Kind::Absorbed
                    && let Op::Einsum(spec) = &self.g.node(x).op
                {
                    self.contract(id, spec, &self.g.args(x), true);
                } else {
                    let labels: SmallVec<[u8; 4]> =
                        (0..node.shape.len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
                    let spec = Einsum { args: [labels.clone()].into_iter().collect(), out: labels };
                    self.contract(id, &spec, &[x], true);
                }
            }
            _ => unreachable!("loops and views are not emitted alone"),
        }
    }

    fn tile(&mut self, id: NodeId, name: &'static str) {
        let node = self.g.node(id).clone();
        let args = node.args.iter().map(|&a| self.packed_as(a, node.batched)).collect();
        let out = self.place(id);
        self.steps.push(Step::Tile { name, args, out, n: self.size(id) });
    }

    fn copy_into(&mut self, part: NodeId, target: View) {
        let args = [self.operand(part, &HashMap::new())].into_iter().collect();
        let shape = self.g.shape(part).clone();
        let line = Line { action: Action::Copy, args, store: Some(target.clone()), add: false };
        self.steps.push(Step::Loop { domain: (shape, target.lane == 1), lines: vec![line] });
    }

    fn index(&mut self, id: NodeId) {
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

    /// An einsum; with `over_lanes`, summed over the samples too.
    fn contract(&mut self, id: NodeId, spec: &Einsum, args: &[NodeId], over_lanes: bool) {
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
                sizes[l as usize] = super::layout::signed(n);
            }
        }
        let mut summed: Vec<u8> = spec.args.iter().flatten().copied().filter(|l| !spec.out.contains(l)).collect();
        summed.sort_unstable();
        summed.dedup();
        let lanes = if args.iter().any(|&x| self.g.batched(x)) { super::layout::signed(self.lanes) } else { 1 };
        let mut kept_sizes: Vec<i64> = spec.out.iter().map(|&l| sizes[l as usize]).collect();
        let mut summed_sizes: Vec<i64> = summed.iter().map(|&l| sizes[l as usize]).collect();
        let mut operands = Vec::new();
        for (labels, &x) in spec.args.iter().zip(args) {
            let view = self.contract_view(x);
            let mut kept = view.relabel(labels, &spec.out).strides.to_vec();
            let mut over = view.relabel(labels, &summed).strides.to_vec();
            if over_lanes { over.push(view.lane) } else { kept.push(view.lane) }
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
        self.steps.push(Step::Contract(Contraction { kept, summed, operands, out: (out, steps), add: direct.is_some() }));
    }

    /// The view of a contraction's operand; constants become a stored scalar.
    fn contract_view(&mut self, x: NodeId) -> View {
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
    fn finish(mut self) -> Plan {
        for output in self.spec.outputs {
            let id = output.node;
            let placed = self.direct_add.get(&id) == Some(&output.slot)
                || (!output.add
                    && self.views.get(&id).is_some_and(|v| v.base == id.0 && self.memory.is_output(v.base, output.slot)));
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
        let slots = self.spec.outputs.iter().map(|o| o.slot + 1).max().unwrap_or(0);
        let mut outputs = vec![0; slots];
        for o in self.spec.outputs {
            outputs[o.slot] = self.size(o.node);
        }
        let inputs = self.spec.inputs.iter().map(|&id| self.size(id)).collect();
        Plan { steps: self.steps, memory: self.memory, inputs, outputs, lanes: self.lanes }
    }
}

/// Nodes that `roots` need, without what is behind the given ones.
fn needed(g: &Graph, roots: &[NodeId], given: &HashSet<NodeId>) -> Vec<NodeId> {
    let mut seen: HashSet<NodeId> = given.clone();
    let mut stack: Vec<NodeId> = roots.to_vec();
    let mut found: BTreeSet<NodeId> = given.iter().copied().collect();
    while let Some(id) = stack.pop() {
        if seen.insert(id) || (given.contains(&id) && found.insert(id)) {
            found.insert(id);
            if !given.contains(&id) {
                stack.extend(g.args(id));
            }
        }
    }
    found.into_iter().collect()
}

fn inline1(f: Unary) -> bool {
    match f {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Not | Unary::Sqrt => true,
        Unary::Exp
        | Unary::Log
        | Unary::Log1p
        | Unary::Expm1
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Asin
        | Unary::Acos
        | Unary::Atan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::Softplus
        | Unary::Erf
        | Unary::Lgamma
        | Unary::Digamma
        | Unary::Trigamma => false,
    }
}

fn einsum_kind(spec: &Einsum) -> Kind {
    let sums = spec.args.iter().flatten().any(|l| !spec.out.contains(l));
    match (sums, spec.args.len()) {
        (true, _) => Kind::Contract,
        (false, 1) => Kind::View,
        (false, _) => Kind::Inline,
    }
}

#[derive(Default)]
struct Queue {
    others: BTreeSet<NodeId>,
    inline: BTreeMap<Domain, BTreeSet<NodeId>>,
}

impl Queue {
    fn push(&mut self, planner: &Planner, id: NodeId) {
        if planner.kind[&id] == Kind::Inline {
            self.inline.entry(planner.domain(id)).or_default().insert(id);
        } else {
            self.others.insert(id);
        }
    }

    fn pop(&mut self, domain: &Domain) -> Option<NodeId> {
        let set = self.inline.get_mut(domain)?;
        let id = set.pop_first();
        if set.is_empty() {
            self.inline.remove(domain);
        }
        id
    }

    /// The index space of the oldest node that is ready.
    fn first_domain(&self) -> Option<Domain> {
        self.inline.iter().min_by_key(|(_, set)| set.first().copied()).map(|(domain, _)| domain.clone())
    }
}
