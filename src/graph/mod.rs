//! The intermediate representation: a hash-consed graph of tensor operations.
//!
//! A node is an operation, its arguments, a shape, and whether it is *batched*: one value per sample ("lane") instead of
//! one for all samples. The batch axis is never written in a shape; code generation lays the lanes innermost. Nodes are
//! immutable and their arguments come before them, so every pass is a loop over ids.
//!
//! Meaning: [`crate::codegen::interp`] is the reference. Truth values are 0 and 1.

mod arena;
mod build;
mod conv;
mod einsum;
mod op;
mod text;
mod verify;

pub use arena::{Graph, Node, NodeId, Shape};
pub use conv::{Conv, ConvPart, ConvSizes, conv_places};
pub use einsum::Einsum;
pub use op::{Binary, Leaf, Op, Relation, Scalar, Unary};
pub use text::{dump, dump_roots};
pub use verify::verify;
