//! The forward sweep: tangents, one at a time or for all directions at once.
//!
//! With directions, a tangent has one more axis in front; the seed is then a [`Op::Delta`], which einsum absorbs, so
//! that the Jacobian of a network is a product of its weights and never an identity matrix pushed through it.

use super::reverse::dependents;
use super::{DiffError, Result, rules};
use crate::graph::{Binary, Conv, Einsum, Graph, NodeId, Op, Unary};
use smallvec::SmallVec;
use std::collections::HashMap;

/// ∂y/∂x · ẋ for each y, given pairs (x, ẋ). `None` is a structural zero.
///
/// # Errors
/// When a node on the way has no rule in this mode.
pub fn jvp(g: &mut Graph, outputs: &[NodeId], seeds: &[(NodeId, NodeId)]) -> Result<Vec<Option<NodeId>>> {
    sweep(g, outputs, seeds, None)
}

/// The same for `n` directions at once: tangents have shape [n, …].
///
/// # Errors
/// When a node on the way has no rule in this mode.
pub fn jvp_directions(
    g: &mut Graph,
    outputs: &[NodeId],
    seeds: &[(NodeId, NodeId)],
    n: usize,
) -> Result<Vec<Option<NodeId>>> {
    sweep(g, outputs, seeds, Some(n))
}

fn sweep(
    g: &mut Graph,
    outputs: &[NodeId],
    seeds: &[(NodeId, NodeId)],
    n: Option<usize>,
) -> Result<Vec<Option<NodeId>>> {
    let wrt: Vec<NodeId> = seeds.iter().map(|s| s.0).collect();
    let reach = dependents(g, outputs, &wrt);
    let mut order: Vec<NodeId> = reach.into_iter().collect();
    order.sort_unstable();
    let mut sweep = Sweep { g, dots: seeds.iter().copied().collect(), n };
    for id in order {
        if !sweep.dots.contains_key(&id)
            && let Some(dot) = sweep.visit(id)?
        {
            sweep.dots.insert(id, dot);
        }
    }
    Ok(outputs.iter().map(|y| sweep.dots.get(y).copied()).collect())
}

struct Sweep<'g> {
    g: &'g mut Graph,
    dots: HashMap<NodeId, NodeId>,
    n: Option<usize>,
}

/// The index of the directions' axis in an einsum; larger than any other.
const DIRECTION: u8 = 255;

