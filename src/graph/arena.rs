//! Storage: nodes in order of creation, equal nodes once.

use super::{Leaf, Op, Scalar};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Sizes of the axes; empty for a scalar.
pub type Shape = SmallVec<[usize; 4]>;

/// A node of one [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what.
    pub args: SmallVec<[NodeId; 4]>,
    /// Shape of one sample's value.
    pub shape: Shape,
    /// Whether every sample has a value of its own.
    pub batched: bool,
}

/// An arena of nodes without duplicates.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, NodeId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Its shape.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.nodes[id.index()].shape
    }

    /// Number of entries of one sample's value.
    pub fn size(&self, id: NodeId) -> usize {
        self.shape(id).iter().product()
    }

    /// Whether samples differ in it.
    pub fn batched(&self, id: NodeId) -> bool {
        self.nodes[id.index()].batched
    }

    /// Its arguments.
    pub fn args(&self, id: NodeId) -> SmallVec<[NodeId; 4]> {
        self.nodes[id.index()].args.clone()
    }

    /// All ids, arguments before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// The value of every entry if the node is made of one constant scalar by moving it around.
    pub fn constant(&self, id: NodeId) -> Option<f64> {
        let mut id = id;
        loop {
            let node = self.node(id);
            match &node.op {
                Op::Const(Scalar(value)) => return Some(*value),
                Op::Broadcast(_) | Op::Reshape | Op::Slice(_) | Op::Stop => id = node.args[0],
                _ => return None,
            }
        }
    }

    /// Adds a node as it is, or finds its equal.
    pub fn add(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.ids.get(&node) {
            return id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    /// Adds an operation of a given shape; batched if an argument is.
    pub fn push(&mut self, op: Op, args: &[NodeId], shape: Shape) -> NodeId {
        let batched = match op {
            Op::Leaf(leaf) => leaf.batched(),
            Op::SumLanes => false,
            // Each sample steps on its own, whatever it starts from.
            Op::Solve(_) | Op::SolveVjp(_) => true,
            Op::SolvePart { argument, total } => !total || self.batched(self.args(args[0])[argument as usize]),
            _ => args.iter().any(|&a| self.batched(a)),
        };
        self.add(Node { op, args: args.iter().copied().collect(), shape, batched })
    }

    /// A value from outside.
    pub fn leaf(&mut self, leaf: Leaf, shape: &[usize]) -> NodeId {
        self.push(Op::Leaf(leaf), &[], shape.into())
    }

    /// The nodes that `roots` need, in order.
    pub fn reachable(&self, roots: &[NodeId]) -> Vec<NodeId> {
        let mut seen = vec![false; self.len()];
        let mut stack: Vec<NodeId> = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut seen[id.index()], true) {
                stack.extend(self.node(id).args.iter().copied());
            }
        }
        self.ids().filter(|id| seen[id.index()]).collect()
    }
}
