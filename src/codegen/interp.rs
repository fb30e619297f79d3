//! The reference meaning of a graph: one plain loop per operation, lanes innermost, rounded to the element type after
//! every operation. JIT code must agree with it.

use super::kernels;
use super::layout::{entries, flat, positions};
use crate::graph::{Binary, Conv, ConvPart, Einsum, Graph, NodeId, Op, Relation, Scalar, Shape, Unary};
use std::collections::HashMap;

/// A value of a node: row-major, lanes innermost when batched.
#[derive(Clone, Debug)]
struct Value {
    data: Vec<f64>,
    batched: bool,
}

/// Evaluates `outputs`, given the values of `inputs`.
///
/// # Panics
/// When a value that is needed is not given, or has another length.
pub fn evaluate(
    g: &Graph,
    inputs: &[(NodeId, &[f64])],
    outputs: &[NodeId],
    lanes: usize,
    round: fn(f64) -> f64,
) -> Vec<Vec<f64>> {
    let mut run = Run { g, lanes, round, values: HashMap::new() };
    for (id, data) in inputs {
        let batched = g.batched(*id);
        assert_eq!(data.len(), entries(g.shape(*id), batched, lanes), "the input's length");
        run.values.insert(*id, Value { data: data.to_vec(), batched });
    }
    for &output in outputs {
        run.demand(output);
    }
    outputs.iter().map(|id| run.values[id].data.clone()).collect()
}

struct Run<'g> {
    g: &'g Graph,
    lanes: usize,
    round: fn(f64) -> f64,
    values: HashMap<NodeId, Value>,
}

