//! Graph → steps: which values live where, and in what order loops and kernels run.
//!
//! Elementwise nodes over the same index space are gathered into one loop, where values pass in registers; slices,
//! repeats and transposes are views and cost nothing; the rest are calls of precompiled kernels.

mod classify;
mod convolve;
mod schedule;
mod steps;
mod straight;

use super::kernels::ConvDesc;
use super::layout::{View, entries};
use super::memory::Memory;
use crate::graph::{Binary, Graph, NodeId, Op, Relation, Shape, Unary};
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap, HashSet};
pub use straight::{Scalar, Store, Straight};

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

impl Spec<'_> {
    /// Whether it becomes code without loops.
    pub fn is_straight(&self) -> bool {
        straight::fits(self)
    }

    /// The nodes to compute, in order.
    fn work(&self) -> impl Iterator<Item = NodeId> + use<> {
        let given: HashSet<NodeId> = self.inputs.iter().copied().collect();
        let roots: Vec<NodeId> = self.outputs.iter().map(|o| o.node).collect();
        needed(self.graph, &roots, &given).into_iter().filter(move |id| !given.contains(id))
    }
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
    /// A tensor of a convolution.
    Conv(Convolving),
    /// A table look-up or its transpose.
    Index(Indexing),
    /// The whole kernel without loops.
    Straight(Straight),
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
    /// What is added to the products otherwise: a value that is given, seen as the result.
    pub bias: Option<View>,
}

/// A tensor of a convolution from contiguous copies of the other two.
#[derive(Clone, Debug)]
pub struct Convolving {
    /// Sizes, and how samples take part.
    pub desc: ConvDesc,
    /// The first operand.
    pub a: View,
    /// The second.
    pub b: View,
    /// Result.
    pub out: View,
    /// Room for the operands of some samples.
    pub scratch: View,
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
    Conv,
    Move,
    Index,
    Table,
    /// Computed inside of the only node that uses it.
    Absorbed,
}
/// Plans a kernel.
pub fn plan(spec: &Spec) -> Plan {
    if let Some(straight) = straight::straight(spec) {
        let mut memory = Memory::default();
        memory.constants.clone_from(&straight.constants);
        return Plan {
            steps: vec![Step::Straight(straight)],
            memory,
            inputs: lengths(spec),
            outputs: results(spec),
            lanes: spec.lanes,
        };
    }
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
    /// Sums of a product and a given value that are computed with the product: the product and the value.
    biased: HashMap<NodeId, (NodeId, NodeId)>,
    /// Products g·(1 − y²) that a kernel computes: g and y.
    slopes: HashMap<NodeId, [NodeId; 2]>,
    left: HashMap<NodeId, usize>,
    memory: Memory,
    steps: Vec<Step>,
    roots: BTreeSet<NodeId>,
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
            biased: HashMap::new(),
            slopes: HashMap::new(),
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

/// Length of every input.
fn lengths(spec: &Spec) -> Vec<usize> {
    let g = spec.graph;
    spec.inputs.iter().map(|&id| entries(g.shape(id), g.batched(id), spec.lanes)).collect()
}

/// Length of every output.
fn results(spec: &Spec) -> Vec<usize> {
    let slots = spec.outputs.iter().map(|o| o.slot + 1).max().unwrap_or(0);
    let mut out = vec![0; slots];
    for o in spec.outputs {
        out[o.slot] = entries(spec.graph.shape(o.node), spec.graph.batched(o.node), spec.lanes);
    }
    out
}
