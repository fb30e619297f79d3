//! Graph → Graph: derivatives, as ordinary nodes.
//!
//! Two total tables ([`rules`]) say what the derivative of each operation is; [`vjp`] applies them in one reverse sweep,
//! [`jvp`] in one forward sweep. There is no tape, so derivatives nest without a special case. `jac`, `div`, `lap` seed
//! the forward sweep with a *virtual identity* that einsum absorbs by renaming indices.

mod forward;
mod operators;
mod pattern;
mod reverse;
pub mod rules;

pub use forward::{jvp, jvp_directions};
pub use operators::{divergence, gradient, hessian, hvp, jacobian, jacobian_along, laplacian};
pub use pattern::pattern;
pub use reverse::{Mode, vjp};

use crate::graph::NodeId;

/// What cannot be differentiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffError {
    /// The node that has no rule in this mode.
    pub node: NodeId,
    /// Why, as half a sentence.
    pub why: &'static str,
}

type Result<T> = std::result::Result<T, DiffError>;
