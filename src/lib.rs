//! pullback compiles neural and scientific differential equations: a `.node` file becomes native code for the system,
//! its adjoint and its training.
//!
//! The modules stand in the order in which a model passes them; each `mod.rs` says what goes in and what comes out.
//! From text to a gradient:
//!
//! ```
//! use pullback::compile::{Settings, compile};
//! use pullback::diag::Sources;
//! use pullback::model::{Batch, initial, unconstrain};
//! use pullback::{check, lower, syntax};
//!
//! let text = "
//!     model Decay
//!     param k: positive = 0.5
//!     state z = 1
//!     z' = -k*z
//!     loss = z(2)^2
//!     solve tsit5(rtol = 1e-10, atol = 1e-10), 0 .. 2
//! ";
//! // Text → syntax tree → program: names resolved, every shape known.
//! let mut sources = Sources::default();
//! let file = sources.add("decay.node", text);
//! let (tree, problems) = syntax::parse(file, text);
//! assert!(problems.is_empty());
//! let options = check::Options::default();
//! let no_files = |_: &str| Err("no other files".to_string());
//! let (program, _) = check::check(&tree, &mut sources, &no_files, &options);
//!
//! // Program → graph → native code of the loss and of its derivatives.
//! let lowered = lower::lower(&program.unwrap(), &options).unwrap();
//! let raw = unconstrain(&lowered, &initial(&lowered, 0));
//! let model = compile::<f64>(lowered, &Settings::default()).unwrap();
//!
//! // The loss is e^(−4k), so its derivative is −4 e^(−4k).
//! let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
//! let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
//! assert!((found.loss - (-2.0_f64).exp()).abs() < 1e-9);
//! assert!((found.natural[0][0] + 4.0 * (-2.0_f64).exp()).abs() < 1e-8);
//! ```

pub mod diag;
pub mod syntax;

pub mod check;

pub mod graph;
pub mod lower;

pub mod diff;
pub mod opt;

pub mod codegen;

pub mod data;
pub mod solve;
pub mod train;

pub mod model;

pub mod compile;

pub mod load;
pub mod plot;
pub mod present;

pub mod cli;
