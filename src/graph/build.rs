//! Constructors: shapes worked out, and what is trivially nothing left out. Everything else that could be simpler is
//! the business of `opt`: a node that a derivative is asked for must not be skipped.
//!
//! # Panics
//! All of them when shapes do not fit: the checker has made sure of that, so it is a bug.

use super::{Binary, Einsum, Graph, NodeId, Op, Relation, Scalar, Shape, Unary};
use smallvec::{SmallVec, smallvec};

impl Graph {
    /// A scalar.
    pub fn scalar(&mut self, value: f64) -> NodeId {
        self.push(Op::Const(Scalar(value)), &[], Shape::new())
    }

    /// A tensor of equal entries.
    pub fn full(&mut self, value: f64, shape: &[usize]) -> NodeId {
        let s = self.scalar(value);
        self.spread(s, shape)
    }

    /// A scalar repeated to a shape.
    pub fn spread(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        self.broadcast(x, &[], shape)
    }

    /// 0, 1, …, n − 1.
    pub fn iota(&mut self, n: usize) -> NodeId {
        self.push(Op::Iota, &[], smallvec![n])
    }

    /// The identity matrix.
    pub fn delta(&mut self, n: usize) -> NodeId {
        self.push(Op::Delta, &[], smallvec![n, n])
    }

    /// Elementwise function.
    pub fn map1(&mut self, f: Unary, x: NodeId) -> NodeId {
        let shape = self.shape(x).clone();
        self.push(Op::Map1(f), &[x], shape)
    }

    /// Elementwise function of two; a scalar is repeated to the other's shape.
    pub fn map2(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (a, b) = self.level(a, b);
        let shape = self.shape(a).clone();
        self.push(Op::Map2(f), &[a, b], shape)
    }

    /// a + b
    pub fn plus(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.map2(Binary::Add, a, b)
    }

    /// a − b
    pub fn minus(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.map2(Binary::Sub, a, b)
    }

    /// a·b
    pub fn times(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.map2(Binary::Mul, a, b)
    }

    /// a/b
    pub fn over(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.map2(Binary::Div, a, b)
    }

    /// value·x
    pub fn scale(&mut self, value: f64, x: NodeId) -> NodeId {
        let s = self.scalar(value);
        self.times(s, x)
    }

    /// value + x
    pub fn shift(&mut self, value: f64, x: NodeId) -> NodeId {
        let s = self.scalar(value);
        self.plus(x, s)
    }

    /// Elementwise comparison.
    pub fn compare(&mut self, r: Relation, a: NodeId, b: NodeId) -> NodeId {
        let (a, b) = self.level(a, b);
        let shape = self.shape(a).clone();
        self.push(Op::Compare(r), &[a, b], shape)
    }

    /// Elementwise `if c then a else b`; scalars are repeated.
    pub fn select(&mut self, c: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let (a, b) = self.level(a, b);
        let (c, a) = self.level(c, a);
        let (a, b) = self.level(a, b);
        let shape = self.shape(a).clone();
        self.push(Op::Select, &[c, a, b], shape)
    }

