//! A graph with solves → kernels and solves in the order they run.
//!
//! Every value is computed in a *phase*: the prologue (parameters alone, once per update), then for each tile of samples
//! kernel 1, its solves, kernel 2, …, and the epilogue (once, from what was summed over the samples).

use crate::codegen::{Backend, Element, Kernel, Output, Spec};
use crate::graph::{Graph, Leaf, NodeId, Op};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// When a value is computed.
type Phase = u32;
const PROLOGUE: Phase = 0;
const EPILOGUE: Phase = u32::MAX;

/// A value that lives between kernels.
#[derive(Clone, Debug)]
pub struct BufferInfo {
    /// Which node.
    pub node: NodeId,
    /// Entries, lanes included.
    pub len: usize,
    /// Per tile (else shared by all).
    pub batched: bool,
    /// Summed over the samples of all tiles.
    pub accumulated: bool,
}

/// A kernel with the buffers it reads and writes.
pub struct Segment<T> {
    /// Machine code.
    pub kernel: Kernel<T>,
    /// Buffers read.
    pub inputs: Vec<usize>,
    /// Buffers written.
    pub outputs: Vec<usize>,
}

/// A solve, or its pull-back, between kernels.
#[derive(Clone, Debug)]
pub struct SolveCall {
    /// Which system.
    pub system: usize,
    /// Buffers of z0, t0, ts and the captures.
    pub args: Vec<usize>,
    /// The solve itself, by position: a pull-back needs the tape of its solve.
    pub tape: usize,
    /// What it makes.
    pub makes: Makes,
}

/// What a call between kernels makes.
#[derive(Clone, Debug)]
pub enum Makes {
    /// The states at the output times, into a buffer.
    Solution(usize),
    /// From the cotangent of the solution (a buffer), cotangents of arguments: (argument, buffer).
    Cotangents {
        /// Cotangent of the solution.
        bar: usize,
        /// The solution.
        solution: usize,
        /// Which are wanted.
        parts: Vec<(usize, usize)>,
    },
}

/// What runs for a tile, in order.
pub enum Stage<T> {
    /// A kernel.
    Kernel(Segment<T>),
    /// A solve.
    Solve(SolveCall),
}

/// An entry point: from leaves to roots.
pub struct Program<T> {
    /// Values between kernels.
    pub buffers: Vec<BufferInfo>,
    /// The leaves among them.
    pub leaves: Vec<(Leaf, usize)>,
    /// Once per update.
    pub prologue: Option<Segment<T>>,
    /// For each tile.
    pub stages: Vec<Stage<T>>,
    /// Once, after all tiles.
    pub epilogue: Option<Segment<T>>,
    /// Buffer of each root.
    pub roots: Vec<usize>,
    /// Samples side by side.
    pub lanes: usize,
    /// Number of solves (tapes) of a tile.
    pub solves: usize,
}

/// Builds the program that computes `roots`.
///
/// # Errors
/// When the code generator refuses.
pub fn build<T: Element>(g: &Graph, roots: &[NodeId], lanes: usize, backend: Backend) -> Result<Program<T>, String> {
    let mut builder = Builder::new(g, roots, lanes);
    builder.phases()?;
    builder.require_all(roots);
    builder.finish(roots, backend)
}

struct Builder<'g> {
    g: &'g Graph,
    lanes: usize,
    order: Vec<NodeId>,
    phase: HashMap<NodeId, Phase>,
    fixed: BTreeSet<NodeId>,
    buffers: Vec<BufferInfo>,
    at: HashMap<NodeId, usize>,
    exported: BTreeMap<Phase, BTreeSet<NodeId>>,
    visited: BTreeSet<(NodeId, Phase)>,
}

impl<'g> Builder<'g> {
    fn new(g: &'g Graph, roots: &[NodeId], lanes: usize) -> Self {
        Self {
            g,
            lanes,
            order: g.reachable(roots),
            phase: HashMap::new(),
            fixed: BTreeSet::new(),
            buffers: Vec::new(),
            at: HashMap::new(),
            exported: BTreeMap::new(),
            visited: BTreeSet::new(),
        }
    }

