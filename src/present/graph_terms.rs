//! Graph → terms.

use super::math::Math;
use super::shape::call;
use super::term::{Form, Term};
use crate::graph::{ConvPart, Graph, Leaf, Node, NodeId, Op, Scalar};
use std::collections::HashMap;

/// The nodes that `roots` need, and where in the list each one is.
pub(super) fn graph_terms(
    g: &Graph,
    roots: &[NodeId],
    leaf: &dyn Fn(Leaf) -> Math,
) -> (Vec<Term>, HashMap<NodeId, usize>) {
    let mut place = HashMap::new();
    let mut terms = Vec::new();
    for id in g.reachable(roots) {
        let node = g.node(id);
        let args = node.args.iter().map(|a| place[a]).collect();
        place.insert(id, terms.len());
        terms.push(Term::new(form(node, leaf), args, &node.shape));
    }
    (terms, place)
}

fn form(node: &Node, leaf: &dyn Fn(Leaf) -> Math) -> Form {
    let size = node.shape.first().copied().unwrap_or(1);
    match &node.op {
        Op::Const(Scalar(x)) => Form::Leaf(Math::Number(*x)),
        Op::Leaf(l) => Form::Leaf(leaf(*l)),
        Op::Iota => Form::Leaf(counting(size)),
        Op::Delta => Form::Leaf(call("eye", vec![Math::count(size)], 2)),
        Op::Map1(f) => Form::Map1(*f),
        Op::Map2(f) => Form::Map2(*f),
        Op::Compare(r) => Form::Compare(*r),
        Op::Select => Form::Select,
        Op::Stop => Form::Call("stop"),
        Op::Einsum(spec) => Form::Einsum(spec.clone()),
        Op::Conv(conv) => Form::Call(match conv.part {
            ConvPart::Input => "conv_input",
            ConvPart::Kernel => "conv_kernel",
            ConvPart::Output => "conv2d",
        }),
        Op::Broadcast(axes) => Form::Broadcast(axes.to_vec()),
        Op::Reshape => Form::Reshape,
        Op::Slice(start) => Form::Slice(start.to_vec()),
        Op::Pad(start) => Form::Pad(start.to_vec()),
        Op::Concat(axis) => Form::Concat(usize::from(*axis)),
        Op::Gather => Form::Gather,
        Op::ScatterAdd => Form::Call("scatter_add"),
        Op::ArgMax => Form::Call("argmax"),
        Op::Search => Form::Call("search"),
        // A sum over samples: what is printed is one sample's share.
        Op::SumLanes => Form::Same,
        Op::Solve(_) => Form::Call("odesolve"),
        Op::SolveVjp(_) => Form::Call("odesolve_vjp"),
        Op::SolvePart { .. } => Form::Call("part"),
    }
}

/// 0, 1, …, n − 1
pub(super) fn counting(n: usize) -> Math {
    call("linspace", vec![Math::Number(0.0), Math::count(n.saturating_sub(1)), Math::count(n)], 1)
}
