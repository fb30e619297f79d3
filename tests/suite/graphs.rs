//! Random well-shaped graphs, and their evaluation.

use pullback::codegen::{Backend, Element, Kernel, Output, Spec, interp};
use pullback::graph::{Binary, Einsum, Graph, Leaf, NodeId, Relation, Unary};

/// A small counter-based generator (`SplitMix64`).
pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
    pub fn between(&mut self, a: f64, b: f64) -> f64 {
        a + (b - a) * self.unit()
    }
}

/// A graph with its leaves and one output.
pub struct Random {
    pub graph: Graph,
    pub leaves: Vec<NodeId>,
    pub output: NodeId,
}

/// Functions that are smooth and finite for every argument.
const SMOOTH: [Unary; 9] = [
    Unary::Neg,
    Unary::Sin,
    Unary::Cos,
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::Softplus,
    Unary::Atan,
    Unary::Erf,
    Unary::Abs,
];

/// Builds a graph of about `size` operations over shared and batched leaves.
pub fn random_graph(rng: &mut Rng, size: usize) -> Random {
    let mut g = Graph::new();
    let mut leaves = Vec::new();
    let shapes: [&[usize]; 5] = [&[], &[3], &[3], &[4, 3], &[2, 3]];
    for (k, shape) in shapes.iter().enumerate() {
        let k = u32::try_from(k).unwrap();
        leaves.push(g.leaf(Leaf::Input(k), shape));
        leaves.push(g.leaf(Leaf::Param(k), shape));
    }
    let mut pool = leaves.clone();
    for _ in 0..size {
        let x = pool[rng.below(pool.len())];
        let y = pool[rng.below(pool.len())];
        let made = step(&mut g, rng, x, y);
        if let Some(made) = made.filter(|&m| g.size(m) <= 64 && g.shape(m).len() <= 4) {
            pool.push(made);
        }
    }
    // Everything that was made takes part.
    let mut total = g.scalar(0.0);
    for &x in &pool[leaves.len()..] {
        let s = g.sum(x);
        let t = g.map1(Unary::Tanh, s);
        total = g.plus(total, t);
    }
    Random { graph: g, leaves, output: total }
}

fn step(g: &mut Graph, rng: &mut Rng, x: NodeId, y: NodeId) -> Option<NodeId> {
    let shape = g.shape(x).clone();
    let rank = shape.len();
    let fits = g.shape(y) == &shape || g.shape(y).is_empty() || rank == 0;
    match rng.below(15) {
        0 | 1 => Some(g.map1(SMOOTH[rng.below(SMOOTH.len())], x)),
        2 | 3 if fits => {
            let f = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Min, Binary::Max][rng.below(5)];
            Some(g.map2(f, x, y))
        }
        4 if fits => {
            let r = Relation::ALL[rng.below(4)];
            let zero = g.scalar(0.1);
            let c = g.compare(r, x, zero);
            Some(g.select(c, x, y))
        }
        5 if rank >= 1 => {
            // Contract x with y over a common size, if there is one.
            let other = g.shape(y).clone();
            let at = other.iter().position(|n| *n == shape[rank - 1])?;
            let left: smallvec::SmallVec<[u8; 4]> = (0..rank as u8).collect();
            let mut right: smallvec::SmallVec<[u8; 4]> = (10..10 + other.len() as u8).collect();
            right[at] = left[rank - 1];
            let keep = rng.below(3) == 0;
            let mut out: smallvec::SmallVec<[u8; 4]> = left[..rank - 1].into();
            out.extend(right.iter().copied().filter(|l| *l >= 10));
            if keep {
                out.push(left[rank - 1]);
            }
            (out.len() <= 4).then(|| g.einsum(Einsum { args: [left, right].into_iter().collect(), out }, &[x, y]))
        }
        6 if rank >= 1 => {
            let axis = rng.below(rank);
            Some(g.sum_axes(x, &[axis]))
        }
        7 if rank >= 2 => {
            let mut order: Vec<usize> = (0..rank).collect();
            let last = rank - 1;
            order.swap(rng.below(rank), last);
            Some(g.transpose(x, &order))
        }
        8 if rank >= 1 => {
            let axis = rng.below(rank);
            let (mut start, mut size) = (vec![0; rank], shape.to_vec());
            start[axis] = rng.below(shape[axis]);
            size[axis] = 1 + rng.below(shape[axis] - start[axis]);
            Some(g.slice(x, &start, &size))
        }
        9 if rank >= 1 => {
            let axis = rng.below(rank);
            let (mut start, mut size) = (vec![0; rank], shape.to_vec());
            start[axis] = rng.below(3);
            size[axis] += start[axis] + rng.below(2);
            Some(g.pad(x, &start, &size))
        }
        10 if rank >= 1 => Some(g.concat(0, &[x, x])),
        11 => {
            let n = g.size(x);
            Some(g.reshape(x, &[n]))
        }
        12 if (1..4).contains(&rank) => {
            let axes: Vec<u8> = (1..=rank as u8).collect();
            let full: Vec<usize> = std::iter::once(2).chain(shape.iter().copied()).collect();
            Some(g.broadcast(x, &axes, &full))
        }
        14 if rank >= 2 => conv(g, rng, x, y),
        13 if rank >= 1 => match rng.below(3) {
            0 => Some(g.max_last(x)),
            1 => Some(g.logsumexp_last(x)),
            _ => {
                let at = g.scalar(rng.below(shape[0]) as f64);
                Some(g.gather(x, at))
            }
        },
        _ => None,
    }
}

