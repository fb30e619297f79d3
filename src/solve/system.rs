//! What an integration reads and what it returns.

use super::alone::{ReverseAlone, StepAlone, TakenStep};
use super::failure::Failure;
use super::implicit::differences;
use super::real::Real;
use super::sparsity::Sparsity;
use std::sync::Arc;

/// z' = f(t, z) for `L` samples side by side.
pub trait System<R: Real> {
    /// Number of components `D`.
    fn dim(&self) -> usize;
    /// Number of samples `L`.
    fn lanes(&self) -> usize;
    /// Writes f(t, z) to `dz`. Shapes: `t` is `[L]`, `z` and `dz` are `[D][L]`. A lane of `dz` may depend on the same
    /// lane of `t` and `z` only. With one step for the batch, all lanes of `t` are the same.
    fn rhs(&mut self, t: &[f64], z: &[R], dz: &mut [R]);

    /// Number of values that [`Self::rhs_keeping`] leaves for [`AdjointSystem::vjp_kept`], lanes included; 0 where a
    /// pull-back computes them again. Of lanes that step on their own, `[values][L]`.
    fn kept(&self) -> usize {
        0
    }

    /// As [`Self::rhs`], and fills `kept`.
    fn rhs_keeping(&mut self, t: &[f64], z: &[R], dz: &mut [R], _kept: &mut [R]) {
        self.rhs(t, z, dz);
    }

    /// Neighbouring lanes that are evaluated as one, a divisor of L: a tape of lanes that step together keeps as many as
    /// one, and [`Self::rhs_keeping`] leaves the values of such slices one after the other.
    fn slice(&self) -> usize {
        self.lanes()
    }

    /// Whether [`Self::step`] (and [`AdjointSystem::reverse_step`]) work: for systems so small that what lies between
    /// their stages takes a good part of the time.
    fn whole_steps(&self) -> bool {
        false
    }

    /// All stages, the new state and the error of a step of the method that the system was made for.
    fn step(&mut self, _: &mut ForwardStep<R>) {}

    /// The operands and results of [`Self::step_alone`]. Only of one lane with [`Self::whole_steps`].
    fn alone(&mut self) -> StepAlone<'_, R> {
        unreachable!("a system without whole steps")
    }

    /// The same as [`Self::step`] from `t` to `t_next`, of length `h`, in the buffers of [`Self::alone`].
    fn step_alone(&mut self, _t: f64, _t_next: f64, _h: R) {}

    /// What is known of the structure of ∂f/∂z; `None`: nothing.
    fn sparsity(&self) -> Option<Arc<Sparsity>> {
        None
    }

    /// Writes ∂f/∂z, row-major `[D][D]` or what [`Self::sparsity`] says, and ∂f/∂t, `[D]`, for a system of one lane.
    /// Implicit methods call it; a system that does not know its own gets finite differences.
    fn jacobian(&mut self, t: f64, z: &[R], dfdz: &mut [R], dfdt: &mut [R]) {
        differences::jacobian(self, t, z, dfdz, dfdt);
    }
}

/// A step of an explicit Runge–Kutta method with `S` stages, for all lanes.
#[derive(Debug)]
pub struct ForwardStep<'a, R> {
    /// Times at its start, `[L]`.
    pub t: &'a [f64],
    /// Times at its end, `[L]`.
    pub t_next: &'a [f64],
    /// Its signed lengths, `[L]`.
    pub h: &'a [R],
    /// Absolute and relative tolerance.
    pub tolerances: [R; 2],
    /// States at its start, `[D][L]`.
    pub z: &'a [R],
    /// The first stage, `[D][L]`.
    pub first: &'a [R],
    /// The other stages, `[S − 1][D][L]`: to be written.
    pub later: &'a mut [R],
    /// States at its end, `[D][L]`: to be written.
    pub z_new: &'a mut [R],
    /// Σ over the components of the squared scaled error, `[L]`: to be written. Not a number where the new state or
    /// the right-hand side there is not finite.
    pub error: &'a mut [R],
    /// What the stages after the first leave for their pull-backs, `[S − 1][kept]`: to be written, if there is room.
    pub kept: &'a mut [R],
}

/// The reverse of a step: from the cotangents of what it made to those of what it was made from.
#[derive(Debug)]
pub struct ReverseStep<'a, R> {
    /// Times at its start, `[L]`.
    pub t: &'a [f64],
    /// Times at its end, `[L]`.
    pub t_next: &'a [f64],
    /// Its signed lengths, `[L]`.
    pub h: &'a [R],
    /// States at its start, `[D][L]`.
    pub z: &'a [R],
    /// States at its end, `[D][L]`.
    pub z_new: &'a [R],
    /// Its stages, `[S][D][L]`.
    pub ks: &'a [R],
    /// What those after the first left, `[S − 1][kept]`, where the tape has it; else they are evaluated again.
    pub kept: Option<&'a [R]>,
    /// Cotangents of the stages by dense output, `[S][D][L]`.
    pub dense: &'a [R],
    /// Cotangent of the last stage as the first one of the step after, `[D][L]`.
    pub carry: &'a [R],
    /// Cotangent of the new state, `[D][L]`.
    pub z_new_bar: &'a [R],
    /// Cotangent of the state at the start by dense output, `[D][L]`.
    pub z_bar: &'a [R],
    /// Cotangent of the state at the start: to be written, `[D][L]`.
    pub total: &'a mut [R],
    /// Cotangent of the first stage: to be written, `[D][L]`.
    pub first_bar: &'a mut [R],
    /// Cotangent of the time at its start: to be written, `[L]`.
    pub t_bar: &'a mut [R],
    /// Cotangent of its length: to be written, `[L]`; not a number where the length is 0.
    pub h_bar: &'a mut [R],
}

