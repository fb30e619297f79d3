//! What evaluations of the right-hand side leave for their pull-backs.
//!
//! Per lane nothing is stored: the lanes of a tape that keeps values step together, so a step of one is a step of all.

use super::real::Real;

/// Bytes that a tape keeps at most without a budget; the pull-backs of later steps compute the values again.
const ROOM: usize = 1 << 27;

/// Values of every evaluation, in blocks of one size.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept<R> {
    /// Values of one evaluation.
    size: usize,
    /// Evaluations of a step: all stages but the first, which is the last one of the step before.
    stages: usize,
    /// The very first stage; empty where nothing is kept.
    first: Vec<R>,
    /// The others of every step; that at `used` is of the attempt under way, those behind are room to be used again.
    steps: Vec<Vec<R>>,
    used: usize,
    /// Most steps to keep.
    most: usize,
}

impl<R: Real> Kept<R> {
    /// Forgets everything, and keeps blocks of `size` from now on (0: nothing). Of a `bounded` tape only those of the
    /// attempt under way: right-hand sides that leave values may differ in the last bit from those that do not, so the
    /// same ones are evaluated with and without a budget.
    pub(super) fn reset(&mut self, size: usize, stages: usize, bounded: bool) {
        if (self.size, self.stages) != (size, stages) {
            self.steps.clear();
        }
        (self.size, self.stages, self.used) = (size, stages, 0);
        self.first.resize(size, R::ZERO);
        self.most = if bounded { 0 } else { ROOM / (self.block() * size_of::<R>()).max(1) };
    }

    /// For steps of the same kind, none of which is kept.
    pub(super) fn passing(&self) -> Self {
        let mut passing = Self::default();
        passing.reset(self.size, self.stages, true);
        passing
    }

    /// Values of a step.
    fn block(&self) -> usize {
        self.size * self.stages.saturating_sub(1)
    }

    /// Whether anything is kept.
    pub(super) fn is_on(&self) -> bool {
        self.size > 0
    }

    /// Where the very first stage leaves its values.
    pub(super) fn first(&mut self) -> &mut [R] {
        &mut self.first
    }

    /// Where the later stages of an attempt leave theirs; empty where nothing is kept.
    pub(super) fn attempt(&mut self) -> &mut [R] {
        let block = self.block();
        if block == 0 {
            return &mut [];
        }
        if self.used == self.steps.len() {
            self.steps.push(vec![R::ZERO; block]);
        }
        &mut self.steps[self.used]
    }

    /// The attempt has become a step; the next one leaves its values elsewhere if there is room.
    pub(super) fn accept(&mut self) {
        self.used += usize::from(self.used < self.steps.len().min(self.most));
    }

    /// What stage `i` of a step left.
    pub(super) fn stage(&self, step: usize, i: usize) -> Option<&[R]> {
        let (step, i) = match (step, i) {
            (0, 0) => return self.is_on().then_some(&self.first),
            (step, 0) => (step - 1, self.stages - 1),
            own => own,
        };
        let block = self.steps[..self.used].get(step)?;
        block.get((i - 1) * self.size..i * self.size)
    }

    /// Memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<R>() * (self.first.len() + self.used * self.block())
    }
}
