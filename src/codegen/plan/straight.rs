//! A small graph → scalar operations in order, for code without loops or memory between operations.
//!
//! Only for one sample at a time: with several, loops over the lanes keep the vector units busy.

mod order;

use super::classify::{inline1, inline2};
use super::{Output, Spec};
use crate::codegen::layout::{flat, positions};
use crate::graph::{Binary, Einsum, Graph, NodeId, Op, Relation, Unary};
use order::{fuse, order};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Longest straight code, in operations. Where exactly loops and calls win again has not been measured; of 1,600 operations
/// (seven bodies in the plane) they are twice as fast.
pub const LONGEST: usize = 600;

/// Multiply-adds of the largest product in straight code. A kernel is faster from there on: a network 2 → 50 → 2 takes 360
/// ns as straight code and 295 ns with loops and kernels.
const LARGEST_PRODUCT: usize = 64;

/// One scalar operation; operands are positions of earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// An entry of an input.
    Load {
        /// Which input.
        slot: usize,
        /// Which entry.
        entry: usize,
    },
    /// An entry of [`Straight::constants`].
    Const(usize),
    /// A function of one argument with inline code.
    Map1(Unary, usize),
    /// A function of two arguments with inline code.
    Map2(Binary, usize, usize),
    /// A comparison.
    Compare(Relation, usize, usize),
    /// `if c then a else b`
    Select(usize, usize, usize),
    /// a·b + c, rounded once where the machine can.
    MulAdd(usize, usize, usize),
    /// A precompiled function over entries side by side; its results follow as `Result`.
    Call {
        /// Its name in the kernel table, without the type.
        name: &'static str,
        /// The arguments' entries, one after the other.
        args: Vec<usize>,
        /// Number of results.
        n: usize,
    },
    /// The k-th result of a call.
    Result(usize, usize),
}

impl Scalar {
    /// Cycles from the operands to the result, about, on machines of these years.
    fn latency(&self) -> u32 {
        match self {
            Scalar::Const(_) | Scalar::Result(..) => 0,
            Scalar::Load { .. } => 5,
            Scalar::Map2(Binary::Div, ..) | Scalar::Map1(Unary::Sqrt, _) => 14,
            Scalar::Map1(..) | Scalar::Compare(..) | Scalar::Select(..) => 1,
            Scalar::Map2(..) => 3,
            Scalar::MulAdd(..) => order::FUSED,
            Scalar::Call { .. } => 30,
        }
    }

    /// The same operation on other operands.
    fn with(&self, to: impl Fn(usize) -> usize) -> Self {
        match self {
            Scalar::Load { .. } | Scalar::Const(_) => self.clone(),
            Scalar::Map1(f, x) => Scalar::Map1(*f, to(*x)),
            Scalar::Map2(f, a, b) => Scalar::Map2(*f, to(*a), to(*b)),
            Scalar::Compare(r, a, b) => Scalar::Compare(*r, to(*a), to(*b)),
            Scalar::Select(c, a, b) => Scalar::Select(to(*c), to(*a), to(*b)),
            Scalar::MulAdd(a, b, c) => Scalar::MulAdd(to(*a), to(*b), to(*c)),
            Scalar::Call { name, args, n } => Scalar::Call { name, args: args.iter().map(|&x| to(x)).collect(), n: *n },
            Scalar::Result(call, k) => Scalar::Result(to(*call), *k),
        }
    }

    fn operands(&self) -> Vec<usize> {
        match self {
            Scalar::Load { .. } | Scalar::Const(_) => Vec::new(),
            Scalar::Map1(_, x) | Scalar::Result(x, _) => vec![*x],
            Scalar::Map2(_, a, b) | Scalar::Compare(_, a, b) => vec![*a, *b],
            Scalar::Select(a, b, c) | Scalar::MulAdd(a, b, c) => vec![*a, *b, *c],
            Scalar::Call { args, .. } => args.clone(),
        }
    }
}

