//! Numerics: order conditions, convergence, golden values, gradients, failures.

mod adjoint;
mod convergence;
mod golden;
mod lanes;
mod support;
mod tableaux;
