//! Which entries of a value depend on which entries of a vector, by the structure of the graph alone.
//!
//! Every entry of a node is either a structural zero or has the set of the entries that it depends on; a node that
//! depends on none and has no structural zero is not looked at entry by entry. The result is an upper bound: a derivative
//! outside of the pattern is 0 for all values of all leaves.

use crate::graph::{Binary, Conv, ConvPart, Einsum, Graph, NodeId, Op, Unary};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::rc::Rc;

/// Indices in increasing order.
type Set = SmallVec<[u32; 4]>;
/// `None` is a structural zero.
type Entry = Option<Set>;

/// Elements of sets that are copied before the search is given up, or so many for each entry of x if that is more.
const MOST_WORK: usize = 1 << 23;
const MOST_WORK_EACH: usize = 128;

/// For each entry of `y`, which entries of `x` it depends on. `None`: on too many for this to be worth knowing (more than
/// an eighth of all, or more than an eighth anywhere on the way), or through an operation that is not looked into.
pub fn pattern(g: &Graph, y: NodeId, x: NodeId) -> Option<Vec<Vec<u32>>> {
    let left = MOST_WORK.max(MOST_WORK_EACH * g.size(x));
    let mut search = Search { g, x, known: HashMap::new(), left };
    for id in g.reachable(&[y]) {
        let value = search.visit(id)?;
        search.known.insert(id, value);
    }
    let rows: Vec<Vec<u32>> = match search.known.remove(&y)? {
        None => vec![Vec::new(); g.size(y)],
        Some(entries) => entries.iter().map(|entry| entry.iter().flatten().copied().collect()).collect(),
    };
    Some(rows)
}

/// Entries in row-major order; `None`: independent of x, and no zeros are known.
type Value = Option<Rc<Vec<Entry>>>;

struct Search<'g> {
    g: &'g Graph,
    x: NodeId,
    known: HashMap<NodeId, Value>,
    /// Work that may still be done.
    left: usize,
}

