//! What becomes of each node: a value in a loop, a view, a call; and which values are computed in place.

use super::{Kind, Planner};
use crate::codegen::layout::{View, entries, signed};
use crate::graph::{Binary, ConvPart, Einsum, NodeId, Op, Unary};
use std::collections::{HashMap, HashSet};

/// Entries from which a call is faster than a loop.
const LONG: usize = 32;

impl Planner<'_> {
    pub(super) fn classify(&mut self, given: &HashSet<NodeId>) {
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
                // So does the transpose of a convolution with respect to its kernel.
                let of_kernel = |op: &Op| matches!(op, Op::Conv(conv) if conv.part == ConvPart::Kernel);
                if self.kind[&x] == Kind::Conv && uses[&x] == 1 && of_kernel(&self.g.node(x).op) {
                    self.kind.insert(x, Kind::Absorbed);
                }
            }
        }
        for id in self.order.clone() {
            self.join_bias(id, &uses);
            self.join_slope(id, &uses);
        }
        for output in self.spec.outputs {
            if output.add && self.kind[&output.node] == Kind::Contract && uses[&output.node] == 1 {
                self.direct_add.insert(output.node, output.slot);
            }
        }
        self.place_parts(&uses);
    }

    /// A matrix product to which a given value is added, as the bias of a layer is: the kernel starts from that.
    fn join_bias(&mut self, id: NodeId, uses: &HashMap<NodeId, usize>) {
        let node = self.g.node(id);
        let added_up = self.spec.outputs.iter().any(|o| o.node == id && o.add);
        if node.op != Op::Map2(Binary::Add) || self.kind[&id] != Kind::Inline || added_up {
            return;
        }
        let is_product = |x: NodeId| {
            self.kind[&x] == Kind::Contract
                && uses[&x] == 1
                && self.g.batched(x) == node.batched
                && matches!(&self.g.node(x).op, Op::Einsum(spec) if spec.args.len() == 2)
        };
        let is_given = |x: NodeId| self.g.constant(x).is_none() && self.is_given(x);
        let (a, b) = (node.args[0], node.args[1]);
        let found = [(a, b), (b, a)].into_iter().find(|&(x, bias)| is_product(x) && is_given(bias));
        if let Some((product, bias)) = found {
            self.kind.insert(product, Kind::Absorbed);
            self.kind.insert(id, Kind::Contract);
            self.biased.insert(id, (product, bias));
        }
    }

    /// g·(1 − y²), the pull-back of a hyperbolic tangent: long ones are a call.
    fn join_slope(&mut self, id: NodeId, uses: &HashMap<NodeId, usize>) {
        let alike = |x: NodeId| self.g.shape(x) == self.g.shape(id) && self.g.batched(x) == self.g.batched(id);
        let own = |x: NodeId| uses[&x] == 1 && self.kind[&x] == Kind::Inline && alike(x);
        let Some([a, b]) = self.factors(id).filter(|_| self.size(id) >= LONG) else { return };
        let found = [(a, b), (b, a)].into_iter().find_map(|(g, slope)| {
            let node = self.g.node(slope);
            if !own(slope) || node.op != Op::Map2(Binary::Sub) || self.g.constant(node.args[0]) != Some(1.0) {
                return None;
            }
            let square = node.args[1];
            let [y, same] = self.factors(square).filter(|_| own(square))?;
            (y == same && alike(y) && alike(g)).then_some((g, y, slope, square))
        });
        if let Some((g, y, slope, square)) = found {
            self.kind.insert(slope, Kind::Absorbed);
            self.kind.insert(square, Kind::Absorbed);
            self.kind.insert(id, Kind::Tile);
            self.slopes.insert(id, [g, y]);
        }
    }

    /// The factors of an elementwise product.
    fn factors(&self, id: NodeId) -> Option<[NodeId; 2]> {
        let node = self.g.node(id);
        let product = match &node.op {
            Op::Map2(Binary::Mul) => true,
            Op::Einsum(spec) => spec.args.len() == 2 && spec.args.iter().all(|labels| *labels == spec.out),
            _ => false,
        };
        (product && self.kind[&id] == Kind::Inline).then(|| [node.args[0], node.args[1]])
    }

    /// Whether a value is given, or a view of one that is.
    fn is_given(&self, id: NodeId) -> bool {
        match (self.kind[&id], &self.g.node(id).op) {
            (Kind::Given, _) => true,
            // A reshape may turn out to be a copy.
            (Kind::View, op) => *op != Op::Reshape && self.is_given(self.g.args(id)[0]),
            _ => false,
        }
    }

    /// Values that can be computed where they are needed: parts of a concatenation, the argument of a kernel in place.
    pub(super) fn place_parts(&mut self, uses: &HashMap<NodeId, usize>) {
        let taken = |id: NodeId, kind: &HashMap<NodeId, Kind>| {
            uses[&id] == 1 && matches!(kind[&id], Kind::Inline | Kind::Tile | Kind::Contract | Kind::Conv)
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
                    let in_place = self.kind[&x] == Kind::Inline || self.biased.contains_key(&x);
                    if uses[&x] == 1 && in_place && self.g.batched(x) == node.batched {
                        self.alias.insert(x, (id, 0));
                    }
                }
                _ => {}
            }
        }
    }

    /// The value behind reshapes that nobody else uses: it lies in the same order.
    pub(super) fn through_reshape(&self, id: NodeId, uses: &HashMap<NodeId, usize>) -> NodeId {
        let mut id = id;
        while self.g.node(id).op == Op::Reshape && self.kind[&id] == Kind::View && uses[&id] == 1 {
            id = self.g.args(id)[0];
        }
        id
    }

    pub(super) fn kind_of(&self, id: NodeId) -> Kind {
        if self.g.constant(id).is_some() {
            return Kind::Constant;
        }
        match &self.g.node(id).op {
            Op::Const(_) => Kind::Constant,
            Op::Leaf(_) => unreachable!("leaves are given: {:?}", self.g.node(id)),
            Op::Iota | Op::Delta => Kind::Table,
            Op::Map1(f) if inline1(*f) => Kind::Inline,
            Op::Map1(_) => Kind::Tile,
            Op::Map2(f) if inline2(*f) => Kind::Inline,
            Op::Map2(_) => Kind::Tile,
            Op::Compare(_) | Op::Select => Kind::Inline,
            Op::Stop | Op::Broadcast(_) | Op::Slice(_) | Op::Reshape => Kind::View,
            Op::Einsum(spec) => einsum_kind(spec),
            Op::Pad(_) | Op::Concat(_) => Kind::Move,
            Op::Conv(_) => Kind::Conv,
            Op::Gather | Op::ScatterAdd | Op::ArgMax | Op::Search => Kind::Index,
            Op::SumLanes => Kind::Contract,
            Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => unreachable!("solves run between kernels"),
        }
    }

    /// The view of every node, as boxes of stored values.
    pub(super) fn views(&mut self) {
        for id in self.order.clone() {
            let view = match self.kind[&id] {
                Kind::Constant | Kind::Absorbed => continue,
                Kind::View => self.derived(id),
                Kind::Given
                | Kind::Inline
                | Kind::Tile
                | Kind::Contract
                | Kind::Conv
                | Kind::Move
                | Kind::Index
                | Kind::Table => None,
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
    pub(super) fn own(&self, id: NodeId) -> View {
        let (mut base, mut shift) = (id, 0);
        while let Some(&(outer, offset)) = self.alias.get(&base) {
            base = outer;
            shift += offset;
        }
        let node = self.g.node(id);
        let whole = View::whole(base.0, &node.shape, node.batched, self.lanes);
        View { offset: signed(shift), ..whole }
    }

    pub(super) fn derived(&self, id: NodeId) -> Option<View> {
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
    pub(super) fn needs(&self, id: NodeId) -> Vec<(NodeId, bool)> {
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
    pub(super) fn source(&self, id: NodeId) -> (Option<NodeId>, bool) {
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
                | Kind::Conv
                | Kind::Move
                | Kind::Index
                | Kind::Table
                | Kind::Absorbed => return (Some(id), moved),
            }
        }
    }

    pub(super) fn computed(&self, id: NodeId) -> bool {
        match self.kind[&id] {
            Kind::Given | Kind::Constant | Kind::View | Kind::Absorbed => false,
            Kind::Inline | Kind::Tile | Kind::Contract | Kind::Conv | Kind::Move | Kind::Index | Kind::Table => true,
        }
    }
}

pub(super) fn inline1(f: Unary) -> bool {
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

/// Whether a function of two arguments has inline code.
pub(super) fn inline2(f: Binary) -> bool {
    match f {
        Binary::Pow | Binary::Atan2 => false,
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Min | Binary::Max | Binary::Guard => true,
    }
}
