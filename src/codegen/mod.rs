//! Graph → kernels: the interpreter, which is the meaning, and native code through Cranelift, which is the speed.

mod emit;
mod index;
pub mod interp;
mod jit;
mod kernel;
pub mod kernels;
mod layout;
mod memory;
mod plan;

pub use jit::{Listing, Target, listing};
pub use kernel::{Backend, Element, Frame, Kernel};
pub use plan::{Output, Spec};