impl Run<'_> {
    fn demand(&mut self, root: NodeId) {
        let mut stack = vec![(root, false)];
        while let Some((id, ready)) = stack.pop() {
            if self.values.contains_key(&id) {
                continue;
            }
            if ready {
                let value = self.compute(id);
                self.values.insert(id, value);
            } else {
                stack.push((id, true));
                stack.extend(self.g.args(id).into_iter().map(|a| (a, false)));
            }
        }
    }

    fn get(&self, id: NodeId, i: usize, lane: usize) -> f64 {
        let v = &self.values[&id];
        if v.batched { v.data[i * self.lanes + lane] } else { v.data[i] }
    }

    /// A value entry by entry: `f(position, lane)`.
    fn fill(&self, id: NodeId, mut f: impl FnMut(&[usize], usize) -> f64) -> Value {
        let node = self.g.node(id);
        let lanes = if node.batched { self.lanes } else { 1 };
        let mut data = Vec::with_capacity(self.g.size(id) * lanes);
        for at in positions(&node.shape) {
            for lane in 0..lanes {
                data.push((self.round)(f(&at, lane)));
            }
        }
        Value { data, batched: node.batched }
    }

    fn compute(&self, id: NodeId) -> Value {
        let node = self.g.node(id);
        let a = node.args.first().copied().unwrap_or(id);
        let b = node.args.get(1).copied().unwrap_or(id);
        let shape_of = |x: NodeId| -> Shape { self.g.shape(x).clone() };
        let own = node.shape.clone();
        let here = |at: &[usize]| flat(&own, at);
        match &node.op {
            Op::Const(Scalar(value)) => self.fill(id, |_, _| *value),
            Op::Leaf(leaf) => panic!("{leaf:?} is not given"),
            Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => panic!("a solve is not part of a kernel"),
            Op::Iota => self.fill(id, |at, _| at[0] as f64),
            Op::Delta => self.fill(id, |at, _| f64::from(u8::from(at[0] == at[1]))),
            Op::Map1(f) => self.fill(id, |at, l| unary(*f, self.get(a, here(at), l))),
            Op::Map2(f) => self.fill(id, |at, l| binary(*f, self.get(a, here(at), l), self.get(b, here(at), l))),
            Op::Compare(r) => self.fill(id, |at, l| relation(*r, self.get(a, here(at), l), self.get(b, here(at), l))),
            Op::Select => self.fill(id, |at, l| {
                let picked = if self.get(a, here(at), l) == 0.0 { node.args[2] } else { b };
                self.get(picked, here(at), l)
            }),
            Op::Stop => self.fill(id, |at, l| self.get(a, here(at), l)),
            Op::Einsum(spec) => self.einsum(id, spec),
            Op::Conv(conv) => self.conv(id, *conv),
            Op::Broadcast(axes) => {
                let from = shape_of(a);
                self.fill(id, |at, l| {
                    let source: Vec<usize> = axes.iter().map(|&k| at[k as usize]).collect();
                    self.get(a, flat(&from, &source), l)
                })
            }
            Op::Reshape => self.fill(id, |at, l| self.get(a, here(at), l)),
            Op::Slice(start) => {
                let from = shape_of(a);
                self.fill(id, |at, l| {
                    let source: Vec<usize> = at.iter().zip(start).map(|(i, s)| i + s).collect();
                    self.get(a, flat(&from, &source), l)
                })
            }
            Op::Pad(start) => {
                let from = shape_of(a);
                self.fill(id, |at, l| {
                    let inside = at.iter().zip(start).zip(&from).all(|((i, s), n)| i >= s && i - s < *n);
                    if !inside {
                        return 0.0;
                    }
                    let source: Vec<usize> = at.iter().zip(start).map(|(i, s)| i - s).collect();
                    self.get(a, flat(&from, &source), l)
                })
            }
            Op::Concat(axis) => self.fill(id, |at, l| {
                let mut at = at.to_vec();
                let axis = *axis as usize;
                for &part in &node.args {
                    let shape = self.g.shape(part);
                    if at[axis] < shape[axis] {
                        return self.get(part, flat(shape, &at), l);
                    }
                    at[axis] -= shape[axis];
                }
                f64::NAN
            }),
            Op::Gather => {
                let (table, lead) = (shape_of(a), self.g.shape(b).len());
                self.fill(id, |at, l| {
                    let index = self.get(b, flat(self.g.shape(b), &at[..lead]), l);
                    let mut source = vec![clamp(index, table[0])];
                    source.extend_from_slice(&at[lead..]);
                    self.get(a, flat(&table, &source), l)
                })
            }
            Op::ScatterAdd => self.scatter(id, a, b),
            Op::ArgMax => {
                let from = shape_of(a);
                let n = *from.last().unwrap_or(&1);
                self.fill(id, |at, l| {
                    let row = flat(&own, at) * n;
                    let value = |k: usize| self.get(a, row + k, l);
                    let better =
                        |best: usize, k: usize| value(k) > value(best) || (value(k).is_nan() && !value(best).is_nan());
                    (1..n).fold(0, |best, k| if better(best, k) { k } else { best }) as f64
                })
            }
            Op::Search => {
                let n = self.g.shape(a)[0];
                self.fill(id, |at, l| {
                    let t = self.get(b, here(at), l);
                    let passed = (0..n).filter(|&k| self.get(a, k, l) <= t).count();
                    passed.saturating_sub(1).min(n.saturating_sub(2)) as f64
                })
            }
            Op::SumLanes => {
                self.fill(id, |at, _| (0..self.lanes).fold(0.0, |s, l| (self.round)(s + self.get(a, here(at), l))))
            }
        }
    }

    fn einsum(&self, id: NodeId, spec: &Einsum) -> Value {
        let args = self.g.args(id);
        let mut sizes = [1_usize; 256];
        for (labels, &x) in spec.args.iter().zip(&args) {
            for (&l, &n) in labels.iter().zip(self.g.shape(x)) {
                sizes[l as usize] = n;
            }
        }
        let mut summed: Vec<u8> = spec.args.iter().flatten().copied().filter(|l| !spec.out.contains(l)).collect();
        summed.sort_unstable();
        summed.dedup();
        let over: Vec<usize> = summed.iter().map(|&l| sizes[l as usize]).collect();
        let mut index = [0_usize; 256];
        self.fill(id, |at, lane| {
            for (&l, &i) in spec.out.iter().zip(at) {
                index[l as usize] = i;
            }
            let mut total = 0.0;
            for inner in positions(&over) {
                for (&l, &i) in summed.iter().zip(&inner) {
                    index[l as usize] = i;
                }
                let mut product = 1.0;
                for (labels, &x) in spec.args.iter().zip(&args) {
                    let source: Vec<usize> = labels.iter().map(|&l| index[l as usize]).collect();
                    product = (self.round)(product * self.get(x, flat(self.g.shape(x), &source), lane));
                }
                total = (self.round)(total + product);
            }
            total
        })
    }

    /// Every product of the trilinear form, added where it belongs.
    fn conv(&self, id: NodeId, conv: Conv) -> Value {
        let node = self.g.node(id);
        let (a, b) = (node.args[0], node.args[1]);
        let lanes = if node.batched { self.lanes } else { 1 };
        let mut data = vec![0.0; self.g.size(id) * lanes];
        let s = conv.sizes(self.g.shape(a), self.g.shape(b), &node.shape).expect("sizes that fit");
        let all = [s.images, s.outputs, s.channels, s.output[0], s.output[1], s.kernel[0], s.kernel[1]];
        for at in positions(&all) {
            let [n, o, c, oy, ox, ky, kx] = at[..] else { continue };
            let (y, x) = (oy * conv.stride + ky, ox * conv.stride + kx);
            let inside = |i: usize, size: usize| i >= conv.padding && i - conv.padding < size;
            if !inside(y, s.input[0]) || !inside(x, s.input[1]) {
                continue;
            }
            let index = |part: ConvPart| match part {
                ConvPart::Input => {
                    flat(&[s.images, s.channels, s.input[0], s.input[1]], &[n, c, y - conv.padding, x - conv.padding])
                }
                ConvPart::Kernel => flat(&[s.outputs, s.channels, s.kernel[0], s.kernel[1]], &[o, c, ky, kx]),
                ConvPart::Output => flat(&[s.images, s.outputs, s.output[0], s.output[1]], &[n, o, oy, ox]),
            };
            let [first, second] = conv.part.operands();
            for lane in 0..lanes {
                let product = (self.round)(self.get(a, index(first), lane) * self.get(b, index(second), lane));
                let sum = &mut data[index(conv.part) * lanes + lane];
                *sum = (self.round)(*sum + product);
            }
        }
        Value { data, batched: node.batched }
    }

    fn scatter(&self, id: NodeId, index: NodeId, updates: NodeId) -> Value {
        let node = self.g.node(id);
        let lanes = if node.batched { self.lanes } else { 1 };
        let width = self.g.size(id) / node.shape[0].max(1);
        let mut data = vec![0.0; self.g.size(id) * lanes];
        for i in 0..self.g.size(index) {
            for lane in 0..lanes {
                let row = clamp(self.get(index, i, lane), node.shape[0]);
                for w in 0..width {
                    let at = &mut data[(row * width + w) * lanes + lane];
                    *at = (self.round)(*at + self.get(updates, i * width + w, lane));
                }
            }
        }
        Value { data, batched: node.batched }
    }
}

