//! Numerics: order conditions, convergence, golden values, gradients, failures.

mod accuracy;
mod adams;
mod adjoint;
mod checkpoint;
mod continuous;
mod control;
mod convergence;
mod golden;
mod implicit;
mod implicit_gradients;
mod lanes;
mod penalty;
mod problems;
mod slices;
mod stiff;
mod support;
mod tableaux;
mod undo;
