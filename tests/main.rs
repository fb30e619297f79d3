//! The one integration test binary: a module a topic.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::many_single_char_names,
    clippy::float_cmp,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "small counts; z, t, h, w are the field's names; exact equality is what is tested; a test may panic and print"
)]

#[path = "suite/errors/stages.rs"]
mod error_stages;
#[path = "suite/errors/mod.rs"]
mod errors;
#[path = "suite/solve/mod.rs"]
mod solve;
#[path = "suite/syntax/mod.rs"]
mod syntax;

#[path = "suite/cli/mod.rs"]
mod cli;
#[path = "suite/convolutions.rs"]
mod convolutions;
#[path = "suite/divergence.rs"]
mod divergence;
#[path = "suite/docs.rs"]
mod docs;
#[path = "suite/events.rs"]
mod events;
#[path = "suite/examples.rs"]
mod examples;
#[path = "suite/gathered.rs"]
mod gathered;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/gradients.rs"]
mod gradients;
#[path = "suite/graphs.rs"]
mod graphs;
#[path = "suite/implicit.rs"]
mod implicit;
#[path = "suite/kept.rs"]
mod kept;
#[path = "suite/layers.rs"]
mod layers;
#[path = "suite/memory.rs"]
mod memory;
#[path = "suite/operators.rs"]
mod operators;
#[path = "suite/present/mod.rs"]
mod present;
#[path = "suite/random_graphs.rs"]
mod random_graphs;
#[path = "suite/regressions.rs"]
mod regressions;
#[path = "suite/regularisers.rs"]
mod regularisers;
#[path = "suite/rules.rs"]
mod rules;
#[path = "suite/scaling.rs"]
mod scaling;
#[path = "suite/sensitivities.rs"]
mod sensitivities;
#[path = "suite/separable.rs"]
mod separable;
#[path = "suite/shared_time.rs"]
mod shared_time;
#[path = "suite/sparse.rs"]
mod sparse;
#[path = "suite/workloads.rs"]
mod workloads;
