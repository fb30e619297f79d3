//! Typed expressions → nodes, in order of the arena.

use super::lift::{lift, substitute};
use super::model::StateInfo;
use crate::check::{Derivative, Domain, ExprId, Kind, NO_DERIVATIVE, Program};
use crate::diag::{Diagnostic, Span};
use crate::diff::{self, DiffError, Mode};
use crate::graph::{Graph, Leaf, NodeId, Scalar};
use std::collections::HashMap;

/// Seeds from here on stand for arguments of functions while their bodies are differentiated.
const ARGUMENT: u32 = 1 << 24;

pub(super) struct Walk<'p> {
    pub program: &'p Program,
    pub g: Graph,
    nodes: Vec<Option<NodeId>>,
    pub slots: Vec<Vec<StateInfo>>,
    pub problems: Vec<Diagnostic>,
}

impl<'p> Walk<'p> {
    pub fn new(program: &'p Program) -> Self {
        let mut slots = Vec::new();
        for system in &program.systems {
            let (mut offset, mut states) = (0, Vec::new());
            for s in &system.states {
                let shape = s.ty.shape();
                let size: usize = shape.iter().product();
                states.push(StateInfo { name: s.name.clone(), shape, offset, domain: s.domain });
                offset += size;
            }
            slots.push(states);
        }
        Self { program, g: Graph::new(), nodes: vec![None; program.exprs.len()], slots, problems: Vec::new() }
    }

    /// Lowers everything that `roots` need.
    pub fn run(&mut self, roots: &[ExprId]) {
        for id in self.program.reachable(roots, false) {
            if self.nodes[id.index()].is_none() {
                let node = self.lower(id);
                self.nodes[id.index()] = Some(node);
            }
        }
    }

    /// The node of a lowered expression.
    pub fn node(&mut self, id: ExprId) -> NodeId {
        match self.nodes[id.index()] {
            Some(node) => node,
            // Only after a problem was reported: any value of the shape will do.
            None => {
                let shape = self.program.ty(id).shape();
                self.g.full(0.0, &shape)
            }
        }
    }

    fn lower(&mut self, id: ExprId) -> NodeId {
        let typed = self.program.expr(id);
        let shape = typed.ty.shape();
        match &typed.kind {
            Kind::Const(_)
            | Kind::Param(_)
            | Kind::Input(_)
            | Kind::Noise(_)
            | Kind::Length(_)
            | Kind::Time(_)
            | Kind::State { .. }
            | Kind::Iota
            | Kind::Delta
            | Kind::Argument(..) => self.leaf(&typed.kind, &shape),
            Kind::Map1(f, a) => {
                let a = self.node(*a);
                self.g.map1(*f, a)
            }
            Kind::Map2(f, a, b) => {
                let (a, b) = (self.node(*a), self.node(*b));
                self.g.map2(*f, a, b)
            }
            Kind::Compare(r, a, b) => {
                let (a, b) = (self.node(*a), self.node(*b));
                self.g.compare(*r, a, b)
            }
            Kind::Select(c, a, b) => {
                let (c, a, b) = (self.node(*c), self.node(*a), self.node(*b));
                self.g.select(c, a, b)
            }
            Kind::Stop(a) => {
                let a = self.node(*a);
                self.g.stop(a)
            }
            Kind::Einsum(spec, args) => {
                let args: Vec<NodeId> = args.iter().map(|a| self.node(*a)).collect();
                self.g.einsum(spec.clone(), &args)
            }
            Kind::Conv { x, kernel, stride, padding } => {
                let (x, kernel) = (self.node(*x), self.node(*kernel));
                let images: Vec<usize> = std::iter::once(1).chain(self.g.shape(x).iter().copied()).collect();
                let x = self.g.reshape(x, &images);
                let y = self.g.conv(x, kernel, *stride, *padding);
                self.g.reshape(y, &shape)
            }
            Kind::Broadcast(axes, a) => {
                let a = self.node(*a);
                self.g.broadcast(a, axes, &shape)
            }
            Kind::Reshape(a) => {
                let a = self.node(*a);
                self.g.reshape(a, &shape)
            }
            Kind::Slice(start, a) => {
                let a = self.node(*a);
                self.g.slice(a, start, &shape)
            }
            Kind::Concat(axis, args) => {
                let args: Vec<NodeId> = args.iter().map(|a| self.node(*a)).collect();
                self.g.concat(*axis, &args)
            }
            Kind::Gather(x, index) => {
                let (x, index) = (self.node(*x), self.node(*index));
                self.g.gather(x, index)
            }
            Kind::ArgMax(a) => {
                let a = self.node(*a);
                self.g.argmax(a)
            }
            Kind::MaxLast(a) => {
                let a = self.node(*a);
                self.g.max_last(a)
            }
            Kind::LogSumExpLast(a) => {
                let a = self.node(*a);
                self.g.logsumexp_last(a)
            }
            Kind::Interp { table, times, at } => {
                let (table, times, at) = (self.node(*table), self.node(*times), self.node(*at));
                self.g.interp(table, times, at)
            }
            Kind::Bind { index, value, body } => {
                let shape = self.program.ty(*value).shape();
                let seed = self.g.leaf(Leaf::Seed(ARGUMENT + index), &shape);
                let (value, body) = (self.node(*value), self.node(*body));
                substitute(&mut self.g, body, &HashMap::from([(seed, value)]))
            }
            Kind::Derivative { op, of, wrt, direction } => {
                let (y, x) = (self.node(*of), self.node(*wrt));
                let v = direction.map(|d| self.node(d));
                self.forbid_through_equations(*of, *wrt, typed.span);
                self.derivative(*op, (y, x, v), typed.span, &shape)
            }
            Kind::Sample { system, value, times } => {
                let (value, times) = (self.node(*value), self.node(*times));
                self.sample(*system, value, times)
            }
        }
    }