impl Sweep<'_> {
    fn visit(&mut self, id: NodeId) -> Result<Option<NodeId>> {
        let node = self.g.node(id).clone();
        let dots: Vec<Option<NodeId>> = node.args.iter().map(|a| self.dots.get(a).copied()).collect();
        if dots.iter().all(Option::is_none) {
            return Ok(None);
        }
        let first = dots.first().copied().flatten();
        Ok(match &node.op {
            Op::Const(_) | Op::Leaf(_) | Op::Iota | Op::Delta | Op::Stop => None,
            Op::Compare(_) | Op::ArgMax | Op::Search => None,
            Op::Map1(f) => match (rules::partial1(self.g, *f, node.args[0], id), first) {
                (Some(p), Some(dot)) => Some(self.product(p, dot)),
                _ => None,
            },
            Op::Map2(f) => {
                let (pa, pb) = rules::partial2(self.g, *f, node.args[0], node.args[1], id);
                let mut total = None;
                for (p, dot) in [(pa, dots[0]), (pb, dots[1])] {
                    if let (Some(p), Some(dot)) = (p, dot) {
                        let guarded = *f == Binary::Guard;
                        let term = if guarded { self.guarded(p, dot) } else { self.product(p, dot) };
                        total = Some(self.add(total, term));
                    }
                }
                total
            }
            Op::Select => {
                let shape = self.lifted(&node.shape);
                let c = self.widen(node.args[0]);
                let zero = self.g.full(0.0, &shape);
                let (a, b) = (dots[1].unwrap_or(zero), dots[2].unwrap_or(zero));
                Some(self.g.select(c, a, b))
            }
            Op::Einsum(spec) => {
                let mut total = None;
                for (k, dot) in dots.iter().enumerate() {
                    if let Some(dot) = dot {
                        let term = self.einsum(spec, &node.args, k, *dot);
                        total = Some(self.add(total, term));
                    }
                }
                total
            }
            Op::Conv(conv) => {
                let mut total = None;
                for (k, dot) in dots.iter().enumerate() {
                    if let Some(dot) = dot {
                        let term = self.conv(*conv, &node.args, k, *dot, &node.shape);
                        total = Some(self.add(total, term));
                    }
                }
                total
            }
            Op::Broadcast(axes) => first.map(|dot| {
                let shape = self.lifted(&node.shape);
                let axes = self.lifted_axes(axes);
                self.g.broadcast(dot, &axes, &shape)
            }),
            Op::Reshape => first.map(|dot| {
                let shape = self.lifted(&node.shape);
                self.g.reshape(dot, &shape)
            }),
            Op::Slice(start) => first.map(|dot| {
                let (start, shape) = (self.lifted_start(start), self.lifted(&node.shape));
                self.g.slice(dot, &start, &shape)
            }),
            Op::Pad(start) => first.map(|dot| {
                let (start, shape) = (self.lifted_start(start), self.lifted(&node.shape));
                self.g.pad(dot, &start, &shape)
            }),
            Op::Concat(axis) if dots.iter().flatten().count() == 1 => {
                Some(self.pad_part(*axis as usize, &node.shape, &node.args, &dots))
            }
            Op::Concat(axis) => {
                let parts: Vec<NodeId> =
                    node.args.iter().zip(&dots).map(|(&x, dot)| dot.unwrap_or_else(|| self.zeros(x))).collect();
                Some(self.g.concat(*axis as usize + usize::from(self.n.is_some()), &parts))
            }
            Op::Gather => first.map(|dot| self.gather(dot, node.args[1])),
            Op::ScatterAdd => dots[1].map(|dot| self.scatter(node.args[0], dot, node.shape[0])),
            Op::SumLanes | Op::Solve(_) | Op::SolveVjp(_) | Op::SolvePart { .. } => {
                return Err(DiffError { node: id, why: "a solve has no forward derivative yet" });
            }
        })
    }

    /// The tangent of a concatenation of which one part moves: zeros around it, which einsum absorbs.
    fn pad_part(&mut self, axis: usize, shape: &[usize], args: &[NodeId], dots: &[Option<NodeId>]) -> NodeId {
        let mut start: SmallVec<[usize; 4]> = shape.iter().map(|_| 0).collect();
        let mut moving = args[0];
        for (&x, dot) in args.iter().zip(dots) {
            if let Some(dot) = dot {
                moving = *dot;
                break;
            }
            start[axis] += self.g.shape(x)[axis];
        }
        let (start, shape) = (self.lifted_start(&start), self.lifted(shape));
        self.g.pad(moving, &start, &shape)
    }

    fn add(&mut self, total: Option<NodeId>, term: NodeId) -> NodeId {
        match total {
            Some(sum) => self.g.plus(sum, term),
            None => term,
        }
    }

    fn lifted(&self, shape: &[usize]) -> SmallVec<[usize; 4]> {
        self.n.iter().copied().chain(shape.iter().copied()).collect()
    }

    fn lifted_start(&self, start: &[usize]) -> SmallVec<[usize; 4]> {
        self.n.iter().map(|_| 0).chain(start.iter().copied()).collect()
    }

    fn lifted_axes(&self, axes: &[u8]) -> SmallVec<[u8; 4]> {
        let shift = u8::from(self.n.is_some());
        self.n.iter().map(|_| 0).chain(axes.iter().map(|a| a + shift)).collect()
    }

    fn zeros(&mut self, like: NodeId) -> NodeId {
        let shape = self.lifted(&self.g.shape(like).clone());
        self.g.full(0.0, &shape)
    }

    /// `x` repeated for every direction.
    fn widen(&mut self, x: NodeId) -> NodeId {
        if self.n.is_none() {
            return x;
        }
        let own = self.g.shape(x).clone();
        let shape = self.lifted(&own);
        let axes: Vec<u8> = (1..shape.len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
        self.g.broadcast(x, &axes, &shape)
    }

    /// An elementwise product with a partial derivative that has no directions.
    fn product(&mut self, p: NodeId, dot: NodeId) -> NodeId {
        match self.g.constant(p) {
            Some(1.0) => return dot,
            Some(-1.0) => return self.g.map1(Unary::Neg, dot),
            _ => {}
        }
        if self.n.is_none() {
            return self.g.map2(Binary::Mul, p, dot);
        }
        let own: SmallVec<[u8; 4]> = (0..self.g.shape(p).len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
        let with: SmallVec<[u8; 4]> = std::iter::once(DIRECTION).chain(own.iter().copied()).collect();
        let spec = Einsum { args: [own, with.clone()].into_iter().collect(), out: with };
        self.g.einsum(spec, &[p, dot])
    }

    /// The product that a masked factor makes 0 even of an infinite tangent.
    fn guarded(&mut self, p: NodeId, dot: NodeId) -> NodeId {
        let wide = self.widen(p);
        self.g.map2(Binary::Guard, wide, dot)
    }

    fn einsum(&mut self, spec: &Einsum, args: &[NodeId], k: usize, dot: NodeId) -> NodeId {
        let mut spec = spec.clone();
        let mut operands: Vec<NodeId> = args.to_vec();
        operands[k] = dot;
        if self.n.is_some() {
            spec.args[k].insert(0, DIRECTION);
            spec.out.insert(0, DIRECTION);
        }
        self.g.einsum(spec, &operands)
    }

    /// Linear in each argument.
    fn conv(&mut self, conv: Conv, args: &[NodeId], k: usize, dot: NodeId, shape: &[usize]) -> NodeId {
        let mut pair = [args[0], args[1]];
        pair[k] = dot;
        match self.n {
            None => self.g.conv_part(conv, pair, shape),
            Some(_) => self.g.conv_many(conv, &pair, k, shape),
        }
    }

    fn gather(&mut self, dot: NodeId, index: NodeId) -> NodeId {
        let Some(_) = self.n else { return self.g.gather(dot, index) };
        // The directions' axis goes behind the rows and back.
        let rank = self.g.shape(dot).len();
        let order: Vec<usize> = std::iter::once(1).chain([0]).chain(2..rank).collect();
        let turned = self.g.transpose(dot, &order);
        let picked = self.g.gather(turned, index);
        let lead = self.g.shape(index).len();
        let rank = self.g.shape(picked).len();
        let order: Vec<usize> = std::iter::once(lead).chain(0..lead).chain(lead + 1..rank).collect();
        self.g.transpose(picked, &order)
    }

    fn scatter(&mut self, index: NodeId, dot: NodeId, rows: usize) -> NodeId {
        let Some(_) = self.n else { return self.g.scatter_add(index, dot, rows) };
        let lead = self.g.shape(index).len();
        let rank = self.g.shape(dot).len();
        let order: Vec<usize> = (1..=lead).chain([0]).chain(lead + 1..rank).collect();
        let turned = self.g.transpose(dot, &order);
        let added = self.g.scatter_add(index, turned, rows);
        let rank = self.g.shape(added).len();
        let order: Vec<usize> = [1, 0].into_iter().chain(2..rank).collect();
        self.g.transpose(added, &order)
    }
}
