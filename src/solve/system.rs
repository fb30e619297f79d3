//! What an integration reads and what it returns.

use super::failure::Failure;
use super::real::Real;

/// z' = f(t, z) for `L` samples side by side.
pub trait System<R: Real> {
    /// Number of components `D`.
    fn dim(&self) -> usize;
    /// Number of samples `L`.
    fn lanes(&self) -> usize;
    /// Writes f(t, z) to `dz`. Shapes: `t` is `[L]`, `z` and `dz` are `[D][L]`. A lane of `dz` may depend on the same
    /// lane of `t` and `z` only.
    fn rhs(&mut self, t: &[f64], z: &[R], dz: &mut [R]);
}

/// A system with vector-Jacobian products.
pub trait AdjointSystem<R: Real>: System<R> {
    /// Overwrites `z_bar` `[D][L]` with wᵀ∂f/∂z and `t_bar` `[L]` with wᵀ∂f/∂t. With `parameters`, also adds wᵀ∂f/∂θ,
    /// summed over the lanes, to accumulators that the system owns; a lane with w = 0 must add nothing.
    fn vjp(&mut self, t: &[f64], z: &[R], w: &[R], z_bar: &mut [R], t_bar: &mut [R], parameters: bool);

    /// f and wᵀ∂f/∂z at once, for systems that can share work between them.
    fn augmented(&mut self, t: &[f64], z: &[R], w: &[R], dz: &mut [R], z_bar: &mut [R], t_bar: &mut [R]) {
        self.rhs(t, z, dz);
        self.vjp(t, z, w, z_bar, t_bar, false);
    }
}

/// One initial value problem a lane.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a, R> {
    /// Initial states, `[D][L]`.
    pub z0: &'a [R],
    /// Initial times, `[L]`.
    pub t0: &'a [f64],
    /// Output times, `[T][L]`: in any order, repeats allowed, after t0 or before it (not both in one lane).
    pub ts: &'a [f64],
    /// Number of output times `T`.
    pub times: usize,
    /// `[L]`; the other lanes are padding: they never fail and never influence a step.
    pub active: &'a [bool],
}

/// Work done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Accepted steps, `[L]`.
    pub accepted: Vec<usize>,
    /// Rejected steps, `[L]`.
    pub rejected: Vec<usize>,
    /// Calls of the right-hand side (for a whole tile).
    pub rhs_calls: usize,
    /// Right-hand sides that a sample needed: calls times the lanes still on their way.
    pub rhs_evaluations: usize,
    /// Calls of vector-Jacobian products (for a whole tile).
    pub vjp_calls: usize,
}

impl Stats {
    pub(super) fn new(lanes: usize) -> Self {
        Self { accepted: vec![0; lanes], rejected: vec![0; lanes], ..Self::default() }
    }
}

/// The states at the output times.
#[derive(Debug, Clone)]
pub struct Solution<R> {
    /// `[T][D][L]`; NaN at the times that a failed lane did not reach, zero in padding.
    pub values: Vec<R>,
    /// `[L]`.
    pub failures: Vec<Option<Failure>>,
    /// Work done.
    pub stats: Stats,
}

/// How far the state that was integrated backwards came out from the stored one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Largest |`z_back` − z|.
    pub absolute: f64,
    /// Largest |`z_back` − z| / (atol + rtol |z|): 1 is one tolerance.
    pub relative: f64,
    /// Lane of the largest relative drift.
    pub lane: usize,
    /// Time of the largest relative drift.
    pub t: f64,
}

/// Derivatives of a loss L with respect to what the solution depends on. The cotangent of the parameters is in the
/// system's own accumulators. Lanes that failed and padding have zeros.
#[derive(Debug, Clone)]
pub struct Cotangents<R> {
    /// dL/dz0, `[D][L]`.
    pub z0: Vec<R>,
    /// dL/dt0, `[L]`.
    pub t0: Vec<f64>,
    /// dL/dts, `[T][L]`.
    pub ts: Vec<f64>,
    /// Work done in the reverse pass.
    pub stats: Stats,
    /// Only of [`super::backsolve`].
    pub drift: Option<Drift>,
    /// Failures of the forward or of the reverse pass, `[L]`.
    pub failures: Vec<Option<Failure>>,
}
