//! Numerics: order conditions, convergence, golden values, gradients, failures.

mod adjoint;
mod convergence;
mod golden;
mod implicit;
mod implicit_gradients;
mod lanes;
mod stiff;
mod support;
mod tableaux;
mod undo;