/// x as an image and y as a kernel, or x as a kernel and y as an output, if their channels agree.
fn conv(g: &mut Graph, rng: &mut Rng, x: NodeId, y: NodeId) -> Option<NodeId> {
    let (xs, ys) = (g.shape(x).clone(), g.shape(y).clone());
    let [.., h, w] = xs[..] else { return None };
    let [.., kh, kw] = ys[..] else { return None };
    let (channels, kernels) = (g.size(x) / (h * w), g.size(y) / (kh * kw));
    let (stride, padding) = (1 + rng.below(2), rng.below(3));
    let fits = kernels % channels == 0 && h + 2 * padding >= kh && w + 2 * padding >= kw;
    let image = g.reshape(x, &[1, channels, h, w]);
    if !fits {
        return None;
    }
    let kernel = g.reshape(y, &[kernels / channels, channels, kh, kw]);
    let out = g.conv(image, kernel, stride, padding);
    let shape = g.shape(out).clone();
    Some(g.reshape(out, &shape[1..]))
}

/// Random values for nodes.
pub fn values(g: &Graph, nodes: &[NodeId], lanes: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    nodes
        .iter()
        .map(|&id| {
            let n = g.size(id) * if g.batched(id) { lanes } else { 1 };
            (0..n).map(|_| rng.between(-1.5, 1.5)).collect()
        })
        .collect()
}

/// Runs nodes through the interpreter.
pub fn interpret(g: &Graph, given: &[NodeId], data: &[Vec<f64>], outputs: &[NodeId], lanes: usize) -> Vec<Vec<f64>> {
    let inputs: Vec<(NodeId, &[f64])> = given.iter().copied().zip(data.iter().map(Vec::as_slice)).collect();
    interp::evaluate(g, &inputs, outputs, lanes, |x| x)
}

/// Runs nodes through native code.
pub fn native<T: Element>(
    g: &Graph,
    given: &[NodeId],
    data: &[Vec<f64>],
    outputs: &[NodeId],
    lanes: usize,
) -> Vec<Vec<f64>> {
    let results: Vec<Output> =
        outputs.iter().enumerate().map(|(slot, &node)| Output { node, slot, add: false }).collect();
    let spec = Spec { graph: g, inputs: given, outputs: &results, lanes };
    let kernel = Kernel::<T>::new(&spec, Backend::Jit).unwrap();
    let inputs: Vec<Vec<T>> = data.iter().map(|d| d.iter().map(|&x| T::narrow(x)).collect()).collect();
    let slices: Vec<&[T]> = inputs.iter().map(Vec::as_slice).collect();
    let mut out: Vec<Vec<T>> = kernel.output_lengths().iter().map(|&n| vec![T::default(); n]).collect();
    let mut targets: Vec<&mut [T]> = out.iter_mut().map(Vec::as_mut_slice).collect();
    kernel.run(&slices, &mut targets, &mut Vec::new());
    out.into_iter().map(|v| v.into_iter().map(Element::widen).collect()).collect()
}

/// Asserts that two lists of values agree relative to their size.
pub fn close(a: &[Vec<f64>], b: &[Vec<f64>], tolerance: f64, what: &str) {
    for (k, (x, y)) in a.iter().zip(b).enumerate() {
        assert_eq!(x.len(), y.len(), "{what}: length of value {k}");
        for (i, (p, q)) in x.iter().zip(y).enumerate() {
            let same = p.is_nan() && q.is_nan() || (p - q).abs() <= tolerance * (1.0 + p.abs().max(q.abs()));
            assert!(same, "{what}: value {k}, entry {i}: {p} against {q}");
        }
    }
}
