//! pullback
#![allow(missing_docs)]
pub mod diag;
pub mod syntax;
pub mod check;
pub mod graph;
pub mod lower;
pub mod diff;
pub mod opt;
pub mod codegen;
pub mod solve;
pub mod data;
pub mod model;
pub mod compile;
pub mod train;
pub mod load;
pub mod plot;
