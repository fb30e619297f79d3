//! Program → terms: what the author wrote, derivatives and solutions left as they are.

use super::graph_terms::counting;
use super::math::Math;
use super::shape::call;
use super::term::{Form, Term};
use crate::check::{ExprId, Kind, Program};
use crate::graph::Scalar;
use std::collections::HashMap;

/// Names of the leaves of a program.
pub(super) struct Leaves {
    pub params: Vec<Math>,
    pub inputs: Vec<Math>,
    pub noises: Vec<Math>,
    pub lengths: Vec<Math>,
    /// For each system.
    pub states: Vec<Vec<Math>>,
    pub time: Math,
}

/// The expressions that `roots` need, and where in the list each one is. `lets` are what the author named.
pub(super) fn program_terms(
    program: &Program,
    roots: &[ExprId],
    leaves: &Leaves,
    lets: &HashMap<ExprId, Math>,
) -> (Vec<Term>, HashMap<ExprId, usize>) {
    let mut needed = vec![false; program.exprs.len()];
    let mut stack = roots.to_vec();
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            stack.extend(program.expr(id).kind.operands());
        }
    }
    let (mut terms, mut place) = (Vec::new(), HashMap::new());
    for id in (0..).map(ExprId).take(program.exprs.len()).filter(|id| needed[id.index()]) {
        let typed = program.expr(id);
        let (form, args) = form(&typed.kind, &typed.ty.shape(), leaves);
        let mut term = Term::new(form, args.iter().map(|a| place[a]).collect(), &typed.ty.shape());
        term.name = lets.get(&id).cloned();
        place.insert(id, terms.len());
        terms.push(term);
    }
    (terms, place)
}

fn form(kind: &Kind, shape: &[usize], leaves: &Leaves) -> (Form, Vec<ExprId>) {
    let size = shape.first().copied().unwrap_or(1);
    let leaf = |list: &[Math], k: u32| Form::Leaf(list.get(k as usize).cloned().unwrap_or(Math::Number(f64::NAN)));
    let form = match kind {
        Kind::Const(Scalar(x)) => Form::Leaf(Math::Number(*x)),
        Kind::Param(k) => leaf(&leaves.params, *k),
        Kind::Input(k) => leaf(&leaves.inputs, *k),
        Kind::Noise(k) => leaf(&leaves.noises, *k),
        Kind::Length(k) => leaf(&leaves.lengths, *k),
        Kind::Time(_) => Form::Leaf(leaves.time.clone()),
        Kind::State { system, index } => leaf(&leaves.states[*system as usize], *index),
        Kind::Iota => Form::Leaf(counting(size)),
        Kind::Delta => Form::Leaf(call("eye", vec![Math::count(size)], 2)),
        Kind::Map1(f, _) => Form::Map1(*f),
        Kind::Map2(f, ..) => Form::Map2(*f),
        Kind::Compare(r, ..) => Form::Compare(*r),
        Kind::Select(..) => Form::Select,
        Kind::Stop(_) => Form::Call("stop"),
        Kind::Einsum(spec, _) => Form::Einsum(spec.clone()),
        Kind::Conv { .. } => Form::Call("conv2d"),
        Kind::Broadcast(axes, _) => Form::Broadcast(axes.clone()),
        Kind::Reshape(_) => Form::Reshape,
        Kind::Slice(start, _) => Form::Slice(start.clone()),
        Kind::Concat(axis, _) => Form::Concat(*axis),
        Kind::Gather(..) => Form::Gather,
        Kind::ArgMax(_) => Form::Call("argmax"),
        Kind::MaxLast(_) => Form::Call("max"),
        Kind::LogSumExpLast(_) => Form::Call("logsumexp"),
        Kind::Interp { .. } => Form::Call("interp"),
        Kind::Argument(_, value) => return (Form::Same, vec![*value]),
        Kind::Bind { body, .. } => return (Form::Same, vec![*body]),
        Kind::Derivative { op, .. } => Form::Call(op.name()),
        Kind::Sample { .. } => Form::At,
    };
    (form, kind.operands())
}
