//! Program, Graph → readable mathematics: the model and its derived adjoint system, in `.node` syntax or as LaTeX.
//!
//! Both are flattened to a list of terms, from which `build` makes expressions (`Math`) bottom-up;
//! `text` and `latex` print those. Nothing is printed here that the compiler did not derive.

mod adjoint;
mod build;
mod element;
mod graph_terms;
mod latex;
mod math;
mod model;
mod names;
mod page;
mod product;
mod program_terms;
mod shape;
mod system;
mod term;
mod text;

pub use adjoint::adjoint;
pub use model::model_latex;
