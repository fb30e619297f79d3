//! Graph → Graph: the same values for less work. A bounded, ordered list of passes, never a general "simplify".
//!
//! [`simplify`] applies the rewrite table; [`contract`] chooses the order of tensor products; [`merge_solves`] joins
//! solves of one system that differ in their output times; [`stage`] moves what does not change during a solve out of
//! its right-hand side; [`worth_keeping`] says what a right-hand side should leave for its pull-back.

mod contract;
mod keep;
mod merge;
mod rebuild;
pub mod rules;
mod stage;

pub use contract::{contract, multiply_adds};
pub use keep::worth_keeping;
pub use merge::merge_solves;
pub use rebuild::{Rebuilt, graft, replace, simplify};
pub use stage::{Staged, share_time, stage};