fn clamp(index: f64, rows: usize) -> usize {
    if index >= 0.0 { (index as usize).min(rows - 1) } else { 0 }
}

fn truth(b: bool) -> f64 {
    f64::from(u8::from(b))
}

/// The meaning of a comparison.
pub fn relation(r: Relation, a: f64, b: f64) -> f64 {
    truth(match r {
        Relation::Less => a < b,
        Relation::LessEq => a <= b,
        #[allow(clippy::float_cmp, reason = "that is what it means")]
        Relation::Equal => a == b,
        #[allow(clippy::float_cmp, reason = "that is what it means")]
        Relation::NotEqual => a != b,
    })
}

/// The meaning of a function of one argument.
pub fn unary(f: Unary, x: f64) -> f64 {
    use kernels::scalar;
    match f {
        Unary::Neg => -x,
        Unary::Exp => scalar::exp(x),
        Unary::Log => scalar::log(x),
        Unary::Log1p => scalar::log1p(x),
        Unary::Expm1 => scalar::expm1(x),
        Unary::Sqrt => x.sqrt(),
        Unary::Sin => scalar::sin(x),
        Unary::Cos => scalar::cos(x),
        Unary::Tan => scalar::tan(x),
        Unary::Asin => scalar::asin(x),
        Unary::Acos => scalar::acos(x),
        Unary::Atan => scalar::atan(x),
        Unary::Sinh => scalar::sinh(x),
        Unary::Cosh => scalar::cosh(x),
        Unary::Tanh => scalar::tanh(x),
        Unary::Sigmoid => scalar::sigmoid(x),
        Unary::Softplus => scalar::softplus(x),
        Unary::Abs => x.abs(),
        Unary::Sign => {
            if x.is_nan() {
                x
            } else {
                truth(x > 0.0) - truth(x < 0.0)
            }
        }
        Unary::Floor => x.floor(),
        Unary::Erf => scalar::erf(x),
        Unary::Lgamma => scalar::lgamma(x),
        Unary::Digamma => scalar::digamma(x),
        Unary::Trigamma => scalar::trigamma(x),
        Unary::Not => truth(x == 0.0),
    }
}

/// The meaning of a function of two arguments.
pub fn binary(f: Binary, a: f64, b: f64) -> f64 {
    use kernels::scalar;
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => scalar::pow(a, b),
        Binary::Min => {
            if b < a || b.is_nan() {
                b
            } else {
                a
            }
        }
        Binary::Max => {
            if b > a || b.is_nan() {
                b
            } else {
                a
            }
        }
        Binary::Atan2 => scalar::atan2(a, b),
        Binary::Guard => {
            if a == 0.0 {
                0.0
            } else {
                a * b
            }
        }
    }
}