    /// The phase in which each node is computed.
    fn phases(&mut self) -> Result<(), String> {
        for &id in &self.order {
            let node = self.g.node(id);
            let constant = match node.op {
                Op::Const(_) | Op::Iota | Op::Delta => true,
                Op::Leaf(_) | Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => false,
                _ => !node.args.is_empty() && node.args.iter().all(|a| self.fixed.contains(a)),
            };
            if constant {
                self.fixed.insert(id);
            }
            let mut phase = if node.batched { 1 } else { PROLOGUE };
            for &a in &node.args {
                if !self.fixed.contains(&a) {
                    phase = phase.max(self.ready(a));
                }
            }
            if node.batched && phase == EPILOGUE {
                return Err("a sample's value depends on a sum over samples".into());
            }
            if !node.batched && phase != PROLOGUE && !matches!(node.op, Op::SumLanes | Op::SolvePart { .. }) {
                phase = EPILOGUE;
            }
            self.phase.insert(id, phase);
        }
        Ok(())
    }

    /// The first phase in which the value can be read by others.
    fn ready(&self, id: NodeId) -> Phase {
        let phase = self.phase[&id];
        let node = self.g.node(id);
        match node.op {
            Op::SumLanes => EPILOGUE,
            Op::SolvePart { .. } if !node.batched => EPILOGUE,
            Op::Solve(_) | Op::SolveVjp(_) => phase + 1,
            _ => phase,
        }
    }

    fn buffer(&mut self, id: NodeId) -> usize {
        if let Some(&b) = self.at.get(&id) {
            return b;
        }
        let node = self.g.node(id);
        let len = self.g.size(id) * if node.batched { self.lanes } else { 1 };
        let accumulated = !node.batched && matches!(node.op, Op::SumLanes | Op::SolvePart { .. });
        self.buffers.push(BufferInfo { node: id, len, batched: node.batched, accumulated });
        self.at.insert(id, self.buffers.len() - 1);
        self.buffers.len() - 1
    }

    fn external(&self, id: NodeId) -> bool {
        matches!(self.g.node(id).op, Op::Leaf(_) | Op::Solve(_) | Op::SolvePart { .. })
    }

    fn require_all(&mut self, roots: &[NodeId]) {
        for &root in roots {
            self.export(root);
        }
    }

    /// Makes the value of a node available between kernels.
    fn export(&mut self, id: NodeId) {
        let known = self.at.contains_key(&id);
        self.buffer(id);
        if known {
            return;
        }
        if self.external(id) {
            self.call(id);
            return;
        }
        let phase = if self.fixed.contains(&id) { PROLOGUE } else { self.phase[&id] };
        self.exported.entry(phase).or_default().insert(id);
        for a in self.g.args(id) {
            self.visit(a, phase);
        }
    }

    /// What a solve needs must exist before it.
    fn call(&mut self, id: NodeId) {
        let node = self.g.node(id);
        match node.op {
            Op::Solve(_) => {
                for a in node.args.clone() {
                    self.export(a);
                }
            }
            Op::SolvePart { .. } => {
                let pulled = self.g.node(node.args[0]).clone();
                for &a in &pulled.args {
                    self.export(a);
                }
                if let Some(solve) = self.solve_of(&pulled.args) {
                    self.export(solve);
                }
            }
            _ => {}
        }
    }

    /// The solve that a pull-back belongs to: the same operation on the same arguments.
    fn solve_of(&self, args: &[NodeId]) -> Option<NodeId> {
        let own = &args[..args.len() - 1];
        self.order
            .iter()
            .copied()
            .find(|&id| matches!(self.g.node(id).op, Op::Solve(_)) && self.g.node(id).args.as_slice() == own)
    }