/// A system with vector-Jacobian products.
pub trait AdjointSystem<R: Real>: System<R> {
    /// Overwrites `z_bar` `[D][L]` with wᵀ∂f/∂z and `t_bar` `[L]` with wᵀ∂f/∂t. With `parameters`, also adds wᵀ∂f/∂θ,
    /// summed over the lanes, to accumulators that the system owns; a lane with w = 0 must add nothing.
    fn vjp(&mut self, t: &[f64], z: &[R], w: &[R], z_bar: &mut [R], t_bar: &mut [R], parameters: bool);

    /// As [`Self::vjp`] with parameters, given what [`System::rhs_keeping`] left at this time and state.
    fn vjp_kept(&mut self, t: &[f64], z: &[R], w: &[R], _kept: &[R], z_bar: &mut [R], t_bar: &mut [R]) {
        self.vjp(t, z, w, z_bar, t_bar, true);
    }

    /// The reverse of [`System::step`]; cotangents of the parameters are added to the system's own accumulators.
    fn reverse_step(&mut self, _: &mut ReverseStep<R>) {}

    /// Further operands and the results of [`Self::reverse_alone`]. Only of one lane with [`System::whole_steps`].
    fn alone_in_reverse(&mut self) -> ReverseAlone<'_, R> {
        unreachable!("a system without whole steps")
    }

    /// The same as [`Self::reverse_step`], in the buffers of [`Self::alone_in_reverse`]; cotangents of the parameters
    /// stay there until [`Self::end_reverse`].
    fn reverse_alone(&mut self, _: &TakenStep<R>) {}

    /// Adds the cotangents of the parameters that [`Self::reverse_alone`] has summed up to the accumulators.
    fn end_reverse(&mut self) {}

    /// f and wᵀ∂f/∂z at once, for systems that can share work between them.
    fn augmented(&mut self, t: &[f64], z: &[R], w: &[R], dz: &mut [R], z_bar: &mut [R], t_bar: &mut [R]) {
        self.rhs(t, z, dz);
        self.vjp(t, z, w, z_bar, t_bar, false);
    }

    /// For a system of one lane, with `bars` = (J̄ with the shape of J, f̄ `[D]`): overwrites `z_bar` `[D]` and `t_bar`
    /// `[1]` with the derivatives of Σ J̄ᵢⱼ ∂fᵢ/∂zⱼ + Σ f̄ᵢ ∂fᵢ/∂t and adds those by θ to the accumulators. The reverse of Rosenbrock
    /// methods calls it; a system that does not know its own gets finite differences of [`Self::vjp`].
    fn jacobian_vjp(&mut self, t: f64, z: &[R], bars: (&[R], &[R]), z_bar: &mut [R], t_bar: &mut [R]) {
        differences::jacobian_vjp(self, t, z, bars, z_bar, t_bar);
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
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// Evaluations of the Jacobian.
    pub jacobian_calls: usize,
    /// The penalties on the steps, weighted ([`super::Options::penalties`]), `[L]`.
    pub penalty: Vec<f64>,
}

impl Stats {
    pub(super) fn new(lanes: usize) -> Self {
        Self { accepted: vec![0; lanes], rejected: vec![0; lanes], penalty: vec![0.0; lanes], ..Self::default() }
    }

    /// Adds the lanes of another part of the same tile, whose calls go on at the same time.
    pub fn append(&mut self, mut part: Self) {
        self.accepted.append(&mut part.accepted);
        self.rejected.append(&mut part.rejected);
        self.penalty.append(&mut part.penalty);
        self.rhs_evaluations += part.rhs_evaluations;
        self.rhs_calls = self.rhs_calls.max(part.rhs_calls);
        self.vjp_calls = self.vjp_calls.max(part.vjp_calls);
        self.jacobian_calls = self.jacobian_calls.max(part.jacobian_calls);
    }

    pub(super) fn add(&mut self, more: &Self) {
        let lanes = |sum: &mut [usize], more: &[usize]| sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        lanes(&mut self.accepted, &more.accepted);
        lanes(&mut self.rejected, &more.rejected);
        self.penalty.iter_mut().zip(&more.penalty).for_each(|(sum, more)| *sum += more);
        self.rhs_calls += more.rhs_calls;
        self.rhs_evaluations += more.rhs_evaluations;
        self.vjp_calls += more.vjp_calls;
        self.jacobian_calls += more.jacobian_calls;
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
    /// With stops: the solutions of the stretches between them, with their ends as one more output.
    pub(super) stretches: Vec<Solution<R>>,
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

impl Drift {
    /// The larger of two drifts.
    pub(super) fn worse(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (Some(x), Some(y)) = (a, b) else { return a.or(b) };
        let worst = if y.relative > x.relative { y } else { x };
        Some(Self { absolute: x.absolute.max(y.absolute), ..worst })
    }
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