    fn leaf(&mut self, kind: &Kind, shape: &[usize]) -> NodeId {
        match kind {
            Kind::Const(Scalar(value)) => self.g.scalar(*value),
            Kind::Param(k) => self.param(*k as usize),
            Kind::Input(k) => self.g.leaf(Leaf::Input(*k), shape),
            Kind::Noise(k) => self.g.leaf(Leaf::Noise(*k), shape),
            Kind::Length(k) => self.g.leaf(Leaf::Length(*k), &[]),
            Kind::State { system, index } => self.state(*system as usize, *index as usize),
            Kind::Iota => self.g.iota(shape[0]),
            Kind::Delta => self.g.delta(shape[0]),
            Kind::Argument(k, _) => self.g.leaf(Leaf::Seed(ARGUMENT + k), shape),
            // All that is left is time.
            _ => self.g.leaf(Leaf::Time, &[]),
        }
    }

    /// Natural value of a parameter.
    pub fn param(&mut self, k: usize) -> NodeId {
        let param = &self.program.params[k];
        let shape = param.ty.shape();
        let raw = param.domain.raw_shape(&shape);
        let leaf = self.g.leaf(Leaf::Param(u32::try_from(k).unwrap_or(u32::MAX)), &raw);
        param.domain.constrain(&mut self.g, leaf, &shape)
    }

    /// Entries of the flat state.
    pub fn dim(&self, system: usize) -> usize {
        self.slots[system].last().map_or(0, |s| s.offset + s.shape.iter().product::<usize>())
    }

    pub fn flat_leaf(&mut self, system: usize) -> NodeId {
        let dim = self.dim(system);
        self.g.leaf(Leaf::State(u32::try_from(system).unwrap_or(u32::MAX)), &[dim])
    }

    /// Natural value of a state now.
    pub fn state(&mut self, system: usize, index: usize) -> NodeId {
        let slot = self.slots[system][index].clone();
        let flat = self.flat_leaf(system);
        let size = slot.shape.iter().product();
        let part = self.g.slice(flat, &[slot.offset], &[size]);
        let raw = self.g.reshape(part, &slot.shape);
        slot.domain.constrain(&mut self.g, raw, &slot.shape)
    }

    /// Flat initial state of a system.
    pub fn start(&mut self, system: usize) -> NodeId {
        let inits: Vec<(Option<ExprId>, Domain)> =
            self.program.systems[system].states.iter().map(|s| (s.init, s.domain)).collect();
        let mut parts = Vec::new();
        for (init, domain) in inits {
            let Some(init) = init else { continue };
            let natural = self.node(init);
            let raw = domain.unconstrain(&mut self.g, natural);
            let size = self.g.size(raw);
            parts.push(self.g.reshape(raw, &[size]));
        }
        self.g.concat(0, &parts)
    }

