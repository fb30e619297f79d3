//! What the graph and the program have in common: a list of operations, arguments before users.

use super::math::Math;
use crate::graph::{Binary, Einsum, Relation, Unary};

/// An operation. Operands are positions in the list of terms.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// A name or a number.
    Leaf(Math),
    /// Its only operand, as it is.
    Same,
    Map1(Unary),
    Map2(Binary),
    Compare(Relation),
    Select,
    Einsum(Einsum),
    /// Axis k of the operand becomes axis `axes[k]`.
    Broadcast(Vec<u8>),
    Reshape,
    Slice(Vec<usize>),
    Pad(Vec<usize>),
    Concat(usize),
    /// Rows of the first at the index in the second.
    Gather,
    /// Anything else, by name.
    Call(&'static str),
    /// A signal (first) at a time or at times (second).
    At,
}

/// An operation with its operands and its shape.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub form: Form,
    pub args: Vec<usize>,
    pub shape: Vec<usize>,
    /// What the author called it.
    pub name: Option<Math>,
}

impl Term {
    pub fn new(form: Form, args: Vec<usize>, shape: &[usize]) -> Self {
        Self { form, args, shape: shape.to_vec(), name: None }
    }
}
