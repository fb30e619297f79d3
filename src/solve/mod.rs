//! System of ordinary differential equations, initial states, times → solution at the times, and its cotangents.
//!
//! Explicit Runge–Kutta and Adams methods for a *tile* of `L` independent samples ("lanes"). Every state tensor is
//! `[component][lane]` with the lanes innermost, so that the same instruction works on neighbouring samples; time is
//! always `f64`. Each sample has its own step size, its own times and its own failure; its result has the same bits
//! whatever its neighbours do.
//!
//! - [`solve`] integrates forward (and writes a [`Tape`] when asked).
//! - [`discrete`] reverses the accepted steps exactly.
//! - both step implicitly ([`Implicit`]) where the method says so, one sample at a time.
//! - [`solve_events`] and [`reverse_events`] do the same for systems with events, segment by segment.
//! - [`backsolve`] integrates the adjoint equation backwards (Chen et al. 2018) and measures its drift.
//! - [`interpolated`] does so along the steps that were taken.
//!
//! The module knows no model and no compiler: it works on anything that implements [`System`].
#![allow(
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "counts stay far below 2^52; t, z, h, w are the field's names"
)]

mod adams;
mod alone;
mod backsolve;
mod checkpoint;
mod continuous;
mod control;
mod dense;
mod discrete;
mod event;
mod failure;
mod forward;
mod grid;
mod implicit;
mod kept;
mod kernel;
mod methods;
mod options;
mod penalty;
mod real;
mod schedule;
mod sparsity;
mod stepper;
mod stops;
mod system;
mod tableau;
mod tape;

pub use alone::{ReverseAlone, StepAlone, TakenStep};
pub use backsolve::backsolve;
pub use continuous::interpolated;
pub use control::{Controller, Law};
pub use discrete::{discrete, discrete_slice, reverses_slices};
pub use event::{EventAdjoint, EventGradient, EventRule, EventSystem, EventTape, reverse_events, solve_events};
pub use failure::{Failure, FailureKind};
pub use forward::solve;
pub use grid::Symplectic;
pub use implicit::{Esdirk, Implicit, RosenbrockTable};
pub use options::{Norm, Options, Stepping, Tolerance};
pub use penalty::Penalties;
pub use real::Real;
pub use sparsity::Sparsity;
pub use system::{AdjointSystem, Cotangents, Drift, ForwardStep, Problem, ReverseStep, Solution, Stats, System};
pub use tableau::{Method, Tableau};
pub use tape::Tape;