    /// A signal at a time or at times.
    pub fn sample(&mut self, system: u32, value: NodeId, times: NodeId) -> NodeId {
        let k = system as usize;
        let start = self.start(k);
        let from = match self.program.systems[k].from {
            Some(id) => self.node(id),
            None => self.g.scalar(0.0),
        };
        let (leaf, clock) = (self.flat_leaf(k), self.g.leaf(Leaf::Time, &[]));
        let one = self.g.shape(times).is_empty();
        let ts = if one { self.g.reshape(times, &[1]) } else { times };
        let rows = self.g.solve(system, &[start, from, ts]);
        if one {
            let dim = self.dim(k);
            let row = self.g.reshape(rows, &[dim]);
            return substitute(&mut self.g, value, &HashMap::from([(leaf, row), (clock, times)]));
        }
        let n = self.g.shape(ts)[0];
        lift(&mut self.g, value, &HashMap::from([(leaf, rows), (clock, ts)]), n)
    }

    /// The derivative of a solution with respect to what its equations use has no form here: captures come later.
    fn forbid_through_equations(&mut self, of: ExprId, wrt: ExprId, span: Span) {
        let sampled = self.program.reachable(&[of], true);
        let mut rates = Vec::new();
        for id in &sampled {
            if let Kind::Sample { system, .. } = self.program.expr(*id).kind {
                rates.extend(self.program.systems[system as usize].dynamics());
            }
        }
        if self.program.reachable(&rates, true).contains(&wrt) {
            let d = Diagnostic::error(
                NO_DERIVATIVE,
                span,
                "the derivative of a solution with respect to what its equations use",
            )
            .here("not in this version")
            .help("make it a state with the equation `k' = 0` and the variable as its start value");
            self.problems.push(d);
        }
    }

    fn derivative(
        &mut self,
        op: Derivative,
        on: (NodeId, NodeId, Option<NodeId>),
        span: Span,
        shape: &[usize],
    ) -> NodeId {
        match derivative(&mut self.g, op, on) {
            Ok(node) => node,
            Err(error) => {
                let message = format!("this derivative does not exist: {}", error.why);
                self.problems.push(Diagnostic::error(NO_DERIVATIVE, span, message).here("asked for here"));
                self.g.full(0.0, shape)
            }
        }
    }
}

/// A derivative operator on y, x and a direction (absent where it takes none).
fn derivative(g: &mut Graph, op: Derivative, on: (NodeId, NodeId, Option<NodeId>)) -> Result<NodeId, DiffError> {
    let (y, x, direction) = on;
    let v = direction.unwrap_or(x);
    Ok(match op {
        Derivative::Grad => diff::gradient(g, y, x)?,
        Derivative::Jac => diff::jacobian(g, y, x)?,
        Derivative::Div => diff::divergence(g, y, x)?,
        Derivative::Hess => diff::hessian(g, y, x)?,
        Derivative::Lap => diff::laplacian(g, y, x)?,
        Derivative::Hvp => diff::hvp(g, y, x, v)?,
        Derivative::Jvp => {
            let found = diff::jvp(g, &[y], &[(x, v)])?;
            or_zeros(g, found[0], y)
        }
        Derivative::Vjp => {
            let found = diff::vjp(g, &[(y, v)], &[x], Mode::PerSample)?;
            or_zeros(g, found[0], x)
        }
    })
}

fn or_zeros(g: &mut Graph, found: Option<NodeId>, like: NodeId) -> NodeId {
    let shape = g.shape(like).clone();
    found.unwrap_or_else(|| g.full(0.0, &shape))
}

/// Whether a node still refers to an argument; only the bodies of functions do.
#[cfg(test)]
pub(crate) fn has_argument(g: &Graph, roots: &[NodeId]) -> bool {
    g.reachable(roots).iter().any(|id| matches!(g.node(*id).op, crate::graph::Op::Leaf(Leaf::Seed(_))))
}