/// Where a scalar goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// Which scalar.
    pub value: usize,
    /// Which output.
    pub slot: usize,
    /// Which entry.
    pub entry: usize,
    /// Added to what is there.
    pub add: bool,
}

/// A whole kernel as scalar operations.
#[derive(Clone, Debug, Default)]
pub struct Straight {
    /// In order.
    pub code: Vec<Scalar>,
    /// Results.
    pub stores: Vec<Store>,
    /// Constants.
    pub constants: Vec<f64>,
}

/// Whether a kernel is small enough and made of operations that straight code can do.
pub fn fits(spec: &Spec) -> bool {
    spec.lanes == 1
        && spec.work().try_fold(0, |sum, id| Some(sum + cost(spec.graph, id)?).filter(|n| *n <= LONGEST)).is_some()
}

/// The kernel as straight code, if it fits.
pub fn straight(spec: &Spec) -> Option<Straight> {
    if !fits(spec) {
        return None;
    }
    let mut builder = Builder {
        g: spec.graph,
        out: Straight::default(),
        known: HashMap::new(),
        values: HashMap::new(),
        stored: HashMap::new(),
    };
    for (slot, &id) in spec.inputs.iter().enumerate() {
        let entries = 0..spec.graph.size(id);
        builder.values.insert(id, entries.map(|entry| Entry::Input { slot, entry }).collect());
    }
    for id in spec.work() {
        let value = builder.compute(id);
        builder.values.insert(id, value);
    }
    for output in spec.outputs {
        builder.store(output);
    }
    Some(order(&fuse(&builder.out)))
}

/// Number of scalar operations of a node; `None` where there is no straight code for it.
fn cost(g: &Graph, id: NodeId) -> Option<usize> {
    let node = g.node(id);
    let size = g.size(id);
    Some(match &node.op {
        Op::Map1(_) | Op::Map2(_) | Op::Compare(_) | Op::Select => size,
        Op::Einsum(spec) => {
            let products: usize = extents(g, spec, &node.args).iter().product();
            if products > LARGEST_PRODUCT {
                return None;
            }
            products * node.args.len()
        }
        // Entries that only move still take time to compile.
        Op::Const(_)
        | Op::Iota
        | Op::Delta
        | Op::Stop
        | Op::Broadcast(_)
        | Op::Reshape
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Concat(_)
        | Op::SumLanes => size.div_ceil(16),
        Op::Leaf(_)
        | Op::Conv(_)
        | Op::Gather
        | Op::ScatterAdd
        | Op::ArgMax
        | Op::Search
        | Op::Solve(_)
        | Op::SolveVjp(_)
        | Op::SolvePart { .. } => return None,
    })
}

/// Size of every index of an einsum.
fn extents(g: &Graph, spec: &Einsum, args: &[NodeId]) -> Vec<usize> {
    let mut sizes = vec![1; spec.fresh() as usize];
    for (labels, &a) in spec.args.iter().zip(args) {
        for (&label, &n) in labels.iter().zip(g.shape(a)) {
            sizes[label as usize] = n;
        }
    }
    sizes
}

/// An entry of a value: loaded when it is first needed.
#[derive(Clone, Copy)]
enum Entry {
    Input { slot: usize, entry: usize },
    Value(usize),
}

struct Builder<'g> {
    g: &'g Graph,
    out: Straight,
    known: HashMap<Key, usize>,
    values: HashMap<NodeId, Vec<Entry>>,
    stored: HashMap<(usize, usize), usize>,
}

/// Loads and constants are made once.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Load(usize, usize),
    Const(u64),
}