    /// The value without its derivative.
    pub fn stop(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).clone();
        self.push(Op::Stop, &[x], shape)
    }

    fn level(&mut self, a: NodeId, b: NodeId) -> (NodeId, NodeId) {
        let (sa, sb) = (self.shape(a).clone(), self.shape(b).clone());
        if sa == sb {
            (a, b)
        } else if sa.is_empty() {
            (self.spread(a, &sb), b)
        } else {
            assert!(sb.is_empty(), "shapes {sa:?} and {sb:?} do not combine");
            (a, self.spread(b, &sa))
        }
    }

    /// Repeats `x`: its axis k becomes axis `axes[k]` of `shape`.
    pub fn broadcast(&mut self, x: NodeId, axes: &[u8], shape: &[usize]) -> NodeId {
        let from = self.shape(x).clone();
        assert_eq!(from.len(), axes.len(), "an axis for each axis");
        for (n, axis) in from.iter().zip(axes) {
            assert_eq!(*n, shape[*axis as usize], "broadcast keeps the sizes of {from:?} in {shape:?}");
        }
        if from.as_slice() == shape && axes.windows(2).all(|w| w[0] < w[1]) {
            return x;
        }
        self.push(Op::Broadcast(axes.into()), &[x], shape.into())
    }

    /// The same entries under another shape.
    pub fn reshape(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        assert_eq!(self.size(x), shape.iter().product::<usize>(), "reshape keeps the entries");
        if self.shape(x).as_slice() == shape {
            return x;
        }
        self.push(Op::Reshape, &[x], shape.into())
    }

    /// The box of `shape` that starts at `start`.
    pub fn slice(&mut self, x: NodeId, start: &[usize], shape: &[usize]) -> NodeId {
        let from = self.shape(x).clone();
        assert!(
            from.len() == start.len() && start.iter().zip(shape).zip(&from).all(|((s, n), f)| s + n <= *f),
            "slice {start:?} + {shape:?} lies in {from:?}"
        );
        if from.as_slice() == shape {
            return x;
        }
        self.push(Op::Slice(start.into()), &[x], shape.into())
    }

    /// Entry `i` of the first axis.
    pub fn row(&mut self, x: NodeId, i: usize) -> NodeId {
        let from = self.shape(x).clone();
        let mut start: Shape = smallvec![0; from.len()];
        let mut shape = from.clone();
        start[0] = i;
        shape[0] = 1;
        let cut = self.slice(x, &start, &shape);
        self.reshape(cut, &from[1..])
    }

    /// Zeros of `shape` with `x` from `start` on.
    pub fn pad(&mut self, x: NodeId, start: &[usize], shape: &[usize]) -> NodeId {
        if self.shape(x).as_slice() == shape {
            return x;
        }
        self.push(Op::Pad(start.into()), &[x], shape.into())
    }

    /// Arguments one after another along `axis`.
    pub fn concat(&mut self, axis: usize, xs: &[NodeId]) -> NodeId {
        if let [x] = xs {
            return *x;
        }
        let mut shape = self.shape(xs[0]).clone();
        shape[axis] = xs.iter().map(|&x| self.shape(x)[axis]).sum();
        self.push(Op::Concat(u8::try_from(axis).expect("a small axis")), xs, shape)
    }

    /// `einsum("ij,j->i", [w, x])`
    pub fn einsum_text(&mut self, text: &str, xs: &[NodeId]) -> NodeId {
        self.einsum(Einsum::parse(text), xs)
    }

    /// A product summed over indices; identities are absorbed by renaming.
    pub fn einsum(&mut self, spec: Einsum, xs: &[NodeId]) -> NodeId {
        let mut spec = spec;
        let mut xs: SmallVec<[NodeId; 4]> = xs.into();
        while self.absorb_pad(&mut spec, &mut xs) {}
        self.absorb_deltas(&mut spec, &mut xs);
        let spec = spec.canonical();
        if let ([x], [labels]) = (xs.as_slice(), spec.args.as_slice())
            && *labels == spec.out
        {
            return *x;
        }
        let mut sizes = [0_usize; 256];
        for (labels, &x) in spec.args.iter().zip(&xs) {
            let shape = self.shape(x);
            assert_eq!(labels.len(), shape.len(), "an index for each axis of {shape:?} in {}", spec.spell());
            for (&l, &n) in labels.iter().zip(shape) {
                assert!(sizes[l as usize] == 0 || sizes[l as usize] == n, "index sizes in {}", spec.spell());
                sizes[l as usize] = n;
            }
        }
        let shape = spec.out.iter().map(|&l| sizes[l as usize]).collect();
        self.push(Op::Einsum(spec), &xs, shape)
    }

    /// Zeros around an argument contribute nothing to a sum over that axis: the others are cut instead. True if it did.
    fn absorb_pad(&mut self, spec: &mut Einsum, xs: &mut SmallVec<[NodeId; 4]>) -> bool {
        for k in 0..xs.len() {
            let Op::Pad(start) = self.node(xs[k]).op.clone() else { continue };
            let inner = self.args(xs[k])[0];
            let (small, wide) = (self.shape(inner).clone(), self.shape(xs[k]).clone());
            let labels = spec.args[k].clone();
            let once = |l: u8| labels.iter().filter(|&&m| m == l).count() == 1;
            let summed =
                (0..labels.len()).all(|a| small[a] == wide[a] || (!spec.out.contains(&labels[a]) && once(labels[a])));
            if !summed {
                continue;
            }
            xs[k] = inner;
            for (axis, &l) in labels.iter().enumerate() {
                for m in (0..xs.len()).filter(|&m| m != k && small[axis] != wide[axis]) {
                    xs[m] = self.cut(xs[m], &spec.args[m], l, start[axis], small[axis]);
                }
            }
            return true;
        }
        false
    }

    /// `n` entries from `start` on of every axis of `x` that has index `label`.
    fn cut(&mut self, x: NodeId, labels: &[u8], label: u8, start: usize, n: usize) -> NodeId {
        let mut shape = self.shape(x).clone();
        let mut from: Shape = smallvec![0; shape.len()];
        for (axis, _) in labels.iter().enumerate().filter(|(_, l)| **l == label) {
            shape[axis] = n;
            from[axis] = start;
        }
        self.slice(x, &from, &shape)
    }

    /// δ(i, j) joins i and j, unless both are indices of the result and stand nowhere else.
    fn absorb_deltas(&self, spec: &mut Einsum, xs: &mut SmallVec<[NodeId; 4]>) {
        let mut k = 0;
        while k < xs.len() && xs.len() > 1 {
            let labels = spec.args[k].clone();
            let absorbable = self.node(xs[k]).op == Op::Delta && {
                let (i, j) = (labels[0], labels[1]);
                let elsewhere = |l: u8| spec.args.iter().enumerate().any(|(m, a)| m != k && a.contains(&l));
                i != j && !(spec.out.contains(&i) && spec.out.contains(&j)) && (elsewhere(i) || elsewhere(j))
            };
            if !absorbable {
                k += 1;
                continue;
            }
            let (i, j) = (labels[0], labels[1]);
            // The one that stays is an index of the result, if either is.
            let (keep, gone) = if spec.out.contains(&j) { (j, i) } else { (i, j) };
            xs.remove(k);
            spec.args.remove(k);
            for l in spec.args.iter_mut().flatten().chain(spec.out.iter_mut()) {
                if *l == gone {
                    *l = keep;
                }
            }
            k = 0;
        }
    }

    /// Σ over `axes`.
    pub fn sum_axes(&mut self, x: NodeId, axes: &[usize]) -> NodeId {
        let rank = self.shape(x).len();
        let labels: SmallVec<[u8; 4]> = (0..rank).map(|a| u8::try_from(a).expect("a small rank")).collect();
        let out = labels.iter().copied().filter(|&l| !axes.contains(&(l as usize))).collect();
        self.einsum(Einsum { args: smallvec![labels], out }, &[x])
    }

    /// Σ over all entries.
    pub fn sum(&mut self, x: NodeId) -> NodeId {
        let rank = self.shape(x).len();
        self.sum_axes(x, &(0..rank).collect::<Vec<_>>())
    }

    /// Axes in another order: axis k of the result is axis `order[k]` of `x`.
    pub fn transpose(&mut self, x: NodeId, order: &[usize]) -> NodeId {
        let labels: SmallVec<[u8; 4]> = (0..order.len()).map(|a| u8::try_from(a).expect("a small rank")).collect();
        let out = order.iter().map(|&a| labels[a]).collect();
        self.einsum(Einsum { args: smallvec![labels], out }, &[x])
    }

    /// Rows of `x` at whole-number indices (a scalar or a vector).
    pub fn gather(&mut self, x: NodeId, index: NodeId) -> NodeId {
        let mut shape = self.shape(index).clone();
        shape.extend_from_slice(&self.shape(x)[1..]);
        self.push(Op::Gather, &[x, index], shape)
    }

    /// Zeros of `rows` rows with `updates` added at `index`.
    pub fn scatter_add(&mut self, index: NodeId, updates: NodeId, rows: usize) -> NodeId {
        let rank = self.shape(index).len();
        let mut shape: Shape = smallvec![rows];
        shape.extend_from_slice(&self.shape(updates)[rank..]);
        self.push(Op::ScatterAdd, &[index, updates], shape)
    }

    /// Position of the first largest entry of the last axis.
    pub fn argmax(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).clone();
        self.push(Op::ArgMax, &[x], shape[..shape.len() - 1].into())
    }

    /// The largest entry along the last axis; the first one of equals takes the derivative.
    pub fn max_last(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).clone();
        let (last, n) = (shape.len() - 1, shape[shape.len() - 1]);
        let at = self.argmax(x);
        let axes: Vec<u8> = (0..last).map(|a| u8::try_from(a).expect("a small rank")).collect();
        let at = self.broadcast(at, &axes, &shape);
        let iota = self.iota(n);
        let iota = self.broadcast(iota, &[u8::try_from(last).expect("a small rank")], &shape);
        let hit = self.compare(Relation::Equal, iota, at);
        let zero = self.scalar(0.0);
        let picked = self.select(hit, x, zero);
        self.sum_axes(picked, &[last])
    }

    /// log Σ eˣ along the last axis, without overflow.
    pub fn logsumexp_last(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).clone();
        let last = shape.len() - 1;
        let top = self.max_last(x);
        let top = self.stop(top);
        let axes: Vec<u8> = (0..last).map(|a| u8::try_from(a).expect("a small rank")).collect();
        let wide = self.broadcast(top, &axes, &shape);
        let less = self.minus(x, wide);
        let e = self.map1(Unary::Exp, less);
        let s = self.sum_axes(e, &[last]);
        let l = self.map1(Unary::Log, s);
        self.plus(l, top)
    }

    /// Linear interpolation of `table` `[N, …]` over increasing `ts` `[N]` at the scalar `t`; continued linearly outside.
    pub fn interp(&mut self, table: NodeId, ts: NodeId, t: NodeId) -> NodeId {
        let k = self.push(Op::Search, &[ts, t], Shape::new());
        let next = self.shift(1.0, k);
        let (t0, t1) = (self.gather(ts, k), self.gather(ts, next));
        let (y0, y1) = (self.gather(table, k), self.gather(table, next));
        let (gap, ahead) = (self.minus(t1, t0), self.minus(t, t0));
        let share = self.over(ahead, gap);
        let rise = self.minus(y1, y0);
        let part = self.times(rise, share);
        self.plus(y0, part)
    }

    /// The sum over samples.
    pub fn sum_lanes(&mut self, x: NodeId) -> NodeId {
        if !self.batched(x) {
            return x;
        }
        let shape = self.shape(x).clone();
        self.push(Op::SumLanes, &[x], shape)
    }

    /// `ODESolve` of a system: z0 `[D]`, t0 `[]`, ts `[T]`, captures → `[T, D]`.
    pub fn solve(&mut self, system: u32, args: &[NodeId]) -> NodeId {
        let shape: Shape = smallvec![self.shape(args[2])[0], self.shape(args[0])[0]];
        self.push(Op::Solve(system), args, shape)
    }
}
