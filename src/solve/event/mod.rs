//! System with events, initial states, times → solution at the times, and its cotangents.
//!
//! An *event* is a function g(t, z) and a reset. It fires where g passes from below 0 to above (or either way), at a
//! time that is found on dense output; the reset then gives the state from which the integration starts again. A
//! solution with events is a chain of *segments*, each an ordinary initial value problem, so both gradient methods
//! serve as they are: [`reverse_events`] pulls back through the segments from the last to the first and, between
//! them, through the reset and through the time of the event.
//!
//! Let an event fire at t*, with z* before and z⁺ = r(t*, z*) after it, λ the cotangent of z⁺ and τ that of the start
//! of the segment behind. With the velocity v = dz*/dt* and T = τ + λᵀ(∂r/∂t + ∂r/∂z v), the implicit function theorem
//! for g(t*, z*) = 0 gives the cotangent of the event function, α = −T/(∂g/∂z v + ∂g/∂t); that of z* is
//! λᵀ∂r/∂z + α ∂g/∂z, and parameters get λᵀ∂r/∂θ + α ∂g/∂θ. (In control theory the Jacobian of z⁺ is the *saltation
//! matrix*: Aizerman, Gantmacher, Determination of stability by linear approximation of a periodic solution of a system
//! of differential equations with discontinuous right-hand sides, QJMAM 11 (1958) 385–398.) Under
//! [`super::discrete`] v is the slope of dense output, of which t* is the root, and the step under way is frozen where
//! it ends: the derivative of what was computed, up to rounding. Under [`super::backsolve`] v is the right-hand side.

mod forward;
mod hump;
mod record;
mod reverse;
mod search;
mod single;
mod taken;
mod walker;
mod watch;

pub use forward::solve_events;
pub use record::EventTape;
pub use reverse::{EventGradient, reverse_events};

use super::real::Real;
use super::system::{AdjointSystem, System};

/// What an event does besides its reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRule {
    /// It fires where g changes its sign either way, not only upwards.
    pub either: bool,
    /// The solution ends there: it keeps the value after the reset.
    pub stops: bool,
}

/// z' = f(t, z) with `E` events. All buffers have the lanes innermost; a lane may depend on itself only.
pub trait EventSystem<R: Real>: System<R> {
    /// The events' rules, `E` of them.
    fn rules(&self) -> Vec<EventRule>;
    /// Writes the event functions g(t, z), `[E][L]`.
    fn watch(&mut self, t: &[f64], z: &[R], g: &mut [R]);
    /// Writes dg/dt = ∂g/∂z f + ∂g/∂t, `[E][L]`.
    fn rates(&mut self, t: &[f64], z: &[R], rates: &mut [R]);
    /// Writes the states that each event's reset would give, `[E][D][L]`.
    fn resets(&mut self, t: &[f64], z: &[R], z_new: &mut [R]);
}

/// A system with events and vector-Jacobian products.
pub trait EventAdjoint<R: Real>: EventSystem<R> + AdjointSystem<R> {
    /// Overwrites `z_bar` `[D][L]` and `t_bar` `[L]` with the cotangents of state and time for the cotangents `w` of
    /// the event functions and, behind them, of the resets, `[E + E D][L]`. With `parameters`, adds those of the
    /// parameters to the accumulators; a lane with w = 0 must add nothing.
    fn events_vjp(&mut self, t: &[f64], z: &[R], w: &[R], z_bar: &mut [R], t_bar: &mut [R], parameters: bool);
}
