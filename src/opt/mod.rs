//! Graph → Graph: the same values for less work. A bounded, ordered list of passes, never a general "simplify".
//!
//! [`simplify`] applies the rewrite table; [`contract`] chooses the order of tensor products; [`merge_solves`] joins
//! solves of one system that differ in their output times; [`stage`] moves what does not change during a solve out of
//! its right-hand side.

mod contract;
mod merge;
mod rebuild;
pub mod rules;
mod stage;

pub use contract::{contract, multiply_adds};
pub use merge::merge_solves;
pub use rebuild::{Rebuilt, graft, replace, simplify};
pub use stage::{Staged, share_time, stage};