impl Builder<'_> {
    fn push(&mut self, scalar: Scalar) -> usize {
        self.out.code.push(scalar);
        self.out.code.len() - 1
    }

    fn once(&mut self, key: Key, scalar: Scalar) -> usize {
        if let Some(&at) = self.known.get(&key) {
            return at;
        }
        let at = self.push(scalar);
        self.known.insert(key, at);
        at
    }

    fn constant(&mut self, x: f64) -> usize {
        let entry = self.out.constants.len();
        let at = self.once(Key::Const(x.to_bits()), Scalar::Const(entry));
        if self.out.code[at] == Scalar::Const(entry) {
            self.out.constants.push(x);
        }
        at
    }

    fn entry(&mut self, id: NodeId, i: usize) -> usize {
        match self.values[&id][i] {
            Entry::Value(at) => at,
            Entry::Input { slot, entry } => self.once(Key::Load(slot, entry), Scalar::Load { slot, entry }),
        }
    }

    fn each(&mut self, id: NodeId, mut f: impl FnMut(&mut Self, usize) -> usize) -> Vec<Entry> {
        (0..self.g.size(id)).map(|i| Entry::Value(f(self, i))).collect()
    }

    fn compute(&mut self, id: NodeId) -> Vec<Entry> {
        let node = self.g.node(id).clone();
        let a = node.args.first().copied().unwrap_or(id);
        let b = node.args.get(1).copied().unwrap_or(id);
        let own = node.shape.as_slice();
        match &node.op {
            Op::Const(value) => {
                let x = self.constant(value.0);
                vec![Entry::Value(x)]
            }
            Op::Iota => self.each(id, |s, i| s.constant(i as f64)),
            Op::Delta => self.each(id, |s, i| s.constant(f64::from(u8::from(i / own[1] == i % own[1])))),
            Op::Map1(f) if inline1(*f) => self.each(id, |s, i| {
                let x = s.entry(a, i);
                s.push(Scalar::Map1(*f, x))
            }),
            Op::Map1(f) => self.call(id, f.name(), &[a]),
            Op::Map2(f) if inline2(*f) => self.each(id, |s, i| s.binary(*f, a, b, i)),
            Op::Map2(f) => self.call(id, f.name(), &[a, b]),
            Op::Compare(r) => self.each(id, |s, i| {
                let (x, y) = (s.entry(a, i), s.entry(b, i));
                s.push(Scalar::Compare(*r, x, y))
            }),
            Op::Select => self.each(id, |s, i| {
                let (c, x, y) = (s.entry(a, i), s.entry(b, i), s.entry(node.args[2], i));
                s.push(Scalar::Select(c, x, y))
            }),
            Op::Stop | Op::Reshape | Op::SumLanes => self.values[&a].clone(),
            Op::Broadcast(axes) => self.moved(id, a, |at| axes.iter().map(|&k| at[k as usize]).collect()),
            Op::Slice(start) => self.moved(id, a, |at| at.iter().zip(start).map(|(i, s)| i + s).collect()),
            Op::Pad(start) => self.pad(id, a, start),
            Op::Concat(axis) => self.concat(id, *axis as usize),
            Op::Einsum(spec) => self.einsum(id, spec),
            Op::Leaf(_)
            | Op::Conv(_)
            | Op::Gather
            | Op::ScatterAdd
            | Op::ArgMax
            | Op::Search
            | Op::Solve(_)
            | Op::SolveVjp(_)
            | Op::SolvePart { .. } => unreachable!("`cost` has refused it"),
        }
    }

    fn binary(&mut self, f: Binary, a: NodeId, b: NodeId, i: usize) -> usize {
        let (x, y) = (self.entry(a, i), self.entry(b, i));
        self.push(Scalar::Map2(f, x, y))
    }

    fn call(&mut self, id: NodeId, name: &'static str, args: &[NodeId]) -> Vec<Entry> {
        let n = self.g.size(id);
        if n == 0 {
            return Vec::new();
        }
        let mut entries = Vec::with_capacity(n * args.len());
        for &a in args {
            for i in 0..n {
                entries.push(self.entry(a, i));
            }
        }
        let call = self.push(Scalar::Call { name, args: entries, n });
        self.each(id, |s, i| s.push(Scalar::Result(call, i)))
    }

    /// The entries of `from` at other positions.
    fn moved(&self, id: NodeId, from: NodeId, source: impl Fn(&[usize]) -> SmallVec<[usize; 4]>) -> Vec<Entry> {
        let (shape, values) = (self.g.shape(from), &self.values[&from]);
        positions(self.g.shape(id)).map(|at| values[flat(shape, &source(&at))]).collect()
    }

    fn pad(&mut self, id: NodeId, from: NodeId, start: &[usize]) -> Vec<Entry> {
        let zero = Entry::Value(self.constant(0.0));
        let (shape, values) = (self.g.shape(from), &self.values[&from]);
        let inner = |at: &[usize]| -> Option<SmallVec<[usize; 4]>> {
            let inside = at.iter().zip(start).zip(shape).all(|((i, s), n)| i >= s && i - s < *n);
            inside.then(|| at.iter().zip(start).map(|(i, s)| i - s).collect())
        };
        positions(self.g.shape(id)).map(|at| inner(&at).map_or(zero, |at| values[flat(shape, &at)])).collect()
    }

    fn concat(&self, id: NodeId, axis: usize) -> Vec<Entry> {
        let node = self.g.node(id);
        let find = |mut at: SmallVec<[usize; 4]>| {
            for &part in &node.args {
                let shape = self.g.shape(part);
                if at[axis] < shape[axis] {
                    return self.values[&part][flat(shape, &at)];
                }
                at[axis] -= shape[axis];
            }
            unreachable!("the parts make up the whole")
        };
        positions(&node.shape).map(find).collect()
    }

    fn einsum(&mut self, id: NodeId, spec: &Einsum) -> Vec<Entry> {
        let node = self.g.node(id).clone();
        let sizes = extents(self.g, spec, &node.args);
        let summed: Vec<u8> = (0..spec.fresh()).filter(|i| !spec.out.contains(i)).collect();
        let inner: SmallVec<[usize; 4]> = summed.iter().map(|&i| sizes[i as usize]).collect();
        let mut index = vec![0; sizes.len()];
        let mut out = Vec::with_capacity(self.g.size(id));
        for at in positions(&node.shape) {
            spec.out.iter().zip(&at).for_each(|(&label, i)| index[label as usize] = *i);
            let mut sum = None;
            for at in positions(&inner) {
                summed.iter().zip(&at).for_each(|(&label, i)| index[label as usize] = *i);
                sum = Some(self.term(&node.args, spec, &index, sum));
            }
            let sum = sum.unwrap_or_else(|| self.constant(0.0));
            out.push(Entry::Value(sum));
        }
        out
    }

    /// `sum` plus the product of the arguments' entries at these indices.
    fn term(&mut self, args: &[NodeId], spec: &Einsum, index: &[usize], sum: Option<usize>) -> usize {
        let mut factors: SmallVec<[usize; 4]> = SmallVec::new();
        for (labels, &a) in spec.args.iter().zip(args) {
            let at: SmallVec<[usize; 4]> = labels.iter().map(|&l| index[l as usize]).collect();
            let entry = flat(self.g.shape(a), &at);
            factors.push(self.entry(a, entry));
        }
        let (last, rest) = factors.split_last().expect("an einsum has an argument");
        let Some(product) = rest.iter().copied().reduce(|p, x| self.push(Scalar::Map2(Binary::Mul, p, x))) else {
            return sum.map_or(*last, |sum| self.push(Scalar::Map2(Binary::Add, sum, *last)));
        };
        match sum {
            Some(sum) => self.push(Scalar::MulAdd(product, *last, sum)),
            None => self.push(Scalar::Map2(Binary::Mul, product, *last)),
        }
    }

    fn store(&mut self, output: &Output) {
        for entry in 0..self.g.size(output.node) {
            let value = self.entry(output.node, entry);
            let store = Store { value, slot: output.slot, entry, add: output.add };
            match self.stored.get(&(store.slot, entry)) {
                // Several results that add to one place are added up first.
                Some(&at) => {
                    let sum = self.push(Scalar::Map2(Binary::Add, self.out.stores[at].value, value));
                    self.out.stores[at].value = sum;
                }
                None => {
                    self.stored.insert((store.slot, entry), self.out.stores.len());
                    self.out.stores.push(store);
                }
            }
        }
    }
}