    /// A kernel of `phase` reads a node: it computes it itself, or the node is exported to it.
    fn visit(&mut self, root: NodeId, phase: Phase) {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !self.visited.insert((id, phase)) {
                continue;
            }
            let node = self.g.node(id);
            let again = self.fixed.contains(&id)
                || matches!(node.op, Op::Broadcast(_) | Op::Slice(_) | Op::Reshape | Op::Stop)
                || (!self.external(id) && self.ready(id) == phase && self.phase[&id] == phase);
            if again {
                stack.extend(node.args.iter().copied());
            } else {
                self.export(id);
            }
        }
    }

    fn segment<T: Element>(&self, phase: Phase, backend: Backend) -> Result<Option<Segment<T>>, String> {
        let Some(exported) = self.exported.get(&phase) else { return Ok(None) };
        let mut inputs: Vec<NodeId> = Vec::new();
        let mut seen: BTreeSet<NodeId> = BTreeSet::new();
        let mut stack: Vec<NodeId> = exported.iter().copied().collect();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            let computed = exported.contains(&id) || !self.given(id, phase);
            if computed {
                stack.extend(self.g.args(id));
            } else {
                inputs.push(id);
            }
        }
        inputs.sort_unstable();
        let mut outputs = Vec::new();
        let mut targets = Vec::new();
        for &id in exported {
            let add = self.buffers[self.at[&id]].accumulated;
            outputs.push(Output { node: id, slot: targets.len(), add });
            targets.push(self.at[&id]);
        }
        let spec = Spec { graph: self.g, inputs: &inputs, outputs: &outputs, lanes: self.lanes };
        let kernel = Kernel::new(&spec, backend)?;
        let inputs = inputs.iter().map(|id| self.at[id]).collect();
        Ok(Some(Segment { kernel, inputs, outputs: targets }))
    }

    /// Whether a kernel of `phase` finds the node in a buffer.
    fn given(&self, id: NodeId, phase: Phase) -> bool {
        self.at.contains_key(&id)
            && !self.fixed.contains(&id)
            && (self.external(id) || self.phase[&id] != phase || self.ready(id) != phase)
    }

    fn finish<T: Element>(self, roots: &[NodeId], backend: Backend) -> Result<Program<T>, String> {
        let mut tapes: HashMap<NodeId, usize> = HashMap::new();
        let mut calls: BTreeMap<Phase, Vec<SolveCall>> = BTreeMap::new();
        let mut pulled: BTreeMap<NodeId, Vec<(usize, usize)>> = BTreeMap::new();
        for &id in &self.order {
            let node = self.g.node(id);
            match node.op {
                Op::Solve(system) if self.at.contains_key(&id) => {
                    let tape = tapes.len();
                    tapes.insert(id, tape);
                    let args = node.args.iter().map(|a| self.at[a]).collect();
                    let makes = Makes::Solution(self.at[&id]);
                    calls.entry(self.phase[&id]).or_default().push(SolveCall {
                        system: system as usize,
                        args,
                        tape,
                        makes,
                    });
                }
                Op::SolvePart { argument, .. } if self.at.contains_key(&id) => {
                    pulled.entry(node.args[0]).or_default().push((argument as usize, self.at[&id]));
                }
                _ => {}
            }
        }
        for (id, parts) in pulled {
            let node = self.g.node(id);
            let Op::SolveVjp(system) = node.op else { continue };
            let (own, bar) = node.args.split_at(node.args.len() - 1);
            let solve = self.solve_of(&node.args).ok_or("a pull-back without its solve")?;
            let makes = Makes::Cotangents { bar: self.at[&bar[0]], solution: self.at[&solve], parts };
            let args = own.iter().map(|a| self.at[a]).collect();
            calls.entry(self.phase[&id]).or_default().push(SolveCall {
                system: system as usize,
                args,
                tape: tapes[&solve],
                makes,
            });
        }
        let mut stages = Vec::new();
        let last = self.exported.keys().chain(calls.keys()).copied().filter(|&p| p != EPILOGUE).max().unwrap_or(0);
        for phase in 1..=last {
            if let Some(segment) = self.segment(phase, backend)? {
                stages.push(Stage::Kernel(segment));
            }
            stages.extend(calls.remove(&phase).unwrap_or_default().into_iter().map(Stage::Solve));
        }
        let leaves = self
            .buffers
            .iter()
            .enumerate()
            .filter_map(|(b, info)| match self.g.node(info.node).op {
                Op::Leaf(leaf) => Some((leaf, b)),
                _ => None,
            })
            .collect();
        Ok(Program {
            leaves,
            prologue: self.segment(PROLOGUE, backend)?,
            stages,
            epilogue: self.segment(EPILOGUE, backend)?,
            roots: roots.iter().map(|r| self.at[r]).collect(),
            lanes: self.lanes,
            solves: tapes.len(),
            buffers: self.buffers,
        })
    }
}