impl Search<'_> {
    /// `None` where the search is given up.
    fn visit(&mut self, id: NodeId) -> Option<Value> {
        let g = self.g;
        if id == self.x {
            let own = |k: usize| Some(std::iter::once(k as u32).collect());
            return Some(Some(Rc::new((0..g.size(id)).map(own).collect())));
        }
        let node = g.node(id);
        let args: SmallVec<[Value; 4]> = node.args.iter().map(|a| self.known[a].clone()).collect();
        let size = g.size(id);
        let entries: Vec<Entry> = match &node.op {
            Op::Const(value) if value.0 == 0.0 => vec![None; size],
            Op::Delta => {
                self.spend(size)?;
                let n = node.shape[0];
                (0..size).map(|k| (k / n == k % n).then(Set::new)).collect()
            }
            Op::Const(_) | Op::Leaf(_) | Op::Iota | Op::Stop | Op::Compare(_) | Op::ArgMax | Op::Search => {
                return Some(None);
            }
            _ if args.iter().all(Option::is_none) && !matches!(node.op, Op::Pad(_)) => return Some(None),
            Op::Map1(Unary::Neg) | Op::Reshape => return Some(args[0].clone()),
            Op::Map1(_) => args[0].iter().flat_map(|a| a.iter()).map(|a| Some(a.clone().unwrap_or_default())).collect(),
            Op::Map2(f) => self.pairs(*f, &args[0], &args[1], size)?,
            Op::Select => self.pairs(Binary::Add, &args[1], &args[2], size)?,
            Op::Einsum(spec) => self.einsum(spec, &node.args, &args, &node.shape)?,
            Op::Broadcast(axes) => {
                let strides = strides(g.shape(node.args[0]));
                let known: usize = args[0].iter().flat_map(|a| a.iter()).flatten().map(SmallVec::len).sum();
                self.spend(size + known * size / g.size(node.args[0]).max(1))?;
                let from = |index: &[usize]| axes.iter().zip(&strides).map(|(&a, s)| index[a as usize] * s).sum();
                indices(&node.shape).map(|index| at(&args[0], from(&index))).collect()
            }
            Op::Slice(start) => {
                let strides = strides(g.shape(node.args[0]));
                let from = |index: &[usize]| (0..index.len()).map(|a| (index[a] + start[a]) * strides[a]).sum();
                indices(&node.shape).map(|index| at(&args[0], from(&index))).collect()
            }
            Op::Pad(start) => {
                self.spend(size)?;
                let inner = g.shape(node.args[0]).clone();
                let strides = strides(&inner);
                let within =
                    |index: &[usize]| (0..index.len()).all(|a| (start[a]..start[a] + inner[a]).contains(&index[a]));
                let from = |index: &[usize]| (0..index.len()).map(|a| (index[a] - start[a]) * strides[a]).sum();
                let entry = |index: Vec<usize>| if within(&index) { at(&args[0], from(&index)) } else { None };
                indices(&node.shape).map(entry).collect()
            }
            Op::Concat(axis) => self.concat(*axis as usize, &node.args, &args, &node.shape),
            // Any row may be read, or added to.
            Op::Gather => self.columns(&args[0], g.shape(node.args[0]), size)?,
            Op::ScatterAdd => {
                let lead = g.shape(node.args[0]).len();
                let rows: usize = g.shape(node.args[1])[..lead].iter().product();
                let shape: Vec<usize> = [rows].into_iter().chain(node.shape[1..].iter().copied()).collect();
                self.columns(&args[1], &shape, size)?
            }
            Op::Conv(conv) => self.conv(*conv, &node.args, &args, &node.shape)?,
            Op::SumLanes | Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => return None,
        };
        let total: usize = entries.iter().flatten().map(SmallVec::len).sum();
        self.spend(total)?;
        let limit = g.size(self.x) * size / 8;
        (total <= limit.max(16 * g.size(self.x))).then(|| Some(Rc::new(entries)))
    }

    fn spend(&mut self, work: usize) -> Option<()> {
        self.left = self.left.checked_sub(work)?;
        Some(())
    }

    fn pairs(&mut self, f: Binary, a: &Value, b: &Value, size: usize) -> Option<Vec<Entry>> {
        let mut entries = Vec::with_capacity(size);
        for k in 0..size {
            let (a, b) = (at(a, k), at(b, k));
            entries.push(match (f, a, b) {
                (Binary::Add | Binary::Sub, None, other) | (Binary::Add | Binary::Sub, other, None) => other,
                (Binary::Mul | Binary::Guard, None, _) | (Binary::Mul | Binary::Guard, _, None) => None,
                (Binary::Div, None, _) => None,
                (_, a, b) => Some(self.union(a.unwrap_or_default(), &b.unwrap_or_default())?),
            });
        }
        Some(entries)
    }

    fn union(&mut self, mut a: Set, b: &[u32]) -> Option<Set> {
        self.spend(a.len() + b.len())?;
        if b.is_empty() || a[..] == *b {
            return Some(a);
        }
        let behind = a.last() < b.first();
        a.extend_from_slice(b);
        if !behind {
            a.sort_unstable();
            a.dedup();
        }
        Some(a)
    }

    fn einsum(&mut self, spec: &Einsum, ids: &[NodeId], args: &[Value], shape: &[usize]) -> Option<Vec<Entry>> {
        let mut extents: Vec<(u8, usize)> = spec.out.iter().copied().zip(shape.iter().copied()).collect();
        let outer = extents.len();
        for (names, id) in spec.args.iter().zip(ids) {
            for (name, extent) in names.iter().zip(self.g.shape(*id)) {
                if extents.iter().all(|known| known.0 != *name) {
                    extents.push((*name, *extent));
                }
            }
        }
        let place = |name: u8| extents.iter().position(|known| known.0 == name).unwrap_or(0);
        // For each argument, what a step along each index adds to the position of its entry.
        let steps: Vec<Vec<usize>> = (spec.args.iter().zip(ids))
            .map(|(names, id)| {
                let mut steps = vec![0; extents.len()];
                names.iter().zip(strides(self.g.shape(*id))).for_each(|(name, stride)| steps[place(*name)] += stride);
                steps
            })
            .collect();
        let position = |steps: &[usize], index: &[usize]| index.iter().zip(steps).map(|(i, s)| i * s).sum::<usize>();
        let summed: Vec<usize> = extents[outer..].iter().map(|known| known.1).collect();
        let mut entries = Vec::new();
        for out in indices(shape) {
            let mut sum: Entry = None;
            for inner in indices(&summed) {
                let index: SmallVec<[usize; 8]> = out.iter().chain(&inner).copied().collect();
                let factors = args.iter().zip(&steps).map(|(value, steps)| at_ref(value, position(steps, &index)));
                self.add_product(&mut sum, factors)?;
            }
            entries.push(sum);
        }
        Some(entries)
    }

    /// Adds a product to a sum.
    fn add_product<'v>(&mut self, sum: &mut Entry, factors: impl Iterator<Item = Option<&'v [u32]>>) -> Option<()> {
        self.spend(1)?;
        let Some(factors) = factors.collect::<Option<SmallVec<[&[u32]; 4]>>>() else { return Some(()) };
        let mut term = sum.take().unwrap_or_default();
        for factor in factors {
            term = self.union(term, factor)?;
        }
        *sum = Some(term);
        Some(())
    }

    /// Every product of the trilinear form.
    fn conv(&mut self, conv: Conv, ids: &[NodeId], args: &[Value], shape: &[usize]) -> Option<Vec<Entry>> {
        let sizes = conv.sizes(self.g.shape(ids[0]), self.g.shape(ids[1]), shape)?;
        let mut entries = vec![None; shape.iter().product()];
        let [height, width] = sizes.input;
        let loops = [sizes.images, sizes.outputs, sizes.channels];
        let loops: Vec<usize> = loops.into_iter().chain(sizes.output).chain(sizes.kernel).collect();
        for index in indices(&loops) {
            let [n, o, c, p0, p1, q0, q1] = index[..] else { continue };
            let place = |p: usize, q: usize| (p * conv.stride + q).checked_sub(conv.padding);
            let (Some(row), Some(column)) = (place(p0, q0), place(p1, q1)) else { continue };
            if row >= height || column >= width {
                continue;
            }
            let part = |part| match part {
                ConvPart::Input => ((n * sizes.channels + c) * height + row) * width + column,
                ConvPart::Kernel => ((o * sizes.channels + c) * sizes.kernel[0] + q0) * sizes.kernel[1] + q1,
                ConvPart::Output => ((n * sizes.outputs + o) * sizes.output[0] + p0) * sizes.output[1] + p1,
            };
            let operands = conv.part.operands();
            let factors = args.iter().zip(operands).map(|(value, operand)| at_ref(value, part(operand)));
            self.add_product(&mut entries[part(conv.part)], factors)?;
        }
        Some(entries)
    }

    fn concat(&self, axis: usize, ids: &[NodeId], args: &[Value], shape: &[usize]) -> Vec<Entry> {
        let lengths: Vec<usize> = ids.iter().map(|id| self.g.shape(*id)[axis]).collect();
        let all: Vec<Vec<usize>> = ids.iter().map(|id| strides(self.g.shape(*id))).collect();
        indices(shape)
            .map(|mut index| {
                let mut part = 0;
                while index[axis] >= lengths[part] {
                    index[axis] -= lengths[part];
                    part += 1;
                }
                at(&args[part], index.iter().zip(&all[part]).map(|(i, s)| i * s).sum())
            })
            .collect()
    }

    /// The union over the rows, repeated until there are `size` entries.
    fn columns(&mut self, value: &Value, shape: &[usize], size: usize) -> Option<Vec<Entry>> {
        let width: usize = shape[1..].iter().product();
        let mut row = vec![Set::new(); width];
        for k in 0..shape[0] * width {
            let entry = at(value, k).unwrap_or_default();
            row[k % width] = self.union(std::mem::take(&mut row[k % width]), &entry)?;
        }
        let known: usize = row.iter().map(SmallVec::len).sum();
        self.spend(size + known * size / width.max(1))?;
        Some((0..size).map(|k| Some(row[k % width].clone())).collect())
    }
}

fn at(value: &Value, k: usize) -> Entry {
    value.as_ref().map_or_else(|| Some(Set::new()), |entries| entries[k].clone())
}

fn at_ref(value: &Value, k: usize) -> Option<&[u32]> {
    match value {
        None => Some(&[]),
        Some(entries) => entries[k].as_deref(),
    }
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for a in (1..shape.len()).rev() {
        strides[a - 1] = strides[a] * shape[a];
    }
    strides
}

/// Every index of a shape in row-major order.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let strides = strides(&shape);
    (0..shape.iter().product()).map(move |k| shape.iter().zip(&strides).map(|(n, s)| k / s % n).collect())
}
