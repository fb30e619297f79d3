//! Accepted steps, kept for the reverse pass.

use super::failure::Failure;
use super::kept::Kept;
use super::real::Real;

/// The accepted steps of every lane.
#[derive(Debug, Clone, Default)]
pub struct Tape<R> {
    pub(super) lanes: Vec<LaneTape<R>>,
    pub(super) failures: Vec<Option<Failure>>,
    pub(super) stages_kept: bool,
    /// What the evaluations leave for their pull-backs.
    pub(super) kept: Kept<R>,
    /// With stops: a tape for each stretch between them, and no lanes here.
    pub(super) stretches: Vec<Tape<R>>,
}

/// The accepted steps of one lane.
#[derive(Debug, Clone, Default)]
pub(super) struct LaneTape<R> {
    /// Positions as fractions of the span, `[steps + 1]`, from 0 to 1.
    pub(super) s: Vec<f64>,
    /// States, `[steps + 1][D]`.
    pub(super) z: Vec<R>,
    /// Stages but the last, `[steps][S − 1][D]`; empty when they are not kept.
    pub(super) k: Vec<R>,
    /// Which scheme of an implicit method took the step, `[steps]`; `k` then has all stages of every step.
    pub(super) scheme: Vec<u8>,
    /// Its order, where that varies.
    pub(super) order: Vec<u8>,
}

impl<R: Real> Tape<R> {
    /// An empty tape; [`super::solve`] fills it, and may reuse its memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of accepted steps of a lane.
    #[must_use]
    pub fn steps(&self, lane: usize) -> usize {
        let inner: usize = self.stretches.iter().map(|tape| tape.steps(lane)).sum();
        inner + self.lanes.get(lane).map_or(0, LaneTape::steps)
    }

    /// Memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lane = |lane: &LaneTape<R>| 8 * lane.s.len() + size_of::<R>() * (lane.z.len() + lane.k.len());
        let inner: usize = self.stretches.iter().map(Self::bytes).sum();
        inner + self.lanes.iter().map(lane).sum::<usize>() + self.kept.bytes()
    }

    /// Forgets everything but the memory.
    pub(super) fn reset(&mut self, z0: &[R], lanes: usize, stages_kept: bool) {
        self.stages_kept = stages_kept;
        self.kept.reset(0, 1);
        self.failures = vec![None; lanes];
        self.lanes.resize_with(lanes, || LaneTape {
            s: Vec::new(),
            z: Vec::new(),
            k: Vec::new(),
            scheme: Vec::new(),
            order: Vec::new(),
        });
        for (lane, tape) in self.lanes.iter_mut().enumerate() {
            tape.s.clear();
            tape.z.clear();
            tape.k.clear();
            tape.scheme.clear();
            tape.order.clear();
            tape.s.push(0.0);
            tape.z.extend(z0[lane.min(z0.len())..].iter().step_by(lanes));
        }
    }

    /// Adds a step of the only lane.
    pub(super) fn push_alone(&mut self, s: f64, z_new: &[R], ks: &[R]) {
        let tape = &mut self.lanes[0];
        tape.s.push(s);
        tape.z.extend_from_slice(z_new);
        if self.stages_kept {
            tape.k.extend_from_slice(&ks[..ks.len() - z_new.len()]);
        }
    }

    /// Adds a step of one lane that ends at `s` in `z_new` `[D][L]`; `ks` is `[S][D][L]`.
    pub(super) fn push(&mut self, lane: usize, s: f64, z_new: &[R], ks: &[R]) {
        let lanes = self.lanes.len();
        if lanes == 1 {
            self.push_alone(s, z_new, ks);
            return;
        }
        let tape = &mut self.lanes[lane];
        tape.s.push(s);
        tape.z.extend(z_new[lane.min(z_new.len())..].iter().step_by(lanes));
        if self.stages_kept {
            let kept = &ks[..ks.len() - z_new.len()];
            tape.k.extend(kept[lane.min(kept.len())..].iter().step_by(lanes));
        }
    }
}

impl<R: Real> Tape<R> {
    /// Adds a step of the only lane, taken by a scheme (its index and its order) with the stages `ks`.
    pub(super) fn push_single(&mut self, s: f64, scheme: (usize, usize), z_new: &[R], ks: &[R]) {
        let small = |x: usize| u8::try_from(x).unwrap_or(u8::MAX);
        let tape = &mut self.lanes[0];
        tape.s.push(s);
        tape.z.extend_from_slice(z_new);
        tape.k.extend_from_slice(ks);
        tape.scheme.push(small(scheme.0));
        tape.order.push(small(scheme.1));
    }
}

impl<R> LaneTape<R> {
    pub(super) fn steps(&self) -> usize {
        self.s.len().saturating_sub(1)
    }
}
